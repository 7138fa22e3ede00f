"""A small company that lives on multimodal AI, simulated day by day.

Quantities have four decimals and rates at most six, so every cost is exact in 1e-10 USD.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from finops_ai.demo.billing import Charge, monthly_fees, savings_plan_fee, usage
from finops_ai.demo.incidents import Incident, Quantities, plant
from finops_ai.demo.meters import QUANTITY, Meter, meters
from finops_ai.demo.pods import Pods
from finops_ai.demo.rollouts import Rollout
from finops_ai.domain.period import BillingPeriod, Days

SEED = 20260429
MONTHS_BACK = 4
PERSISTENCE = 0.5
"""How much of a day's surprise is still there the day after (AR(1))."""
SURPRISE_LIMIT = 3.0
"""Innovations end at three standard deviations: a clean year must not hold accidental incidents."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """`quantities` holds for each meter one value per day of `days`, which ends the day before `as_of`."""

    as_of: date
    days: Days
    quantities: Quantities
    incidents: tuple[Incident, ...]
    pods: Pods

    @property
    def restated_month(self) -> BillingPeriod:
        """The month before `as_of`'s: it was first published without its tax, refund and credit."""
        return BillingPeriod.of(self.as_of.replace(day=1) - _DAY)

    def charges(self, provider: str, known_on: date) -> list[Charge]:
        """Every line that `provider` had published by the morning of `known_on`: yesterday only in part."""
        found = [
            charge
            for charge in (*self._usage(known_on), *self.pods.charges(known_on), *self._fees(known_on))
            if charge.meter.service.provider == provider
        ]
        return sorted(found, key=lambda charge: (charge.start, charge.meter.name, charge.kind, *charge.tags.values()))

    def _usage(self, known_on: date) -> Iterator[Charge]:
        for meter in meters().values():
            for day, quantity, hours in self._billed(meter, known_on):
                if quantity:
                    yield from usage(meter, day, quantity, hours)
                if meter.terms == "savings_plan":
                    yield savings_plan_fee(meter, day, quantity, hours)

    def _billed(self, meter: Meter, known_on: date) -> Iterator[tuple[date, Decimal, int]]:
        """Day, quantity and hours of that day which are on the bill."""
        for day, quantity in zip(self.days, self.quantities[meter.name], strict=True):
            if day >= known_on:
                return
            hours = meter.service.arrived_hours if day == known_on - _DAY else 24
            yield day, (quantity * hours / 24).quantize(QUANTITY), hours

    def _fees(self, known_on: date) -> Iterator[Charge]:
        for first in (day for day in self.days if day.day == 1):
            period = BillingPeriod.of(first)
            for published_on, charge in monthly_fees(period, corrected=period == self.restated_month):
                if published_on < known_on:
                    yield charge


def simulate(
    *,
    as_of: date,
    start: date | None = None,
    seed: int = SEED,
    incidents: bool = True,
    rollouts: Mapping[str, Rollout] | None = None,
) -> Company:
    """The company from `start` (default: the first of the fourth month back) to the day before `as_of`.

    The same arguments give the same company, charge for charge.
    """
    month = as_of.year * 12 + as_of.month - 1 - MONTHS_BACK
    days = Days(start or date(month // 12, month % 12 + 1, 1), as_of)
    usual = {name: _quantities(meter, days, seed) for name, meter in meters().items()}
    quantities, planted = plant(days, usual) if incidents else (usual, ())
    pods = Pods(as_of=as_of, days=days, seed=seed, rollouts=rollouts or {})
    return Company(as_of=as_of, days=days, quantities=quantities, incidents=planted, pods=pods)


def _quantities(meter: Meter, days: Days, seed: int) -> tuple[Decimal, ...]:
    """Each meter has its own stream of chance: adding one leaves the others as they were."""
    random = Random(f"{seed}/{meter.name}")  # noqa: S311 - a simulation, not a secret
    surprise, values = 0.0, []
    for index, day in enumerate(days):
        innovation = max(-SURPRISE_LIMIT, min(SURPRISE_LIMIT, random.gauss(0.0, 1.0)))
        surprise = PERSISTENCE * surprise + meter.noise * innovation
        at_month_end = day.day == 1 or (day + 2 * _DAY).day <= 2
        level = meter.per_day * (1 + meter.growth) ** index * meter.week[day.weekday()]
        level *= (meter.month_end if at_month_end else 1.0) * math.exp(surprise)
        values.append(Decimal(level).quantize(QUANTITY))
    return tuple(values)
