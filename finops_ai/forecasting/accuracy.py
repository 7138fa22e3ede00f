"""How good forecasts were: errors without a unit, comparable between series.

MASE: R. J. Hyndman, A. B. Koehler, "Another look at measures of forecast accuracy", IJF 22 (2006).
"""

from __future__ import annotations

import numpy as np

from finops_ai.domain.series import FloatArray

_TINY = 1e-12


def mase(actual: FloatArray, forecast: FloatArray, history: FloatArray, *, season: int = 7) -> FloatArray:
    """Mean absolute error in units of the seasonal naive error in `history`; arrays (series, days) -> (series,).

    NaN where the history repeats itself exactly or is shorter than a season.
    """
    step = np.abs(history[:, season:] - history[:, :-season])
    scale = np.where(np.isfinite(step), step, 0.0).sum(axis=1) / np.maximum(np.isfinite(step).sum(axis=1), 1)
    error = np.abs(actual - forecast).mean(axis=1)
    scaled: FloatArray = np.divide(error, scale, out=np.full(len(error), np.nan), where=scale > 0)
    return scaled


def wape(actual: FloatArray, forecast: FloatArray) -> FloatArray:
    """Absolute errors as a share of the absolute costs, over the last axis."""
    error: FloatArray = np.abs(actual - forecast).sum(axis=-1) / np.maximum(np.abs(actual).sum(axis=-1), _TINY)
    return error


def bias(actual: FloatArray, forecast: FloatArray) -> FloatArray:
    """Forecast minus actual as a share of the absolute costs, over the last axis; positive when too high."""
    error: FloatArray = (forecast - actual).sum(axis=-1) / np.maximum(np.abs(actual).sum(axis=-1), _TINY)
    return error


def pinball(actual: FloatArray, quantile: FloatArray, level: float) -> FloatArray:
    """Mean quantile loss over the last axis, in the unit of the costs; twice the value at 0.5 is the mean error."""
    error = actual - quantile
    loss: FloatArray = np.maximum(level * error, (level - 1) * error).mean(axis=-1)
    return loss


def coverage(actual: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Share of known values inside [lower, upper], over the last axis; NaN where none is known."""
    known = np.isfinite(actual)
    inside = (known & (actual >= lower) & (actual <= upper)).sum(axis=-1)
    count = known.sum(axis=-1)
    share: FloatArray = np.divide(inside, count, out=np.full(np.shape(inside), np.nan), where=count > 0)
    return share
