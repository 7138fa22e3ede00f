"""Where days stand: weekday, place in the month, days off, and the earlier days of their kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.intp]

MONTH_SLOTS = 31
"""28 days from the month's start and the last three: a fee on the last day keeps its slot in every month."""

_MONTHS_BACK = (1, 2, 3, 12)
_FORTNIGHT = 14
_YEAR = 364
_TO_AUGUST, _FROM_OCTOBER = ((1, 1), (1, 6), (5, 1), (7, 4), (7, 14), (8, 15)), ((10, 2), (10, 3), (11, 1), (11, 11))
_FIXED = (*_TO_AUGUST, *_FROM_OCTOBER, *((12, day) for day in range(24, 32)))  # month and day


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """Arrays of shape (days,) for `days` UTC days from `start`; places are indices of days, out of range for none."""

    weekday: IntArray
    slot: IntArray
    month: IntArray
    """Months since 1970."""
    off: NDArray[np.bool_]
    months: tuple[IntArray, ...]
    """For last month, the two before and the same month last year: the like days, shape (days, places)."""
    fortnights: tuple[IntArray, IntArray]
    year: IntArray
    """The week around the same weekday of last year, shape (days, 7)."""


def calendar(start: date, days: int) -> Calendar:
    day = np.datetime64(start, "D") + np.arange(days)
    month = day.astype("datetime64[M]")
    since_start = (day - month.astype("datetime64[D]")).astype(np.intp)
    to_end = ((month + 1).astype("datetime64[D]") - day).astype(np.intp) - 1
    at = np.arange(days)
    return Calendar(
        weekday=(start.weekday() + at) % 7,
        slot=np.where(to_end <= 2, 28 + to_end, since_start),
        month=month.astype(np.intp),
        off=_days_off(day),
        months=tuple(_like(day, month, since_start, to_end, back) for back in _MONTHS_BACK),
        fortnights=(at - _FORTNIGHT, at - 2 * _FORTNIGHT),
        year=at[:, None] - _YEAR + np.arange(-3, 4),
    )


def _like(
    day: NDArray[np.datetime64], month: NDArray[np.datetime64], since_start: IntArray, to_end: IntArray, back: int
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
    return np.stack([*near, *_like_working_days(day, month, before, same)], axis=1)


def _like_working_days(
    day: NDArray[np.datetime64], month: NDArray[np.datetime64], before: NDArray[np.datetime64], same: IntArray
) -> tuple[IntArray, IntArray]:
    """The working day of that month of the same number, from its start and from its end; `same` for a weekend's."""
    works = np.is_busday(day)
    first, end = before.astype("datetime64[D]"), (before + 1).astype("datetime64[D]")
    number = np.busday_count(month.astype("datetime64[D]"), day)
    left = np.busday_count(day, (month + 1).astype("datetime64[D]"))
    from_start = np.busday_offset(first, number, roll="forward")
    from_end = np.busday_offset(end, -left, roll="forward")
    found = []
    for like in (from_start, from_end):
        inside = works & (like >= first) & (like < end)
        found.append(np.where(inside, (like - day[0]).astype(np.intp), same))
    return found[0], found[1]


def _days_off(day: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    """Days on which work rests in a large country: a fall to a weekend's cost is then no news."""
    month = day.astype("datetime64[M]")
    of_year = month.astype(np.intp) % 12 + 1
    of_month = (day - month.astype("datetime64[D]")).astype(np.intp) + 1
    weekday = (day.astype(np.intp) + 3) % 7
    off = np.zeros(len(day), dtype=np.bool_)
    for number, date_ in _FIXED:
        off |= (of_year == number) & (of_month == date_)
    mondays = ((5, 25, 31), (9, 1, 7))  # Memorial Day, Labor Day
    for number, first, last in mondays:
        off |= (of_year == number) & (weekday == 0) & (of_month >= first) & (of_month <= last)
    off |= (of_year == 11) & (weekday == 3) & (of_month >= 22) & (of_month <= 28)
    off |= (of_year == 11) & (weekday == 4) & (of_month >= 23) & (of_month <= 29)
    for year in np.unique(day.astype("datetime64[Y]").astype(np.intp) + 1970):
        off |= np.isin(day, _easter(int(year)) + np.array([-2, 1, 39, 50]))
    return off


def _easter(year: int) -> np.datetime64:
    """Easter Sunday by the anonymous Gregorian rule (Nature, 20 April 1876)."""
    century, rest = divmod(year, 100)
    golden = year % 19
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    sunday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    number = epact + sunday - 7 * ((golden + 11 * epact + 22 * sunday) // 451) + 114
    return np.datetime64(date(year, number // 31, number % 31 + 1), "D")
