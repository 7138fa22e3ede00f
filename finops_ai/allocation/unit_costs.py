"""What one unit of use costs: per million tokens, request, GPU hour, image or minute, on two bases that reconcile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from finops_ai.allocation.gpu_hours import gpu_hours
from finops_ai.allocation.model_prices import GPU_HOURS, PER, PRICED_AS, TOKENS, PriceTable
from finops_ai.domain.errors import Leak
from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.money import EXACT, split, total

Meter = tuple[str, str, str, str]
"""Name, token direction, token cache action and modality; '' where a unit is not told apart by them."""

NO_METER: Meter = ("", "", "", "")
ALL: Meter = ("(all)", "(all)", "(all)", "(all)")
"""All meters of a unit together."""

TOOLS = frozenset({"Searches", "Sessions"})
"""Units of what models call: nothing but their own cost is theirs."""

DECIMALS = Decimal("1e-12")
"""What is kept of a unit cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What was used and charged on one day under one set of `keys`. No unit: the quantity is unknown.

    A charge that is not `counted` repeats cost that others bill: its quantity serves where no bill tells one, its
    cost never.
    """

    keys: tuple[str, ...]
    day: date
    currency: str
    unit: str
    meter: Meter
    sku: str
    model: str
    cost: Decimal
    quantity: Decimal
    counted: bool = True
    batch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCost:
    """One meter of one unit under `keys`.

    `usage_cost` is what is charged on the meter itself, for `costed` of its `quantity`: the rest has no cost on the
    bill. `allocated_cost` is its share of everything that the keys cost, so that over the meters of any one unit it
    adds up to that. Either is None where it is unknown. `estimate` is what has no cost on the bill by list price; it
    is in neither basis.
    """

    keys: tuple[str, ...]
    currency: str
    unit: str
    meter: Meter
    quantity: Decimal
    costed: Decimal
    usage_cost: Decimal | None
    allocated_cost: Decimal | None
    estimate: Decimal | None

    def per_unit(self, cost: Decimal | None, quantity: Decimal) -> Decimal | None:
        """Cost of one unit of price (see model_prices.PER), to 12 decimals."""
        if cost is None or not quantity:
            return None
        whole = EXACT.multiply(cost, PER.get(self.unit, Decimal(1)))
        return EXACT.divide(whole, quantity).quantize(DECIMALS, context=EXACT)

    def row(self, names: Sequence[str]) -> dict[str, Any]:
        """As the public surface tells it."""
        name, direction, cache_action, modality = self.meter
        return {
            **dict(zip(names, self.keys, strict=True)),
            "per": PRICED_AS.get(self.unit, self.unit),
            "meter": name,
            "token_direction": direction,
            "token_cache_action": cache_action,
            "modality": modality,
            "currency": self.currency,
            "quantity": self.quantity,
            "usage_cost": self.usage_cost,
            "usage_unit_cost": self.per_unit(self.usage_cost, self.costed),
            "allocated_cost": self.allocated_cost,
            "allocated_unit_cost": self.per_unit(self.allocated_cost, self.quantity),
            "estimated_cost": self.estimate,
            "estimated_unit_cost": self.per_unit(self.estimate, self.quantity - self.costed),
        }


def unit_costs(charges: Iterable[Charge], prices: PriceTable) -> list[UnitCost]:
    """Every meter of every unit, and each unit as a whole, by keys and currency.

    Raises Leak when the allocated costs of a unit's meters do not add up to what its keys cost.
    """
    groups: dict[tuple[tuple[str, ...], str], list[Charge]] = {}
    for charge in _in_their_currency(_told_once(list(charges), prices)):
        groups.setdefault((charge.keys, charge.currency), []).append(charge)
    return [found for group in sorted(groups) for found in _group(groups[group], prices)]


def _told_once(charges: Sequence[Charge], prices: PriceTable) -> list[Charge]:
    """Without what is counted beside a bill that tells the same: a model's use in a unit is known from one side."""

    def use(charge: Charge) -> tuple[str, str]:
        return prices.canonical(charge.model), charge.unit

    billed = {use(charge) for charge in charges if charge.counted and charge.quantity}
    return [charge for charge in charges if charge.counted or use(charge) not in billed]


def _in_their_currency(charges: Sequence[Charge]) -> Iterator[Charge]:
    """A quantity without a cost belongs to the one currency in which its keys cost something."""
    paid: dict[tuple[str, ...], set[str]] = {}
    for charge in charges:
        if charge.cost and charge.counted:
            paid.setdefault(charge.keys, set()).add(charge.currency)
    for charge in charges:
        known = paid.get(charge.keys, set())
        moves = len(known) == 1 and (not charge.cost or not charge.counted)
        yield replace(charge, currency=next(iter(known))) if moves else charge


