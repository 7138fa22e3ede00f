"""Holds a month's forecast against what then came, beside the simplest one: last week again."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from finops_ai.domain.forecast import BANDS, Forecast
from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.promise import Promise
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.accuracy import coverage, wape
from finops_ai.forecasting.naive import SeasonalNaive


def held(forecast: Forecast, actual: CostSeries, month: BillingPeriod) -> Promise | None:
    """How `forecast` did on the days of `month`; None when it says nothing of it or a day of it is not complete.

    `actual` is the same scope's cost of every kind of charge; days before its first charge cost nothing.
    """
    days = [day for day in month.days if day in forecast.days]
    if not days or actual.complete_through < days[-1]:
        return None
    at = [(day - forecast.days.start).days for day in days]
    came = _between(actual, days[0].toordinal(), len(days))
    week = _between(actual, forecast.days.start.toordinal() - 7, 7)
    naive = SeasonalNaive().forecast(week[None], forecast.days.start - timedelta(days=7), at[-1] + 1, ("",))[0, at]
    quantiles = forecast.quantiles[:, at]
    median = forecast.median[at]
    expected = forecast.expected(days[-1]) - float(forecast.median[: at[0]].sum())
    spent = float(np.abs(came).sum())
    inside = {level: float(coverage(came, quantiles[low], quantiles[high])) for level, (low, high) in BANDS.items()}
    return Promise(
        scope=forecast.scope,
        cost_basis=forecast.cost_basis,
        currency=forecast.currency,
        month=month,
        issued_on=forecast.issued_on,
        forecaster=forecast.forecaster,
        days=len(days),
        expected=expected,
        actual=float(came.sum()),
        wape=float(wape(came, median)) if spent else float("nan"),
        naive_wape=float(wape(came, naive)) if spent else float("nan"),
        bias=(expected - float(came.sum())) / spent if spent else float("nan"),
        coverage_80=inside[0.8],
        coverage_95=inside[0.95],
    )


def _between(actual: CostSeries, first: int, days: int) -> FloatArray:
    """Costs of `days` days from the ordinal `first`; 0 where the series has none."""
    found = np.zeros(days)
    start = actual.days.start.toordinal()
    low, high = max(first, start), min(first + days, start + len(actual.values))
    if low < high:
        found[low - first : high - first] = actual.values[low - start : high - start]
    return found
