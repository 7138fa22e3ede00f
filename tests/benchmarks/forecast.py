"""Forecasts of many series against Prophet and the seasonal naive, fitted series by series; CPU seconds of one process.

"trained anew" is a whole night: regression, boosted model (twice), simple forecasters, rolling backtest, last year's
course and Prophet where they may win, calibrated bands of days and sums. "one new day" is what must be computed when a
day arrives and nothing is trained: the regression's pass and its forecast. Prophet is timed as one would use it for the
same end, one fit with its own bands, on a few of the series, scaled up. Sizes grow tenfold, so that the growth can be
read off; of the largest only the new day is measured, which is what comes every day (`growth` trains it anew).
statsforecast's seasonal naive takes part where it is installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import numpy as np

from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.naive import SeasonalNaive
from finops_ai.forecasting.run import forecast_all
from finops_ai.forecasting.settings import ForecastSettings

START = date(2025, 1, 1)
HORIZON_DAYS = 30
PROPHET_SERIES = 20
SIZES = (1_000, 10_000)
NEW_DAY_SIZES = (100_000,)


def run(*, quick: bool = False) -> list[dict[str, object]]:
    """Rows of {name, ours_s, yardstick_s, ratio, note}; ratio is yardstick / ours, larger is better."""
    tried = 2 if quick else PROPHET_SERIES
    sizes, days = ((60,), 400) if quick else (SIZES, 730)
    settings = ForecastSettings(prophet_series=tried) if quick else ForecastSettings()
    rows: list[dict[str, object]] = []
    for series in sizes:
        values = costs(series, days)
        fit = prophet_seconds(values[:tried]) * series / tried
        whole, day = trained_anew(values, settings), _new_day(values)
        size = f"{series:,} series x {days} days"
        rows += [
            row(f"trained anew, {size}", whole, fit, f"Prophet: one fit each, {tried} series, scaled"),
            row(f"one new day, {size}", day, fit, "the same Prophet fits"),
            *_naive(day, values, size),
        ]
    for series in () if quick else NEW_DAY_SIZES:
        values = costs(series, days)
        rows += _naive(_new_day(values), values, f"{series:,} series x {days} days")
    return rows


def prophet_seconds(values: FloatArray) -> float:
    """CPU seconds of one fit for each of some series; imports and the first start are not counted."""
    _prophet(values[0])
    return _cpu(partial(_prophets, values))


def trained_anew(values: FloatArray, settings: ForecastSettings) -> float:
    """CPU seconds of a night over series of these costs."""
    bills = [_series(str(i), row) for i, row in enumerate(values)]
    today = START + timedelta(days=values.shape[1])
    return _cpu(partial(forecast_all, bills, horizon_days=HORIZON_DAYS, issued_on=today, settings=settings))


def _new_day(values: FloatArray) -> float:
    return _cpu(partial(Baseline(ForecastSettings()).forecast, values, START, HORIZON_DAYS, ()))


def _naive(day: float, values: FloatArray, size: str) -> list[dict[str, object]]:
    """A new day's seconds beside last week repeated: by one array operation, and by statsforecast series by series."""
    plain = _cpu(partial(SeasonalNaive().forecast, values, START, HORIZON_DAYS, ()))
    rows = [row(f"one new day against seasonal naive, {size}", day, plain, "vectorised seasonal naive")]
    if importlib.util.find_spec("statsforecast"):
        model = importlib.import_module("statsforecast.models").SeasonalNaive(season_length=7)
        model.forecast(y=values[0], h=HORIZON_DAYS)  # it compiles at first
        each = _cpu(lambda: [model.forecast(y=row, h=HORIZON_DAYS) for row in values])
        rows.append(row(f"one new day against statsforecast, {size}", day, each, "its seasonal naive"))
    return rows


def _prophets(values: FloatArray) -> None:
    for one in values:
        _prophet(one)


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


def row(name: str, ours: float, yardstick: float, note: str) -> dict[str, object]:
    return {
        "name": name,
        "ours_s": round(ours, 3),
        "yardstick_s": round(yardstick, 3),
        "ratio": yardstick / ours,
        "note": note,
    }


def _cpu(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def costs(series: int, days: int) -> FloatArray:
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
