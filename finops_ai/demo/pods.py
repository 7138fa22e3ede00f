"""What the demo's pods cost: Northwind bills each by the cores and memory that it asks for, tagged by workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from finops_ai.demo.billing import Charge, at
from finops_ai.demo.cluster import CLUSTER, CONTAINERS, Container
from finops_ai.demo.meters import QUANTITY, Meter, meters
from finops_ai.demo.rollouts import Rollout
from finops_ai.domain.period import Days

UNLABELLED = ("clip-preprocess",)
"""Its manifest names no cost center, so its charges have none."""

NOISE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """`as_of` is the day from which ages count; `rollouts` what was merged since."""

    as_of: date
    days: Days
    seed: int
    rollouts: Mapping[str, Rollout]

    def charges(self, known_on: date) -> Iterator[Charge]:
        for container in CONTAINERS:
            born = at(self.as_of, -container.age_hours).date() if container.age_hours else self.days.start
            random = Random(f"{self.seed}/pods/{container.workload}")  # noqa: S311 - a simulation, not a secret
            restless = 0.0
            for day in self.days:
                restless = 0.5 * restless + NOISE * random.gauss(0.0, 1.0)
                if born <= day < known_on:
                    yield from self._day(container, day, known_on, 1 + restless)

    def _day(self, container: Container, day: date, known_on: date, extra: float) -> Iterator[Charge]:
        """`extra` is what rollouts and evictions add to or take from a day's pod-hours."""
        rollout = self.rollouts.get(container.workload)
        asks = rollout.container if rollout and day >= rollout.day else container
        for name, size in (("pods-cpu", asks.cpu_request_m / 1000), ("pods-memory", asks.memory_request_mib / 1024)):
            meter = meters()[name]
            hours = meter.service.arrived_hours if day == known_on - timedelta(days=1) else 24
            quantity = Decimal(size * container.pods * extra * hours).quantize(QUANTITY)
            yield _line(meter, container, day, hours, quantity)


def _line(meter: Meter, container: Container, day: date, hours: int, quantity: Decimal) -> Charge:
    cost = quantity * meter.rate
    owner = {} if container.workload in UNLABELLED else {"cost-center": container.namespace, "env": "prod"}
    return Charge(
        meter=meter,
        kind="Usage",
        start=at(day),
        end=at(day, hours),
        quantity=quantity,
        list_cost=quantity * meter.list_rate,
        billed_cost=cost,
        effective_cost=cost,
        tags={"cluster": CLUSTER, "namespace": container.namespace, "workload": container.workload, **owner},
    )
