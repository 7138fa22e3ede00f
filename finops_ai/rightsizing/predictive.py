"""Advice on scheduled replicas: learned on the weeks before, replayed on the last one against a reactive autoscaler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

import numpy as np

from finops_ai.domain.money import EXACT, Money
from finops_ai.domain.proposal import Saving
from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.rightsizing.advice import Advice
from finops_ai.rightsizing.autoscaling import Replayed, minutes, replay
from finops_ai.rightsizing.demand import WEEK, Demand, demand, forecast, replicas
from finops_ai.rightsizing.observed import resources_of
from finops_ai.rightsizing.saving import request_cost
from finops_ai.rightsizing.schedule import Window, minimum, scaled_object, windows
from finops_ai.rightsizing.settings import Prices, Settings

SCALED = frozenset({"Deployment", "StatefulSet", "Rollout"})

_ROOM = 2
"""How many times the forecast's highest hour the autoscaler may go."""


CHOICES = tuple((Decimal(fill), Decimal(share)) for fill in ("0.95", "0.90") for share in ("0.90", "0.80"))
"""How full the minimums may be at the forecast's upper end, and where the reactive trigger beside them aims at, fullest
first. At 0.95 an autoscaler, which takes no step within 10 % of its target, would leave pods over their request.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Minimums by window, and the utilisation that the reactive trigger beside them aims at."""

    least: int
    most: int
    found: tuple[Window, ...]
    utilisation: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One held-back week: what was there, what a reactive autoscaler does, and what a schedule beside it does."""

    actual_hours: float
    reactive: Replayed
    scheduled: Replayed
    plan: Plan

    @property
    def is_better(self) -> bool:
        """No more minutes short at no more cost, and less of one of them."""
        now, then = self.reactive, self.scheduled
        less = then.short_minutes < now.short_minutes or then.replica_hours < now.replica_hours
        return less and then.short_minutes <= now.short_minutes and then.replica_hours <= now.replica_hours


def advise(usages: Iterable[ContainerUsage], prices: Prices, settings: Settings) -> list[Advice]:
    """One answer per workload for which the schedule was better on the held-back week, by workload."""
    ordered = sorted(usages, key=lambda one: (one.workload, one.container))
    found: list[Advice] = []
    for workload, group in groupby(ordered, key=lambda one: one.workload):
        containers = list(group)
        each = [resources_of(one).cpu_request for one in containers]
        told = demand(containers) if workload.kind in SCALED and all(each) else None
        if told is None:
            continue
        request = sum((one for one in each if one), Decimal(0))
        trial = tried(told, _pods(containers), request, settings)
        if trial and trial.is_better:
            found.append(_advice(workload, containers, trial, prices, settings))
    return found


def tried(told: Demand, actual_hours: float, request: Decimal, settings: Settings) -> Trial | None:
    """Learn on all but the last week, replay that one. None without three weeks, a rhythm, or more than two pods.

    How full the scheduled pods may be is chosen on the weeks that are learned from: the fullest choice with at most
    half of the minutes short that the reactive autoscaler has there.
    """
    past = told.before(WEEK)
    expected = forecast(past) if told.weeks >= 3 else None
    if expected is None:
        return None
    before = _Replay(past, request, settings)
    reactive = before.reactive()
    # With weeks enough, the week on which the utilisation is chosen is not learned from either.
    inner = forecast(past.before(WEEK)) if past.weeks >= 3 else expected
    known = expected if inner is None else inner
    fits = (
        choice
        for choice in CHOICES
        if before.scheduled(_planned(known, request, *choice)).short_minutes <= reactive.short_minutes // 2
    )
    if (fullest := next(fits, None)) is None:
        return None
    plan = _planned(expected, request, *fullest)
    if plan.most <= 2 * _ROOM:
        return None
    after = _Replay(told, request, settings)
    return Trial(actual_hours=actual_hours, reactive=after.reactive(), scheduled=after.scheduled(plan), plan=plan)


def _planned(expected: FloatArray, request: Decimal, fill: Decimal, utilisation: Decimal) -> Plan:
    # The week again before and behind it: Sunday's last hour leads to Monday's first.
    around = minutes(np.concatenate([expected, expected, expected]))
    highest = around.reshape(-1, 60)[WEEK : 2 * WEEK].max(axis=1)
    by_hour = replicas(highest, request, fill)
    least, found = windows(by_hour)
    return Plan(least=least, most=max(by_hour) * _ROOM, found=tuple(found), utilisation=utilisation)


class _Replay:
    """The last week of a demand, minute by minute."""

    def __init__(self, told: Demand, request: Decimal, settings: Settings) -> None:
        self.told, self.request, self.settings = told, float(request), settings
        self.first = len(told.cores) - WEEK
        self.needed = minutes(told.cores[self.first :])
        self.most = int(float(self.needed.max()) / self.request * 4) + 1

    def reactive(self) -> Replayed:
        return self._run(float(self.settings.target_utilisation), lambda minute: 1)

    def scheduled(self, plan: Plan) -> Replayed:
        weekly = [minimum((plan.least, plan.found), hour) for hour in range(WEEK)]
        early = self.settings.pod_start_minutes

        def least(minute: int) -> int:
            hours = (self.first + minute // 60, self.first + (minute + early) // 60)
            return max(weekly[self.told.hour_of_week(hour)] for hour in hours)

        return self._run(float(plan.utilisation), least)

    def _run(self, target: float, least: Callable[[int], int]) -> Replayed:
        start = self.settings.pod_start_minutes
        return replay(
            self.needed, request=self.request, target=target, start_minutes=start, least=least, most=self.most
        )


def _pods(containers: Sequence[ContainerUsage]) -> float:
    """Pod-hours of the last week."""
    hours = sorted(set(containers[0].hours))[-WEEK:]
    kept = set(hours)
    return float(sum(hour in kept for hour in containers[0].hours))


def _advice(
    workload: Workload, containers: Sequence[ContainerUsage], trial: Trial, prices: Prices, settings: Settings
) -> Advice:
    plan, lead = trial.plan, settings.pod_start_minutes
    target = int(plan.utilisation * 100)
    text = scaled_object(workload, plan.least, plan.most, plan.found, target=target, lead_minutes=lead)
    now, then = trial.reactive, trial.scheduled
    words = (
        f"its load follows the week: scheduled minimums beside a reactive autoscaler. Replayed on the last week, which "
        f"was not learned from: {then.replica_hours:.0f} pod-hours and {then.short_minutes} minutes short, reactive "
        f"alone {now.replica_hours:.0f} and {now.short_minutes}; {trial.actual_hours:.0f} pod-hours ran"
    )
    per_pod_hour = sum((request_cost(resources_of(one), prices) for one in containers), Decimal(0)) / Decimal(730)
    ends = sorted(
        _month(before - then.replica_hours, per_pod_hour) for before in (now.replica_hours, trial.actual_hours)
    )
    low, high = (Money(end, prices.currency) for end in ends)
    evidence = {
        "scaled_object": text,
        "before": "an autoscaler that the workload has already must go first: KEDA makes one of its own",
        "windows": str(len(plan.found)),
        "replicas": f"{plan.least} to {plan.most}",
    }
    return Advice(
        kind="scheduled_replicas",
        about=workload.key,
        words=words,
        saving=Saving(low=low, high=high, rate=prices.rate),
        evidence=evidence,
    )


def _month(pod_hours: float, per_pod_hour: Decimal) -> Decimal:
    return EXACT.multiply(Decimal(repr(pod_hours)) * Decimal(730) / Decimal(WEEK), per_pod_hour)
