"""Where days stand in their week, month and year."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.day_places import month_slots, weekdays
from finops_ai.forecasting.rests import rest_days
from finops_ai.forecasting.seasons import season_places


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


def month_ends(start: date, days: int) -> NDArray[np.intp]:
    """Indices of the days that end a month, shape (any,)."""
    return np.flatnonzero(month_slots(start, days) == 28)
