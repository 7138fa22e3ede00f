"""By which clocks spend may recur that are neither week nor year."""

from __future__ import annotations

from datetime import date

import numpy as np

from finops_ai.domain.day_places import month_slots, same_before, weekday_numbers, working_days
from finops_ai.forecasting.alike import Clocks

OF_WEEKS = 3
"""So many of the clocks `by_days` are of whole weeks: the fortnight, the first, and two more."""

_EVERY = {14: 7, 28: 14, 21: 7, 3: 1, 4: 2, 5: 4, 6: 3, 8: 4, 10: 5}
"""Days after which something recurs, and after how many it must not: what does recurs more often, or only lasts."""
_WEEK = "7"
_HALF_A_MONTH = 14  # days, whole weeks: what recurs every week or two is none of it


def by_days(start: date, days: int) -> Clocks:
    """Every so many days, or a weekday's number in its month from either end, of `days` days from `start`."""
    ways = {str(after): np.arange(days) - after for after in sorted({*_EVERY, *_EVERY.values()})}
    numbers = zip(("number", "from the end"), weekday_numbers(start, days), strict=True)
    ways |= {name: same_before(place) for name, place in numbers}
    pairs = [(str(every), str(other)) for every, other in _EVERY.items()]
    return Clocks.of(ways, [*pairs, ("number", _WEEK), ("from the end", _WEEK)])


def by_month(start: date, days: int) -> Clocks:
    """Places in the month, of `days` days from `start`."""
    ways = {"place": same_before(month_slots(start, days)), "half": np.arange(days) - _HALF_A_MONTH}
    return Clocks.of(ways, [("place", "half")])


def by_working_days(start: date, days: int) -> Clocks:
    """Places in the month, and then working days by their number from its start and from its end."""
    places = (month_slots(start, days), *working_days(start, days))
    names = ("place", "working day", "from the end")
    ways = {name: same_before(place) for name, place in zip(names, places, strict=True)}
    return Clocks.of({**ways, "half": np.arange(days) - _HALF_A_MONTH}, [(name, "half") for name in names])
