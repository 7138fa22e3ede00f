"""Drift: what no single day shows, the height of the last days over the level of weeks ago."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.errors import SETTLED_DAYS, median, usual_error
from finops_ai.detection.habit import LOOKBACKS, Habit
from finops_ai.detection.recurrence import same_season
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.series import FloatArray

DRIFT_DAYS = (5, 9, 14)
"""Days over which drift is averaged, one for each of LOOKBACKS."""
_LATELY, _GOES_ON = 3, 0.75  # days that must still lie so high, as a share of the drift
_DRIFT_DAY = 6.0  # usual errors that one day adds to a drift at most


def drift(
    habit: Habit,
    seen: FloatArray,
    unit: FloatArray,
    place: tuple[NDArray[np.intp], FloatArray, NDArray[np.bool_], NDArray[np.intp]],
    settings: DetectSettings,
) -> tuple[FloatArray, ...]:
    """Mean height of the last DRIFT_DAYS over the level LOOKBACKS days ago, in usual errors of such means.

    `place` has the calendar's weeks of last year, what is excused (series, judged days), whether a day can be judged,
    and the age of the series (series, all days). No day counts for more than a few usual errors: a spike is no drift.
    What rose as much a year ago is a season; days before a step was accepted count for nothing. NaN on days that lie
    less than half as far off, or with the two before less than three quarters: what has gone back drifts no more. NaN
    as well in young series, which are expected to grow.
    """
    year, excused, judged, age = place
    first = seen.shape[1] - judged.shape[1]
    found = []
    for days, back, earlier in zip(DRIFT_DAYS, LOOKBACKS, habit.earlier, strict=True):
        apart = np.where(age >= SETTLED_DAYS + back, seen - np.fmax(earlier, habit.former), np.nan)
        gap = np.where(judged, apart[:, first:], np.nan)
        rise = np.maximum(np.nan_to_num(gap), 0.0)
        season = same_season(apart, year[first:]) if settings.recurrence else np.zeros(rise.shape)
        gap -= np.minimum(np.maximum(np.nan_to_num(excused), season), rise)
        gap = np.minimum(gap, _DRIFT_DAY * unit[:, None])
        mean: FloatArray = np.full(rise.shape, np.nan)
        if gap.shape[1] > days:
            sums, counts = np.cumsum(np.nan_to_num(gap), axis=1), np.cumsum(np.isfinite(gap), axis=1)
            count = np.maximum(counts[:, days:] - counts[:, :-days], 1)
            before = np.arange(days, gap.shape[1]) - np.minimum(days, habit.stayed[:, first + days :] + 1)
            mean[:, days:] = (sums[:, days:] - np.take_along_axis(sums, before, axis=1)) / count
        mean[np.isnan(gap)] = np.nan
        past = mean[:, : max(mean.shape[1] - settings.unsure_days, 0)]
        known = np.isfinite(past).sum(axis=1)
        centre = median(past, known)
        errors = (mean - centre[:, None]) / usual_error(past - centre[:, None], settings, middle=True)[:, None]
        errors[known < settings.min_days] = np.nan
        found.append(np.where((gap >= mean / 2) & (_lately(gap) >= _GOES_ON * mean), errors, np.nan))
    return tuple(found)


def _lately(gap: FloatArray) -> FloatArray:
    """Mean of each day and the two before, of those that are known; same shape."""
    known = np.isfinite(gap)
    sums, counts = (
        sum(np.pad(part, ((0, 0), (back, 0)))[:, : part.shape[1]] for back in range(_LATELY))
        for part in (np.where(known, gap, 0.0), known.astype(float))
    )
    return np.asarray(sums / np.maximum(counts, 1))
