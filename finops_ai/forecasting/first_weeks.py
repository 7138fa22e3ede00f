"""Weekdays of a young series that differ by far: learned at once from its first four weeks.

Surprises are clipped while a series is young, and of each a weekday learns a share. That suits weekends; of a bill
that comes in one lump a week too little would be learned for months, less than to repeat its last week.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.lasting import WEEK
from finops_ai.forecasting.newest import Newest

_WEEKS, _LEAST = 4, 3  # of them in which each weekday is known
_FAR = 2.0  # on the compressed scale, a factor of seven: how far a weekday has to be from what was learned of it
_ALIKE = 0.5  # of that: how far the weeks may differ among themselves


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What the series `rows` cost by weekday, (7, rows), and without weekdays, (rows,), on the compressed scale."""

    rows: NDArray[np.intp]
    weekday: FloatArray
    level: FloatArray


class FirstWeeks:
    """The last four weeks of `size` series; updated in place."""

    def __init__(self, size: int) -> None:
        self._days = Newest(_WEEKS * WEEK, size)

    def learn(
        self, day: FloatArray, known: NDArray[np.bool_], weekday: int, learned: FloatArray, seen: NDArray[np.intp]
    ) -> Lesson | None:
        """After a `day` (series,), where it is `known`; None where nothing differs by far from the weekdays `learned`.

        `seen` (series,) counts the days before it. A series that lacks a weekday twice has no lesson.
        """
        days = _WEEKS * WEEK
        if (seen >= days).all():  # nobody will be young again
            return None
        self._days.add(np.where(known, day, np.nan))
        rows = np.flatnonzero(known & (seen == days - 1))
        if not len(rows):
            return None
        last = self._days.last(days, rows).reshape(_WEEKS, WEEK, -1)
        enough = (np.isfinite(last).sum(axis=0) >= _LEAST).all(axis=0)
        rows, from_monday = rows[enough], np.roll(last[:, :, enough], weekday + 1, axis=1)
        usual = np.nanmedian(from_monday, axis=0)
        level = usual.mean(axis=0)
        effect = usual - level
        off = np.abs(effect - (learned[:, rows] - learned[:, rows].mean(axis=0))).max(axis=0)
        apart = (np.nanmax(from_monday, axis=0) - np.nanmin(from_monday, axis=0)).max(axis=0)
        far = (apart <= _ALIKE * off) & (off > _FAR)
        return Lesson(rows=rows[far], weekday=effect[:, far], level=level[far])
