"""What goes wrong in the demo company: three incidents in its last two weeks, and the truth about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from finops_ai.demo.meters import QUANTITY, meters
from finops_ai.domain.focus import NONE
from finops_ai.domain.money import total
from finops_ai.domain.period import Days

Quantities = Mapping[str, tuple[Decimal, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What was planted: the truth that the product has to find by itself.

    Days run from `start` to the day before `end` (None: still running). `dollars` is the extra effective cost in USD
    up to the last day that is wholly billed.
    """

    name: str
    cost_center: str
    model: str
    service: str
    start: date
    end: date | None
    dollars: Decimal


@dataclass(frozen=True, slots=True)
class _Plan:
    """`begins` and `ends` count days back from the end of the simulated days; `added` units come on top of a day's.

    `added` takes the day's usual units and how many days the incident is old.
    """

    name: str
    meter_names: tuple[str, ...]
    begins: int
    ends: int
    added: Callable[[Decimal, int], Decimal]


def _another_machine_every_other_day(_: Decimal, age_days: int) -> Decimal:
    return Decimal(24 * min(3, 1 + age_days // 2))


def _four_fifths(usual: Decimal, _: int) -> Decimal:
    return usual * Decimal("0.8")


def _sixteenfold(usual: Decimal, _: int) -> Decimal:
    return usual * 16


_PLANS = (
    _Plan("runaway GPU fleet", ("serve-clip-large",), 7, 0, _another_machine_every_other_day),
    _Plan("token level shift", ("search-claude-input", "search-claude-output"), 15, 0, _four_fifths),
    _Plan("egress burst", ("lake-egress",), 12, 10, _sixteenfold),
)


def plant(days: Days, quantities: Quantities) -> tuple[Quantities, tuple[Incident, ...]]:
    """The quantities with every incident added, and what was added."""
    changed = dict(quantities)
    return changed, tuple(_planted(plan, days, changed) for plan in _PLANS)


def _planted(plan: _Plan, days: Days, quantities: dict[str, tuple[Decimal, ...]]) -> Incident:
    last_whole_day = len(days) - 2
    dollars = []
    for name in plan.meter_names:
        values = list(quantities[name])
        for age_days, index in enumerate(range(len(days) - plan.begins, len(days) - plan.ends)):
            extra = plan.added(values[index], age_days).quantize(QUANTITY)
            values[index] += extra
            if index <= last_whole_day:
                dollars.append(extra * meters()[name].rate)
        quantities[name] = tuple(values)
    meter = meters()[plan.meter_names[0]]
    return Incident(
        name=plan.name,
        cost_center=meter.cost_center,
        model=meter.model or NONE,
        service=meter.service.name,
        start=days.end - timedelta(days=plan.begins),
        end=days.end - timedelta(days=plan.ends) if plan.ends else None,
        dollars=total(dollars),
    )
