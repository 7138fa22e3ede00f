"""What is still to come of a month: forecasts joined to the days that were billed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from finops_ai.domain.forecast import BANDS, MEDIAN, Forecast
from finops_ai.domain.money import EXACT, total
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.report import DayFigure, MonthEnd
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray

BAND = 0.8
CENT = Decimal("0.01")
ByDay = Mapping[date, Decimal]
Band = tuple[Decimal, Decimal, Decimal]
"""Low, expected and high: the ends and the middle of the 80% band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Newest forecast of each scope in one currency, seen from the end of `month`."""

    month: BillingPeriod
    complete_through: date | None
    forecasts: Mapping[Scope, Forecast]

    def month_end(self, by_day: ByDay) -> MonthEnd | None:
        """What the whole month comes to; None without a forecast of the total that reaches its end."""
        forecast = self.forecasts.get(Scope())
        band = self._at_month_end(forecast, by_day)
        if forecast is None or band is None:
            return None
        coverage = forecast.measured_coverage.get(BAND, math.nan)
        return MonthEnd(
            low=band[0],
            expected=band[1],
            high=band[2],
            measured_coverage=None if math.isnan(coverage) else float(coverage),
            forecaster=forecast.forecaster,
            degraded=forecast.degraded,
        )

    def daily(self, by_day: ByDay, start: date) -> tuple[DayFigure, ...]:
        """Every day from `start` or the first that cost anything to the end of the month."""
        forecast = self.forecasts.get(Scope())
        first = max(start, min(by_day, default=start))
        last = max(by_day, default=start)
        figures = []
        for day in Days(first, max(first, self.month.end, last + timedelta(days=1))):
            band = _column(forecast, day)
            observed = by_day.get(day, Decimal(0)) if day <= last else None
            figures.append(_figure(day, observed, self._complete(day), band))
        return tuple(figures)

    def cumulative(self, by_day: ByDay) -> tuple[DayFigure, ...]:
        """The month's running total, as billed through the last day seen and as forecast from where it is not whole."""
        forecast = self.forecasts.get(Scope())
        last = max(by_day, default=self.month.start)
        figures = []
        for day in self.month.days:
            so_far = billed_in(by_day, Days(self.month.start, day + timedelta(days=1)))
            band = self._through(forecast, by_day, day)
            figures.append(_figure(day, so_far if day <= last else None, self._complete(day), band))
        return tuple(figures)

    def _complete(self, day: date) -> bool:
        return self.complete_through is not None and day <= self.complete_through

    def _at_month_end(self, forecast: Forecast | None, by_day: ByDay) -> Band | None:
        last = self.month.end - timedelta(days=1)
        if forecast is not None and last < forecast.days.start:
            billed = billed_in(by_day, self.month.days)
            return billed, billed, billed
        return self._through(forecast, by_day, last)

    def _through(self, forecast: Forecast | None, by_day: ByDay, day: date) -> Band | None:
        """Billed days of the month before the forecast plus the forecast's total through `day`.

        A forecast that began in an earlier month cannot be parted by day: its totals hold days of that month.
        """
        if forecast is None or forecast.days.start < self.month.start:
            return None
        quantiles = forecast.total_quantiles.get(day)
        if quantiles is None:
            return None
        billed = billed_in(by_day, Days(self.month.start, forecast.days.start))
        billed += beyond(forecast, by_day, day)
        low, _, high = _band(quantiles)
        middle = expected(forecast, day)
        return EXACT.add(billed, min(low, middle)), EXACT.add(billed, middle), EXACT.add(billed, max(high, middle))


def billed_in(by_day: ByDay, days: Days) -> Decimal:
    return total(by_day.get(day, Decimal(0)) for day in days)


def expected(forecast: Forecast, day: date) -> Decimal:
    """What the forecast's days through `day` come to; these sums add up over scopes."""
    return Decimal(repr(forecast.expected(day))).quantize(CENT)


def beyond(forecast: Forecast, by_day: ByDay, day: date) -> Decimal:
    """What days billed since the forecast cost beyond it already: a day's bill grows, so it is certain."""
    seen = (one for one in by_day if forecast.days.start <= one <= day and one in forecast.days)
    excess = (by_day[one] - band[1] for one in seen if (band := _column(forecast, one)))
    return total(max(Decimal(0), each) for each in excess)


def _column(forecast: Forecast | None, day: date) -> Band | None:
    if forecast is None or day not in forecast.days:
        return None
    return _band(forecast.quantiles[:, (day - forecast.days.start).days])


def _band(quantiles: FloatArray) -> Band:
    low, high = BANDS[BAND]
    ends = tuple(Decimal(repr(float(quantiles[i]))).quantize(CENT) for i in (low, MEDIAN, high))
    return ends[0], ends[1], ends[2]


def _figure(day: date, observed: Decimal | None, complete: bool, band: Band | None) -> DayFigure:
    low, expected, high = band or (None, None, None)
    return DayFigure(day=day, observed=observed, complete=complete, expected=expected, low=low, high=high)
