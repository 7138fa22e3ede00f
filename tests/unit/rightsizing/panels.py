"""Simulated clusters: workloads with weekdays, a common course, noise with memory, and changes of known size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import Change, Recommendation, Saving
from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.savings import Bill, Merge, Name, name_of

START = date(2026, 1, 5)
BEFORE, AFTER = 56, 28


@dataclass(frozen=True, kw_only=True)
class Panel:
    """`true` is what each merge really saved in the days after it."""

    bill: Bill
    merges: tuple[Merge, ...]
    true: dict[str, float]


def panel(
    seed: int,
    *,
    clusters: int = 2,
    workloads: int = 10,
    treated: int = 2,
    share: float = 0.3,
    memory: float = 0.5,
    noise: float = 0.05,
    after: int = AFTER,
    to_idle: float = 0.0,
    wander: float = 0.0,
) -> Panel:
    """`treated` workloads of each cluster but the last cost `share` less from day BEFORE on.

    `wander` is the standard deviation of a day's step of each workload's own course, a random walk.
    """
    random = np.random.default_rng(seed)
    days = Days(START, START + timedelta(days=BEFORE + 1 + after))
    count = clusters * workloads
    common = _remembering(random, 1, len(days), 0.8, 0.03) + 0.001 * np.arange(len(days))
    own = _remembering(random, count, len(days), memory, noise)
    if wander:
        own += np.cumsum(random.standard_normal((count, len(days))) * wander, axis=1)
    week = np.array([0.1, 0.1, 0.1, 0.05, 0.0, -0.2, -0.2]) + 1 + 0.06 * random.standard_normal((count, 7))
    level = 20 * np.exp(random.standard_normal(count))
    usual = level[:, None] * np.take(week, np.arange(len(days)) % 7, axis=1) * np.exp(common + own)
    paid = usual.copy()
    idle = {f"c{number}": 5 + np.zeros(len(days)) for number in range(clusters)}
    series: dict[Name, FloatArray] = {}
    merges, true = [], {}
    for number in range(count):
        cluster, place = divmod(number, workloads)
        workload = Workload(f"c{cluster}", "shop", "Deployment", f"w{place}")
        if place < treated and cluster < clusters - 1:
            paid[number, BEFORE:] *= 1 - share
            merge = _merge(workload, START + timedelta(days=BEFORE), float(usual[number].mean()) * share * 30)
            saved = usual[number, BEFORE + 1 :] - paid[number, BEFORE + 1 :]
            idle[workload.cluster][BEFORE + 1 :] += to_idle * saved
            merges.append(merge)
            true[merge.key] = float(saved.sum())
        series[name_of(workload)] = paid[number]
    bill = Bill(days=days, currency="USD", workloads=series, idle=idle)
    return Panel(bill=bill, merges=tuple(merges), true=true)


def _merge(workload: Workload, on: date, promised: float) -> Merge:
    money = Money(Decimal(f"{promised:.2f}"), "USD")
    recommendation = Recommendation(
        workload=workload,
        changes=(Change(container="app", path="requests.cpu", now="2", proposed="1"),),
        saving=Saving(low=money, high=money, rate="list"),
        evidence={},
        risk="low",
        reasons=(),
        strategy="steady",
    )
    return Merge(key=f"finops/rightsize/{workload.cluster}/shop/{workload.name}", on=on, recommendation=recommendation)


def _remembering(random: np.random.Generator, count: int, days: int, memory: float, noise: float) -> FloatArray:
    fresh = random.standard_normal((count, days)) * noise
    values = fresh.copy()
    for day in range(1, days):
        values[:, day] = memory * values[:, day - 1] + (1 - memory**2) ** 0.5 * fresh[:, day]
    return np.asarray(values, dtype=np.float64)
