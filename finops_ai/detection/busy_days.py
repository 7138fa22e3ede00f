"""Which series run now and then, by no weekday, and which of their days are busy: with nothing, or a base, between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.calendar import Calendar
from finops_ai.detection.own_days import own_days
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.clocks import places
from finops_ai.domain.series import FloatArray

_WEEKS = 8
_USUAL_DAYS = 60
_HALF = 84  # days; what is seen in each of two halves is a habit, what is seen in one may be a change of level
_KNOWN = 0.75  # of their days, at least
_GAP = 0.25  # between the dearest day without and the cheapest day with a job, in logarithms ...
_WIDE = 1.5  # ... and in standard deviations of either kind
_LEAST_SHARE, _MOST_SHARE, _LEAST_RUNS = 0.1, 0.75, 4  # of days with a job, and how often one began
_REGULAR = 0.75  # a weekday, place in the month or by another clock with a job so often has it by habit

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rhythm:
    """How each of `series` goes about its days.

    `scale` (series, 1) is that of `compress`, and what an idle day of a job that runs now and then costs at most;
    `now_and_then` (series,) are the series of such jobs, `rests` also those that were some months ago; `busy` (series,
    days) are the days on which something ran in those, False in others. `due` (series, days) are the days on which
    something may run: all, but of bills that come on days of their own.
    """

    scale: FloatArray
    now_and_then: BoolArray
    rests: BoolArray
    busy: BoolArray
    due: BoolArray


def rhythm(whole: FloatArray, calendar: Calendar, settings: DetectSettings) -> Rhythm:
    """The rhythm of `whole` (series, days), costs with NaN where unknown."""
    small = np.maximum(settings.small_cost, settings.small_share * usual_cost(whole))[:, None]
    idle = _comes_and_goes(whole, small, settings)
    base = np.where(idle, 0.0, job_above(whole, calendar, settings))[:, None]
    scale = np.maximum(small, base)
    now_and_then = idle | (base > small)[:, 0]
    before = _comes_and_goes(whole[:, : -settings.former_days], scale, settings)  # a floor ends the rest
    rests, busy = now_and_then | before, np.zeros(whole.shape, dtype=np.bool_)
    busy[rests] = np.nan_to_num(whole[rests]) > np.maximum(_idle_below(whole[rests], settings), base[rests])
    due = own_days(busy, now_and_then, calendar, settings)
    return Rhythm(scale=scale, now_and_then=now_and_then, rests=rests, busy=busy, due=due)


def usual_cost(whole: FloatArray) -> FloatArray:
    """Mean absolute cost of the last known weeks, 0 for none; shape (series,)."""
    recent = whole[:, -_USUAL_DAYS:]
    known = np.isfinite(recent)
    mean: FloatArray = np.where(known, np.abs(recent), 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean


def _comes_and_goes(whole: FloatArray, scale: FloatArray, settings: DetectSettings) -> BoolArray:
    """Series whose days without cost follow no weekday, or that seldom cost anything: idle days say nothing there."""
    weeks = min(_WEEKS, whole.shape[1] // 7)
    if not weeks:
        return np.zeros(len(whole), dtype=np.bool_)
    recent = whole[:, -7 * weeks :].reshape(len(whole), weeks, 7)
    known = np.isfinite(recent).sum(axis=1)
    busy = (np.nan_to_num(recent) > scale[:, :, None]).sum(axis=1) / np.maximum(known, 1)
    mixed = np.where(known > 0, busy * (1 - busy), 0.0).sum(axis=1) / np.maximum((known > 0).sum(axis=1), 1)
    last = whole[:, -90:]
    share = (np.nan_to_num(last) > scale).sum(axis=1) / np.maximum(np.isfinite(last).sum(axis=1), 1)
    result: BoolArray = (mixed > settings.irregular) | (share < settings.seldom)
    return result


def _idle_below(whole: FloatArray, settings: DetectSettings) -> FloatArray:
    """Cost up to which a day of its time is idle, same shape: a share of what the days before it usually cost."""
    known = np.isfinite(whole)
    pad = np.zeros((len(whole), 1))
    spent = np.concatenate([pad, np.cumsum(np.where(known, np.abs(whole), 0.0), axis=1)], axis=1)
    counted = np.concatenate([pad, np.cumsum(known, axis=1)], axis=1)
    begin = np.maximum(np.arange(whole.shape[1]) - settings.job_days, 0)
    mean = (spent[:, :-1] - spent[:, begin]) / np.maximum(counted[:, :-1] - counted[:, begin], 1)
    below: FloatArray = np.maximum(settings.small_cost, settings.small_share * mean)
    return below


def job_above(whole: FloatArray, calendar: Calendar, settings: DetectSettings) -> FloatArray:
    """Cost above which a day is one of a job's, (series,), for series with jobs now and then on a base; 0 for others.

    `whole` (series, days) are costs, NaN where unknown. Days of the last half year but the newest fall into two kinds
    with a gap between them; those above it come again and follow neither weekday nor month nor another clock. The
    longest run of them is not counted, for it may be an incident.
    """
    days = 2 * _HALF
    until = whole.shape[1] - settings.unsure_days
    found = np.zeros(len(whole))
    if until < days:
        return found
    last = slice(until - days, until)
    known = np.isfinite(whole[:, last])
    level = np.log(np.where(known, np.maximum(whole[:, last], settings.small_cost), np.nan))
    line, apart = two_kinds(level, above=_LEAST_SHARE, below=_LEAST_SHARE)
    rows = np.flatnonzero(apart & (_least_half(known) >= _KNOWN))  # few series have two kinds of days
    known, above = known[rows], level[rows] > line[rows, None]  # NaN compares false
    busy = above & ~longest_run(above)
    clocks = places(calendar.start, whole.shape[1]).values()
    for kind in (calendar.weekday, calendar.slot, *clocks):
        busy &= _share_by(kind[last], busy, known) < _REGULAR
    share = busy.sum(axis=1) / known.sum(axis=1)
    again = (
        (begun(busy, above) >= _LEAST_RUNS) & (share >= _LEAST_SHARE) & (share <= _MOST_SHARE) & (_least_half(busy) > 0)
    )
    found[rows[again]] = np.exp(line[rows[again]])
    return found


def _least_half(days: BoolArray) -> FloatArray:
    """Share of days in whichever half has fewer of them, (series,)."""
    least: FloatArray = days.reshape(-1, 2, _HALF).mean(axis=2).min(axis=1)
    return least


def two_kinds(level: FloatArray, *, above: float, below: float) -> tuple[FloatArray, BoolArray]:
    """Middle of the widest gap in each row's levels, (series,), and whether it tells two kinds of days apart.

    Gaps that leave a smaller share of the days than `above` or `below` on that side are not looked at.
    """
    count = np.isfinite(level).sum(axis=1, keepdims=True)
    ordered = np.sort(level, axis=1)  # NaN come last
    at = np.arange(1, level.shape[1])
    inner = (at >= below * count) & (at <= (1 - above) * count)
    gaps = np.nan_to_num(np.where(inner, np.diff(ordered, axis=1), 0.0))
    place = gaps.argmax(axis=1)[:, None]
    gap = np.take_along_axis(gaps, place, axis=1)[:, 0]
    line = np.nan_to_num(np.take_along_axis(ordered, place, axis=1)[:, 0]) + gap / 2
    spread = np.maximum(_deviation(level, level <= line[:, None]), _deviation(level, level > line[:, None]))
    return line, (gap >= _GAP) & (gap >= _WIDE * spread)


def _deviation(level: FloatArray, chosen: BoolArray) -> FloatArray:
    """Standard deviation of each row's `chosen` levels, 0 for none."""
    count = np.maximum(chosen.sum(axis=1, keepdims=True), 1)
    mean = np.where(chosen, level, 0.0).sum(axis=1, keepdims=True) / count
    found: FloatArray = np.sqrt(np.where(chosen, (level - mean) ** 2, 0.0).sum(axis=1) / count[:, 0])
    return found


