"""Whether a workload fares worse since a merge than before: OOM kills, restarts, throttling, and budgets that burn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from finops_ai.domain.usage import ContainerUsage

SURE = 0.01
"""Chance below which more events, or more throttling, than before are no chance."""

RESTARTS_LEAST = 3
THROTTLED_HOURS_LEAST = 3
THROTTLED_RISE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """An error or latency budget: how many times faster than allowed it burns, before the merge and now.

    None where nothing can be told; `at` is the rate from which on it counts.
    """

    name: str
    before: float | None
    now: float | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """One sign, with its figures in words."""

    what: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    oom_kills: int | None
    restarts: int | None
    hours: int


def regressions(
    before: Sequence[ContainerUsage],
    now: Sequence[ContainerUsage],
    merged_at: datetime,
    *,
    throttled_ratio: float,
    burns: Sequence[Burn] = (),
) -> list[Regression]:
    """Signs that a merge made one workload worse; `before` is its usage as known at the merge, `now` as known now."""
    earlier = {usage.container: usage for usage in before}
    found: list[Regression] = []
    for usage in now:
        found.extend(_container(earlier.get(usage.container), usage, merged_at, throttled_ratio))
    found.extend(_burning(burn) for burn in burns if _burns(burn))
    return found


def _container(
    before: ContainerUsage | None, now: ContainerUsage, merged_at: datetime, throttled_ratio: float
) -> Iterator[Regression]:
    then, since = _counts(before, now, merged_at)
    for what, least, one, other in (
        ("OOM kills", 1, then.oom_kills, since.oom_kills),
        ("restarts", RESTARTS_LEAST, then.restarts, since.restarts),
    ):
        if other is not None and other >= least and _more(one or 0, then.hours, other, since.hours, what):
            was = "unknown" if one is None else f"{one:,} in {then.hours:,} pod-hours"
            yield Regression(
                what=what, words=f"{now.container}: {other:,} {what} in {since.hours:,} pod-hours since; before: {was}"
            )
    yield from _throttled(before, now, merged_at, throttled_ratio)


def _counts(before: ContainerUsage | None, now: ContainerUsage, merged_at: datetime) -> tuple[_Counts, _Counts]:
    """Events before the merge and since. Counts are of a whole reading, so what was known at the merge is taken off.

    Where the newer reading no longer reaches back over all of the older one, that is the least that happened since.
    """
    after = int(sum(hour >= merged_at for hour in now.hours))
    if before is None or min(now.hours, default=merged_at) >= merged_at:
        then = _Counts(oom_kills=None, restarts=None, hours=0) if before is None else _all(before)
        return then, _Counts(oom_kills=now.oom_kills, restarts=now.restarts, hours=after)
    then = _all(before)
    new = [
        None if was is None or is_now is None else max(is_now - was, 0)
        for was, is_now in ((then.oom_kills, now.oom_kills), (then.restarts, now.restarts))
    ]
    return then, _Counts(oom_kills=new[0], restarts=new[1], hours=after)


def _all(usage: ContainerUsage) -> _Counts:
    return _Counts(oom_kills=usage.oom_kills, restarts=usage.restarts, hours=len(usage.hours))


def _more(before: int, hours_before: int, since: int, hours: int, what: str) -> bool:
    """More than chance; the first OOM kill of a workload that had none is never taken for chance."""
    if what == "OOM kills" and not before:
        return True
    if not hours or not hours_before:
        return since > before
    return _at_least(since, since + before, hours / (hours + hours_before)) < SURE


def _at_least(count: int, of: int, chance: float) -> float:
    """Binomial tail: two Poisson counts, given their sum (Przyborowski and Wilenski 1940)."""
    if chance >= 1:
        return 1.0
    logs = [
        math.lgamma(of + 1)
        - math.lgamma(k + 1)
        - math.lgamma(of - k + 1)
        + k * math.log(chance)
        + (of - k) * math.log1p(-chance)
        for k in range(count, of + 1)
    ]
    return float(sum(math.exp(log) for log in logs))


def _throttled(
    before: ContainerUsage | None, now: ContainerUsage, merged_at: datetime, ratio: float
) -> Iterator[Regression]:
    """Throttled in a larger share of pod-hours than before, and in hours enough to be no accident."""
    at = np.array([hour >= merged_at for hour in now.hours], dtype=bool)
    after = now.throttled_ratio[at]
    earlier = now.throttled_ratio[~at] if (~at).any() or before is None else before.throttled_ratio
    parts = [part[~np.isnan(part)] > ratio for part in (earlier, after)]
    if not parts[1].size:
        return
    was, share = (float(part.mean()) if part.size else 0.0 for part in parts)
    hot = {
        hour for hour, value in zip(now.hours, now.throttled_ratio, strict=True) if hour >= merged_at and value > ratio
    }
    if len(hot) >= THROTTLED_HOURS_LEAST and share > was + THROTTLED_RISE and _rose(parts):
        yield Regression(
            what="throttling",
            words=f"{now.container}: throttled in {share:.1%} of {parts[1].size:,} pod-hours since; before: {was:.1%}",
        )


def _rose(parts: Sequence[np.ndarray]) -> bool:
    """Difference of two shares against its standard error, counting a day's hours as four: neighbours are alike."""
    counts = [max(part.size / 6, 1.0) for part in parts]
    shares = [float(part.mean()) if part.size else 0.0 for part in parts]
    pooled = sum(share * count for share, count in zip(shares, counts, strict=True)) / sum(counts)
    error = math.sqrt(max(pooled * (1 - pooled), 1e-9) * sum(1 / count for count in counts))
    return (shares[1] - shares[0]) / error > 2.326


def _burns(burn: Burn) -> bool:
    """Fast enough to page, and at least twice as fast as before the merge."""
    return burn.now is not None and burn.now >= burn.at and burn.now >= 2 * (burn.before or 0.0)


def _burning(burn: Burn) -> Regression:
    was = "unknown" if burn.before is None else f"{burn.before:.1f}"
    words = f"{burn.name}: the budget burns {burn.now:.1f} times as fast as allowed ({burn.at:g} counts); before: {was}"
    return Regression(what="error budget", words=words)
