"""One answer per workload: what its profile asks for and its guard lets through, what is urgent first."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from finops_ai.domain.proposal import Change, Recommendation, Saving
from finops_ai.domain.quantity import format_cpu, format_memory
from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.rightsizing.advice import between
from finops_ai.rightsizing.evidence import evidence
from finops_ai.rightsizing.fitting import fit
from finops_ai.rightsizing.guard import guard
from finops_ai.rightsizing.observed import Resources, observe, resources_of
from finops_ai.rightsizing.placement import Placement
from finops_ai.rightsizing.profiles import wanted
from finops_ai.rightsizing.saving import saving, total_saving
from finops_ai.rightsizing.settings import Prices, Settings
from finops_ai.rightsizing.staged import Stood, chosen
from finops_ai.rightsizing.surroundings import Surroundings

PLACEMENT = "placement"
"""Strategy of recommendations that say where a workload runs, not how large it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNow:
    """A workload for which nothing is proposed, and why.

    `is_obsolete`: an open proposal is pointless too. Other reasons (too little history, a freeze) may pass.
    """

    workload: Workload
    reasons: tuple[str, ...]
    is_obsolete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sized:
    """One container: what it has, what it should have, and what is to be said about it."""

    changes: tuple[Change, ...]
    saving: Saving
    evidence: dict[str, str]
    reasons: tuple[str, ...]
    careful: bool
    urgent: bool
    fits: bool


def recommend(
    usages: Sequence[ContainerUsage],
    *,
    prices: Prices,
    settings: Settings,
    as_of: datetime | None = None,
    around: Callable[[Workload], Surroundings] = lambda workload: Surroundings(),
    stood: Callable[[Workload], Stood | None] = lambda workload: None,
) -> list[Recommendation | NotNow]:
    """One answer per workload; CPU in cores, memory in bytes, savings in the prices' currency.

    What was OOM-killed or throttled comes first, then in order of the workloads. Without `as_of` no freeze counts;
    `around` tells what Git says beside the workload, `stood` what became of its merged changes.
    """
    ordered = sorted(usages, key=lambda usage: (usage.workload, usage.container))
    answers = [
        _workload(
            workload, list(containers), prices, settings.of(workload.key), as_of, around(workload), stood(workload)
        )
        for workload, containers in groupby(ordered, key=lambda usage: usage.workload)
    ]
    return sorted(answers, key=lambda answer: not (isinstance(answer, Recommendation) and answer.urgent))


def _workload(
    workload: Workload,
    usages: list[ContainerUsage],
    prices: Prices,
    settings: Settings,
    as_of: datetime | None,
    around: Surroundings,
    stood: Stood | None,
) -> Recommendation | NotNow:
    if as_of is not None and (frozen := settings.frozen(workload.key, as_of)):
        return NotNow(workload=workload, reasons=(frozen,))
    if around.refusal:
        return NotNow(workload=workload, reasons=(around.refusal,))
    settings, why = chosen(usages, settings, stood, is_latency=around.is_latency)
    sized = {usage.container: _container(usage, prices, settings, around) for usage in usages}
    reasons = tuple(
        f"{container}: {reason}" if len(sized) > 1 else reason
        for container, one in sized.items()
        for reason in one.reasons
    )
    changes = tuple(change for one in sized.values() for change in one.changes)
    if not changes:
        if around.placement.changes:
            return _placed(workload, usages, around.placement, prices, settings)
        fits = all(one.fits for one in sized.values())
        return NotNow(workload=workload, reasons=reasons or ("requests fit what is used",), is_obsolete=fits)
    return Recommendation(
        workload=workload,
        changes=changes,
        saving=total_saving([one.saving for one in sized.values()]),
        evidence={container: one.evidence for container, one in sized.items()},
        risk="medium" if any(one.careful for one in sized.values() if one.changes) else "low",
        reasons=(*reasons, why) if why else reasons,
        strategy=settings.profile,
        urgent=any(one.urgent for one in sized.values() if one.changes),
    )


def _placed(
    workload: Workload, usages: Sequence[ContainerUsage], placement: Placement, prices: Prices, settings: Settings
) -> Recommendation:
    """Placement is proposed once sizes fit: one change at a time. Structures are told as JSON."""
    whole = [saving(resources_of(one), Resources(), observe(one, settings), prices) for one in usages]
    pool = settings.preemptible if placement.is_preemptible else None
    shares = (pool.discount_low, pool.discount_high) if pool else (Decimal(0), Decimal(0))
    return Recommendation(
        workload=workload,
        changes=tuple(
            Change(container="", path=path, now=None, proposed=value if isinstance(value, str) else json.dumps(value))
            for path, value in placement.changes.items()
        ),
        saving=between(total_saving(whole), *shares),
        evidence={},
        risk="medium",
        reasons=placement.reasons,
        strategy=PLACEMENT,
    )


def _container(usage: ContainerUsage, prices: Prices, settings: Settings, around: Surroundings) -> _Sized:
    now, observed = resources_of(usage), observe(usage, settings)
    asked, reasons = wanted(usage, observed, now, settings)
    judged, interventions = guard(observed, now, _worthwhile(now, asked, settings), settings)
    if judged != now:
        judged, more = fit(usage.container, observed, now, judged, around)
        interventions = (*interventions, *more)
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
        urgent=bool(observed.oom_kills) or observed.throttled,
        fits=judged == now and not interventions,
    )


def _worthwhile(now: Resources, asked: Resources, settings: Settings) -> Resources:
    """`asked` without the changes too small to bother a reviewer with; raising is judged by its share alone."""

    def kept(before: Decimal | None, after: Decimal | None, least: Decimal) -> Decimal | None:
        if before is None or after is None:
            return after
        difference = after - before
        small = abs(difference) < before * settings.min_difference or -least < difference < 0
        return before if small else after

    cpu, memory = settings.min_cpu_decrease_cores, settings.min_memory_decrease_bytes
    worth = Resources(
        cpu_request=kept(now.cpu_request, asked.cpu_request, cpu),
        cpu_limit=kept(now.cpu_limit, asked.cpu_limit, cpu),
        memory_request=kept(now.memory_request, asked.memory_request, memory),
        memory_limit=kept(now.memory_limit, asked.memory_limit, memory),
    )
    if worth.cpu_limit and worth.cpu_request and worth.cpu_request > worth.cpu_limit:
        worth = replace(worth, cpu_limit=asked.cpu_limit)  # a small step, but the request needs it
    if worth.memory_limit and worth.memory_request and worth.memory_request > worth.memory_limit:
        worth = replace(worth, memory_limit=asked.memory_limit)
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