def _group(charges: Sequence[Charge], prices: PriceTable) -> Iterator[UnitCost]:
    whole = total(charge.cost for charge in charges if charge.counted)
    units = sorted({charge.unit for charge in charges if charge.unit in PRICED_AS and charge.quantity})
    for unit in units:
        yield from _unit(unit, [charge for charge in charges if charge.unit == unit], whole, prices)


def _unit(unit: str, charges: Sequence[Charge], whole: Decimal, prices: PriceTable) -> Iterator[UnitCost]:
    by_meter: dict[Meter, list[Charge]] = {}
    for charge in charges:
        by_meter.setdefault(charge.meter, []).append(charge)
    found = [_meter(by_meter[meter], prices) for meter in sorted(by_meter)]
    shares = _allocated(whole, found, [_estimate(by_meter[one.meter], prices) for one in found])
    if shares is not None and total(shares) != whole:
        raise Leak(f"{charges[0].keys} cost {whole}, allocated to {unit} are {total(shares)}")
    for number, one in enumerate(found):
        if one.meter != NO_METER:
            yield replace(one, allocated_cost=shares[number] if shares is not None else None)
    costs = [one.usage_cost for one in found if one.usage_cost is not None]
    missing = [one.estimate for one in found if one.costed != one.quantity]
    yield replace(
        found[0],
        meter=ALL,
        quantity=total(one.quantity for one in found),
        costed=total(one.costed for one in found),
        usage_cost=total(costs) if costs else None,
        allocated_cost=whole if shares is not None else None,
        estimate=total(one for one in missing if one is not None) if missing and None not in missing else None,
    )


def _meter(charges: Sequence[Charge], prices: PriceTable) -> UnitCost:
    """One meter by its own; what it is allocated is told later."""
    costed = [charge for charge in charges if charge.counted and charge.cost]
    costless = [charge for charge in charges if not (charge.counted and charge.cost)]
    return UnitCost(
        keys=charges[0].keys,
        currency=charges[0].currency,
        unit=charges[0].unit,
        meter=charges[0].meter,
        quantity=total(charge.quantity for charge in charges),
        costed=total(charge.quantity for charge in costed),
        usage_cost=total(charge.cost for charge in costed) if costed else None,
        allocated_cost=None,
        estimate=_estimate(costless, prices),
    )


def _allocated(whole: Decimal, meters: Sequence[UnitCost], estimates: Sequence[Decimal | None]) -> list[Decimal] | None:
    """What the keys cost, by meter: in proportion to the meters' own cost, else to their list price, else to quantity.

    None where the keys cost nothing: then a unit's cost is unknown, and not free.
    """
    if not whole or meters[0].unit in TOOLS:
        return None
    candidates = (
        [one.usage_cost or Decimal(0) for one in meters],
        [] if None in estimates else [estimate for estimate in estimates if estimate is not None],
        [one.quantity for one in meters],
    )
    for weights in candidates:
        if total(weights) > 0 and min(weights) >= 0:
            return split(whole, weights)
    return None


def _estimate(charges: Sequence[Charge], prices: PriceTable) -> Decimal | None:
    """Quantity by the list price of its day; None as soon as one price is unknown or in another currency."""
    amounts = []
    for charge in charges:
        if not charge.quantity:
            continue
        price = prices.price(charge.model, charge.sku, charge.day, batch=charge.batch)
        if price is None or price.currency != charge.currency:
            return None
        amounts.append(price.of(charge.quantity, charge.unit))
    return total(amounts) if amounts else None


TAGS = {
    "direction": "tag:token-direction",
    "cache_action": "tag:token-cache-action",
    "modality": "tag:modality",
    "model": "tag:model",
    "batch": "tag:batch",
    "tier": "tag:service-tier",
}
KEYS = ("day", "consumed_unit", "x_sku_group", *TAGS.values())
"""What the ledger is asked for besides the keys of the caller."""


def charge_of(row: Mapping[str, Any], keys: Sequence[str], *, cost_basis: str, counted: bool) -> Charge:
    """A row of the ledger, grouped by `keys` and by `KEYS`, as a charge."""
    told = {name: "" if row[key] == UNTAGGED else str(row[key]) for name, key in TAGS.items()}
    sku, unit, quantity = row["x_sku_group"], row["consumed_unit"], row["consumed_quantity"] or Decimal(0)
    hours = gpu_hours(sku, unit, quantity)
    if hours is not None:
        unit, quantity = GPU_HOURS, hours
    named = sku if unit == TOKENS else ""
    return Charge(
        keys=tuple(str(row[key]) for key in keys),
        day=row["day"],
        currency=row["currency"],
        unit=unit if quantity else "",
        meter=(named, told["direction"], told["cache_action"], told["modality"]),
        sku=sku,
        model=told["model"],
        cost=row[f"{cost_basis}_cost"],
        quantity=quantity,
        counted=counted,
        batch=told["batch"] == "true" or told["tier"] == "batch",
    )
