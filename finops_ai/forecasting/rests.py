"""Days off of a series: how far the last one of each kind lay below the week before it and the week after it."""

from __future__ import annotations

from collections import deque
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.days_off import KINDS, days_off
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.newest import Newest

# A fall of less than so many usual errors, and of less than a twentieth, says nothing; twice as much is believed whole.
_NOISE, _LEAST = 1.5, 0.05
_AROUND = 7  # days before and after a day off that tell what it would have cost


def rest_days(start: date, days: int) -> NDArray[np.intp]:
    """Which day off each of `days` days from `start` is, 0 for a working day; shape (days,)."""
    return days_off(np.datetime64(start, "D") + np.arange(days))


class Rests:
    """What is known of the days off of `size` series before a day, on the compressed scale; updated in place."""

    def __init__(self, size: int) -> None:
        self._fall = np.zeros((KINDS + 1, size))  # by kind: how the last one differed from the days around it
        self._waiting = deque[tuple[int, NDArray[np.bool_] | None]](maxlen=_AROUND + 1)  # for the week after them

    def effect(self, kind: int, season: FloatArray, works: NDArray[np.bool_], error: FloatArray) -> FloatArray:
        """What a day off of `kind` differs by from others of its weekday, (series,).

        It falls as the last one did, as far as that stood out of the usual `error`, or by its `season` if that is more;
        at a weekend, where nothing `works`, it falls no further.
        """
        fall = self._fall[kind] * np.clip(-self._fall[kind] / np.maximum(_NOISE * error, _LEAST) - 1, 0.0, 1.0)
        return np.where(works & (fall < np.minimum(season, 0.0)), fall, season)

    def learn(self, levels: Newest, kind: int, works: NDArray[np.bool_] | None) -> None:
        """From the `levels` up to a day, costs without weekday and month: of the day off of a week ago, if it was one.

        Where it would have been a working day it fell as far as it lay below the week before and the week after.
        `works` tells that of today, and is None where today is no day off.
        """
        self._waiting.append((kind, works))
        kind, works = self._waiting[0]
        if works is None or len(self._waiting) <= _AROUND:
            return
        rows = np.flatnonzero(works)
        seen = levels.last(2 * _AROUND + 1, rows)
        before, after = np.median(seen[:_AROUND], axis=0), np.median(seen[-_AROUND:], axis=0)
        fall = np.minimum(seen[_AROUND] - np.minimum(before, after), 0.0)
        known = np.isfinite(fall)
        self._fall[kind][rows[known]] = fall[known]
