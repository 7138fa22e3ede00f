"""A month of work that runs now and then comes to its mean, though the median of each of its days is nothing."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from finops_ai.domain.forecast import BANDS, MEDIAN, Forecast
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.now_and_then import beyond_medians
from finops_ai.forecasting.run import forecast_all
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import START, one_series

DAYS, AHEAD, SERIES, JOB = 420, 30, 24, 200.0
ISSUED = START + timedelta(days=DAYS)
LAST = ISSUED + timedelta(days=AHEAD - 1)


def told(values: FloatArray) -> list[Forecast]:
    series = [one_series(row, scope=Scope((("x_cost_center", f"team-{i}"),))) for i, row in enumerate(values)]
    return forecast_all(series, horizon_days=AHEAD, issued_on=ISSUED, settings=ForecastSettings(prophet_series=0))


def spotty(share: float, seed: int, days: int = DAYS + AHEAD) -> FloatArray:
    random = np.random.default_rng(seed)
    return np.where(random.random((SERIES, days)) < share, JOB * np.exp(random.normal(0, 0.2, (SERIES, days))), 0.0)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_month_comes_to_its_mean(share: float) -> None:
    values = spotty(share, 1)
    found, came = told(values[:, :DAYS]), values[:, DAYS:].sum(axis=1)
    totals = np.array([one.total_quantiles[LAST] for one in found])
    assert sum(one.expected(LAST) for one in found) == pytest.approx(share * AHEAD * JOB * SERIES, rel=0.12)
    assert sum(one.median.sum() for one in found) < 0.4 * came.sum()
    low, high = BANDS[0.8]
    assert 0.65 <= np.mean((totals[:, low] <= came) & (came <= totals[:, high])) <= 0.95


def test_every_second_day_is_half_of_the_days() -> None:
    day = np.arange(DAYS)
    values = np.where(day % 2 == 0, JOB, 0.0) * np.exp(np.random.default_rng(2).normal(0, 0.05, (SERIES, DAYS)))
    assert np.median([one.expected(LAST) for one in told(values)]) == pytest.approx(AHEAD / 2 * JOB, rel=0.1)


def test_work_of_every_day_comes_to_the_medians_of_its_days() -> None:
    week = np.where(np.arange(DAYS) % 7 > 4, 0.4, 1.0)
    values = JOB * week * np.exp(np.random.default_rng(3).normal(0, 0.15, (SERIES, DAYS)))
    for one in told(values):
        assert one.total_quantiles[LAST][MEDIAN] == pytest.approx(one.median.sum())


def test_growth_that_is_missed_every_day_is_no_such_work() -> None:
    answer = np.exp(np.random.default_rng(4).normal(0, 0.05, (SERIES, 14, 30))) * JOB * 1.2
    assert not beyond_medians(answer, np.full(answer.shape, JOB), range(100, 282, 13)).rows.any()


def test_work_that_stopped_comes_to_little() -> None:
    values = spotty(0.3, 5, DAYS)
    values[:, -100:] = 0.0
    assert max(one.expected(LAST) for one in told(values)) < 0.05 * AHEAD * 0.3 * JOB


def test_without_a_backtest_sums_are_those_of_medians() -> None:
    nothing = np.zeros((3, 0, 30))
    assert not beyond_medians(nothing, nothing, []).rows.any()
    few = np.full((3, 2, 30), np.nan)
    assert not beyond_medians(few, few, [100, 113]).rows.any()
