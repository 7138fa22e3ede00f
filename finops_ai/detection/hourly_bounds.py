"""Between which costs an hour is no surprise: hours shift, and a day off costs what a Sunday does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray

_DAY = 24
_SUNDAY = 6


def bounds(expected: FloatArray, begin: int, jobs: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """The lowest and the highest that each hour may come to as a matter of course; both of the shape of `expected`.

    What the hours beside it are expected to cost, it may cost: where a day climbs or falls steeply a few minutes are a
    large difference. And it may cost as little as the same hour of last Sunday was expected to, for nobody announces
    holidays here. `begin` is the hour of the week of the first column, `jobs` are hours of series without any rhythm.
    """
    beside = np.pad(expected, ((0, 0), (1, 1)), constant_values=np.nan)
    near = np.stack([beside[:, :-2], expected, beside[:, 2:]])
    known = np.isfinite(expected)
    low, high = (np.where(known, edge.reduce(near), np.nan) for edge in (np.fmin, np.fmax))
    return np.where(jobs, low, np.fmin(low, _last_sunday(expected, begin))), high


def _last_sunday(expected: FloatArray, begin: int) -> FloatArray:
    """What the same hour of the Sunday before was expected to cost, NaN where there was none."""
    at = np.arange(expected.shape[1])
    weekday = (at + begin) // _DAY % 7
    then = at - _DAY * np.where(weekday == _SUNDAY, 7, weekday + 1)
    found: FloatArray = np.where(then >= 0, expected[:, np.maximum(then, 0)], np.nan)
    return found
