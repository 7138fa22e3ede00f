"""Where UTC days stand in their week and month, and the last day before each that stood in the same place."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.intp]

MONTH_SLOTS = 31
"""28 days from the month's start and the last three: a fee on the last day keeps its slot in every month."""

_WEEK, _WORKING_DAYS = 7, 5
_A_MONTH = 35  # days, or five weeks


def weekdays(start: date, days: int) -> IntArray:
    """Weekday (Monday 0) of `days` days from `start`; shape (days,)."""
    return (start.weekday() + np.arange(days)) % _WEEK


def in_months(start: date, days: int) -> tuple[IntArray, IntArray, IntArray]:
    """Of `days` days from `start`: months since 1970, and the days of the month before and after each; (days,) each."""
    day = np.datetime64(start, "D") + np.arange(days)
    month = day.astype("datetime64[M]")
    before = (day - month.astype("datetime64[D]")).astype(np.intp)
    after = ((month + np.timedelta64(1, "M")).astype("datetime64[D]") - day).astype(np.intp) - 1
    return month.astype(np.intp), before, after


def month_slots(start: date, days: int) -> IntArray:
    """Slot of each day in its month, shape (days,): day of month - 1, or 28 + days to month end for the last three."""
    _, since_start, to_end = in_months(start, days)
    return np.where(to_end <= 2, 28 + to_end, since_start)


def weekday_numbers(start: date, days: int) -> tuple[IntArray, IntArray]:
    """Weekdays by their number in the month: places as of a second Tuesday, and as of a last Friday; (days,) each."""
    weekday = weekdays(start, days)
    _, since_start, to_end = in_months(start, days)
    return since_start // _WEEK * _WEEK + weekday, to_end // _WEEK * _WEEK + weekday


def working_days(start: date, days: int) -> tuple[IntArray, IntArray]:
    """Mondays to Fridays by their number in the month, from its start and from its end; below 0, each another, for
    days of weekends; (days,) each.
    """
    at = np.arange(days)
    day, works = np.datetime64(start, "D") + at, weekdays(start, days) < _WORKING_DAYS
    _, since_start, to_end = in_months(start, days)
    counts = np.busday_count(day - since_start, day), np.busday_count(day, day + to_end + 1)
    number, left = (np.where(works, count, -at - 1) for count in counts)
    return number, left


def same_before(place: IntArray) -> IntArray:
    """Of each day the last one before in the same `place`, (days,); -1 where that is longer ago than a month."""
    order = np.argsort(place, kind="stable")
    found = np.full(len(place), -1)
    again = (np.diff(place[order]) == 0) & (np.diff(order) <= _A_MONTH)
    found[order[1:][again]] = order[:-1][again]
    return found
