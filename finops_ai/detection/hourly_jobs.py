"""Jobs that run in some hours and by no clock, on nothing or on a base: hours without one say nothing of others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.busy_days import begun, longest_run, two_kinds
from finops_ai.domain.expectation import compress
from finops_ai.domain.series import FloatArray

_DAY, _WEEK = 24, 168
_REACH, _LEAST_DAYS = 28, 2  # days before an hour that tell of its series, and how many of them there must be
_SELDOM = 0.3  # share of its hours in which such a series costs something, at most
_CLOCK = 0.5  # part of the variance of "does it cost anything" that stays within an hour of the day, at least
_LEAST_JOBS = 5
_NEW_DAYS = 7  # without any cost: the first job of such a series is not judged
_LEAST_SHARE, _MOST_SHARE = 0.02, 0.6  # of the hours with a job on a base

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Jobs:
    """Where series run now and then, all of shape (series, hours): `here` says whether, as far as the days before tell;
    an hour of theirs up to `line` is idle. `scale` is that of `compress`."""

    values: FloatArray
    scale: FloatArray
    line: FloatArray
    here: BoolArray

    @classmethod
    def of(cls, values: FloatArray, scale: FloatArray) -> Jobs:
        """Of costs; what is no number is unknown."""
        known = np.isfinite(values)
        values = np.where(known, values, np.nan)
        rests = _now_and_then(np.nan_to_num(values) > scale, known)
        line = np.fmax(np.where(rests, np.nan, _job_above(values, scale)), scale)
        return cls(values=values, scale=scale, line=line, here=rests | (line > scale))

    @property
    def idle(self) -> BoolArray:
        return np.nan_to_num(self.values) <= self.line

    def idle_before(self, hour: int, past: slice) -> BoolArray:
        """Which `past` hours were idle by the line of `hour`, of series that run now and then by then."""
        found: BoolArray = self.here[:, hour, None] & (np.nan_to_num(self.values[:, past]) <= self.line[:, hour, None])
        return found

    def usual(self, seen: FloatArray) -> FloatArray:
        """Median of `seen` (series, hours) over the busy hours of the days before; NaN where nothing runs now and then.

        What is not known in `seen` teaches nothing.
        """
        found = np.full(seen.shape, np.nan)
        for row in np.flatnonzero(self.here.any(axis=1)):
            for hour in range(0, seen.shape[1], _DAY):
                if self.here[row, hour]:
                    past = slice(max(0, hour - _REACH * _DAY), hour)
                    mine = seen[row, past][self.values[row, past] > self.line[row, hour]]
                    mine = mine[np.isfinite(mine)]
                    if len(mine) >= _LEAST_JOBS:
                        found[row, hour : hour + _DAY] = np.median(mine)
        return found

    def last_day(self) -> FloatArray:
        """How much more the jobs of the last 24 hours cost than is usual then, compressed; NaN but in busy hours.

        A job that does not end is of a usual size in every hour, and of none in a day.
        """
        idle = self.idle
        ran = np.where(idle, 0.0, np.nan_to_num(self.values))
        sums = np.cumsum(np.pad(ran, ((0, 0), (_DAY, 0))), axis=1)
        load = compress(sums[:, _DAY:] - sums[:, :-_DAY], self.scale)
        load[idle] = np.nan
        found: FloatArray = load - self.usual(load)
        return found


def _job_above(values: FloatArray, scale: FloatArray) -> FloatArray:
    """Cost above which an hour is one of a job's, for series with jobs on a base, NaN for others; shape of `values`.

    The hours of the four weeks before fall into two kinds with a gap between them, and those above it have come again
    and by no clock: the longest run of them is not counted, for it may be an incident. A line stays while it tells.
    """
    line = np.full(values.shape, np.nan)
    for day in range(2 * _WEEK, values.shape[1], _DAY):
        before = values[:, max(0, day - _REACH * _DAY) : day]
        level = np.log(np.where(np.isfinite(before), np.maximum(before, scale[:, day, None]), np.nan))
        between, apart = two_kinds(level, above=_LEAST_SHARE, below=1 - _MOST_SHARE)
        between = np.where(apart, between, np.nan)
        for tried in (between, np.log(line[:, day - 1])):
            rows = np.flatnonzero(np.isfinite(tried) & np.isnan(line[:, day]))
            rows = rows[_come_again(level[rows] > tried[rows, None], np.isfinite(level[rows]))]
            line[rows, day : day + _DAY] = np.exp(tried[rows])[:, None]
    return line


def _come_again(above: BoolArray, known: BoolArray) -> BoolArray:
    """Whether hours `above` a line, (series, hours), are jobs that come and go by no clock; (series,)."""
    busy = above & ~longest_run(above)
    share = busy.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    weeks = above.shape[1] // _WEEK
    ran, told = (part[:, -weeks * _WEEK :].reshape(len(part), weeks, _WEEK).sum(axis=1) for part in (busy, known))
    again = begun(busy, above) >= _LEAST_JOBS
    found: BoolArray = again & (share >= _LEAST_SHARE) & (share < _MOST_SHARE) & _no_clock(ran, told)
    return found


def _no_clock(ran: FloatArray, told: FloatArray) -> BoolArray:
    """Whether the hour of the day, or of the week, says little of it; `ran` and `told` (..., those) count hours."""
    rate = ran / np.maximum(told, 1)
    share = ran.sum(axis=-1) / np.maximum(told.sum(axis=-1), 1)
    within = (rate * (1 - rate) * told / np.maximum(told - 1, 1)).mean(axis=-1)
    found: BoolArray = within > _CLOCK * share * (1 - share)
    return found


def _now_and_then(busy: BoolArray, known: BoolArray) -> BoolArray:
    """Whether the days before each hour had jobs in few hours and by no clock; shape of `busy` (series, hours).

    The first two days, which are not judged, are what they tell of the third.
    """
    hours = busy.shape[1]
    pad = ((0, 0), (0, -hours % _DAY))
    ran, told = (np.pad(part, pad).reshape(len(busy), -1, _DAY).astype(np.float64) for part in (busy & known, known))
    ran, told = _before(ran), _before(told)
    share = ran.sum(axis=2) / np.maximum(told.sum(axis=2), 1)
    days = told.max(axis=2)
    new = (share == 0) & (days < _NEW_DAYS)
    found = new | ((share > 0) & (share < _SELDOM) & _no_clock(ran, told))
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
