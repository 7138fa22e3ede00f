"""One matrix of costs with the running sums that make every look back from any origin cheap."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.day_places import in_months
from finops_ai.domain.days_off import NONE, days_off
from finops_ai.domain.series import FloatArray

_TINY = 1e-9
_LEVEL_DAYS, _LONG_DAYS, _YEAR_DAYS = 28, 91, 365
_WEEKS = 5  # same weekdays whose median is what a day is usually like
_SURPRISE = (-5.0, 60.0)  # in levels: beyond it a day is only "very large"


class Lookback:
    """`values` (series, days), NaN where a series has no day, and what is needed to describe its past.

    All methods take an origin and read days before it, no other. `changes` (series, days + horizon_days) is True on the
    day on which an announced change begins.
    """

    def __init__(
        self, values: FloatArray, start: date, horizon_days: int, changes: NDArray[np.bool_] | None = None
    ) -> None:
        self.values = values
        self.size, self.days = values.shape
        all_days = np.datetime64(start, "D") + np.arange(self.days + horizon_days)
        self.month, self.since_start, self.to_end = in_months(start, self.days + horizon_days)
        self.weekday = (all_days.astype(np.intp) + 3) % 7
        self.off = days_off(all_days) != NONE
        self.changes = changes if changes is not None else np.zeros((self.size, self.days + horizon_days), bool)
        known = np.isfinite(values)
        self.first = np.where(known.any(axis=1), known.argmax(axis=1), self.days)
        plain = np.where(known, values, 0.0)
        week_step = np.full_like(values, np.nan)
        week_step[:, 7:] = np.abs(values[:, 7:] - values[:, :-7])
        self._sums = {
            "cost": running(plain),
            "size": running(np.abs(plain)),
            "zero": running(known & (np.abs(plain) < _TINY)),
            "known": running(known),
            "step": running(np.nan_to_num(week_step)),
            "steps": running(np.isfinite(week_step)),
        }
        self.surprise = self._surprise()

    def only(self, rows: NDArray[np.intp]) -> Lookback:
        """The same for some of the series."""
        part = object.__new__(Lookback)
        part.__dict__.update(self.__dict__)
        part.values, part.first, part.changes = self.values[rows], self.first[rows], self.changes[rows]
        part.surprise, part.size = self.surprise[rows], len(rows)
        part._sums = {name: sums[rows] for name, sums in self._sums.items()}
        return part

    def _surprise(self) -> FloatArray:
        """Each day less the median of its last same weekdays, in levels of the time; (series, days)."""
        lags = np.full((_WEEKS, *self.values.shape), np.nan)
        for k in range(min(_WEEKS, (self.days - 1) // 7)):
            lags[k, :, 7 * (k + 1) :] = self.values[:, : -7 * (k + 1)]
        usual = quiet(np.nanmedian, lags)
        first = np.maximum(np.arange(self.days) - _LEVEL_DAYS, 0)
        size, known = self._sums["size"], self._sums["known"]
        level = (size[:, :-1] - size[:, first]) / np.maximum(known[:, :-1] - known[:, first], 1)
        surprise: FloatArray = np.clip((self.values - usual) / np.maximum(level, _TINY), *_SURPRISE)
        return surprise

    def mean(self, origin: int, days: int, of: str = "cost") -> FloatArray:
        """Mean of the last `days` days, (series,); NaN where fewer than half a week of them are known."""
        first = max(origin - days, 0)
        count = self._sums["known"][:, origin] - self._sums["known"][:, first]
        total = self._sums[of][:, origin] - self._sums[of][:, first]
        return np.where(count >= min(days, 7) / 2, total / np.maximum(count, 1), np.nan)

    def level(self, origin: int) -> FloatArray:
        """Usual size of a day's cost, (series,), above zero: what everything else is measured in."""
        days = (_LEVEL_DAYS, _LONG_DAYS, _YEAR_DAYS)
        now, long, ever = (np.nan_to_num(self.mean(origin, each, "size")) for each in days)
        level: FloatArray = np.maximum.reduce([now, 0.1 * long, 0.02 * ever, np.full(self.size, 1e-6)])
        return level

    def noise(self, origin: int) -> FloatArray:
        """Usual surprise of a day in levels, (series,), 0 where it is not known or most days cost nothing."""
        known = np.nan_to_num(quiet(np.nanmedian, np.abs(self.surprise[:, max(origin - _LONG_DAYS, 0) : origin].T)))
        return np.where(np.nan_to_num(self.mean(origin, _LONG_DAYS, "zero")) > 0.05, 0.0, known)

    def week_error(self, origin: int, days: int | None = None) -> FloatArray:
        """Mean absolute change against the week before, (series,): the error of the seasonal naive; NaN for none."""
        first = 0 if days is None else max(origin - days, 0)
        count = self._sums["steps"][:, origin] - self._sums["steps"][:, first]
        total = self._sums["step"][:, origin] - self._sums["step"][:, first]
        return np.where(count > 7, total / np.maximum(count, 1), np.nan)


def quiet(reduce: Callable[..., FloatArray], values: FloatArray) -> FloatArray:
    """A NaN-aware reduction over the first axis; NaN where nothing is known, without a warning."""
    if not values.shape[0]:
        return np.full(values.shape[1:], np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(reduce(values, axis=0), dtype=np.float64)


def running(values: NDArray[np.float64] | NDArray[np.bool_]) -> FloatArray:
    """Sums of the days before each and of all, (series, days + 1)."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums
