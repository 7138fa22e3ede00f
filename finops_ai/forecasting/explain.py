"""What a forecast is made of: parts in money per day that add up to its median."""

from __future__ import annotations

import numpy as np

from finops_ai.domain.expectation import expand
from finops_ai.domain.forecast import Forecast
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.matrix import Group, align
from finops_ai.forecasting.prophet import NoFit, ProphetForecaster, components
from finops_ai.forecasting.settings import ForecastSettings


def explain(series: CostSeries, forecast: Forecast, settings: ForecastSettings) -> dict[str, FloatArray]:
    """Parts of the forecast in currency per day, each (len(forecast.days),); they add up to its median.

    `bound` is what the limits (no negative cost, no runaway) took away or added.
    """
    horizon_days = len(forecast.days)
    groups = align([series], history_days=settings.history_days)
    name = forecast.forecaster.partition("/")[0]
    parts: dict[str, FloatArray] = {}
    if groups and name == Baseline.name:
        parts = _baseline_parts(groups[0], horizon_days, settings)
    elif groups and name == ProphetForecaster.name:
        parts = _prophet_parts(groups[0], horizon_days)
    elif groups:
        parts = {"level": np.full(horizon_days, forecast.median.mean())}
        parts["weekday"] = forecast.median - parts["level"]
    parts["bound"] = forecast.median - sum(parts.values(), np.zeros(horizon_days))
    return parts


def _baseline_parts(group: Group, horizon_days: int, settings: ForecastSettings) -> dict[str, FloatArray]:
    parts = Baseline(settings).parts(group.values, group.start, horizon_days)
    total = np.zeros(horizon_days)
    before = np.zeros(horizon_days)
    result = {}
    for name, part in (
        ("level", parts.level),
        ("trend", parts.trend),
        ("weekday", parts.weekday),
        ("month", parts.month),
    ):
        total = total + part[:, 0]
        result[name] = expand(total, settings.small_cost) - before
        before = before + result[name]
    return result


def _prophet_parts(group: Group, horizon_days: int) -> dict[str, FloatArray]:
    try:
        parts = components(group.values[0], group.start, horizon_days)
    except NoFit:
        return {}
    names = {"trend": "trend", "weekly": "weekday", "yearly": "year"}
    return {names[name]: part for name, part in parts.items() if name in names}
