"""What parts are expected to cost is what they cost on days before that were like the episode's."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.detection.like_days import like_days
from finops_ai.domain.period import Days
from finops_ai.domain.series import FloatArray
from tests.unit.forecasting.bills import START, one_series

DAYS = 200
DATES = [START + timedelta(days=n) for n in range(DAYS)]
OPENED = DATES[-2]


def liked(costs: FloatArray, expected: float, days: int = 1) -> list[date]:
    """The days that an episode of the last days but one is held against, the newest first."""
    during = Days(OPENED, OPENED + timedelta(days=days))
    found = like_days(during, one_series(costs), {OPENED: expected})
    assert sum(found.weights.values()) == pytest.approx(Decimal(days))
    assert all(day in found.before for day in found.weights)
    return sorted((day for day, weight in found.weights.items() if weight), reverse=True)


def test_as_a_rule_they_are_the_weekdays_of_four_weeks() -> None:
    assert liked(np.full(DAYS, 100.0), 110.0) == [OPENED - timedelta(weeks=n) for n in (1, 2, 3, 4)]


def test_a_day_with_a_fee_is_like_the_last_ones_with_it() -> None:
    costs = np.where([day.day == OPENED.day for day in DATES], 1_000.0, 100.0)
    assert [day.day for day in liked(costs, 1_050.0)] == [OPENED.day] * 3


def test_a_job_by_another_clock_is_like_its_last_runs() -> None:
    runs = np.arange(DAYS) % 10 == (DAYS - 2) % 10
    assert liked(np.where(runs, 600.0, 100.0), 620.0) == [OPENED - timedelta(days=n) for n in (10, 20, 30)]


def test_the_day_of_a_fee_comes_before_others_that_cost_as_much() -> None:
    fee = [day.day == OPENED.day for day in DATES]
    costs = np.where(fee, 1_000.0, 100.0)
    costs[-9:-5] = 1_000.0  # an incident of last week
    assert [day.day for day in liked(costs, 1_000.0)] == [OPENED.day] * 3


def test_after_a_new_level_the_newest_days_count() -> None:
    costs = np.where(np.arange(DAYS) < DAYS - 12, 100.0, 400.0)
    assert liked(costs, 400.0) == [OPENED - timedelta(days=n) for n in (1, 2, 3)]


@pytest.mark.parametrize("expected", [0.0, -5.0, 5_000.0])
def test_where_no_day_was_like_it_weekdays_count(expected: float) -> None:
    assert liked(np.full(DAYS, 100.0), expected) == [OPENED - timedelta(weeks=n) for n in (1, 2, 3, 4)]


def test_a_young_series_is_held_against_days_that_cost_nothing() -> None:
    found = like_days(Days(START, START + timedelta(days=1)), one_series(np.full(3, 9.0)), {START: 9.0})
    assert sum(found.weights.values()) == 1
    assert found.before.end == START


@given(
    costs=st.lists(st.floats(0, 1e6) | st.just(float("nan")), min_size=1, max_size=160),
    at=st.integers(0, 159),
    days=st.integers(1, 9),
    expected=st.lists(st.floats(-1e3, 1e6), max_size=9),
)
def test_every_day_of_an_episode_is_held_against_one_before_it(
    costs: list[float], at: int, days: int, expected: list[float]
) -> None:
    first = START + timedelta(days=min(at, len(costs) - 1))
    told = {first + timedelta(days=n): one for n, one in enumerate(expected)}
    found = like_days(Days(first, first + timedelta(days=days)), one_series(np.array(costs)), told)
    assert sum(found.weights.values()) == pytest.approx(Decimal(days))
    assert all(weight >= 0 and day < first for day, weight in found.weights.items())
