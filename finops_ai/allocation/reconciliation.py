"""A gateway's own account of model use against the provider's bill: the difference, explained to the last digit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from finops_ai.allocation.model_prices import MILLION, TOKENS, PriceTable
from finops_ai.allocation.unit_costs import Charge
from finops_ai.domain.errors import Leak
from finops_ai.domain.money import EXACT, QUANTUM, total

SERVED, ANSWERED = "success", "cached"
"""Status of requests that a provider serves and bills, and of those answered by the gateway's cache; others fail."""

ROUNDING = Decimal("0.000001")
"""A meter's day that is no more than this off its price is rounded, not priced otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one side tells of a model on a day: a charge, with the status of its requests (gateway only)."""

    charge: Charge
    status: str = SERVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Why the bill differs from what the gateway thought; every amount is bill minus gateway, and they add up.

    Of the gateway's own thinking: `gateway_price` (its prices are not the dated ones, or it counted tokens twice),
    `failed` and `cached` (what it put on requests that no provider bills). Of use: `requests` (more or less went to the
    provider than through the gateway), `cache` (tokens read from or written to the cache otherwise than logged). Of
    the bill: `price` (not the dated list price), `unmetered` (charges without tokens: searches, fees), `rounding`.
    `unpriced` is the whole difference where a price is unknown.
    """

    gateway_price: Decimal = Decimal(0)
    failed: Decimal = Decimal(0)
    cached: Decimal = Decimal(0)
    requests: Decimal = Decimal(0)
    cache: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    unmetered: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)
    unpriced: Decimal = Decimal(0)

    def total(self) -> Decimal:
        return total(getattr(self, bucket.name) for bucket in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """One model on one day in one currency. `expected` is the gateway's served use by dated price, None if unknown."""

    day: date
    model: str
    currency: str
    gateway: Decimal
    expected: Decimal | None
    billed: Decimal
    buckets: Buckets

    @property
    def difference(self) -> Decimal:
        return EXACT.subtract(self.billed, self.gateway)

    def row(self) -> dict[str, Any]:
        """As the public surface tells it."""
        return {
            "day": self.day,
            "model": self.model,
            "currency": self.currency,
            "gateway_spend": self.gateway,
            "expected_cost": self.expected,
            "billed_cost": self.billed,
            "difference": self.difference,
            **{bucket.name: getattr(self.buckets, bucket.name) for bucket in fields(Buckets)},
        }


def reconcile(gateway: Iterable[Use], bill: Iterable[Use], prices: PriceTable) -> list[Reconciled]:
    """Every model and day that the gateway or the bill tells of; names are matched by the price table.

    Raises Leak when the buckets of a row do not add up to its difference.
    """
    sides: dict[tuple[date, str, str], tuple[list[Use], list[Use]]] = {}
    for side, uses in enumerate((gateway, bill)):
        for use in uses:
            key = (use.charge.day, prices.canonical(use.charge.model), use.charge.currency)
            sides.setdefault(key, ([], []))[side].append(use)
    return [_row(key, *sides[key], prices) for key in sorted(sides)]


