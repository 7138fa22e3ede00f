"""How large errors usually are: robust figures of rows in which some days are unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.series import FloatArray

SETTLED_DAYS = 35
"""Until then a series is still finding its level: its errors are not its usual ones."""
_STRANGE = 3.0  # usual errors
_EVEN = 3.5  # by chance a median of n sizes is off by about 1.2 / sqrt(n): three times that is no difference
_MOST_UNEVEN = 8.0
_NEAR, _OF_NEAR = 2, 3  # so many strange days among those up to so many days away are an episode, not an error


def usual_error(errors: FloatArray, settings: DetectSettings, *, middle: bool = False) -> FloatArray:
    """Robust sigma of each row (NaN: unknown), shape (rows,), at least `least_error`.

    The largest of three readings, each right for normal errors: from the quartiles, the 90th and the 95th percentile.
    Jobs that run now and then are calm by the first and wild by the others. With `middle` it is the one in the middle:
    for errors that come in long stretches, so that one past incident does not stand for what is usual. Rows with fewer
    than `min_days` errors are taken half as noisy again as the rows in the middle.
    """
    ordered = np.sort(errors, axis=1)
    count = np.isfinite(errors).sum(axis=1)
    row = np.arange(len(errors))

    def at(share: float) -> FloatArray:
        picked: FloatArray = ordered[row, np.maximum(((count - 1) * share).astype(np.intp), 0)]
        return picked

    sigma = np.full(len(errors), np.nan)
    enough = count >= settings.min_days
    if enough.any():
        readings = np.stack([(at(0.75) - at(0.25)) / 1.349, at(0.9) / 1.2816, at(0.95) / 1.6449])
        reading = np.median(readings, axis=0) if middle else readings.max(axis=0)
        sigma[enough] = np.maximum(reading, settings.least_error)[enough]
    young = 1.5 * float(np.median(sigma[enough])) if enough.any() else 0.3
    sigma[~enough] = max(young, settings.least_error)
    return sigma


def settled(errors: FloatArray, dull: NDArray[np.bool_], settings: DetectSettings) -> FloatArray:
    """`errors` without the newest days and those that are `dull`; the latter stay where there is little else."""
    end = max(errors.shape[1] - settings.unsure_days, 0)
    past = errors[:, :end]
    kept = np.where(dull[:, :end], np.nan, past)
    few = np.isfinite(kept).sum(axis=1) < settings.min_days
    kept[few] = past[few]
    return kept


def ordinary(errors: FloatArray, settings: DetectSettings) -> FloatArray:
    """`errors` (rows, days) without days that were strange several in a row: an episode says nothing about the usual.

    A strange day that stands alone stays: series whose errors are large now and then are to be known as such.
    """
    strange = errors > _STRANGE * usual_error(errors, settings, middle=True)[:, None]  # NaN compares false
    kept: FloatArray = np.where(strange & (beside(strange, _NEAR) >= _OF_NEAR), np.nan, errors)
    return kept


def beside(marked: NDArray[np.bool_], reach: int) -> NDArray[np.intp]:
    """How many of the `marked` of its row lie up to `reach` places to either side of each, itself among them."""
    near = np.pad(marked.astype(np.intp), ((0, 0), (reach, reach)))
    places = marked.shape[1]
    return sum((near[:, at : at + places] for at in range(2 * reach + 1)), np.zeros(marked.shape, dtype=np.intp))


def by_weekday(errors: FloatArray, weekday: NDArray[np.intp]) -> FloatArray:
    """How much more than usual a series errs on each weekday (0 Monday), shape (rows, 7); 1 where little is known.

    `errors` (rows, days) are NaN where unknown, `weekday` (days,). The median size on a weekday over that on all days,
    as far as so many days can tell them apart (what is clearly apart counts nearly whole); no weekday is taken to be
    calmer than the rest.
    """
    size = np.abs(errors)
    usual = median(np.sort(size, axis=1), np.isfinite(size).sum(axis=1))
    factors = np.ones((len(errors), 7))
    for day in range(7):
        mine = size[:, weekday == day]
        count = np.isfinite(mine).sum(axis=1)
        sure = (usual > 0) & (count > 0)
        ratio = np.where(sure, median(mine, count) / np.where(usual > 0, usual, 1.0), 1.0)
        log = np.log(np.clip(ratio, 1.0, _MOST_UNEVEN))
        chance = _EVEN**2 / np.maximum(count, 1)
        factors[:, day] = np.exp(log * np.maximum(1 - (chance / np.maximum(log * log, chance)) ** 2, 0.0))
    return factors


def median(values: FloatArray, count: NDArray[np.intp]) -> FloatArray:
    """Median of each row's `count` known values, 0 for none; shape (rows,)."""
    if not values.shape[1]:
        return np.zeros(len(values))
    ordered = np.sort(values, axis=1)
    place = np.maximum(count - 1, 0) // 2
    middle = np.take_along_axis(ordered, place[:, None], axis=1)[:, 0]
    found: FloatArray = np.where(count > 0, middle, 0.0)
    return found
