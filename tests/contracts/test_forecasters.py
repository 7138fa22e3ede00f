"""What every forecaster promises, whatever its method."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from finops_ai.forecasting.base import Forecaster
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.naive import SeasonalNaive, TrailingMean
from finops_ai.forecasting.prophet import ProphetForecaster
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import START, Bill

FORECASTERS = (Baseline(ForecastSettings()), SeasonalNaive(), TrailingMean(), ProphetForecaster())
KEYS = ("a", "b", "c")
HORIZON_DAYS = 21


@pytest.fixture(scope="module")
def history() -> np.ndarray:
    values = np.stack(list(Bill(days=150).costs().values())[:3])
    values[1, :60] = np.nan  # began later
    values[2, 100] = np.nan  # a gap
    return values


@pytest.mark.parametrize("forecaster", FORECASTERS, ids=lambda one: one.name)
class TestForecaster:
    def test_answers_every_series_and_day_with_a_number(self, forecaster: Forecaster, history: np.ndarray) -> None:
        ahead = forecaster.forecast(history, START, HORIZON_DAYS, KEYS)
        assert ahead.shape == (3, HORIZON_DAYS)
        assert np.isfinite(ahead).all()
        usual = np.nanmean(history[:, -56:], axis=1)
        assert (np.abs(ahead.mean(axis=1) / usual - 1) < 0.5).all()

    def test_same_input_same_bytes(self, forecaster: Forecaster, history: np.ndarray) -> None:
        first = forecaster.forecast(history.copy(), START, HORIZON_DAYS, KEYS)
        assert first.tobytes() == forecaster.forecast(history.copy(), START, HORIZON_DAYS, KEYS).tobytes()

    def test_series_do_not_influence_each_other(self, forecaster: Forecaster, history: np.ndarray) -> None:
        together = forecaster.forecast(history, START, HORIZON_DAYS, KEYS)
        alone = np.concatenate(
            [forecaster.forecast(history[i : i + 1], START, HORIZON_DAYS, KEYS[i : i + 1]) for i in range(3)]
        )
        np.testing.assert_allclose(together, alone, rtol=1e-9)

    def test_leaves_its_input_alone(self, forecaster: Forecaster, history: np.ndarray) -> None:
        before = history.copy()
        forecaster.forecast(history, START, HORIZON_DAYS, KEYS)
        np.testing.assert_array_equal(history, before)

    def test_no_series_is_no_forecast(self, forecaster: Forecaster) -> None:
        assert forecaster.forecast(np.zeros((0, 50)), START, HORIZON_DAYS, ()).shape == (0, HORIZON_DAYS)


def test_a_week_is_continued_on_the_right_weekday() -> None:
    week = np.array([100, 100, 100, 100, 100, 20, 20.0])
    monday = START + timedelta(days=-START.weekday())
    history = np.tile(week, 20)[None, :-3]  # ends on a Thursday
    for forecaster in (Baseline(ForecastSettings()), SeasonalNaive()):
        ahead = forecaster.forecast(history, monday, 7, ("a",))[0]
        assert ahead[[1, 2]].max() < 40, forecaster.name
        assert ahead[[0, 3, 4, 5, 6]].min() > 80, forecaster.name
