"""Jobs that run in some hours and by no clock: hours without one say nothing of those with one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray

_DAY = 24
_REACH, _LEAST_DAYS = 28, 2  # days before an hour that tell of its series, and how many of them there must be
_SELDOM = 0.3  # share of its hours in which such a series costs something, at most
_CLOCK = 0.5  # part of the variance of "does it cost anything" that stays within an hour of the day, at least
_LEAST_JOBS = 5
_NEW_DAYS = 7  # without any cost: the first job of such a series is not judged

BoolArray = NDArray[np.bool_]


def now_and_then(busy: BoolArray, known: BoolArray) -> BoolArray:
    """Whether the days before each hour had jobs in few hours and by no clock; shape of `busy` (series, hours).

    The first two days, which are not judged, are what they tell of the third.
    """
    hours = busy.shape[1]
    pad = ((0, 0), (0, -hours % _DAY))
    ran, told = (np.pad(part, pad).reshape(len(busy), -1, _DAY).astype(np.float64) for part in (busy & known, known))
    ran, told = _before(ran), _before(told)
    rate = ran / np.maximum(told, 1)
    share = ran.sum(axis=2) / np.maximum(told.sum(axis=2), 1)
    within = (rate * (1 - rate) * told / np.maximum(told - 1, 1)).mean(axis=2)
    days = told.max(axis=2)
    new = (share == 0) & (days < _NEW_DAYS)
    found = new | ((share > 0) & (share < _SELDOM) & (within > _CLOCK * share * (1 - share)))
    found &= days >= _LEAST_DAYS
    if found.shape[1] > _LEAST_DAYS:
        found[:, :_LEAST_DAYS] = found[:, _LEAST_DAYS, None]
    return np.repeat(found, _DAY, axis=1)[:, :hours]


def _before(days: FloatArray) -> FloatArray:
    """Sums over up to `_REACH` days before each; shape of `days` (series, days, hours of the day)."""
    sums = np.cumsum(np.concatenate([np.zeros_like(days[:, :1]), days], axis=1), axis=1)
    at = np.arange(days.shape[1])
    found: FloatArray = sums[:, at] - sums[:, np.maximum(at - _REACH, 0)]
    return found


def usual_job(seen: FloatArray, jobs: BoolArray, idle: BoolArray) -> FloatArray:
    """Median of the hours of the days before that were not `idle`, where there are `jobs`; NaN elsewhere.

    All are (series, hours); what is not known in `seen` teaches nothing.
    """
    found = np.full(seen.shape, np.nan)
    for row in np.flatnonzero(jobs.any(axis=1)):
        at = np.flatnonzero(np.isfinite(seen[row]) & ~idle[row])
        for hour in range(0, seen.shape[1], _DAY):
            if jobs[row, hour]:
                mine = at[np.searchsorted(at, hour - _REACH * _DAY) : np.searchsorted(at, hour)]
                if len(mine) >= _LEAST_JOBS:
                    found[row, hour : hour + _DAY] = np.median(seen[row, mine])
    return found
