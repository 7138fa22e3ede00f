"""Bands whose width was measured: split conformal quantiles of backtest errors, for days and for sums of days.

Errors are measured in a day's unit: how far a learned model lets the day go to that side, or without one half the
forecast and half the usual cost. With a learned unit a series speaks for itself a little (`Residuals.sizes`); without
one each has its own usual error per horizon, shrunk to its class while it is young. The shape around it is pooled over
the class, and a class is scopes of one kind that rest alike. Conformal prediction, classes apart as in its "Mondrian"
form: V. Vovk et al., "Algorithmic Learning in a Random World" (2005); J. Lei et al., JASA 113 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.forecast import BANDS, LEVELS
from finops_ai.domain.series import FloatArray

BUCKETS: tuple[int, ...] = (2, 7, 14, 30, 60, 90)
"""Last horizon day of each bucket; later days widen with the square root of the horizon."""
SUMS: tuple[int, ...] = (1, 3, 7, 14, 21, 30, 45, 60, 90)
"""Horizons at which sums are calibrated; others are interpolated."""

_NORMAL = np.array([-1.96, -1.28, -0.67, 0.0, 0.67, 1.28, 1.96])
_DEFAULT_ERROR = 0.25  # relative, one day ahead, when nothing could be measured
_POOL = 50_000  # quantiles of more errors than this are taken from a regular sample of them
_LEAST_FREE = 2.0  # degrees of freedom of a backtest that has room for fewer answers of the horizon's length
_FEW = 3  # scopes of a class below which all others count as one more: one odd scope is not to speak for two
_SMALL_CLASS = 300  # errors at which a class speaks half for itself, half with all others
LEARNED = None
"""The shrinkage of learned units, which tell most of how series differ: `Residuals.sizes` is all they add."""
_OWN = 0.25  # power of a series' size beside its class that counts: its errors come from a few months only
_WIDEST = 6.0  # units: an error counts at most so much in a size, or one incident would widen all bands of a series
_SIZES = (1 / 3, 3.0)
_CENT = 0.005  # amounts are shown to the cent
_FOLDS = 3  # parts into which the windows are cut to measure coverage
_ENOUGH = 30  # judged days below which a measured coverage would be chance


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residuals:
    """Backtest of one forecaster per series.

    `answer`, `forecast` and the units `below` and `above` it have shape (series, windows, horizon_days); NaN where a
    window does not count or a day is not known. Windows begin `apart` days from each other. `classes` (series,) numbers
    the classes.
    """

    answer: FloatArray
    forecast: FloatArray
    below: FloatArray
    above: FloatArray
    classes: NDArray[np.intp]
    apart: int

    def days(self) -> FloatArray:
        """Errors of days in units."""
        return _in_units(self.answer - self.forecast, self.below, self.above)

    def sums(self) -> FloatArray:
        """Errors of the sums through each day, in summed units."""
        error, below, above = (np.cumsum(x, axis=2) for x in (self.answer - self.forecast, self.below, self.above))
        return _in_units(error, below, above)

    def sizes(self) -> FloatArray:
        """By how much a series errs more or less than its class, drawn to 1, (series,); 1 where nothing was judged."""
        error = np.minimum(np.abs(self.days()), _WIDEST)
        weighed, weight = np.zeros(len(error)), np.zeros(len(error))
        for start, last in _buckets(error.shape[2]):
            own, count = _mean_size(error[:, :, start:last].reshape(len(error), -1))
            for one in np.unique(self.classes):
                judged = (self.classes == one) & (count > 0)
                usual = own[judged].mean() if judged.any() else 0.0
                if usual > 0:
                    weighed[judged] += np.sqrt(count[judged]) * own[judged] / usual
                    weight[judged] += np.sqrt(count[judged])
        size = np.where(weight > 0, weighed / np.maximum(weight, 1e-300), 1.0)
        return np.asarray(np.clip(size**_OWN, *_SIZES), dtype=np.float64)

    def windows(self, some: slice | NDArray[np.intp]) -> Residuals:
        return Residuals(
            answer=self.answer[:, some],
            forecast=self.forecast[:, some],
            below=self.below[:, some],
            above=self.above[:, some],
            classes=self.classes,
            apart=self.apart,
        )


def _in_units(error: FloatArray, below: FloatArray, above: FloatArray) -> FloatArray:
    return np.where(error < 0, error / below, error / above)


def band(median: FloatArray, below: FloatArray, above: FloatArray, offsets: FloatArray) -> FloatArray:
    """Quantiles (series, len(LEVELS), days) from offsets of the same shape in units, the rest (series, days)."""
    unit = np.where(offsets < 0, below[:, None], above[:, None])
    quantiles: FloatArray = median[:, None] + unit * offsets
    return quantiles


def day_unit(forecast: FloatArray, usual: FloatArray) -> FloatArray:
    """What an error of a day is measured in: between the forecast and the usual cost; shape of `forecast`."""
    return 0.5 * (np.abs(forecast) + usual[..., None])


def day_offsets(past: Residuals, horizon_days: int, *, shrinkage: int | None) -> FloatArray:
    """Quantiles of a day's error in day units, shape (series, len(LEVELS), horizon_days)."""
    size = _sizes(past, shrinkage)
    error = past.days() / size
    buckets = _buckets(horizon_days)
    cells = [error[:, :, start:last].reshape(len(error), -1) for start, last in buckets]
    centres = [(start + last + 1) / 2 for start, last in buckets]
    offsets = _over_horizon(cells, centres, horizon_days, past.classes, shrinkage)
    return size * offsets * _few_blocks(past, shrinkage)


