"""Days on which work rests in a large country, by rule, so that any year has them."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

NONE = 0
_FIXED = (
    *((1, 1), (1, 6), (5, 1), (7, 4), (7, 14), (8, 15), (10, 2), (10, 3), (11, 1), (11, 11)),
    *((12, day) for day in range(24, 32)),
)  # month and day
_MONDAYS = ((5, 25), (9, 1))  # month and first day of the seven that may be it: Memorial Day, Labor Day
_THANKSGIVING = (0, 1)  # days after it
_EASTER = (-2, 1, 39, 50)  # days after Easter Sunday
KINDS = len(_FIXED) + len(_MONDAYS) + len(_THANKSGIVING) + len(_EASTER)


def days_off(day: NDArray[np.datetime64]) -> NDArray[np.intp]:
    """Which day off each UTC day is, 1 to KINDS and the same in any year, NONE for a working day; shape of `day`."""
    month = day.astype("datetime64[M]")
    of_year = month.astype(np.intp) % 12 + 1
    of_month = (day - month.astype("datetime64[D]")).astype(np.intp) + 1
    weekday = (day.astype(np.intp) + 3) % 7
    rules = [(of_year == number) & (of_month == one) for number, one in _FIXED]
    rules += [
        (of_year == number) & (weekday == 0) & (of_month >= first) & (of_month < first + 7)
        for number, first in _MONDAYS
    ]
    rules += [day == thanksgiving(day) + after for after in _THANKSGIVING]
    years = np.unique(day.astype("datetime64[Y]").astype(np.intp) + 1970)
    sundays = np.array([_easter(int(year)) for year in years], dtype="datetime64[D]")
    rules += [np.isin(day, sundays + after) for after in _EASTER]
    found = np.full(len(day), NONE, dtype=np.intp)
    for number, rule in reversed(list(enumerate(rules, start=1))):  # where two fall on one day the first names it
        found[rule] = number
    return found


def thanksgiving(day: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Thanksgiving of the year of each day, the fourth Thursday of November; shape of `day`."""
    november = (day.astype("datetime64[Y]").astype("datetime64[M]") + 10).astype("datetime64[D]")
    to_thursday = -november.astype(np.intp) % 7  # 1970-01-01 was one
    found: NDArray[np.datetime64] = november + (to_thursday + 21).astype("timedelta64[D]")
    return found


def _easter(year: int) -> np.datetime64:
    """Easter Sunday by the anonymous Gregorian rule (Nature, 20 April 1876)."""
    century, rest = divmod(year, 100)
    golden = year % 19
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    sunday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    number = epact + sunday - 7 * ((golden + 11 * epact + 22 * sunday) // 451) + 114
    return np.datetime64(date(year, number // 31, number % 31 + 1), "D")
