"""What recurs by another clock than week and year: every third day, in sprints, on second Tuesdays, all month long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.median import median_of_three
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.alike import Alike, Single
from finops_ai.forecasting.clocks import OF_WEEKS, by_days, by_month, by_working_days

IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

_NONE = np.zeros(0, dtype=np.intp)
_IN_COMMON = 0.7  # share of squares that is no chance: of two alike surprises it is 0.57 or less, of three 0.75
_MANY_CLOCKS = 0.1  # more is asked of all but the fortnight: of many clocks one is right by chance more often
_ORDINARY = 3.0  # usual errors: what is larger, a fee, makes no month alike
_ASKED_EVERY = 7  # days
_GROWN = 100  # known days: a month's places take three months to learn, and are not to be taken for another clock


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What had been expected of a day, compressed, (series,): by `cycle`, and by its `place` in the month."""

    cycle: FloatArray
    place: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Believed:
    """Series, and the clock that each is alike by; (series,)."""

    rows: IntArray
    clock: IntArray

    def ahead(self, alike: Alike, day: int, days: int) -> FloatArray:
        """Median of the last three before `day` on the places of `days` days from it on, (days, rows)."""
        found = np.zeros((days, len(self.rows)))
        for clock in np.unique(self.clock):
            some = self.clock == clock
            found[:, some] = median_of_three(alike.last_three(clock, self.rows[some], day, days).astype(np.float64))
        return found


class Cycles:
    """By which clock what surprised `size` series is alike, and what that tells of a day; updated in place."""

    def __init__(self, size: int, start: date, days: int) -> None:
        self._days, self._month = Alike(size, by_days(start, days)), Alike(size, by_month(start, days))
        self._working = Alike(size, by_working_days(start, days))
        self._by_days = self._by_working_days = _Believed(_NONE, _NONE)
        self._seen, self._had_clock = np.zeros(size, dtype=np.intp), np.zeros(size, dtype=np.bool_)
        self.course = np.zeros(size, dtype=np.bool_)
        """Series whose months are alike as a whole, (series,), not in a few places alone."""

    def ahead(self, day: int, days: int) -> FloatArray:
        """What is expected of the cycle of each of `days` days from `day` on, compressed, (days, series)."""
        found = np.zeros((days, len(self.course)))
        if len(self._by_days.rows):
            found[:, self._by_days.rows] = self._by_days.ahead(self._days, day, days)
        return found

    def correct(self, places: FloatArray, day: int) -> None:
        """Where working days tell more than the places of days in the month, put that into `places` (days, series)."""
        if len(self._by_working_days.rows):
            places[:, self._by_working_days.rows] = self._by_working_days.ahead(self._working, day, len(places))

    def learn(
        self, day: int, surprise: FloatArray, expected: Expected, error: FloatArray, known: BoolArray
    ) -> list[tuple[int, slice]]:
        """From the `surprise` of a `day`, 0 where it is not `known`, and the usual `error`, compressed, (series,).

        Returns series that have a clock of days for the first time, and the places in the month that seemed to tell
        what that does: all of them.
        """
        most, of_cycle = _ORDINARY * error, surprise + expected.cycle
        of_both = of_cycle + expected.place
        self._days.learn(day, of_cycle, known)
        self._month.learn(day, np.minimum(np.maximum(of_both, -most), most), known)
        self._working.learn(day, of_both, known)
        self._seen += known
        return [] if day % _ASKED_EVERY else [(row, slice(None)) for row in self._ask().tolist()]

    def _ask(self) -> IntArray:
        """Believe the clocks that are alike enough by now; series that have one of days for the first time."""
        days, month, (place, *working) = (_alone(*one.shares()) for one in (self._days, self._month, self._working))
        share = np.stack([*days, *(np.where(one > place, one, 0.0) for one in working)])
        share[1:] = np.where(self._seen < _GROWN, 0.0, share[1:] - _MANY_CLOCKS)
        best = share.max(axis=0)
        self.course = (month[0] > _IN_COMMON) & (month[0] > best)
        rows = np.flatnonzero((best > _IN_COMMON) & ~self.course)
        clock = share[:, rows].argmax(axis=0)
        works = clock >= len(days)
        self._by_days = _Believed(rows[~works], clock[~works])
        self._by_working_days = _Believed(rows[works], clock[works] - len(days) + 1)
        first: IntArray = rows[~works & (clock >= OF_WEEKS) & ~self._had_clock[rows]]
        self._had_clock[first] = True
        return first


def _alone(alike: Single, rival: Single) -> Single:
    """What is alike by each clock and not by its rival; that the first one's rival is unlike speaks for it, too."""
    found: Single = alike - np.maximum(rival, 0.0)
    found[0] = alike[0] - rival[0]
    return found