def _row(key: tuple[date, str, str], gateway: Sequence[Use], bill: Sequence[Use], prices: PriceTable) -> Reconciled:
    day, model, currency = key
    spend = {status: total(use.charge.cost for use in gateway if use.status == status) for status in _statuses(gateway)}
    thought, billed = total(spend.values()), total(use.charge.cost for use in bill)
    served, told = _quantities(gateway), _tokens(bill)
    meters = served.keys() | told.quantities.keys()
    known = {name: price for name in meters if (price := _amount(prices, model, name, day, currency)) is not None}
    if not meters or meters - known.keys():
        buckets = Buckets(unpriced=EXACT.subtract(billed, thought))
        expected = None
    else:
        expected = _value(served, known)
        buckets = _buckets(spend, served, told, known)
    if buckets.total() != EXACT.subtract(billed, thought):
        raise Leak(f"{model} on {day}: the buckets come to {buckets.total()}, the difference to {billed - thought}")
    return Reconciled(
        day=day, model=model, currency=currency, gateway=thought, expected=expected, billed=billed, buckets=buckets
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Billed:
    """Quantities and costs of the bill by meter, and what has no quantity of tokens."""

    quantities: Mapping[str, Decimal]
    costs: Mapping[str, Decimal]
    unmetered: Decimal


def _buckets(
    spend: Mapping[str, Decimal], served: Mapping[str, Decimal], billed: _Billed, prices: Mapping[str, Decimal]
) -> Buckets:
    """One step for each bucket: the gateway's spend, its served use at list price, the bill's volume at the same mix,
    the bill's own use, the bill."""
    expected = _value(served, prices)
    volume = _volume(served, billed.quantities, prices)
    off = {
        name: EXACT.subtract(billed.costs[name], _value({name: quantity}, prices))
        for name, quantity in billed.quantities.items()
    }
    rounding = total(amount for amount in off.values() if abs(amount) <= ROUNDING)
    return Buckets(
        gateway_price=EXACT.subtract(expected, spend.get(SERVED, Decimal(0))),
        failed=-total(amount for status, amount in spend.items() if status not in (SERVED, ANSWERED)),
        cached=-spend.get(ANSWERED, Decimal(0)),
        requests=volume,
        cache=EXACT.subtract(EXACT.subtract(_value(billed.quantities, prices), expected), volume),
        price=EXACT.subtract(total(off.values()), rounding),
        unmetered=billed.unmetered,
        rounding=rounding,
    )


def _volume(logged: Mapping[str, Decimal], billed: Mapping[str, Decimal], prices: Mapping[str, Decimal]) -> Decimal:
    """What more or fewer tokens of each direction cost, at the mix of the side that has any (the gateway's first)."""
    changed = []
    for direction in ("input", "output"):
        before, after = (
            {name: quantity for name, quantity in side.items() if name.endswith(direction)} for side in (logged, billed)
        )
        ours, theirs = total(before.values()), total(after.values())
        mix, whole = (before, ours) if ours else (after, theirs)
        if whole:
            step = EXACT.divide(EXACT.multiply(_value(mix, prices), EXACT.subtract(theirs, ours)), whole)
            changed.append(step.quantize(QUANTUM, context=EXACT))
    others = {name for name in (*logged, *billed) if not name.endswith(("input", "output"))}
    for name in sorted(others):
        quantity = EXACT.subtract(billed.get(name, Decimal(0)), logged.get(name, Decimal(0)))
        changed.append(_value({name: quantity}, prices))
    return total(changed)


def _statuses(uses: Iterable[Use]) -> list[str]:
    return sorted({use.status for use in uses})


def _quantities(uses: Iterable[Use]) -> dict[str, Decimal]:
    """Tokens of served requests by meter."""
    found: dict[str, Decimal] = {}
    for use in uses:
        if use.status == SERVED and use.charge.unit == TOKENS:
            found[use.charge.sku] = EXACT.add(found.get(use.charge.sku, Decimal(0)), use.charge.quantity)
    return found


def _tokens(bill: Sequence[Use]) -> _Billed:
    costs: dict[str, Decimal] = {}
    other = []
    for use in bill:
        if use.charge.unit == TOKENS:
            costs[use.charge.sku] = EXACT.add(costs.get(use.charge.sku, Decimal(0)), use.charge.cost)
        else:
            other.append(use.charge.cost)
    return _Billed(quantities=_quantities(bill), costs=costs, unmetered=total(other))


def _amount(prices: PriceTable, model: str, meter: str, day: date, currency: str) -> Decimal | None:
    price = prices.price(model, meter, day)
    return price.amount if price and price.currency == currency else None


def _value(quantities: Mapping[str, Decimal], prices: Mapping[str, Decimal]) -> Decimal:
    """Tokens by price per million; each meter to 18 decimals."""
    amounts = (EXACT.multiply(quantity, prices[name]) for name, quantity in quantities.items())
    return total(EXACT.divide(amount, MILLION).quantize(QUANTUM, context=EXACT) for amount in amounts)
