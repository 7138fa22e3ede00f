"""What recurs by another clock than week and year: every third day, in sprints, on second Tuesdays, all month long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.alike import Alike, Single
from finops_ai.domain.clocks import FORTNIGHT, SLOW, clocks, months, slow_clocks
from finops_ai.domain.kept import NO_CLOCK, Kept
from finops_ai.domain.median import median_of_three
from finops_ai.domain.series import FloatArray

IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

_NOBODY: IntArray = np.zeros(0, dtype=np.intp)
_IN_COMMON = 0.7  # share of squares that is no chance: of two alike surprises it is 0.57 or less, of three 0.75
_MANY_CLOCKS = 0.1  # more is asked of all but the fortnight: of many clocks one is right by chance more often
_STAYS, _AHEAD = 0.75, 0.1  # in common while it keeps what it tells: at least so much, and so much more than others
_ORDINARY = 3.0  # usual errors: what is larger, a fee, makes no month alike
_ASKED_EVERY = 7  # days
_GROWN = 100  # known days: a month's places take three months to learn, and are not to be taken for another clock


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What had been expected of a day, compressed, (series,): by `cycle`, and by its `place` in the month."""

    cycle: FloatArray
    place: FloatArray


class Cycles:
    """By which clock what surprised `size` series is alike, and what that tells of a day; updated in place."""

    def __init__(self, size: int, start: date, days: int) -> None:
        self._alike, self._slow = Alike(size, clocks(start, days)), Alike(size, slow_clocks(start, days))
        self._month = Alike(size, months(start, days))
        self._kept = Kept(size)
        self._seen, self._had_clock = np.zeros(size, dtype=np.intp), np.zeros(size, dtype=np.bool_)
        self.course = np.zeros(size, dtype=np.bool_)
        """Series whose months are alike as a whole, (series,), not in a few places alone."""

    def ahead(self, day: int, days: int) -> FloatArray:
        """What is expected of the cycle of each of `days` days from `day` on, compressed, (days, series)."""
        found = np.zeros((days, len(self.course)))
        for clock, rows in self._kept.by_clock():
            found[:, rows] = median_of_three(self._alike.last_three(clock, rows, day, days).astype(np.float64))
        return found

    def learn(
        self, day: int, surprise: FloatArray, expected: Expected, error: FloatArray, known: BoolArray
    ) -> IntArray:
        """From the `surprise` of a `day`, 0 where it is not `known`, and the usual `error`, compressed, (series,).

        Returns series that have a clock for the first time, but for fortnights: what their places in the month seemed
        to tell is what that does.
        """
        most, of_cycle = _ORDINARY * error, surprise + expected.cycle
        of_both = of_cycle + expected.place
        self._kept.learn(day, expected.cycle, surprise, error, known)
        self._alike.learn(day, of_cycle, known)
        self._month.learn(day, np.minimum(np.maximum(of_both, -most), most), known)
        self._slow.learn(day, of_both, known)
        self._seen += known
        return _NOBODY if day % _ASKED_EVERY else self._ask(day)

    def _ask(self, day: int) -> IntArray:
        """Believe the clocks that are alike enough by now; series that have one, no fortnight, for the first time."""
        share, month, (place, *slow) = (_alone(*one.shares()) for one in (self._alike, self._month, self._slow))
        share[SLOW] = np.maximum(share[SLOW], np.where(slow > place, slow, 0.0))
        share[1:] = np.where(self._seen < _GROWN, 0.0, share[1:] - _MANY_CLOCKS)
        rows = self._kept.rows(day)
        held = self._kept.clock[rows], rows
        share[held] = np.maximum(share[held] + _AHEAD, _STAYS)
        best, clock = share.max(axis=0), share.argmax(axis=0)
        self.course = (month[0] > _IN_COMMON) & (month[0] > best)
        believed = (best > _IN_COMMON) & ~self.course
        self._kept.believe(np.where(believed, clock, NO_CLOCK))
        first: IntArray = np.flatnonzero(believed & (clock != FORTNIGHT) & ~self._had_clock)
        self._had_clock[first] = True
        return first


def _alone(alike: Single, rival: Single) -> Single:
    """What is alike by each clock and not by its rival; that the first one's rival is unlike speaks for it, too."""
    found: Single = alike - np.maximum(rival, 0.0)
    found[0] = alike[0] - rival[0]
    return found
