"""Growth that lasted a year goes on, chance does not; a level follows as fast as its own surprises ask for."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.settings import ForecastSettings

START = date(2024, 1, 1)
DAYS, AHEAD = 420, 90
MONTHLY = 0.06


def ahead(values: FloatArray, days: int = AHEAD) -> FloatArray:
    """Forecasts of `values` (series, days); the same shape with `days` days."""
    keys = [str(k) for k in range(len(values))]
    return Baseline(ForecastSettings()).forecast(values, START, days, keys)


def noise(series: int, seed: int, days: int = DAYS, size: float = 0.05) -> FloatArray:
    return np.random.default_rng(seed).normal(0, size, (series, days))


def test_growth_of_a_year_goes_on() -> None:
    day = np.arange(DAYS + AHEAD)
    course = 200 * np.exp(np.log1p(MONTHLY) / 30 * day)
    told = ahead(course[:DAYS] * np.exp(noise(20, 1)))
    grown = told[:, -28:].mean(axis=1) / course[-28:].mean()
    assert np.median(grown) == pytest.approx(1, abs=0.03)
    flat = course[DAYS - 1] / course[-28:].mean()
    assert flat < 0.87 < grown.min()


def test_a_step_is_no_growth() -> None:
    values = 200 * np.exp(noise(20, 2))
    values[:, 250:] *= 2.5
    told = ahead(values)
    assert np.median(told[:, -28:].mean(axis=1)) == pytest.approx(500, rel=0.03)


def test_a_series_that_wanders_is_not_taken_to_grow() -> None:
    steps = np.random.default_rng(3).normal(0, 0.03, (60, DAYS))
    values = 200 * np.exp(np.cumsum(steps, axis=1) + noise(60, 4, size=0.02))
    told = ahead(values)
    moved = np.log(told[:, -28:].mean(axis=1) / told[:, :28].mean(axis=1))
    assert np.mean(np.abs(moved) < 0.02) > 0.6
    assert np.mean(np.abs(moved)) < 0.5 * np.abs(np.log(values[:, -28:] / values[:, -118:-90])).mean()


def test_a_young_series_has_no_growth_yet() -> None:
    course = 200 * np.exp(np.log1p(MONTHLY) / 30 * np.arange(100))
    told = ahead(course * np.exp(noise(20, 5, days=100)))
    assert np.abs(told[:, -28:].mean(axis=1) / told[:, :28].mean(axis=1) - 1).max() < 0.02


def test_growth_is_not_believed_for_more_than_half_a_year() -> None:
    course = 200 * np.exp(np.log1p(MONTHLY) / 30 * np.arange(DAYS))
    told = ahead(course[None] * np.exp(noise(1, 6)), days=400)[0]
    assert told[375:].mean() == pytest.approx(told[200:225].mean(), rel=0.02)


def test_a_level_that_walks_is_followed_faster_than_one_that_is_noisy() -> None:
    random = np.random.default_rng(7)
    walking = 200 * np.exp(np.cumsum(random.normal(0, 0.04, (60, DAYS + 7)), axis=1))
    noisy = 200 * np.exp(noise(60, 8, days=DAYS + 7, size=0.2))

    def error(values: FloatArray, told: FloatArray | float) -> float:
        return float(np.abs(np.log(values[:, DAYS:] / told)).mean())

    last = walking[:, DAYS - 1 : DAYS]
    assert error(walking, ahead(walking[:, :DAYS], 7)) < 1.15 * error(walking, last)
    assert error(noisy, ahead(noisy[:, :DAYS], 7)) < 1.06 * error(noisy, 200.0)


def test_busy_days_that_pass_are_not_followed() -> None:
    random = np.random.default_rng(9)
    busy = np.zeros((60, DAYS + 14))
    for t in range(1, DAYS + 14):
        busy[:, t] = 0.4 * busy[:, t - 1] + random.normal(0, 0.15, 60)
    values = 200 * np.exp(busy)
    told = ahead(values[:, :DAYS], 14)
    assert np.abs(np.log(values[:, DAYS + 7 :] / told[:, 7:])).mean() < 1.08 * np.abs(busy[:, DAYS + 7 :]).mean()
