"""How the demo company's providers turn use into lines of a bill: usage, commitments and monthly fees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_DOWN, Decimal

from finops_ai.demo.meters import QUANTITY, Meter, meters
from finops_ai.domain.period import BillingPeriod

_ZERO = Decimal(0)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of a bill in USD. `kind` is AWS's line item type, or a FOCUS charge category at the other provider.

    `start` and `end` are UTC, `tags` what the provider shows, `used` the part of a commitment that was used.
    """

    meter: Meter
    kind: str
    start: datetime
    end: datetime
    quantity: Decimal
    list_cost: Decimal
    billed_cost: Decimal
    effective_cost: Decimal
    tags: Mapping[str, str]
    used: Decimal = _ZERO

    @property
    def billing_period(self) -> BillingPeriod:
        return BillingPeriod.of(self.start.date())


def usage(meter: Meter, day: date, quantity: Decimal, hours: int) -> Iterator[Charge]:
    """The lines of a day's first `hours`: paid as used, covered by the savings plan, or by the reservation."""

    def line(kind: str, quantity: Decimal, billed: Decimal, effective: Decimal, tags: Mapping[str, str]) -> Charge:
        return Charge(
            meter=meter,
            kind=kind,
            start=at(day),
            end=at(day, hours),
            quantity=quantity,
            list_cost=quantity * meter.list_rate,
            billed_cost=billed,
            effective_cost=effective,
            tags=tags,
        )

    if meter.terms == "savings_plan":
        covered = _covered(meter, quantity, hours)
        at_list = covered * meter.list_rate
        yield line("SavingsPlanCoveredUsage", covered, at_list, covered * meter.rate, meter.tags)
        yield line("SavingsPlanNegation", covered, -at_list, _ZERO, {})  # AWS takes it back without the tags
        if beyond := quantity - covered:
            yield line("Usage", beyond, beyond * meter.list_rate, beyond * meter.list_rate, meter.tags)
    elif meter.terms == "reservation":
        yield line("DiscountedUsage", quantity, _ZERO, quantity * meter.rate, meter.tags)
    else:
        yield line("Usage", quantity, quantity * meter.rate, quantity * meter.rate, meter.tags)


def savings_plan_fee(fleet: Meter, day: date, quantity: Decimal, hours: int) -> Charge:
    """The hourly commitment, used or not; its effective cost is what `fleet` left unused."""
    plan = meters()["savings-plan"]
    fee, used = hours * plan.rate, _covered(fleet, quantity, hours) * fleet.rate
    return Charge(
        meter=plan,
        kind="SavingsPlanRecurringFee",
        start=at(day),
        end=at(day, hours),
        quantity=Decimal(hours),
        list_cost=fee,
        billed_cost=fee,
        effective_cost=fee - used,
        tags={},
        used=used,
    )


def _covered(fleet: Meter, quantity: Decimal, hours: int) -> Decimal:
    """Units that the commitment of `hours` pays for, at the plan's rate."""
    committed = hours * meters()["savings-plan"].rate
    return min(quantity, (committed / fleet.rate).quantize(QUANTITY, rounding=ROUND_DOWN))


def monthly_fees(period: BillingPeriod, *, corrected: bool) -> Iterator[tuple[date, Charge]]:
    """The lines that come once a month, each with the day on which it is published.

    Tax, refund and credit are settled after the month is over: that is why closed months are restated.
    """
    whole_month, one_day = (period.start, period.end), (period.start + 19 * _DAY, period.start + 20 * _DAY)
    yield period.start, _fee("support", "Fee", whole_month)
    yield period.start, _fee("northwind-support", "Usage", whole_month)
    yield period.start, _fee("reservation", "RIFee", whole_month)
    yield period.end + 3 * _DAY, _fee("sales-tax", "Tax", whole_month)
    if corrected:
        yield period.end + 4 * _DAY, _fee("refund", "Refund", one_day)
        yield period.end + 5 * _DAY, _fee("startup-credit", "Credit", one_day)


def _fee(name: str, kind: str, days: tuple[date, date]) -> Charge:
    meter = meters()[name]
    reserved = kind == "RIFee"
    quantity = Decimal(48 * (days[1] - days[0]).days) if reserved else Decimal(1)
    cost = quantity * meter.rate
    return Charge(
        meter=meter,
        kind=kind,
        start=at(days[0]),
        end=at(days[1]),
        quantity=quantity,
        list_cost=cost,
        billed_cost=cost,
        effective_cost=_ZERO if reserved else cost,  # fully used: the cost is on the usage that it covers
        tags=meter.tags,
    )


def at(day: date, hours: int = 0) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC) + timedelta(hours=hours)
