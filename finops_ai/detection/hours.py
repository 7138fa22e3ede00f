"""Hourly costs: each hour against its hour of the week, rises, falls and drift, on one scale for all series.

An hour is never judged against the hour before: a step would be swallowed. What it is expected to cost is the level of
the last two weeks plus what its hour of the week usually adds to that level; both are medians, so that an incident of
days moves neither. Once more than half of two weeks was strange, that is no incident any more but how it is now. A
younger series is judged from its third day on, by that hour of the days before, and by so much less the less is known
of it. All of it is causal: an hour's verdict depends on earlier hours only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from finops_ai.detection.errors import beside, usual_error
from finops_ai.detection.hourly_bounds import bounds
from finops_ai.detection.hourly_jobs import Jobs
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.tail import Tail
from finops_ai.domain.expectation import compress, expand
from finops_ai.domain.series import FloatArray

WEEK, DAY = 168, 24
_WEEKS = 6
_DRIFT_HOURS = (6, 24, 72)
_BACK_HOURS = 4
_OVER = 0.3
_LEARN = 28 * DAY
_DAYS = 7
_KNOWN_DAYS = 14  # of a series: from then on its past errors are the usual ones
_NEW_KIND = 2.0  # how much wider a first weekend, or first days after one, is taken to be
_JOB_ERROR = 0.5  # of a job's size, until enough of them are known
_LEVEL = 2 * WEEK
_STRANGE = 1e-3
_STAYS = 0.5  # of two weeks strange: no incident any more but how it is now
_NEAR, _FEW, _AGAIN = 6, 3, 3  # at most so many strange hours among so many to both sides, on so many days: a habit
_GRAVER, _LEAST_P = 3.0, 1e-300
_PARTS = (0.5, 0.3, 0.2)  # of the threshold: an hour's rise, drift, an hour's fall


def judge_hours(values: FloatArray, settings: DetectSettings, *, begin: int = 0) -> FloatArray:
    """p-value of each hour of `values` (series, hours), same shape; 1 where there is too little to judge by.

    NaN is unknown. `begin` is the hour of the week, from 0 on Monday, of the first column. What is usual is learned
    anew each day from the four weeks before.
    """
    if not values.size:
        return np.ones(values.shape)
    return examine(values, settings, begin=begin).p_value


class Hours(NamedTuple):
    """Of each hour how rare it is, what it was expected to cost (NaN where nobody knew) and whether it is usual."""

    p_value: FloatArray
    expected: FloatArray
    usual: NDArray[np.bool_]


def examine(values: FloatArray, settings: DetectSettings, *, begin: int = 0) -> Hours:
    """`judge_hours` and what it is based on; all of the shape of `values`, which has an hour at least."""
    scale, told = _scale(values, settings), np.isfinite(values)
    jobs = Jobs.of(values, scale)
    seen = compress(np.nan_to_num(values), scale)
    seen[~told | (jobs.here & jobs.idle)] = np.nan
    rare = _Rare(jobs, _doubt(told), jobs.last_day())
    usual = _walk(seen, seen, rare, begin, settings).usual
    found = _walk(seen, np.where(usual, seen, np.nan), rare, begin, settings)
    return found._replace(expected=expand(found.expected, scale))


def alerts(p_value: FloatArray, settings: DetectSettings) -> NDArray[np.bool_]:
    """Hours that are news, shape of `p_value`: rare enough for the accepted rate of errors, after a day without.

    Within a day of such an hour it is news again what is three times as far out, in powers of ten, as all that was
    told: a real rise must not hide behind a small one.
    """
    strange = p_value <= settings.threshold / DAY
    rarity = -np.log10(np.maximum(p_value, _LEAST_P))
    found = np.zeros(strange.shape, dtype=np.bool_)
    for row in np.flatnonzero(strange.any(axis=1)):
        last, told = 0, 0.0
        for hour in np.flatnonzero(strange[row]).tolist():
            told = told if hour - last <= DAY else 0.0
            if rarity[row, hour] >= _GRAVER * told:
                found[row, hour], told = True, rarity[row, hour]
            last = hour
    return found


class _Rare(NamedTuple):
    """Series that run now and then; of every hour how unsure it is by its age, and `Jobs.last_day`."""

    jobs: Jobs
    doubt: FloatArray
    last_day: FloatArray


def _walk(seen: FloatArray, fit: FloatArray, rare: _Rare, begin: int, settings: DetectSettings) -> Hours:
    """`Hours` of `seen`, compressed; only what is known in `fit` teaches what is expected."""
    p_value = np.ones(seen.shape)
    expected, doubt = _expected(fit, begin)
    here = rare.jobs.here
    expected = np.where(here, rare.jobs.usual(fit), expected)
    doubt = np.where(here, rare.doubt, doubt)
    low, high = bounds(expected, begin, here)
    rise = seen - expected
    above = np.where(rise > 0, np.maximum(seen - high, 0.0), rise)
    below = np.where(rise < 0, np.maximum(low - seen, 0.0), -rise)
    few = _plain_mean(rise, _BACK_HOURS)
    drift = [_mean(rise, few, width) for width in _DRIFT_HOURS]
    going_on = [_going_on(few, part, width) for part, width in zip(drift, _DRIFT_HOURS, strict=True)]
    drift[1], going_on[1] = (np.where(here, rare.last_day, part[1]) for part in (drift, going_on))
    usual = np.ones(seen.shape, dtype=np.bool_)
    drifts = zip(drift, going_on, (doubt, doubt**2, doubt**2), strict=True)
    parts = [(rise, above, doubt), *drifts, (-rise, below, doubt)]
    for day in range(2 * DAY, seen.shape[1], DAY):
        now, past = slice(day, day + DAY), slice(max(0, day - _LEARN), day)
        teaches = (usual[:, past] | _by_habit(~usual[:, past])) & ~rare.jobs.idle_before(day, past)
        least = np.where(here[:, day], _JOB_ERROR, 0.0)
        each = [
            _p(np.where(teaches, part[:, past], np.nan), judged[:, now], (wider[:, now], least), settings)
            for part, judged, wider in parts
        ]
        joined = np.stack([each[0] / _PARTS[0], _least(each[1:-1]) / _PARTS[1], each[-1] / _PARTS[2]])
        p_value[:, now] = np.minimum(joined.min(axis=0), 1.0)
        stays = (p_value[:, max(0, day - _LEVEL) : day] <= _STRANGE).sum(axis=1) > _STAYS * _LEVEL
        usual[:, now] = (p_value[:, now] > _STRANGE) | stays[:, None]
    return Hours(p_value, expected, usual)


def _by_habit(strange: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those of the `strange` hours that are few together, at an hour of the day at which that comes again."""
    days = (strange & (beside(strange, _NEAR) <= _FEW)).reshape(len(strange), -1, DAY)
    found: NDArray[np.bool_] = (days & (days.sum(axis=1, keepdims=True) >= _AGAIN)).reshape(strange.shape)
    return found


