"""A young bill whose weekdays differ by far is forecast by them after four weeks; others learn as they always did."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.settings import ForecastSettings

MONDAY = date(2024, 1, 1)
SERIES = 12


def ahead(values: FloatArray, days: int = 28) -> FloatArray:
    return Baseline(ForecastSettings()).forecast(values, MONDAY, days, [str(k) for k in range(len(values))])


def noise(days: int, seed: int, size: float = 0.05) -> FloatArray:
    return np.exp(np.random.default_rng(seed).normal(0, size, (SERIES, days)))


@pytest.mark.parametrize("known", [28, 31, 60, 200])
def test_a_bill_in_one_lump_a_week_is_forecast_as_one(known: int) -> None:
    lump = np.where(np.arange(known + 28) % 7 == 3, 700.0, 0.0)
    told = ahead(lump[:known] * noise(known, 1))
    error = np.abs(told - lump[known:]).mean()
    assert error < 0.1 * lump.mean()


def test_one_incident_among_four_weeks_makes_no_weekday() -> None:
    values = 100 * noise(28, 2)
    values[:, 17] *= 40
    assert np.abs(ahead(values) / 100 - 1).max() < 0.5


@pytest.mark.parametrize("holes", [[9], [10], [3, 4, 15], [1, 8]])
def test_days_that_are_not_known_do_no_harm(holes: list[int]) -> None:
    lump = np.where(np.arange(60 + 28) % 7 == 3, 700.0, 1.0)
    values = lump[:60] * noise(60, 3)
    values[:, holes] = np.nan
    told = ahead(values)
    assert np.isfinite(told).all()
    assert holes == [1, 8] or np.abs(told - lump[60:]).mean() < 0.1 * lump.mean()


def test_weekends_are_learned_at_the_pace_they_were() -> None:
    """The lesson is for weekdays that differ by more than seven times."""
    week = np.where(np.arange(28 + 7) % 7 > 4, 0.4, 1.0)
    told = ahead(100 * week[:28] * noise(28, 4), 7)
    assert (np.abs(told / (100 * week[28:]) - 1).mean(axis=1) < 0.35).all()
