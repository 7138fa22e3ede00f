"""Last year's course has a say where a series has seasons of its own, and nowhere else."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from finops_ai.domain.scope import Scope
from finops_ai.forecasting.last_year import WITH_LAST_YEAR, LastYear
from finops_ai.forecasting.run import forecast_all
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import one_series

START = date(2024, 1, 1)
DAYS, AHEAD = 500, 60


def _season(days: np.ndarray) -> np.ndarray:
    """Ten weeks of each year that come to twice the rest."""
    return 1 + 1.0 * np.exp(-(((days % 364 - 120) / 30) ** 2))


def test_a_course_that_repeats_at_another_level_is_continued() -> None:
    days = np.arange(DAYS + AHEAD)
    costs = 100 * _season(days) * np.where(days % 7 >= 5, 0.5, 1.0) * np.where(days < 364, 1.0, 3.0)
    (ahead,) = LastYear().forecast(costs[None, :DAYS], START, AHEAD, ["one"])
    assert np.abs(ahead / costs[DAYS:] - 1).max() < 0.06


def test_without_thirteen_months_there_is_no_course() -> None:
    assert np.isnan(LastYear().forecast(np.ones((2, 391)), START, AHEAD, ["a", "b"])).all()
    assert np.isfinite(LastYear().forecast(np.ones((2, 392)), START, 28, ["a", "b"])).all()


def test_seasons_are_followed_by_the_series_that_have_them() -> None:
    random = np.random.default_rng(5)
    days = np.arange(DAYS + AHEAD)
    seasonal = [i % 4 == 0 for i in range(24)]
    costs = np.array(
        [
            10.0 ** random.uniform(1, 3) * (_season(days + 9 * i) if own else np.ones(len(days)))
            for i, own in enumerate(seasonal)
        ]
    )
    costs = costs * np.exp(random.normal(0, 0.05, costs.shape))
    series = [one_series(row[:DAYS], scope=Scope((("a", str(i)),)), start=START) for i, row in enumerate(costs)]
    settings = ForecastSettings(prophet_series=0)
    found = forecast_all(series, horizon_days=AHEAD, issued_on=START + timedelta(days=DAYS), settings=settings)
    follows = [one.forecaster.startswith(WITH_LAST_YEAR) for one in found]
    assert sum(follow for follow, own in zip(follows, seasonal, strict=True) if own) >= 4
    assert not any(follow for follow, own in zip(follows, seasonal, strict=True) if not own)
    assert all("last-year" in one.backtest_error for one, follow in zip(found, follows, strict=True) if follow)
