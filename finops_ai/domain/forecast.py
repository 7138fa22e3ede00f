"""Forecasts and scores: what was expected, how surely, and how strange a day was under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray

LEVELS: tuple[float, ...] = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Quantile levels of every forecast: the ends of the 95 % and 80 % bands, the quartiles and the median."""

MEDIAN = LEVELS.index(0.5)
BANDS: Mapping[float, tuple[int, int]] = {
    0.8: (LEVELS.index(0.1), LEVELS.index(0.9)),
    0.95: (LEVELS.index(0.025), LEVELS.index(0.975)),
}
"""Places in LEVELS of the lower and the upper end of each band."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """Expected cost per day from `days.start`, the first day that is not complete.

    `quantiles` has shape (len(LEVELS), len(days)), in `currency`, non-decreasing along the first axis.
    `total_quantiles` maps a day of `days` to quantiles (len(LEVELS),) of the sum from `days.start` through that
    day: days move together, so a sum's band is calibrated by itself.
    `measured_coverage` maps 0.8 and 0.95 to the share of backtest days inside the band (nan: too few).
    """

    scope: Scope
    cost_basis: str
    currency: str
    issued_on: date
    forecaster: str
    days: Days
    quantiles: FloatArray
    total_quantiles: Mapping[date, FloatArray]
    measured_coverage: Mapping[float, float]
    backtest_error: Mapping[str, float] = field(default_factory=dict)
    degraded: str | None = None

    @property
    def median(self) -> FloatArray:
        median: FloatArray = self.quantiles[MEDIAN]
        return median

    def expected(self, through: date) -> float:
        """What the days through that one come to: the median of their sum, or the sum of their medians without one.

        Work that runs now and then comes to more than its days' medians, which are nothing on most days.
        """
        total = self.total_quantiles.get(through)
        return float(self.median[: (through - self.days.start).days + 1].sum() if total is None else total[MEDIAN])


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How strange one day is under the forecast made before it.

    `p_value` is the share of past surprises at least as large (upper tail); `z` the excess in units of the usual
    error; `second_opinion` the rank in 0..1 that an outlier model gives the day (None: not asked);
    `since` the first strange hour of the day (UTC), where its hours tell of it. That is not kept in the ledger.
    """

    scope: Scope
    currency: str
    day: date
    observed: float
    expected: float
    upper: float
    z: float
    p_value: float
    scorer: str
    second_opinion: float | None = None
    since: datetime | None = None
