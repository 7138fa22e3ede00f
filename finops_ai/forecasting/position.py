"""Where days stand in their week, month and year."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.forecasting.rests import rest_days
from finops_ai.forecasting.seasons import season_places

MONTH_SLOTS = 31
"""28 days from the month's start and the last three: a fee on the last day keeps its slot in every month."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Places:
    """Where days stand in their week, month and year, (days,) each: weekday, slot, place in a season, day off."""

    weekday: NDArray[np.intp]
    slot: NDArray[np.intp]
    season: NDArray[np.intp]
    rest: NDArray[np.intp]

    @classmethod
    def of(cls, start: date, days: int) -> Places:
        return cls(
            weekday=weekdays(start, days),
            slot=month_slots(start, days),
            season=season_places(start, days),
            rest=rest_days(start, days),
        )

    def part(self, first: int, end: int) -> Places:
        parts = {one.name: getattr(self, one.name)[first:end] for one in fields(self)}
        return Places(**parts)

    def each(self) -> Iterator[tuple[int, int, int, int]]:
        """The four of each day."""
        return zip(self.weekday.tolist(), self.slot.tolist(), self.season.tolist(), self.rest.tolist(), strict=True)


def weekdays(start: date, days: int) -> NDArray[np.intp]:
    """Weekday (Monday 0) of `days` days from `start`; shape (days,)."""
    return (start.weekday() + np.arange(days)) % 7


def in_months(start: date, days: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Of `days` days from `start`: months since 1970, and the days of the month before and after each; (days,) each."""
    day = np.datetime64(start, "D") + np.arange(days)
    month = day.astype("datetime64[M]")
    before = (day - month.astype("datetime64[D]")).astype(np.intp)
    after = ((month + np.timedelta64(1, "M")).astype("datetime64[D]") - day).astype(np.intp) - 1
    return month.astype(np.intp), before, after


def month_slots(start: date, days: int) -> NDArray[np.intp]:
    """Slot of each day in its month, shape (days,): day of month - 1, or 28 + days to month end for the last three."""
    _, since_start, to_end = in_months(start, days)
    return np.where(to_end <= 2, 28 + to_end, since_start)


def month_ends(start: date, days: int) -> NDArray[np.intp]:
    """Indices of the days that end a month, shape (any,)."""
    return np.flatnonzero(month_slots(start, days) == 28)
