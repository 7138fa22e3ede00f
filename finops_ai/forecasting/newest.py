"""The newest days of many series, kept in place: what a day is judged by once days after it are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray


class Newest:
    """The last `days` days of `size` series, NaN where a day is not known; earlier than the first day was `before`."""

    def __init__(self, days: int, size: int, before: float = np.nan) -> None:
        self._ring = np.full((days, size), before)
        self._day = 0

    def add(self, day: FloatArray) -> None:
        """The next day, (series,)."""
        self._ring[self._day % len(self._ring)] = day
        self._day += 1

    def ago(self, days: int) -> FloatArray:
        """The day that many days before the next one, 1 being the newest; (series,)."""
        found: FloatArray = self._ring[(self._day - days) % len(self._ring)]
        return found

    def last(self, days: int, rows: NDArray[np.intp] | slice = slice(None)) -> FloatArray:
        """The last `days` days of some series, oldest first; (days, rows)."""
        at = np.arange(self._day - days, self._day) % len(self._ring)
        return self._ring[at][:, rows]
