"""Cost of one scope by the day and by the hour, as known at one instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostSeries:
    """Cost per UTC day in `currency`; `values` has shape (len(days),), 0.0 where nothing was charged, NaN if not known.

    `complete_through` is the last day whose bill is taken as whole: later days are shown, never judged.
    Floats live here and in forecasts only; money shown to people comes from the ledger's decimals.
    """

    scope: Scope
    cost_basis: str
    currency: str
    days: Days
    values: FloatArray
    complete_through: date

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.days),):
            raise ValueError(f"{self.values.shape} values for {len(self.days)} days of {self.scope}")

    @property
    def key(self) -> str:
        return f"{self.scope.key}|{self.currency}"

    @property
    def complete_days(self) -> Days:
        return Days(
            self.days.start, max(self.days.start, min(self.days.end, self.complete_through + timedelta(days=1)))
        )

    @property
    def charged(self) -> FloatArray:
        """What is known to have been charged on each day, (len(days),): nothing where nothing is known."""
        return np.nan_to_num(self.values)

    @property
    def complete_values(self) -> FloatArray:
        return self.values[: len(self.complete_days)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HourlySeries:
    """Cost per hour in `currency`, from the UTC hour that begins at `start`; `values` has shape (hours,).

    0.0 where nothing was charged. Later hours are not known; those of the newest hours may still grow.
    """

    scope: Scope
    cost_basis: str
    currency: str
    start: datetime
    values: FloatArray