def _share_by(kind: NDArray[np.intp], busy: BoolArray, known: BoolArray) -> FloatArray:
    """Share of the known days of each day's `kind` (days,) that are `busy`; shape (series, days)."""
    of_kind = (kind[:, None] == np.unique(kind)).astype(np.float64)
    share = (busy @ of_kind) / np.maximum(known @ of_kind, 1.0)
    found: FloatArray = share @ of_kind.T
    return found


def begun(busy: BoolArray, above: BoolArray) -> NDArray[np.intp]:
    """How often in each row a `busy` day followed one that was not `above`, (series,); the first day follows such."""
    times: NDArray[np.intp] = busy[:, 0] + (busy[:, 1:] & ~above[:, :-1]).sum(axis=1)
    return times


def longest_run(busy: BoolArray) -> BoolArray:
    """The days of each row's longest run of busy days, the first of several; shape of `busy`."""
    run, longest, end = np.zeros((3, len(busy)), dtype=np.intp)
    for t in range(busy.shape[1]):
        run = np.where(busy[:, t], run + 1, 0)
        longer = run > longest
        longest, end = np.where(longer, run, longest), np.where(longer, t, end)
    at = np.arange(busy.shape[1])
    found: BoolArray = (at > (end - longest)[:, None]) & (at <= end[:, None])
    return found
