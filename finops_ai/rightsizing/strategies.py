"""Profile `steady`: requests from observed use, limits only where they must move; one recommendation per workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from itertools import groupby

from finops_ai.domain.proposal import Change, Recommendation, Saving
from finops_ai.domain.quantity import format_cpu, format_memory
from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.rightsizing.evidence import evidence
from finops_ai.rightsizing.guard import guard
from finops_ai.rightsizing.observed import Observed, Resources, observe, percentile, resources_of
from finops_ai.rightsizing.saving import saving, total_saving
from finops_ai.rightsizing.settings import MIB, Prices, Settings

STRATEGY = "steady"

_BURST = Decimal(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNow:
    """A workload for which nothing is proposed, and why."""

    workload: Workload
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sized:
    """One container: what it has, what it should have, and what is to be said about it."""

    changes: tuple[Change, ...]
    saving: Saving
    evidence: dict[str, str]
    reasons: tuple[str, ...]
    careful: bool


def recommend(usages: Sequence[ContainerUsage], *, prices: Prices, settings: Settings) -> list[Recommendation | NotNow]:
    """One answer per workload, ordered by workload; CPU in cores, memory in bytes, savings in the prices' currency."""
    ordered = sorted(usages, key=lambda usage: (usage.workload, usage.container))
    return [
        _workload(workload, list(containers), prices, settings)
        for workload, containers in groupby(ordered, key=lambda usage: usage.workload)
    ]


def steady(observed: Observed, now: Resources, settings: Settings) -> tuple[Resources, list[str]]:
    """What the container should ask for, and why, before the guard.

    CPU: percentile of the hourly maxima, not of the means, plus headroom. Memory: observed maximum plus margin.
    Limits cost nothing and protect neighbours, so they stay, unless they are below the new request, were hit
    (throttling, OOM), or equal the request by the author's will.
    """
    cpu_request, cpu_limit, cpu_reasons = _cpu(observed, now, settings)
    memory_request, memory_limit, memory_reasons = _memory(observed, now, settings)
    wanted = Resources(
        cpu_request=cpu_request, cpu_limit=cpu_limit, memory_request=memory_request, memory_limit=memory_limit
    )
    return wanted, cpu_reasons + memory_reasons


def _cpu(observed: Observed, now: Resources, settings: Settings) -> tuple[Decimal, Decimal | None, list[str]]:
    tied = now.cpu_request is not None and now.cpu_request == now.cpu_limit
    reasons = []
    used = percentile(observed.cpu, Decimal(1) if tied else settings.cpu_percentile)
    if used <= Decimal(repr(settings.idle_cpu_cores)):
        reasons.append("idle: almost no CPU was used; is it still needed? A floor is proposed, not zero")
    if used > _BURST * percentile(observed.cpu, Decimal("0.5")) > 0:
        reasons.append("bursty CPU: sized by the hourly maxima, the mean is far below them")
    request = _up(max(used * (1 + settings.cpu_headroom), settings.cpu_floor_cores), Decimal("0.001"))
    limit = now.cpu_limit
    if limit is not None and observed.throttled:
        limit = max(_up(limit * settings.throttled_factor, Decimal("0.001")), request)
        request = limit if tied else max(request, now.cpu_request or request)
        reasons.append(f"throttled in {observed.throttled_share:.1%} of pod-hours: the limit is raised")
    elif limit is not None and (tied or limit < request):
        limit = request
    return request, limit, reasons


def _memory(observed: Observed, now: Resources, settings: Settings) -> tuple[Decimal, Decimal | None, list[str]]:
    tied = now.memory_request is not None and now.memory_request == now.memory_limit
    peak = observed.memory_max
    request = _up(max(peak * (1 + settings.memory_margin), settings.memory_floor_bytes), Decimal(MIB))
    limit = now.memory_limit
    if observed.oom_kills:
        cap = _up(max(peak, limit or now.memory_request or peak) * settings.oom_factor, Decimal(MIB))
        request = cap if tied or limit is None else max(request, now.memory_request or request)
        limit = None if limit is None else max(cap, request)
        return request, limit, [f"{observed.oom_kills} OOM kills: memory is raised"]
    if observed.memory_grows and now.memory_request is not None:
        return now.memory_request, limit, ["memory grows until the pod is replaced (a leak?): it is left as it is"]
    if limit is not None and (tied or limit < request):
        limit = request
    return request, limit, []


