"""Bills that begin when a month's free quota is used up: nothing on its first days, month after month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.day_places import in_months
from finops_ai.domain.series import FloatArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]

_LEAST, _MONTHS = 3, 3  # days free at the beginning of each of so many months: a long weekend is shorter
_WORKS = 0.5  # share of the days after them that cost something


@dataclass(frozen=True, slots=True, eq=False)
class Quotas:
    """Which days of `size` series are expected to be free, by what was known before each.

    `month` and `day` (days,) number the months and tell how many days of it went before. Of the `rows` that may have a
    quota, `free` (months, rows) is how many days a month that is over began with for nothing, `due` how many of a month
    are free by the three before it, and `begun` (days, rows) whether any day of the month cost something before.
    """

    size: int
    rows: IntArray
    month: IntArray
    day: IntArray
    free: IntArray
    due: IntArray
    begun: BoolArray

    @classmethod
    def of(cls, by_day: FloatArray, small_cost: float, start: date, days_ahead: int) -> Quotas:
        """From costs (days, series), NaN where not known; what is at most `small_cost` is nothing."""
        month, day, _ = in_months(start, len(by_day) + days_ahead + 1)
        month -= month[0]
        firsts = np.flatnonzero(day[: len(by_day)] == 0)
        opening = [by_day[first : first + _LEAST] for first in firsts.tolist()]
        rests = np.array([~(part > small_cost).any(axis=0) for part in opening]).reshape(len(opening), by_day.shape[1])
        rows = np.flatnonzero(rests.sum(axis=0) >= 1)
        paid = by_day[:, rows] > small_cost  # NaN compares false
        free = np.zeros((int(month[-1]) + 1, len(rows)), dtype=np.intp)
        begun = np.zeros((len(by_day) + 1, len(rows)), dtype=np.bool_)
        for first in firsts.tolist():
            of_month = paid[first:][month[first : len(by_day)] == month[first]]
            begun[first + 1 : first + 1 + len(of_month)] = np.logical_or.accumulate(of_month, axis=0)
            if day[first + len(of_month)] == 0:  # whole: the next one begins
                before, after = (~begun[first + 1 :][: len(of_month)]).sum(axis=0), of_month.sum(axis=0)
                works = after >= np.maximum(_WORKS * (len(of_month) - before), 1)
                free[month[first]] = np.where(works & (before >= _LEAST), before, 0)
                begun[first + len(of_month)] = False
        due = np.zeros_like(free)
        for m in range(_MONTHS, len(free)):
            due[m] = free[m - _MONTHS : m].min(axis=0)
        return cls(by_day.shape[1], rows, month, day, free, due, begun)

    def expected(self, days: int) -> BoolArray:
        """Of the first `days` days those that were expected to be free, (days, series)."""
        return self._of_all((self.day[:days, None] < self.due[self.month[:days]]) & ~self.begun[:days])

    def ahead(self, origin: int, horizon_days: int) -> BoolArray:
        """Days from `origin` on that will be free, as far as the days before it can tell, (horizon_days, series)."""
        later = slice(origin, origin + horizon_days)
        over = (self.month[later] == self.month[origin])[:, None] & self.begun[origin]
        return self._of_all((self.day[later, None] < self.due[self.month[origin]]) & ~over)

    def may_begin(self, at: int) -> BoolArray:
        """Series whose last month before the day `at` began as with a free quota, (series,): it may be their first."""
        found: BoolArray = np.zeros(self.size, dtype=np.bool_)
        if month := self.month[at]:
            found[self.rows] = self.free[month - 1] > 0
        return found

    def _of_all(self, free: BoolArray) -> BoolArray:
        found = np.zeros((len(free), self.size), dtype=np.bool_)
        found[:, self.rows] = free
        return found

    def used_up(self, at: int) -> Iterator[tuple[int, slice]]:
        """Series that cost something on the day `at`, days too early, and the places in the month that this ends."""
        due = self.due[self.month[at]]
        early = self.day[at] + _LEAST <= due
        for k in np.flatnonzero(early & self.begun[at + 1] & ~self.begun[at]).tolist():
            yield int(self.rows[k]), slice(int(self.day[at]), int(due[k]))
