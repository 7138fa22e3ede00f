"""Where days stand in their week and month."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

MONTH_SLOTS = 31
"""28 days from the month's start and the last three: a fee on the last day keeps its slot in every month."""


def weekdays(start: date, days: int) -> NDArray[np.intp]:
    """Weekday (Monday 0) of `days` days from `start`; shape (days,)."""
    return (start.weekday() + np.arange(days)) % 7


def month_slots(start: date, days: int) -> NDArray[np.intp]:
    """Slot of each day in its month, shape (days,): day of month - 1, or 28 + days to month end for the last three."""
    day = np.datetime64(start, "D") + np.arange(days)
    month = day.astype("datetime64[M]")
    since_start = (day - month.astype("datetime64[D]")).astype(np.intp)
    to_end = ((month + np.timedelta64(1, "M")).astype("datetime64[D]") - day).astype(np.intp) - 1
    return np.where(to_end <= 2, 28 + to_end, since_start)


def month_ends(start: date, days: int) -> NDArray[np.intp]:
    """Indices of the days that end a month, shape (any,)."""
    return np.flatnonzero(month_slots(start, days) == 28)
