"""Requests learned on the first half of the usage, judged on the second: our profiles beside the rules of the field."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from finops_ai.domain.proposal import Recommendation
from finops_ai.domain.quantity import parse
from finops_ai.domain.usage import ContainerUsage
from finops_ai.rightsizing.demand import WEEK, demand
from finops_ai.rightsizing.observed import Resources, observe, resources_of
from finops_ai.rightsizing.predictive import tried
from finops_ai.rightsizing.profiles import PROFILES
from finops_ai.rightsizing.samples import PER_HOUR, cpu_samples
from finops_ai.rightsizing.saving import request_cost
from finops_ai.rightsizing.settings import Prices, ProfileName, Settings
from finops_ai.rightsizing.staged import Stood
from finops_ai.rightsizing.strategies import recommend
from tests.benchmarks.rightsizing_data import fleet, shared_traces, simulated_traces

ROOT = Path(__file__).resolve().parents[2]
VARIANTS = 24

Rule = Callable[[ContainerUsage], Resources]


@dataclass
class Judged:
    """What the second half would have been with a rule's values."""

    cost: Decimal = Decimal(0)
    oom_hours: int = 0
    throttled_minutes: float = 0.0
    minutes_over_request: float = 0.0
    evictable_hours: int = 0

    def add(self, usage: ContainerUsage, then: Resources, prices: Prices) -> None:
        pods = Decimal(len(usage.hours))
        self.cost += request_cost(then, prices) / 730 * pods
        samples = cpu_samples(usage.cpu_cores_avg, usage.cpu_cores_max)
        minutes = 60 / PER_HOUR
        if then.cpu_limit is not None:
            self.throttled_minutes += float((samples > float(then.cpu_limit)).sum()) * minutes
        self.minutes_over_request += float((samples > float(then.cpu_request or 0)).sum()) * minutes
        memory = usage.memory_bytes_max
        if then.memory_limit is not None:
            self.oom_hours += int((memory > float(then.memory_limit)).sum())
        self.evictable_hours += int((memory > float(then.memory_request or 0)).sum())


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """The shared traces as they are, and a fleet of them with four weeks each; without them, simulated ones."""
    folder = Path(os.environ.get("FINOPS_SHARED") or ROOT.parent / "shared") / "data" / "k8s-usage"
    traces = shared_traces(folder) if folder.exists() else simulated_traces()
    many = fleet(traces, 2 if quick else VARIANTS)
    return [*_table("traces", traces), *_table("fleet", many), *_scaling(many if quick else many[:: VARIANTS // 8])]


def _table(name: str, usages: Sequence[ContainerUsage]) -> Iterator[dict[str, Any]]:
    prices = Prices()
    halves = [both for usage in usages if (both := _halves(usage))]
    told: dict[str, Judged] = {}
    for rule_name, rule in RULES.items():
        judged = told[rule_name] = Judged()
        for first, second in halves:
            judged.add(second, rule(first), prices)
    before = told["as configured"].cost
    for rule_name, judged in told.items():
        yield {
            "name": f"{name}: {rule_name}",
            "cost": f"{judged.cost:.2f}",
            "ratio": float(before / judged.cost),
            "OOM hours": judged.oom_hours,
            "throttled minutes": round(judged.throttled_minutes),
            "minutes over request": round(judged.minutes_over_request),
            "memory over request, hours": judged.evictable_hours,
            "note": f"{len(halves)} containers; ratio: cost as configured over this"
            if rule_name == "as configured"
            else "",
        }


def _scaling(usages: Sequence[ContainerUsage]) -> Iterator[dict[str, Any]]:
    """The last of four weeks, reactive and with scheduled minimums, at six and twelve pods at peak.

    "advised": where the schedule was the better one on the third week; they are judged on the fourth.
    """
    trials, advised = [], []
    for usage in usages:
        told = demand([usage])
        for pods, minutes in ((6, 3), (12, 3), (6, 10), (12, 10)):
            request = Decimal(repr(float(np.nanmax(told.cores)) / pods)) if told else Decimal(1)
            settings = Settings(pod_start_minutes=minutes)
            trial = tried(told, 0.0, request, settings) if told else None
            earlier = tried(told.before(WEEK), 0.0, request, settings) if told else None
            hourly = request_cost(Resources(cpu_request=request), Prices()) / 730
            trials += [(trial, hourly)] if trial else []
            advised += [(trial, hourly)] if trial and earlier and earlier.is_better else []
    for name, chosen in (("all with a rhythm", trials), ("advised", advised)):
        cost, short = {}, {}
        for side in ("reactive", "scheduled"):
            ran = [(getattr(trial, side), hourly) for trial, hourly in chosen]
            cost[side] = sum(Decimal(repr(one.replica_hours)) * hourly for one, hourly in ran)
            short[side] = sum(one.short_minutes for one, _ in ran)
            yield {
                "name": f"replicas, {name}: {side}",
                "cost": f"{cost[side]:.2f}",
                "ratio": float(cost["reactive"] / cost[side]) if cost[side] else 1.0,
                "minutes short": short[side],
                "note": f"{len(chosen)} trials of a week; ratio: cost of reacting over this"
                if side == "reactive"
                else "",
            }


def _halves(usage: ContainerUsage) -> tuple[ContainerUsage, ContainerUsage] | None:
    """The hours before and after the middle of the window; None for too short a one."""
    start, end = min(usage.hours), max(usage.hours)
    middle = start + (end - start) / 2
    first = np.array([hour <= middle for hour in usage.hours])
    if (end - start).days < 12:
        return None
    return _part(usage, first), _part(usage, ~first)


def _part(usage: ContainerUsage, kept: np.ndarray) -> ContainerUsage:
    """What is known of the whole window is not known in the middle of it, so kills are counted again."""
    return _with_kills(usage.where(kept))


def _with_kills(usage: ContainerUsage) -> ContainerUsage:
    limit = usage.memory_limit_bytes
    return replace(usage, oom_kills=None if limit is None else int((usage.memory_bytes_max >= limit).sum()))


def _ours(profile: ProfileName) -> Rule:
    """With the guard, followed to the end: the step limit spreads a change over several pull requests."""
    settings = Settings(profile=profile, max_decrease=Decimal("0.999"))

    return lambda usage: _answered(usage, settings, None)


def _staged(usage: ContainerUsage) -> Resources:
    """The shipped profile after both of its stages: the careful values have stood, and what the evidence lets through.

    Between the two the container ran with the careful values; what was learned from is the same first half.
    """
    settings = Settings(max_decrease=Decimal("0.999"))
    careful = _answered(usage, settings, None)
    ran = _with_kills(
        replace(
            usage,
            cpu_request_cores=_float(careful.cpu_request),
            cpu_limit_cores=_float(careful.cpu_limit),
            memory_request_bytes=_float(careful.memory_request),
            memory_limit_bytes=_float(careful.memory_limit),
        )
    )
    return _answered(ran, settings, Stood(since=min(usage.hours).date(), days=settings.prove_days))


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _answered(usage: ContainerUsage, settings: Settings, stood: Stood | None) -> Resources:
    (answer,) = recommend([usage], prices=Prices(), settings=settings, stood=lambda workload: stood)
    changes = answer.changes if isinstance(answer, Recommendation) else ()
    values = {"_".join(reversed(one.path.split("."))).removesuffix("s"): parse(one.proposed) for one in changes}
    return replace(resources_of(usage), **values)


def _bare(profile: str, limits: str) -> Rule:
    """A rule of the field as it is, without our guard. `limits`: the memory limit it sets; no CPU limit but VPA's."""

    def rule(usage: ContainerUsage) -> Resources:
        now = resources_of(usage)
        cpu, memory = PROFILES[profile](usage, observe(usage, Settings()), Settings())
        floor_cpu, floor_memory = Settings().cpu_floor_cores, Settings().memory_floor_bytes
        cpu, memory = max(cpu, floor_cpu), max(memory, floor_memory)
        if limits == "equal":
            return Resources(cpu_request=cpu, memory_request=memory, memory_limit=memory)
        if limits == "kept":
            limit_cpu, limit_memory = now.cpu_limit, now.memory_limit
            return Resources(
                cpu_request=cpu,
                memory_request=memory,
                cpu_limit=None if limit_cpu is None else max(limit_cpu, cpu),
                memory_limit=None if limit_memory is None else max(limit_memory, memory),
            )
        return Resources(
            cpu_request=cpu,
            memory_request=memory,
            cpu_limit=_scaled(now.cpu_limit, now.cpu_request, cpu),
            memory_limit=_scaled(now.memory_limit, now.memory_request, memory),
        )

    return rule


def _scaled(limit: Decimal | None, request: Decimal | None, then: Decimal) -> Decimal | None:
    return None if limit is None else limit / request * then if request else limit


RULES: dict[str, Rule] = {
    "as configured": resources_of,
    "KRR rule": _bare("krr", "equal"),
    "Kubecost rule": _bare("kubecost", "kept"),
    "VPA rule": _bare("vpa", "scaled"),
    "ours, shipped: first stage (steady)": _ours("staged"),
    "ours, shipped: both stages": _staged,
    "ours, lean": _ours("lean"),
}
