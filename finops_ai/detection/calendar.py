"""Where days stand: weekday, place in the month, days off, and the earlier days of their kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.day_places import in_months, month_slots, same_before, weekday_numbers, weekdays, working_days
from finops_ai.domain.days_off import NONE, days_off

IntArray = NDArray[np.intp]

_MONTHS_BACK = (1, 2, 3, 12)
_DAYS_BACK = (14, 21, 28)
_YEAR = 364


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Arrays of shape (days,) for `days` UTC days from `start`; places are indices of days, out of range for none."""

    start: date
    weekday: IntArray
    slot: IntArray
    month: IntArray
    """Months since 1970."""
    off: NDArray[np.bool_]
    months: tuple[IntArray, ...]
    """For last month, the two before and the same month last year: the like days, shape (days, places)."""
    cycles: tuple[tuple[IntArray, IntArray], ...]
    """For each other clock, of so many days or of weekdays by their number in the month: the last like day, and the one
    before it.
    """
    year: IntArray
    """The week around the same weekday of last year, shape (days, 7)."""


def calendar(start: date, days: int) -> Calendar:
    day = np.datetime64(start, "D") + np.arange(days)
    month = day.astype("datetime64[M]")
    number, since_start, to_end = in_months(start, days)
    working = working_days(start, days)
    at = np.arange(days)
    twice = [(same, np.where(same < 0, -1, same[same])) for same in map(same_before, weekday_numbers(start, days))]
    return Calendar(
        start=start,
        weekday=weekdays(start, days),
        slot=month_slots(start, days),
        month=number,
        off=days_off(day) != NONE,
        months=tuple(_like(day, month, since_start, to_end, working, back) for back in _MONTHS_BACK),
        cycles=(*((at - back, at - 2 * back) for back in _DAYS_BACK), *twice),
        year=at[:, None] - _YEAR + np.arange(-3, 4),
    )


def _like(
    day: NDArray[np.datetime64],
    month: NDArray[np.datetime64],
    since_start: IntArray,
    to_end: IntArray,
    working: tuple[IntArray, IntArray],
    back: int,
) -> IntArray:
    """Same day of the month so many months ago, and for a month's last days as far from its end; a day either way."""
    if not len(day):
        return np.zeros((0, 6), dtype=np.intp)
    before = month - back
    first = (before.astype("datetime64[D]") - day[0]).astype(np.intp)
    length = ((before + 1).astype("datetime64[D]") - before.astype("datetime64[D]")).astype(np.intp)
    same = first + np.minimum(since_start, length - 1)
    ending = np.where(to_end <= 2, first + length - 1 - to_end, same)
    near = [one + shift for one in (same, ending) for shift in (-1, 0, 1)]
    return np.stack([*near, *_like_working_days(day, working, before, same)], axis=1)


def _like_working_days(
    day: NDArray[np.datetime64], working: tuple[IntArray, IntArray], before: NDArray[np.datetime64], same: IntArray
) -> tuple[IntArray, IntArray]:
    """The working day of that month of the same number, from its start and from its end; `same` for a weekend's."""
    number, left = working
    first, end = before.astype("datetime64[D]"), (before + 1).astype("datetime64[D]")
    from_start = np.busday_offset(first, number, roll="forward")
    from_end = np.busday_offset(end, -left, roll="forward")
    found = []
    for like in (from_start, from_end):
        inside = (number >= 0) & (like >= first) & (like < end)
        found.append(np.where(inside, (like - day[0]).astype(np.intp), same))
    return found[0], found[1]