def _workload(
    workload: Workload, usages: list[ContainerUsage], prices: Prices, settings: Settings
) -> Recommendation | NotNow:
    sized = {usage.container: _container(usage, prices, settings) for usage in usages}
    reasons = tuple(
        f"{container}: {reason}" if len(sized) > 1 else reason
        for container, one in sized.items()
        for reason in one.reasons
    )
    changes = tuple(change for one in sized.values() for change in one.changes)
    if not changes:
        return NotNow(workload=workload, reasons=reasons or ("requests fit what is used",))
    return Recommendation(
        workload=workload,
        changes=changes,
        saving=total_saving([one.saving for one in sized.values()]),
        evidence={container: one.evidence for container, one in sized.items()},
        risk="medium" if any(one.careful for one in sized.values() if one.changes) else "low",
        reasons=reasons,
        strategy=STRATEGY,
    )


def _container(usage: ContainerUsage, prices: Prices, settings: Settings) -> _Sized:
    now, observed = resources_of(usage), observe(usage, settings)
    wanted, reasons = steady(observed, now, settings)
    judged, interventions = guard(observed, now, _worthwhile(now, wanted, settings), settings)
    changes = _changes(usage.container, now, judged)
    money = {
        "requests.cpu": saving(replace(judged, cpu_request=now.cpu_request), judged, observed, prices),
        "requests.memory": saving(replace(judged, memory_request=now.memory_request), judged, observed, prices),
    }
    lowers_memory = any(_less(after, before) for before, after in _pairs(now, judged)[2:])
    return _Sized(
        changes=changes,
        saving=total_saving(list(money.values())),
        evidence=evidence(usage, observed, judged, money),
        reasons=(*(reasons if changes or observed.days >= settings.min_days else ()), *interventions),
        careful=lowers_memory or bool(interventions) or observed.memory_grows,
    )


def _worthwhile(now: Resources, wanted: Resources, settings: Settings) -> Resources:
    """`wanted` without the changes too small to bother a reviewer with; raising is judged by its share alone."""

    def kept(before: Decimal | None, after: Decimal | None, least: Decimal) -> Decimal | None:
        if before is None or after is None:
            return after
        difference = after - before
        small = abs(difference) < before * settings.min_difference or -least < difference < 0
        return before if small else after

    cpu, memory = settings.min_cpu_decrease_cores, settings.min_memory_decrease_bytes
    worth = Resources(
        cpu_request=kept(now.cpu_request, wanted.cpu_request, cpu),
        cpu_limit=kept(now.cpu_limit, wanted.cpu_limit, cpu),
        memory_request=kept(now.memory_request, wanted.memory_request, memory),
        memory_limit=kept(now.memory_limit, wanted.memory_limit, memory),
    )
    if worth.cpu_limit and worth.cpu_request and worth.cpu_request > worth.cpu_limit:
        worth = replace(worth, cpu_limit=wanted.cpu_limit)  # a small step, but the request needs it
    if worth.memory_limit and worth.memory_request and worth.memory_request > worth.memory_limit:
        worth = replace(worth, memory_limit=wanted.memory_limit)
    return worth


def _pairs(now: Resources, then: Resources) -> list[tuple[Decimal | None, Decimal | None]]:
    return [
        (now.cpu_request, then.cpu_request),
        (now.cpu_limit, then.cpu_limit),
        (now.memory_request, then.memory_request),
        (now.memory_limit, then.memory_limit),
    ]


def _changes(container: str, now: Resources, then: Resources) -> tuple[Change, ...]:
    paths = ("requests.cpu", "limits.cpu", "requests.memory", "limits.memory")
    return tuple(
        Change(
            container=container,
            path=path,
            now=None if before is None else _text(path, before),
            proposed=_text(path, after),
        )
        for path, (before, after) in zip(paths, _pairs(now, then), strict=True)
        if after is not None and after != before
    )


def _text(path: str, value: Decimal) -> str:
    return format_cpu(value) if path.endswith(".cpu") else format_memory(value)


def _less(after: Decimal | None, before: Decimal | None) -> bool:
    return after is not None and before is not None and after < before


def _up(value: Decimal, unit: Decimal) -> Decimal:
    return (value / unit).to_integral_value(rounding=ROUND_CEILING) * unit
