"""Forecasters without parameters: what a better one must beat, and what serves young and intermittent series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from finops_ai.domain.series import FloatArray


class SeasonalNaive:
    """The last week again and again; a day without a cost in that week gets the mean of those that have one."""

    name = "seasonal-naive"
    version = "1"

    def forecast(self, history: FloatArray, start: date, horizon_days: int, keys: Sequence[str]) -> FloatArray:
        week = np.full((len(history), 7), np.nan)
        last = history[:, -7:]
        week[:, 7 - last.shape[1] :] = last
        filled = np.where(np.isnan(week), _mean(week)[:, None], week)
        return filled[:, np.arange(horizon_days) % 7]


class TrailingMean:
    """The mean of the last eight weeks: right on average for jobs that run now and then."""

    name = "trailing-mean"
    version = "1"
    window_days = 56

    def forecast(self, history: FloatArray, start: date, horizon_days: int, keys: Sequence[str]) -> FloatArray:
        return np.repeat(_mean(history[:, -self.window_days :])[:, None], horizon_days, axis=1)


def _mean(values: FloatArray) -> FloatArray:
    """Mean of the known values of each row, 0 for none; shape (rows,)."""
    known = np.isfinite(values)
    sums: FloatArray = np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return sums
