"""What is excused because it was seen before, and what only looks like it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from finops_ai.domain.series import FloatArray
from tests.unit.detection.alike import SERIES, found, nothing
from tests.unit.forecasting.bills import START


def with_fees(days: int) -> FloatArray:
    costs = 100 * np.exp(np.random.default_rng(7).normal(0, 0.03, (SERIES, days)))
    for i in range(days):
        costs[:, i] += 900 * ((START + timedelta(days=i)).day == 1)
    return costs


DAYS_TO_AUGUST = (date(2025, 8, 3) - START).days


def test_a_fee_that_came_every_month_is_no_news() -> None:
    assert not found(nothing, plain=with_fees(DAYS_TO_AUGUST))


def test_a_rise_beside_the_day_of_a_much_larger_fee_is_not_taken_for_it() -> None:
    def rise(costs: FloatArray, dates: list[date]) -> None:
        costs[dates.index(date(2025, 7, 31))] += 150

    (episode,) = found(rise, plain=with_fees(DAYS_TO_AUGUST))
    assert episode.opened_on == date(2025, 7, 31)
    assert float(episode.excess.amount) == pytest.approx(150, rel=0.2)


@pytest.mark.parametrize(("length", "is_news"), [(2, False), (3, True)])
def test_what_was_there_once_excuses_a_fee_of_two_days_and_no_incident_of_three(length: int, is_news: bool) -> None:
    def again(costs: FloatArray, dates: list[date]) -> None:
        for month in (7, 8):
            begin = dates.index(date(2025, month, 12))
            costs[begin : begin + length] += 400

    days = (date(2025, 8, 15) - START).days
    told = found(again, plain=with_fees(days))
    assert any(one.last_day >= date(2025, 8, 12) for one in told) is is_news


def now_and_then(days: int) -> FloatArray:
    """Jobs of one to three days with two to five days of rest after each."""
    random = np.random.default_rng(3)
    costs = np.zeros((SERIES, days))
    for row in costs:
        at = 0
        while at < days:
            busy, rest = int(random.integers(1, 4)), int(random.integers(2, 6))
            row[at : at + busy] = 1000 * np.exp(random.normal(0, 0.1, len(row[at : at + busy])))
            at += busy + rest
    return costs


def test_a_job_that_runs_now_and_then_and_stops_no_more_is_found() -> None:
    def endless(costs: FloatArray, _dates: list[date]) -> None:
        costs[-18:] = 950 * np.exp(np.random.default_rng(5).normal(0, 0.1, 18))

    assert not found(nothing, plain=now_and_then(300))
    (episode,) = found(endless, plain=now_and_then(300))
    assert episode.kind == "drift"
    assert episode.excess.amount > 0


ODD = st.sampled_from([0.0, -50.0, 1e12, 1e-9, float("nan"), float("inf"), 100.0])


@profile(max_examples=25)
@given(value=ODD, last=st.integers(1, 60), other=ODD, days=st.sampled_from([1, 2, 20, 60, 400]))
def test_odd_costs_are_judged_or_left_alone_but_never_break_a_morning(
    value: float, last: int, other: float, days: int
) -> None:
    def odd(costs: FloatArray, _dates: list[date]) -> None:
        costs[-last:] = value
        costs[: max(days - 90, 0)] = other

    for episode in found(odd, plain=np.full((SERIES, days), 100.0)):
        assert episode.excess.amount.is_finite()
        assert 0 <= episode.p_value <= 1
