"""Days off of a series: how far the last one of each kind lay below the week before it and the week after it."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.days_off import KINDS, NONE, days_off
from finops_ai.domain.series import FloatArray

_NOISE, _LEAST = (
    1.5,
    0.05,
)  # usual errors, and a twentieth: a smaller fall says nothing, twice as much is believed whole

_AROUND = 7  # days before and after a day off that tell what it would have cost
_RING = 2 * _AROUND + 1


def rest_days(start: date, days: int) -> NDArray[np.intp]:
    """Which day off each of `days` days from `start` is, 0 for a working day; shape (days,)."""
    return days_off(np.datetime64(start, "D") + np.arange(days))


class Rests:
    """What is known of the days off of `size` series before a day, on the compressed scale; updated in place."""

    def __init__(self, size: int) -> None:
        self._fall = np.zeros((KINDS + 1, size))  # by kind: how the last one differed from the days around it
        self._levels = np.full((_RING, size), np.nan)  # of the newest days, without weekday and month
        self._works = np.zeros((_RING, size), dtype=np.bool_)
        self._kinds = [NONE] * _RING
        self._day = 0

    def effect(self, kind: int, season: FloatArray, works: NDArray[np.bool_], error: FloatArray) -> FloatArray:
        """What a day off of `kind` differs by from others of its weekday, (series,).

        It falls as the last one did, as far as that stood out of the usual `error`, or by its `season` if that is more;
        at a weekend, where nothing `works`, it falls no further.
        """
        fall = self._fall[kind] * np.clip(-self._fall[kind] / np.maximum(_NOISE * error, _LEAST) - 1, 0.0, 1.0)
        return np.where(works & (fall < np.minimum(season, 0.0)), fall, season)

    def learn(self, level: FloatArray, kind: int, works: NDArray[np.bool_] | None) -> None:
        """From a day's `level`, its cost without weekday and month, NaN where unknown; a week later from those after.

        A day off that would have been a working day fell as far as it lay below the week before and the week after.
        `works` is None on other days.
        """
        at = self._day % _RING
        self._levels[at], self._kinds[at] = level, kind
        if works is not None:
            self._works[at] = works
        self._day += 1
        middle = (self._day + _AROUND) % _RING  # a week ago: the ring begins at `self._day % _RING`
        if self._kinds[middle] == NONE or self._day < _RING:
            return
        rows = np.flatnonzero(self._works[middle])
        seen = self._levels[:, rows][(self._day + np.arange(_RING)) % _RING]
        fall = np.minimum(seen[_AROUND] - np.minimum(_middle(seen[:_AROUND]), _middle(seen[-_AROUND:])), 0.0)
        known = np.isfinite(fall)
        self._fall[self._kinds[middle]][rows[known]] = fall[known]


def _middle(seven: FloatArray) -> FloatArray:
    """Median over the first axis, which has seven; NaN where one is."""
    middle: FloatArray = np.partition(seven, _AROUND // 2, axis=0)[_AROUND // 2] + 0 * seven.sum(axis=0)
    return middle
