"""What recurs every second week: jobs of a sprint, work on every second day; weekdays alone tell half of it always."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.median import median_of_three
from finops_ai.domain.series import FloatArray

_DAYS, _WEEK = 14, 7
_GAIN = 0.02  # of a day in what surprises have in common: about two months count
_IN_COMMON = 0.7  # share of their squares that is no chance: of two alike surprises it is 0.57, of three 0.75


class Fortnights:
    """By place in the fortnight the last three surprises of `size` series, and whether they are alike; in place."""

    def __init__(self, size: int) -> None:
        self._kept = np.zeros((_DAYS, 3, size))
        self._square, self._alike, self._rival = np.zeros((3, size))
        self._sure = np.zeros(size, dtype=np.bool_)

    def effect(self, day: int) -> FloatArray:
        """Median of the last three surprises on the place of `day`, (series,), if only fortnights are alike."""
        if not self._sure.any():
            return np.zeros(len(self._sure))
        found: FloatArray = np.where(self._sure, median_of_three(self._kept[day % _DAYS]), 0.0)
        return found

    def ahead(self, day: int, days: int) -> FloatArray:
        """The same of `days` days from `day` on, (days, series)."""
        fortnight = np.array([self.effect(day + k) for k in range(_DAYS)])
        return fortnight[np.arange(days) % _DAYS]

    def learn(self, day: int, surprise: FloatArray, known: NDArray[np.bool_]) -> None:
        """From the `surprise` of a `day` (series,), compressed, with nothing expected of its place."""
        kept, gain = self._kept[day % _DAYS], np.where(known, _GAIN, 0.0)
        self._square += gain * (surprise * surprise - self._square)
        self._alike += gain * (surprise * kept[0] - self._alike)
        self._rival += gain * (surprise * self._kept[(day + _WEEK) % _DAYS, 0] - self._rival)
        self._sure = self._alike - self._rival > _IN_COMMON * self._square
        np.copyto(kept[2], kept[1], where=known)
        np.copyto(kept[1], kept[0], where=known)
        np.copyto(kept[0], surprise, where=known)