def _scale(values: FloatArray, settings: DetectSettings) -> FloatArray:
    """The scale of `compress` for each hour, shape of `values`: a share of the mean of all whole days so far.

    Hours of the first day, which are not judged, have that of their own day: what a day's course does to a mean of few
    hours would look like errors.
    """
    known = np.isfinite(values)
    count = np.cumsum(known, axis=1)
    whole = np.maximum((count - known) // DAY * DAY, DAY)
    sums = np.cumsum(np.where(known, np.abs(values), 0.0), axis=1)
    scale = np.empty(values.shape)
    for row, (line, upto) in enumerate(zip(count, whole, strict=True)):
        at = np.minimum(np.searchsorted(line, upto), len(line) - 1)
        scale[row] = sums[row, at] / np.maximum(line[at], 1)
    found: FloatArray = np.maximum(settings.small_cost / DAY, settings.small_share * scale)
    return found


def _expected(seen: FloatArray, begin: int) -> tuple[FloatArray, FloatArray]:
    """What each hour is expected to cost and how much wider than usual its error may be; both of the shape of `seen`.

    Level of the last two weeks plus the usual distance of the hour of the week from it, where two of those are known.
    The level is found twice, the second time without what hours of the week bring: nights are not a level of their own.
    Before, the median of that hour on the days before, which knows little: errors grow with the root of what is missing
    of two weeks, and more on a first weekend. A day's mean is off with its weekday and not by chance, hence `_walk`.
    """
    rough = _medians(seen, _LEVEL)
    level = _medians(seen - np.nan_to_num(_middle(_lagged(seen - rough, WEEK, _WEEKS))), _LEVEL)
    weekly = _lagged(seen - level, WEEK, _WEEKS)
    settled = level + _middle(weekly)
    old = (np.isfinite(weekly).sum(axis=0) >= 2) & np.isfinite(settled)
    daily = _lagged(seen, DAY, _DAYS)
    weekend = ((np.arange(seen.shape[1]) + begin) // DAY % 7 >= 5).astype(np.float64)[None]
    alike = (np.isfinite(daily) & (_lagged(weekend, DAY, _DAYS) == weekend)).any(axis=0)
    known = np.isfinite(seen)
    hours, doubt = np.cumsum(known, axis=1), _doubt(known)
    new_kind = ~alike & ~np.isfinite(weekly).any(axis=0)
    expected = np.where(old, settled, np.where(hours > DAY, _middle(daily), np.nan))
    return expected, np.where(new_kind, _NEW_KIND * doubt, doubt)


def _doubt(known: NDArray[np.bool_]) -> FloatArray:
    """How much wider than usual the errors of a series may be that is `known` for less than two weeks; same shape."""
    doubt: FloatArray = np.sqrt(np.maximum(_KNOWN_DAYS * DAY / np.maximum(np.cumsum(known, axis=1), 1), 1.0))
    return doubt


def _lagged(values: FloatArray, step: int, count: int) -> FloatArray:
    """`values` as they were `step`, twice `step`, ... hours before; shape (count, *values.shape), NaN before them."""
    lagged = np.full((count, *values.shape), np.nan)
    for k in range(count):
        back = (k + 1) * step
        if back < values.shape[1]:
            lagged[k, :, back:] = values[:, :-back]
    return lagged


def _medians(values: FloatArray, width: int) -> FloatArray:
    """Median of the `width` values before each, NaN where fewer than a quarter are known; row by row for memory."""
    found = np.full(values.shape, np.nan)
    for row, line in enumerate(values):
        known = np.flatnonzero(np.isfinite(line))
        if len(known):
            span = slice(known[0], known[-1] + width)
            padded = np.concatenate([np.full(width, np.nan), line[span][:-1]])
            found[row, span] = _picked(np.sort(sliding_window_view(padded, width), axis=1), width // 4)
    return found


def _middle(stack: FloatArray) -> FloatArray:
    """Median over the first axis, NaN where nothing is known."""
    return _picked(np.moveaxis(np.sort(stack, axis=0), 0, -1), 1)


def _picked(ordered: FloatArray, least: int) -> FloatArray:
    """Median over the last, sorted axis, NaN where fewer than `least` are known."""
    count = np.isfinite(ordered).sum(axis=-1)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, ordered.shape[-1] - 1)
    pair = [np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0] for at in (low, high)]
    middle: FloatArray = np.where(count >= least, (pair[0] + pair[1]) / 2, np.nan)
    return middle


def _mean(values: FloatArray, few: FloatArray, width: int) -> FloatArray:
    """Mean of the last `width` values, shape of `values`; NaN where the hour itself is unknown or they have gone back.

    They have if the last `few` lie below half of the mean: a single hour has too much of chance to say so.
    """
    mean = _plain_mean(values, width)
    return np.where(np.isfinite(values) & (few >= mean / 2), mean, np.nan)


def _going_on(few: FloatArray, drift: FloatArray, width: int) -> FloatArray:
    """`drift`, a mean of the last `width` hours, where it is not over; NaN elsewhere, same shape.

    It is over once the last `few` hours' mean lies below three tenths of the most that it was within those.
    """
    padded = np.pad(np.nan_to_num(few, nan=-np.inf), ((0, 0), (width - 1, 0)), constant_values=-np.inf)
    most = sliding_window_view(padded, width, axis=1).max(axis=2)
    return np.where(few >= _OVER * most, drift, np.nan)


def _plain_mean(values: FloatArray, width: int) -> FloatArray:
    sums = np.cumsum(np.nan_to_num(values), axis=1)
    mean = np.full(values.shape, np.nan)
    mean[:, width:] = (sums[:, width:] - sums[:, :-width]) / width
    return mean


def _p(
    learned: FloatArray, judged: FloatArray, unsure: tuple[FloatArray, FloatArray], settings: DetectSettings
) -> FloatArray:
    """p-values of a day's hours, `judged`, by errors `learned` on the days before, NaN where they teach nothing.

    `unsure` is how much wider errors may be and what they are at least where few are known. A series whose days go
    further out than those of all has, half of the way, a longer tail of its own.
    """
    wider, least = unsure
    few = np.isfinite(learned).sum(axis=1) < settings.min_days
    unit = np.maximum(usual_error(learned, settings), np.where(few, least, 0.0))[:, None]
    past = learned / unit
    tail = Tail.of([past])
    farthest = np.fmax.reduce(past.reshape(len(past), -1, DAY), axis=2)
    decay = np.sqrt(tail.decay * tail.own_decay(farthest))
    return tail.p_value(judged / (unit * wider), decay)


def _least(parts: list[FloatArray]) -> FloatArray:
    least: FloatArray = np.min(parts, axis=0) * len(parts)
    return least
