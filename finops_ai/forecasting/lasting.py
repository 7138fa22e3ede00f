"""Growth that lasts: the mean movement of a level over up to 500 days, as far as it is no chance.

What a level did in two months says little of the next three; what it did in a year says much of a bill that grows by so
many percent a month. Steps are none of it. A mean counts as far as its square is beyond its variance, so that a series
that wanders is not taken to grow. (W. James, C. Stein, 1961, the positive part, here asking for more than they do.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray

WEEK = 7
"""Days after which a mean is asked anew, which moves slowly."""

_MEMORY = 500  # days
_SETTLED = 120  # days of movements from which on their mean counts
_SURE = 4.0  # variances: a mean of two standard errors does not count yet
_HORIZON = 182  # days ahead for which growth is taken to last
_TINY = 1e-18


class Lasting:
    """What is known of the growth of `size` series before a day, on the compressed scale; updated in place.

    `rate` (series,) is what is believed a day.
    """

    def __init__(self, size: int) -> None:
        self.rate = np.zeros(size)
        self._mean, self._wander = np.zeros(size), np.zeros(size)  # a day, and the variance of its sum, by the day

    def learn(self, week: FloatArray, lately: FloatArray, days: int, count: NDArray[np.intp]) -> None:
        """Once a week, from how far the level moved in it and how far in the last `days` days; steps left out.

        `count` (series,) is how many days have moved it by now.
        """
        settled, count = count > _SETTLED, np.minimum(count, _MEMORY)
        self._mean += _pace(count) * (week / WEEK - self._mean)
        self._wander += _pace(count - days) * ((lately - days * self._mean) ** 2 / days - self._wander)
        error, square = self._wander / np.maximum(count, 1), self._mean**2
        share = np.maximum(1 - _SURE * error / np.maximum(square, _TINY), 0.0)
        self.rate = np.where(settled, share * self._mean, 0.0)

    def ahead(self, days: int) -> FloatArray:
        """What the level grows by until each of the next `days` days, (days, series)."""
        growth: FloatArray = np.minimum(np.arange(1, days + 1), _HORIZON)[:, None] * self.rate
        return growth


def _pace(count: NDArray[np.intp]) -> FloatArray:
    """What a week counts in a mean over `count` days, (series,); nothing before they are a week."""
    return np.where(count >= WEEK, WEEK / np.maximum(count, WEEK), 0.0)
