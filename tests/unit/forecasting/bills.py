"""Simulated bills: level, trend, week, month fees and autoregressive noise, with incidents planted where asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray

START = date(2025, 1, 1)
LEAVES = tuple((center, service, model) for center, services in {
    "search": (("ec2", "clip"), ("bedrock", "clip"), ("s3", "none")),
    "vision": (("ec2", "sam"), ("sagemaker", "sam"), ("s3", "none")),
    "platform": (("rds", "none"), ("support", "none")),
}.items() for service, model in services)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Incident:
    """`factor` times the noise-free level is added from `first` for `days`, growing over `ramp` days."""

    leaf: tuple[str, str, str]
    first: date
    days: int
    factor: float
    ramp: int = 0

    def added(self, day: date, level: float) -> float:
        at = (day - self.first).days
        if not 0 <= at < self.days:
            return 0.0
        return self.factor * level * (min(1.0, (at + 1) / self.ramp) if self.ramp else 1.0)


@dataclass(frozen=True, kw_only=True)
class Bill:
    days: int = 480
    seed: int = 7
    noise: float = 0.04
    incidents: Sequence[Incident] = ()
    leaves: Sequence[tuple[str, str, str]] = field(default=LEAVES)

    def costs(self) -> dict[tuple[str, str, str], FloatArray]:
        return {leaf: self._leaf(leaf, i) for i, leaf in enumerate(self.leaves)}

    def _leaf(self, leaf: tuple[str, str, str], number: int) -> FloatArray:
        random = np.random.default_rng([self.seed, number])
        level = 10 ** random.uniform(1.5, 3.5)
        growth = random.uniform(-0.0005, 0.002)
        weekend = random.uniform(0.5, 1.0)
        fee = level * random.uniform(2, 6) if leaf[1] in ("support", "rds", "s3") else 0.0
        values = np.empty(self.days)
        error = 0.0
        for t in range(self.days):
            day = START + timedelta(days=t)
            error = 0.5 * error + random.normal(0, self.noise)
            usual = level * np.exp(growth * t) * (weekend if day.weekday() >= 5 else 1.0)
            added = sum(one.added(day, usual) for one in self.incidents if one.leaf == leaf)
            values[t] = usual * np.exp(error) + fee * (day.day == 1) + added
        return values

    def series(
        self, *, through: int | None = None, costs: Mapping[tuple[str, str, str], FloatArray] | None = None
    ) -> list[CostSeries]:
        """Total, cost centers, models, and cost centers by service; complete through day number `through` - 1."""
        sums: dict[Scope, FloatArray] = {}
        for (center, service, model), values in (costs or self.costs()).items():
            for scope in (
                Scope(),
                Scope((("x_cost_center", center),)),
                Scope((("x_ai_model", model),)),
                Scope((("x_cost_center", center), ("service_name", service))),
            ):
                sums[scope] = sums.get(scope, np.zeros(self.days)) + values
        return [one_series(values, scope=scope, complete=through) for scope, values in sorted(sums.items())]


def one_series(
    values: FloatArray | Sequence[float],
    *,
    scope: Scope | None = None,
    start: date = START,
    complete: int | None = None,
    currency: str = "USD",
) -> CostSeries:
    """A series of `values` from `start`, complete through the day number `complete` - 1 (all by default)."""
    array = np.asarray(values, dtype=np.float64)
    return CostSeries(
        scope=scope or Scope(),
        cost_basis="effective",
        currency=currency,
        days=Days(start, start + timedelta(days=len(array))),
        values=array,
        complete_through=start + timedelta(days=(len(array) if complete is None else complete) - 1),
    )
