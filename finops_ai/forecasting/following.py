"""How fast the level of a series follows its costs: as fast as its own surprises ask for.

Where a level follows too slowly, surprises have the sign of those of the week before; where it follows well they know
nothing of each other, and the gain stays. Surprises of neighbouring days say less: what is busy today is busy tomorrow,
and goes back. (Gains led by the correlation of errors: D. W. Trigg, A. G. Leach, 1967.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.newest import Newest

_FIRST, _LAST = 3, 6  # days before; not the same weekday, whose habits err alike
_PACE, _MEMORY = 0.015, 0.02
_AGREE = 0.05  # correlation that busy weeks have without a new level
_MOST_LESSON = 4.0  # variances
_LEAST, _MOST = np.log(0.5), np.log(5.0)
_OFTEN = 7  # days
_TINY = 1e-12


class Following:
    """What is known of `size` series before a day; updated in place.

    `factor` (series,) is what the usual gain is times.
    """

    def __init__(self, size: int) -> None:
        self.factor = np.ones(size)
        self._log, self._variance = np.zeros(size), np.full(size, np.nan)
        self._surprises, self._before = Newest(_LAST + 1, size, 0.0), np.zeros(size)  # the sum of _FIRST to _LAST
        self._day = 0

    def learn(self, surprise: FloatArray, counts: NDArray[np.bool_]) -> None:
        """From a day's `surprise` (series,), clipped, where it `counts`."""
        now = np.where(counts, surprise, 0.0)
        square = now**2
        self._variance = np.where(np.isnan(self._variance) & counts, square, self._variance)
        self._before += self._surprises.ago(_FIRST) - self._surprises.ago(_LAST + 1)
        alike = now * self._before / np.maximum((_LAST - _FIRST + 1) * self._variance, _TINY)
        np.clip(alike, -_MOST_LESSON, _MOST_LESSON, out=alike)
        self._log += np.where(counts, _PACE * (alike - _AGREE), 0.0)
        self._variance += np.where(counts, _MEMORY * (square - self._variance), 0.0)
        self._surprises.add(now)
        self._day += 1
        if self._day % _OFTEN == 0:
            np.clip(self._log, _LEAST, _MOST, out=self._log)
            self.factor = np.exp(self._log)
