"""Which profile a workload gets: careful first, lean once a merged change has stood and its past allows it.

What running over a request costs depends on the spare CPU of nodes, which no usage tells. Living with a request that
fits the peaks does: so the lean profile is not asked for before that, and not after a change had to be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, partial

import numpy as np

from finops_ai.domain.usage import ContainerUsage
from finops_ai.rightsizing.observed import Observed, Resources, observe, resources_of
from finops_ai.rightsizing.profiles import steady, wanted
from finops_ai.rightsizing.samples import cpu_samples
from finops_ai.rightsizing.settings import Settings

STAGED, CAREFUL, LEAN = "staged", "steady", "lean"
LEARNED_SHARE = 0.75
"""Of the window; the rest is held back and replayed."""

_WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """What became of a workload's merged changes: the day of the oldest, and whether one had to be taken back."""

    since: date
    days: int
    was_taken_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """The lean values, learned on the first part of a window, lived through on the rest of it."""

    borrowed: float
    """Share of the CPU work done above the request: on what the node had to spare."""
    throttled_minutes: float
    oom_hours: int
    rise: float
    """Mean use of the last week over that of the week before; 1 where the window is too short to compare weeks."""


def chosen(
    usages: Sequence[ContainerUsage], settings: Settings, stood: Stood | None, *, is_latency: bool = False
) -> tuple[Settings, str]:
    """The settings with the profile of this workload, all its containers alike, and why it is that one.

    Settings that name a profile themselves are left as they are, without a word.
    """
    if settings.profile != STAGED:
        return settings, ""
    replay = cache(partial(held_back, settings=settings))
    against = _against(usages, settings, stood, is_latency, replay)
    if against or stood is None:
        return settings.model_copy(update={"profile": CAREFUL}), f"sized by its peaks (profile {CAREFUL}): {against}"
    told = [one for usage in usages if (one := replay(usage))]
    why = (
        f"sized by its usual use (profile {LEAN}): its change of {stood.since} has stood {stood.days} days without OOM "
        f"kills or throttling; replayed on the last {1 - LEARNED_SHARE:.0%} of the window, which was not learned from, "
        f"{max(one.borrowed for one in told):.1%} of the CPU work ran above the request and none was throttled"
    )
    return settings.model_copy(update={"profile": LEAN}), why


def _against(
    usages: Sequence[ContainerUsage],
    settings: Settings,
    stood: Stood | None,
    is_latency: bool,
    replay: Callable[[ContainerUsage], HeldBack | None],
) -> str:
    """What speaks against the lean profile; '' where nothing does. The first reason is told."""
    if stood is None:
        return f"its usual use counts (profile {LEAN}) once a merged change has stood {settings.prove_days} days"
    if stood.was_taken_back:
        return "a change of it had to be taken back"
    if stood.days < settings.prove_days:
        return f"its change of {stood.since} has stood {stood.days} days, {settings.prove_days} are needed for {LEAN}"
    if is_latency:
        return "its class of service is latency"
    for usage in usages:
        now, seen = resources_of(usage), observe(usage, settings)
        if seen.is_batch:
            return "the runs of a job are few"
        if seen.oom_kills is None or seen.oom_kills or seen.throttled:
            return "it was OOM-killed or throttled, or nothing tells"
        if now.cpu_request is None or _is_lowered(now.cpu_request, seen, now, settings):
            return "it has not run with the careful request yet"
        if why := _fails(replay(usage), settings):
            return f"on the last {1 - LEARNED_SHARE:.0%} of the window {why}"
    return ""


def _is_lowered(request: Decimal, seen: Observed, now: Resources, settings: Settings) -> bool:
    """Whether the careful profile would still lower it, by more than is too small to propose."""
    careful = steady(seen, now, settings)[0].cpu_request or request
    return request - careful > max(request * settings.min_difference, settings.min_cpu_decrease_cores)


def _fails(told: HeldBack | None, settings: Settings) -> str:
    if told is None:
        return "too little is known"
    if told.throttled_minutes:
        return f"the lean values would have been throttled for {told.throttled_minutes:.0f} minutes"
    if told.oom_hours:
        return f"memory would have been over its limit in {told.oom_hours} pod-hours"
    if told.borrowed > settings.borrowed_share:
        return f"{told.borrowed:.0%} of the CPU work would have run above the lean request"
    if told.rise > 1 + settings.cpu_headroom:
        return f"it used {told.rise - 1:.0%} more CPU than a week before"
    return ""


def held_back(usage: ContainerUsage, settings: Settings) -> HeldBack | None:
    """Learn `lean` on the first part of the window, replay the rest; None where either has no samples."""
    if not usage.hours:
        return None
    first, last = min(usage.hours), max(usage.hours)
    cut = first + (last - first) * LEARNED_SHARE
    is_learned = np.array([hour <= cut for hour in usage.hours])
    learned, rest = usage.where(is_learned), usage.where(~is_learned)
    if np.isnan(learned.cpu_cores_avg).all() or np.isnan(rest.cpu_cores_avg).all():
        return None
    lean = settings.model_copy(update={"profile": LEAN})
    then, _ = wanted(learned, observe(learned, lean), resources_of(usage), lean)
    samples = cpu_samples(rest.cpu_cores_avg, rest.cpu_cores_max)
    over = np.maximum(samples - float(then.cpu_request or 0), 0.0)
    work = float(np.nansum(samples))
    limited = 0.0
    if then.cpu_limit is not None:
        limited = float((samples > float(then.cpu_limit)).sum()) * 60 / samples.shape[1]
    return HeldBack(
        borrowed=float(np.nansum(over)) / work if work else 0.0,
        throttled_minutes=limited,
        oom_hours=int((rest.memory_bytes_max > float(then.memory_limit or "inf")).sum()),
        rise=_rise(usage),
    )


def _rise(usage: ContainerUsage) -> float:
    """Whole weeks are compared: within one, a weekend looks like a trend."""
    ages = np.array([(max(usage.hours) - hour).days for hour in usage.hours])
    if ages.max() < 2 * _WEEK - 1:
        return 1.0
    before, after = (usage.cpu_cores_avg[ages // _WEEK == week] for week in (1, 0))
    if np.isnan(before).all() or np.isnan(after).all():
        return 1.0
    return float(np.nanmean(after)) / max(float(np.nanmean(before)), 1e-9)
