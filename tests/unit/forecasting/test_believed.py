"""A completed day counts as far as it is sure, and what was expected of it for the rest."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from finops_ai.domain.series import CostSeries
from finops_ai.forecasting.believed import believe
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import one_series

SETTINGS = ForecastSettings()
DAYS = 120


def steady(noise: float, *last: float) -> CostSeries:
    """Around 1,000 a day, then the `last` days."""
    values = 1_000 * np.exp(np.random.default_rng(3).normal(0, noise, DAYS))
    values[DAYS - len(last) :] = last
    return one_series(values)


def one(series: CostSeries, *spread: float) -> CostSeries:
    return believe([series], [np.array(spread)], SETTINGS)[0]


def test_a_guess_that_is_unsure_hardly_moves_a_steady_scope() -> None:
    told = one(steady(0.01, 1_080.0), 80.0)
    assert 990 < told.values[-1] < 1_010


def test_a_guess_that_is_surer_than_any_forecast_is_taken_as_it_is() -> None:
    told = one(steady(0.2, 1_300.0), 20.0)
    assert told.values[-1] == pytest.approx(1_300, rel=0.01)


def test_a_bill_that_contradicts_what_was_expected_is_right() -> None:
    assert one(steady(0.01, 1_500.0), 80.0).values[-1] == 1_500.0


def test_days_that_are_sure_and_young_scopes_stay_as_they_are() -> None:
    series = steady(0.01, 1_080.0, 1_090.0)
    assert one(series, 0.0, np.nan) is series
    told = one(series, 0.0, 90.0)
    assert (told.values[:-1] == series.values[:-1]).all()
    young = one_series(np.array([900.0] * 10 + [1_100.0]))
    assert one(young, 100.0).values[-1] == 1_100.0


def test_it_lies_between_the_guess_and_what_was_expected_for_any_spread() -> None:
    before = 1_080.0
    for spread in (1.0, 10.0, 30.0, 100.0, 1e6):
        now = one(steady(0.03, 1_080.0), spread).values[-1]
        assert 980 < now <= before
        before = now


def test_scopes_that_end_on_different_days_are_each_judged_by_their_own() -> None:
    ended = steady(0.01, 1_080.0)
    longer = one_series(np.append(ended.values, [1_000.0, 1_075.0]))
    told = believe([ended, longer], [np.array([80.0]), np.array([0.0, 80.0])], SETTINGS)
    assert [abs(each.values[-1] - 1_000) < 15 for each in told] == [True, True]
    assert told[1].values[-2] == 1_000.0
    assert told[1].complete_through - told[0].complete_through == timedelta(days=2)