def sum_offsets(past: Residuals, horizon_days: int, *, shrinkage: int | None) -> FloatArray:
    """Quantiles of the error of the sum through each day, in summed day units; shape as `day_offsets`.

    Days err together, so a sum is calibrated by itself and not from its days.
    """
    size = _sizes(past, shrinkage)
    error = past.sums() / size
    at = [h for h in SUMS if h < horizon_days] + [min(horizon_days, SUMS[-1])]
    at = sorted(set(at))
    offsets = _over_horizon([error[:, :, h - 1] for h in at], at, horizon_days, past.classes, shrinkage)
    return size * offsets * _few_blocks(past, shrinkage)


def _few_blocks(past: Residuals, shrinkage: int | None) -> FloatArray:
    """By how much offsets are too small because windows overlap, (len(LEVELS), horizon_days); 1 for learned units.

    A backtest of so many days has only so many answers of a horizon's length, whatever the number of its windows, and
    scopes of one ledger err partly together: n of them tell as much as the root of n. Quantiles are widened as
    Student's t is wider than the normal distribution, by the first term of its expansion in degrees of freedom
    (M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.5). What a model learned of all series was
    learned of many more.
    """
    windows, horizon_days = past.answer.shape[1:]
    if shrinkage is LEARNED:
        return np.ones((len(LEVELS), horizon_days))
    scopes = np.isfinite(past.answer).any(axis=(1, 2)).sum()
    free = np.sqrt(scopes) * windows * past.apart / np.arange(1, horizon_days + 1)
    wider: FloatArray = 1 + (_NORMAL[:, None] ** 2 + 1) / (4 * np.maximum(free, _LEAST_FREE))
    return wider


def _buckets(horizon_days: int) -> list[tuple[int, int]]:
    """First day and end of each bucket that a horizon has."""
    edges = zip((0, *BUCKETS), BUCKETS, strict=False)
    return [(start, min(last, horizon_days)) for start, last in edges if start < horizon_days]


