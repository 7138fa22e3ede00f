"""A bill that begins when the month's free quota is used up is nothing until then, and at its level after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.quotas import Quotas
from finops_ai.forecasting.settings import ForecastSettings

START, DAYS, SERIES = date(2024, 1, 1), 400, 4
SETTINGS = ForecastSettings()
DATES = [START + timedelta(days=t) for t in range(DAYS + 92)]
IN_MONTH = np.array([day.day - 1 for day in DATES])
NOISE = np.exp(np.random.default_rng(3).normal(0, 0.05, (SERIES, len(DATES))))


def quota(free_days: int, level: float = 800.0) -> FloatArray:
    return np.where(free_days <= IN_MONTH, level, 0.0) * NOISE


def ahead(values: FloatArray, origin: date, days: int = 31) -> FloatArray:
    known = (origin - START).days
    return Baseline(SETTINGS).forecast(values[:, :known], START, days, [str(k) for k in range(len(values))])


@pytest.mark.parametrize("free_days", [3, 5, 12, 20])
@pytest.mark.parametrize("origin", [date(2024, 7, 1), date(2024, 7, 4), date(2024, 7, 25), date(2024, 12, 31)])
def test_free_days_are_nothing_and_the_others_at_their_level(free_days: int, origin: date) -> None:
    values = quota(free_days)
    told = ahead(values, origin)
    free = values[0, (origin - START).days :][:31] == 0
    assert (told[:, free] == 0).all()
    error = np.abs(told[:, ~free] / 800 - 1)
    assert error.mean() < 0.15
    assert error.max() < 0.4


def test_free_days_teach_the_level_nothing() -> None:
    """A fortnight of nothing is longer than a new level needs to be believed."""
    growing = quota(14) * 1.002 ** np.arange(len(DATES))
    told = ahead(growing, date(2024, 11, 1), 30)[:, 14:]
    came = growing[:, (date(2024, 11, 1) - START).days :][:, 14:30]
    assert np.abs(told / came - 1).mean() < 0.12


def test_a_quota_that_is_used_up_sooner_is_over_for_the_month() -> None:
    values = quota(12)
    first = (date(2024, 9, 1) - START).days
    values[:, first + 5 : first + 12] = 800.0
    assert (ahead(values, date(2024, 9, 8), 20) > 500).all()
    assert (ahead(values, date(2024, 10, 1), 5) == 0).all()


def test_a_quota_that_no_longer_lasts_is_forgotten_at_once() -> None:
    values = quota(12)
    since = (date(2024, 9, 1) - START).days
    values[:, since:] = 800.0
    assert (ahead(values, date(2024, 10, 1), 31) > 500).all()


def _fee(day: date) -> float:
    return 900.0 if day.day == 1 else 0.0


def _works(day: date) -> float:
    return 300.0 if day.weekday() < 5 else 0.0


def _second_half_once(day: date) -> float:
    return 0.0 if day.month == 5 and day.day < 16 else 300.0


def _job(day: date) -> float:
    return 400.0 if day.toordinal() % 11 == 4 else 0.0


@pytest.mark.parametrize("bill", [_fee, _works, _second_half_once, _job, lambda day: 0.0, lambda day: -4.0])
def test_no_other_bill_has_a_quota(bill: Callable[[date], float]) -> None:
    costs = np.array([bill(day) for day in DATES])[:, None]
    found = Quotas.of(costs, SETTINGS.small_cost, START, 31)
    assert not found.expected(len(costs)).any()
    assert not found.ahead(len(costs), 31).any()


def test_only_earlier_days_say_what_is_free() -> None:
    costs = quota(9).T
    whole = Quotas.of(costs, SETTINGS.small_cost, START, 60)
    for known in range(100, 400, 7):
        later = costs.copy()
        later[known:] = np.random.default_rng(known).choice([0.0, 700.0], later[known:].shape)
        other = Quotas.of(later, SETTINGS.small_cost, START, 60)
        assert (whole.expected(known + 1) == other.expected(known + 1)).all()
        assert (whole.ahead(known, 60) == other.ahead(known, 60)).all()


def test_unknown_days_are_no_cost_and_no_quota_either() -> None:
    values = quota(12)
    values[:, ::9] = np.nan
    told = ahead(values, date(2024, 11, 1))
    assert np.isfinite(told).all()
    assert (told[:, :12] == 0).all()


def test_components_add_up_to_the_forecast() -> None:
    values = quota(12)[:, : (date(2024, 11, 1) - START).days]
    parts = Baseline(SETTINGS).parts(values, START, 40)
    told = Baseline(SETTINGS).forecast(values, START, 40, list("abcd"))
    assert np.allclose(2 * SETTINGS.small_cost * np.sinh(parts.total().T), told)
