"""Hourly costs: each hour against its hour of the week, rises, falls and drift, on one scale for all series.

An hour is never judged against the hour before: a step would be swallowed. What it is expected to cost is the level of
the last week plus what its hour of the week usually adds to that level; both are medians, so that an incident of days
moves neither. All of it is causal: an hour's verdict depends on earlier hours only.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from finops_ai.detection.errors import usual_error
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.tail import Tail
from finops_ai.domain.expectation import compress
from finops_ai.domain.series import FloatArray

WEEK, DAY = 168, 24
_WEEKS = 6
_DRIFT_HOURS = (6, 24, 72)
_BACK_HOURS = 4
_LEARN = 28 * DAY
_LEAST_WEEKS = 2
_LEVEL = 2 * WEEK
_STRANGE = 1e-3
_PARTS = (0.5, 0.3, 0.2)  # of the threshold: an hour's rise, drift, an hour's fall


def judge_hours(values: FloatArray, settings: DetectSettings) -> FloatArray:
    """p-value of each hour of `values` (series, hours), same shape; 1 where there is too little to judge by.

    NaN is unknown. What is usual is learned anew each day from the four weeks before.
    """
    if not len(values) or values.shape[1] <= _LEAST_WEEKS * WEEK:
        return np.ones(values.shape)
    seen = compress(np.nan_to_num(values), _scale(values, settings))
    seen[~np.isfinite(values)] = np.nan
    first = _walk(seen, seen, settings)
    return _walk(seen, np.where(first > _STRANGE, seen, np.nan), settings)


def alerts(p_value: FloatArray, settings: DetectSettings) -> NDArray[np.bool_]:
    """Hours that are news, shape of `p_value`: rare enough for the accepted rate of errors, after a day without."""
    strange = p_value <= settings.threshold / DAY
    sums = np.cumsum(np.concatenate([np.zeros((len(strange), DAY + 1)), strange], axis=1), axis=1)
    before = sums[:, DAY:-1] - sums[:, : -DAY - 1]
    found: NDArray[np.bool_] = strange & (before == 0)
    return found


def _walk(seen: FloatArray, fit: FloatArray, settings: DetectSettings) -> FloatArray:
    """p-values of `seen`; only what is known in `fit` teaches what is expected."""
    p_value = np.ones(seen.shape)
    rise = seen - _expected(fit)
    drift = [_mean(rise, width) for width in _DRIFT_HOURS]
    usual = np.ones(seen.shape, dtype=np.bool_)
    for day in range(_LEAST_WEEKS * WEEK + DAY, seen.shape[1], DAY):
        now, past = slice(day, day + DAY), slice(max(0, day - _LEARN), day)
        each = [_p(part, usual[:, past], past, now, settings) for part in (rise, *drift, -rise)]
        joined = np.stack([each[0] / _PARTS[0], _least(each[1:-1]) / _PARTS[1], each[-1] / _PARTS[2]])
        p_value[:, now] = np.minimum(joined.min(axis=0), 1.0)
        usual[:, now] = p_value[:, now] > _STRANGE
    return p_value


def _scale(values: FloatArray, settings: DetectSettings) -> FloatArray:
    """The scale of `compress` for each hour: a share of the mean so far; shape of `values`."""
    known = np.isfinite(values)
    sums = np.cumsum(np.where(known, np.abs(values), 0.0), axis=1)
    mean = sums / np.maximum(np.cumsum(known, axis=1), 1)
    scale: FloatArray = np.maximum(settings.small_cost / DAY, settings.small_share * mean)
    return scale


def _expected(seen: FloatArray) -> FloatArray:
    """Level of the week before plus the usual distance of the hour of the week from it."""
    level = _medians(seen, _LEVEL)
    apart = seen - level
    lagged = np.full((_WEEKS, *seen.shape), np.nan)
    for k in range(_WEEKS):
        back = (k + 1) * WEEK
        if back < seen.shape[1]:
            lagged[k, :, back:] = apart[:, :-back]
    return level + _middle(lagged)


def _medians(values: FloatArray, width: int) -> FloatArray:
    """Median of the `width` values before each, NaN where fewer than a quarter are known."""
    padded = np.concatenate([np.full((len(values), width), np.nan), values[:, :-1]], axis=1)
    windows = np.sort(sliding_window_view(padded, width, axis=1), axis=2)
    return _picked(windows, width // 4)


def _middle(stack: FloatArray) -> FloatArray:
    """Median over the first axis, NaN where nothing is known."""
    return _picked(np.moveaxis(np.sort(stack, axis=0), 0, 2), 1)


def _picked(ordered: FloatArray, least: int) -> FloatArray:
    count = np.isfinite(ordered).sum(axis=2)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, ordered.shape[2] - 1)
    pair = [np.take_along_axis(ordered, at[:, :, None], axis=2)[:, :, 0] for at in (low, high)]
    middle: FloatArray = np.where(count >= least, (pair[0] + pair[1]) / 2, np.nan)
    return middle


def _mean(values: FloatArray, width: int) -> FloatArray:
    """Mean of the last `width` values, shape of `values`; NaN where the hour itself is unknown or they have gone back.

    They have if the last few lie below half of the mean: a single hour has too much of chance to say so.
    """
    few, mean = _plain_mean(values, min(_BACK_HOURS, width)), _plain_mean(values, width)
    return np.where(np.isfinite(values) & (few >= mean / 2), mean, np.nan)


def _plain_mean(values: FloatArray, width: int) -> FloatArray:
    sums = np.cumsum(np.nan_to_num(values), axis=1)
    mean = np.full(values.shape, np.nan)
    mean[:, width:] = (sums[:, width:] - sums[:, :-width]) / width
    return mean


def _p(part: FloatArray, usual: NDArray[np.bool_], past: slice, now: slice, settings: DetectSettings) -> FloatArray:
    learned = np.where(usual, part[:, past], np.nan)
    unit = usual_error(learned, settings)[:, None]
    return Tail.of([learned / unit]).p_value(part[:, now] / unit)


def _least(parts: list[FloatArray]) -> FloatArray:
    least: FloatArray = np.min(parts, axis=0) * len(parts)
    return least