def _mean_size(cell: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Mean absolute error of each row, 0 where none is known, and how many are; (series,) each."""
    known = np.isfinite(cell)
    count: NDArray[np.intp] = known.sum(axis=1)
    return np.where(known, np.abs(cell), 0.0).sum(axis=1) / np.maximum(count, 1), count


def _sizes(past: Residuals, shrinkage: int | None) -> FloatArray:
    """What errors are divided by before they are pooled, (series, 1, 1): 1 without learned units."""
    return past.sizes()[:, None, None] if shrinkage is LEARNED else np.ones((len(past.answer), 1, 1))


def measured_coverage(past: Residuals, *, shrinkage: int | None) -> dict[float, FloatArray]:
    """Share of days inside the bands, shape (series,): each third of windows judged by bands from the other two.

    What is shown as the edge of a band is in it. NaN where fewer than 30 days could be judged.
    """
    windows, horizon_days = past.answer.shape[1:]
    inside = {level: np.zeros(len(past.answer)) for level in BANDS}
    judged = np.zeros(len(past.answer))
    for held in np.array_split(np.arange(windows), min(_FOLDS, windows)) if windows > 1 else ():
        others = past.windows(np.setdiff1d(np.arange(windows), held))
        if not np.isfinite(others.days()).any():
            continue
        offsets = day_offsets(others, horizon_days, shrinkage=shrinkage)[:, None]
        mine = past.windows(held)
        error = mine.answer - mine.forecast
        known = np.isfinite(error)
        judged += known.sum(axis=(1, 2))
        for level, (low, high) in BANDS.items():
            lower, upper = mine.below * offsets[:, :, low] - _CENT, mine.above * offsets[:, :, high] + _CENT
            inside[level] += (known & (lower <= error) & (error <= upper)).sum(axis=(1, 2))
    few = judged < _ENOUGH
    return {level: np.where(few, np.nan, count / np.maximum(judged, 1)) for level, count in inside.items()}


def _over_horizon(
    cells: Sequence[FloatArray],
    at: Sequence[float],
    horizon_days: int,
    classes: NDArray[np.intp],
    shrinkage: int | None,
) -> FloatArray:
    """Calibrate each cell (series, errors) that stands for horizon `at`, and interpolate between them."""
    n = len(classes)
    known: list[FloatArray] = []
    for i, cell in enumerate(cells):
        offsets = _calibrate(cell, classes, shrinkage)
        if offsets is None:
            growth = np.sqrt(at[i] / at[i - 1]) if i else np.sqrt(at[0])
            offsets = growth * (known[-1] if i else np.tile(_DEFAULT_ERROR * _NORMAL, (n, 1)))
        known.append(offsets)
    stack = np.stack(known, axis=2)
    day = np.arange(1, horizon_days + 1)
    result = stack @ np.stack([np.interp(day, at, row) for row in np.eye(len(at))])
    result[:, :, day > at[-1]] *= np.sqrt(day[day > at[-1]] / at[-1])
    return result


def _calibrate(error: FloatArray, classes: NDArray[np.intp], shrinkage: int | None) -> FloatArray | None:
    """Quantiles of one cell's errors (series, errors) as (series, len(LEVELS)); None when there are none at all."""
    own, count = _mean_size(error)
    if not count.any():
        return None
    everyone = float(np.median(own[count > 0]))
    usual = np.empty(len(own))
    for one in np.unique(classes):
        members = classes == one
        some = own[members & (count > 0)]
        pooled = float(np.median([*some, everyone] if len(some) < _FEW else some))
        usual[members] = pooled
        if shrinkage is not LEARNED:
            usual[members] = (count[members] * own[members] + shrinkage * pooled) / (count[members] + shrinkage)
    usual = np.maximum(usual, 1e-9)
    standard = error / usual[:, None]
    everyone_shape = _shape(standard)
    shape = np.empty((len(own), len(LEVELS)))
    for one in np.unique(classes):
        members = classes == one
        weight = count[members].sum() / (count[members].sum() + _SMALL_CLASS)
        shape[members] = (
            weight * _shape(standard[members]) + (1 - weight) * everyone_shape if weight else everyone_shape
        )
    return usual[:, None] * shape


def _shape(standard: FloatArray) -> FloatArray:
    """Conformal quantiles at LEVELS of pooled errors; the median stays the forecast, the others on their side of it."""
    pool = standard[np.isfinite(standard)]
    m = len(pool)
    pool = pool[:: max(1, m // _POOL)]
    levels = np.array(LEVELS)
    outward = np.where(levels > 0.5, np.ceil((m + 1) * levels), np.floor((m + 1) * levels)) / m
    quantiles = np.quantile(pool, np.clip(outward, 0, 1))
    return np.where(levels > 0.5, np.maximum(quantiles, 0), np.where(levels < 0.5, np.minimum(quantiles, 0), 0.0))
