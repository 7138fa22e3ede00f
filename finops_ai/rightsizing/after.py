"""What metrics show of a workload since a merge: whether it was rolled out, how much less it reserves, how it fares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np

from finops_ai.domain import quantity
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import Change, Recommendation
from finops_ai.domain.usage import ContainerUsage
from finops_ai.rightsizing.settings import GIB, Prices

_LIVE = {
    "requests.cpu": "cpu_request_cores",
    "limits.cpu": "cpu_limit_cores",
    "requests.memory": "memory_request_bytes",
    "limits.memory": "memory_limit_bytes",
}
_ROUNDED = Decimal("0.001")
"""Exports round to millicores and mebibytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """`done` None: the metrics do not tell."""

    done: bool | None
    differing: tuple[str, ...]


def rollout(recommendation: Recommendation, usages: Sequence[ContainerUsage]) -> Rollout:
    """Whether the workload runs with the values that were merged, as the newest metrics tell."""
    mine = {usage.container: usage for usage in usages if usage.workload == recommendation.workload}
    differing, known = [], False
    for change in recommendation.changes:
        usage = mine.get(change.container)
        if usage is None or change.path not in _LIVE:
            continue
        known = True
        live = getattr(usage, _LIVE[change.path])
        wanted = quantity.parse(change.proposed)
        if live is None or abs(Decimal(repr(live)) - wanted) > wanted * _ROUNDED:
            differing.append(f"{change.container} {change.path}")
    return Rollout(done=not differing if known else None, differing=tuple(differing))


def utilisation(
    recommendation: Recommendation, usages: Sequence[ContainerUsage], merged_on: date, days: Days, prices: Prices
) -> dict[str, str]:
    """Words for people: pod-hours since, what is reserved less at the named rate, and load before and after."""
    mine = [usage for usage in usages if usage.workload == recommendation.workload]
    facts: dict[str, str] = {}
    rolled = rollout(recommendation, mine)
    if rolled.done is not None:
        facts["rolled out"] = "yes" if rolled.done else f"not yet: {', '.join(rolled.differing)}"
    saved, hours = Decimal(0), 0
    for usage in mine:
        within = _within(usage, days.start, days.end)
        hours += int(within.sum())
        per_hour = _per_hour([one for one in recommendation.changes if one.container == usage.container], prices)
        saved += per_hour * int(within.sum())
    if hours:
        facts["pod-hours"] = f"{hours:,}"
        facts["reserved less"] = f"{saved:.2f} {prices.currency} at {prices.rate} rates"
        facts |= dict(_load(mine, merged_on, days))
    return facts


def _load(usages: Sequence[ContainerUsage], merged_on: date, days: Days) -> Iterator[tuple[str, str]]:
    """Average use of a pod before and after: a workload that is used less would have cost less anyway."""
    for name, unit, divisor in (("cpu_cores_avg", "m", 1e-3), ("memory_bytes_avg", "Mi", 2.0**20)):
        before = [getattr(usage, name)[_within(usage, date.min, merged_on)] for usage in usages]
        after = [getattr(usage, name)[_within(usage, days.start, days.end)] for usage in usages]
        means = [float(np.nanmean(np.concatenate(part))) if _known(part) else math.nan for part in (before, after)]
        if not any(math.isnan(mean) for mean in means) and means[0] > 0:
            change = f"{means[1] / means[0] - 1:+.1%}"
            resource = name.split("_", 1)[0]
            yield (
                f"{resource} used by a pod",
                f"{means[0] / divisor:.0f}{unit} → {means[1] / divisor:.0f}{unit} ({change})",
            )


def _known(parts: Sequence[np.ndarray]) -> bool:
    return any(part.size and not np.isnan(part).all() for part in parts)


def _within(usage: ContainerUsage, start: date, end: date) -> np.ndarray:
    first, last = (datetime.combine(day, time(), UTC) for day in (start, end))
    return np.array([first <= hour < last for hour in usage.hours], dtype=bool)


def _per_hour(changes: Sequence[Change], prices: Prices) -> Decimal:
    """What a pod's requests cost less in an hour."""
    saved = Decimal(0)
    for change in changes:
        now = quantity.parse(change.now) if change.now else Decimal(0)
        less = now - quantity.parse(change.proposed)
        if change.path == "requests.cpu":
            saved += less * prices.cpu_core_hour
        elif change.path == "requests.memory":
            saved += less / GIB * prices.memory_gib_hour
    return saved
