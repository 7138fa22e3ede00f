"""Forecast and score of many series against Prophet, fitted series by series.

Prophet is timed on a few of the same series, point forecasts only (no sampled bands), and scaled up; CPU seconds of one
process. The first row is like for like: one fit, one forecast. The second adds what one morning needs and Prophet's
single fit does not give (rolling backtest, three forecasters, calibrated bands, measured coverage, walk-forward scores).
The third gives Prophet that work too: one fit per backtest window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from finops_ai.detection.residual import scores
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.backtest import windows
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.prophet import ProphetForecaster
from finops_ai.forecasting.run import expected_now, forecast_all
from finops_ai.forecasting.settings import ForecastSettings

START = date(2025, 1, 1)
HORIZON_DAYS = 30
PROPHET_SERIES = 20


def run(series: int = 10_000, days: int = 400) -> list[dict[str, object]]:
    """Rows of {name, ours_s, yardstick_s, ratio, note}; ratio is yardstick / ours, larger is better."""
    values = _costs(series, days)
    settings, detect = ForecastSettings(prophet_series=0), DetectSettings()
    keys = [str(i) for i in range(series)]
    bills = [
        CostSeries(
            scope=Scope((("x_cost_center", key),)),
            cost_basis="effective",
            currency="USD",
            days=Days(START, START + timedelta(days=days)),
            values=row,
            complete_through=START + timedelta(days=days - 1),
        )
        for key, row in zip(keys, values, strict=True)
    ]
    prophet = ProphetForecaster()
    prophet.forecast(values[:1], START, HORIZON_DAYS, keys[:1])  # imports and the first start are not counted
    tried = min(PROPHET_SERIES, series)
    fit = _cpu(lambda: prophet.forecast(values[:tried], START, HORIZON_DAYS, keys[:tried])) * series / tried

    alone = _cpu(lambda: Baseline(settings).forecast(values, START, HORIZON_DAYS, keys))
    issued_on = START + timedelta(days=days)
    whole = _cpu(lambda: forecast_all(bills, horizon_days=HORIZON_DAYS, issued_on=issued_on, settings=settings))
    scored = _cpu(lambda: scores(bills, expected_now(bills, lookback_days=days, settings=settings), settings=detect))
    fits = 1 + len(windows(values[:1], START, horizon_days=HORIZON_DAYS, settings=settings))
    size = f"{series:,} series x {days} days"
    return [
        _row(f"forecast, {size}", alone, fit, f"one fit each; Prophet on {tried} series, scaled"),
        _row(f"forecast with bands + scores, {size}", whole + scored, fit, "Prophet: one fit, no bands, no scores"),
        _row(f"forecast with bands + scores, {size}, same work", whole + scored, fit * fits, f"Prophet: {fits} fits"),
    ]


def _row(name: str, ours: float, yardstick: float, note: str) -> dict[str, object]:
    return {
        "name": name,
        "ours_s": round(ours, 3),
        "yardstick_s": round(yardstick, 1),
        "ratio": round(yardstick / ours, 1),
        "note": note,
    }


def _cpu(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def _costs(series: int, days: int) -> FloatArray:
    """Level, trend, week, month start and noise; shape (series, days)."""
    random = np.random.default_rng(11)
    day = np.arange(days)
    level = 10 ** random.uniform(1, 4, (series, 1))
    growth = np.exp(random.uniform(-0.001, 0.002, (series, 1)) * day)
    week = np.where((START.weekday() + day) % 7 >= 5, random.uniform(0.4, 1, (series, 1)), 1.0)
    first = np.array([(START + timedelta(days=int(t))).day == 1 for t in day])
    fee = first * level * random.uniform(0, 3, (series, 1))
    noise = np.exp(random.normal(0, 0.06, (series, days)))
    return np.ascontiguousarray(level * growth * week * noise + fee)
