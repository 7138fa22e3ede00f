"""By which clocks spend may recur that are neither week nor year."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.alike import Clocks
from finops_ai.domain.day_places import in_months, month_slots, same_before, weekday_numbers, working_days

FORTNIGHT = 0
"""The first of the clocks."""

_EVERY = {14: 7, 3: 1, 4: 2, 5: 4, 6: 3, 8: 4, 10: 5, 21: 7, 28: 14}
"""Days after which something recurs, and after how many it must not: what does recurs more often, or only lasts."""
_WEEK, _HALF_A_MONTH = 7, 14  # days; what recurs every week or two has no place in the month
_NUMBERS, _WORKING, _PLACE = ("number", "number, or last"), "working day", "place"
_RIVAL = {str(every): other for every, other in _EVERY.items()}
_RIVAL |= dict.fromkeys(_NUMBERS, _WEEK) | dict.fromkeys((_WORKING, _PLACE), _HALF_A_MONTH)
_LAST = 100  # more than any number of a day in its month: those that are counted from the end

SLOW = slice(list(_EVERY).index(21), None)
"""Those of the clocks that come so seldom that places in the month may seem to tell what they do."""


def places(start: date, days: int) -> dict[str, NDArray[np.intp]]:
    """Where `days` days from `start` stand in every so many and, by their weekday's number, in their month; (days,)."""
    every = {str(length): np.arange(days) % length for length in _EVERY}
    number, from_end = weekday_numbers(start, days)
    or_last = np.where(from_end < _WEEK, _LAST + from_end, number)
    return every | dict(zip(_NUMBERS, (number, or_last), strict=True))


def clocks(start: date, days: int) -> Clocks:
    """Every so many days, weekdays by their number in the month and working days from its nearer end."""
    return _clocks(_every_clock(start, days))


def slow_clocks(start: date, days: int) -> Clocks:
    """Places in the month, and then the SLOW ones of the clocks."""
    slow = list(_every_clock(start, days).items())[SLOW]
    return _clocks({_PLACE: month_slots(start, days), **dict(slow)})


def months(start: date, days: int) -> Clocks:
    """Places in the month."""
    return _clocks({_PLACE: month_slots(start, days)})


def _every_clock(start: date, days: int) -> dict[str, NDArray[np.intp]]:
    number, left = working_days(start, days)
    _, since_start, to_end = in_months(start, days)
    working = np.where((number >= 0) & (to_end < since_start), _LAST + left, number)
    return places(start, days) | {_WORKING: working}


def _clocks(place: dict[str, NDArray[np.intp]]) -> Clocks:
    """Clocks of days by their `place`, (days,) each."""
    days = len(next(iter(place.values())))
    rival = {name: f"every {_RIVAL[name]}" for name in place}
    rivals = {rival[name]: np.arange(days) % _RIVAL[name] for name in place}
    ways = {name: same_before(one) for name, one in (rivals | place).items()}
    return Clocks.of(ways, list(rival.items()))
