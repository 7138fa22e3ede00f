"""Rolling origins: windows on the past that hand out their history and their answer separately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.base import Forecaster
from finops_ai.forecasting.settings import ForecastSettings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """One origin in `values` (series, days): a forecaster is given the history, a judge the answer."""

    values: FloatArray
    start: date
    origin: int
    horizon_days: int

    def history(self) -> FloatArray:
        """Days before the origin, shape (series, origin); a copy, so that nothing behind it can be reached."""
        return self.values[:, : self.origin].copy()

    def answer(self) -> FloatArray:
        """The days forecast, shape (series, horizon_days); NaN where they are not complete yet."""
        known = self.values[:, self.origin : self.origin + self.horizon_days]
        answer = np.full((len(self.values), self.horizon_days), np.nan)
        answer[:, : known.shape[1]] = known
        return answer

    def forecast(self, forecaster: Forecaster, keys: Sequence[str]) -> FloatArray:
        return forecaster.forecast(self.history(), self.start, self.horizon_days, keys)


def windows(values: FloatArray, start: date, *, horizon_days: int, settings: ForecastSettings) -> list[Window]:
    """Windows of `values` (series, days), oldest first; the newest origins know only part of their answer.

    Origins at which no series has `cold_days` days behind it are left out.
    """
    days = values.shape[1]
    oldest = max(settings.cold_days, days - settings.backtest_days)
    origins = range(days - settings.origin_step, oldest - 1, -settings.origin_step)
    return [
        Window(values=values, start=start, origin=origin, horizon_days=horizon_days) for origin in reversed(origins)
    ]
