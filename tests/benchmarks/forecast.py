"""Forecast and score of many series against Prophet, fitted series by series.

Prophet is timed as one would use it for the same end: one fit with its own bands over the history, to score it, and the
horizon; on a few of the series, scaled up. CPU seconds of one process. The first row is like for like: one fit gives
forecasts and scores. The second is a whole morning of ours (three forecasters, a rolling backtest, calibrated bands of
days and sums, measured coverage, walk-forward scores) against the same single fit; the third gives Prophet a fit per
backtest window too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from finops_ai.detection.residual import scores
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.expectation import Expectation
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.backtest import windows
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.run import expected_now, forecast_all
from finops_ai.forecasting.settings import ForecastSettings

START = date(2025, 1, 1)
HORIZON_DAYS = 30
PROPHET_SERIES = 20


def run(series: int = 10_000, days: int = 400, *, quick: bool = False) -> list[dict[str, object]]:
    """Rows of {name, ours_s, yardstick_s, ratio, note}; ratio is yardstick / ours, larger is better."""
    if quick:
        series, tried = 200, 2
    else:
        tried = min(PROPHET_SERIES, series)
    values = _costs(series, days)
    bills = [_series(str(i), row) for i, row in enumerate(values)]
    settings, detect = ForecastSettings(prophet_series=0), DetectSettings()
    _prophet(values[0])  # imports and the first start are not counted
    fit = _cpu(lambda: list(map(_prophet, values[:tried]))) * series / tried

    issued_on = START + timedelta(days=days)
    once = _cpu(lambda: _one_pass(values, bills, settings, detect))
    whole = _cpu(lambda: forecast_all(bills, horizon_days=HORIZON_DAYS, issued_on=issued_on, settings=settings))
    whole += _cpu(lambda: scores(bills, expected_now(bills, lookback_days=days, settings=settings), settings=detect))
    fits = 1 + len(windows(values[:1], START, horizon_days=HORIZON_DAYS, settings=settings))
    size = f"{series:,} series x {days} days"
    return [
        _row(f"forecast + score, {size}", once, fit, f"one fit each; Prophet on {tried} series, scaled"),
        _row(f"whole morning, {size}", whole, fit, "ours backtested and calibrated; Prophet: one fit"),
        _row(f"whole morning, same work, {size}", whole, fit * fits, f"Prophet: {fits} fits"),
    ]


def _one_pass(values: FloatArray, bills: list[CostSeries], settings: ForecastSettings, detect: DetectSettings) -> None:
    end = values.shape[1]
    walk = Baseline(settings).walk(values, START, HORIZON_DAYS, origins=(end,))
    expected = [
        Expectation(
            days=bill.days,
            day_ahead=day,
            fortnight_ahead=earlier,
            small_cost=settings.small_cost,
            forecaster="baseline",
        )
        for bill, day, earlier in zip(bills, walk.day_ahead, walk.fortnight_ahead, strict=True)
    ]
    scores(bills, expected, settings=detect)


def _prophet(values: FloatArray) -> FloatArray:
    import pandas as pd
    from prophet import Prophet

    logging.getLogger("cmdstanpy").disabled = True
    days = pd.date_range(START, periods=len(values) + HORIZON_DAYS)
    model = Prophet()
    model.fit(pd.DataFrame({"ds": days[: len(values)], "y": values}))
    band = model.predict(pd.DataFrame({"ds": days}))
    past = band.iloc[: len(values)]
    return np.asarray((values - past["yhat"]) / (past["yhat_upper"] - past["yhat_lower"]))


def _series(key: str, values: FloatArray) -> CostSeries:
    return CostSeries(
        scope=Scope((("x_cost_center", key),)),
        cost_basis="effective",
        currency="USD",
        days=Days(START, START + timedelta(days=len(values))),
        values=values,
        complete_through=START + timedelta(days=len(values) - 1),
    )


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
