"""What sales and the turn of the year did is expected again, and is not taken for a new level meanwhile."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.seasons import season_places
from finops_ai.forecasting.settings import ForecastSettings

START = date(2024, 7, 1)
SALES, REST = slice(0, 11), slice(11, 26)


def costs(until: date, factors: dict[int, tuple[slice, float]], noise: float = 0.03) -> FloatArray:
    """500 a day; in a year of `factors` the days of a season cost so many times as much."""
    days = (until - START).days
    values = 500 * np.exp(np.random.default_rng(5).normal(0, noise, days))
    place = season_places(START, days)
    for t in range(days):
        day = START + timedelta(days=t)
        season, factor = factors.get((day - timedelta(days=14)).year, (SALES, 1.0))
        if season.start <= place[t] < season.stop:
            values[t] *= factor
    return values[None]


def ahead(values: FloatArray, days: int = 30) -> FloatArray:
    return Baseline(ForecastSettings()).forecast(values, START, days, ("shop",))[0]


@pytest.mark.parametrize(
    ("day", "place"),
    [
        ("2024-11-21", -1), ("2024-11-22", 0), ("2024-11-28", 6), ("2024-12-02", 10), ("2024-12-03", -1),
        ("2026-11-20", 0), ("2029-11-16", 0), ("2028-11-27", 10),
        ("2024-12-20", -1), ("2024-12-21", 11), ("2025-01-04", 25), ("2025-01-05", -1), ("2025-06-01", -1),
    ],
)  # fmt: skip
def test_sales_lie_around_thanksgiving_and_rest_around_the_turn_of_the_year(day: str, place: int) -> None:
    assert season_places(date.fromisoformat(day), 1).tolist() == [place]


def test_sales_of_a_year_ago_are_expected_again() -> None:
    told = ahead(costs(date(2025, 11, 10), {2024: (SALES, 1.5)}))
    assert told[:11] == pytest.approx(np.full(11, 500), rel=0.05)
    assert told[11:22] == pytest.approx(np.full(11, 750), rel=0.08)


def test_the_month_after_sales_is_not_forecast_at_their_level() -> None:
    twice = {2024: (SALES, 1.5), 2025: (SALES, 1.5)}
    told = ahead(costs(date(2025, 12, 1), twice))
    assert told[0] == pytest.approx(750, rel=0.08)
    assert told[1:] == pytest.approx(np.full(29, 500), rel=0.06)
    first_year = ahead(costs(date(2025, 12, 1), {2025: (SALES, 1.5)}))
    assert told[1:].mean() < first_year[1:].mean() - 40


def test_january_is_not_forecast_at_the_level_of_the_holidays() -> None:
    told = ahead(costs(date(2026, 1, 5), {2024: (REST, 0.5), 2025: (REST, 0.5)}))
    assert told == pytest.approx(np.full(30, 500), rel=0.06)


def test_sales_that_do_not_come_back_are_forgotten_within_a_week() -> None:
    told = ahead(costs(date(2025, 11, 28), {2024: (SALES, 1.5)}))
    assert told[:4] == pytest.approx(np.full(4, 500), rel=0.15)


def test_what_stayed_is_no_season() -> None:
    values = costs(date(2025, 11, 10), {})
    values[0, (date(2024, 11, 22) - START).days :] *= 1.5
    assert ahead(values) == pytest.approx(np.full(30, 750), rel=0.05)


def test_a_fee_keeps_its_amount_when_the_days_around_it_become_cheaper() -> None:
    end = date(2025, 9, 28)
    values = costs(end, {})
    for t in range(values.shape[1]):
        if START + timedelta(days=t) >= date(2025, 8, 20):
            values[0, t] *= 0.4
        if (START + timedelta(days=t)).day == 3:
            values[0, t] += 4_000
    assert ahead(values)[5] == pytest.approx(4_200, rel=0.03)


def at_work(until: date, off: dict[date, float], noise: float = 0.03) -> FloatArray:
    """500 on working days, 200 at weekends, and `off` times as much on some days."""
    values = costs(until, {}, noise)
    for t in range(values.shape[1]):
        day = START + timedelta(days=t)
        values[0, t] *= (0.4 if day.weekday() >= 5 else 1.0) * off.get(day, 1.0)
    return values


def test_a_day_off_of_last_year_is_one_again_even_where_the_calendar_moves_it() -> None:
    thanksgiving = ahead(at_work(date(2025, 11, 20), {date(2024, 11, 28): 0.5}), 10)
    assert thanksgiving[7] == pytest.approx(250, rel=0.08)
    assert thanksgiving[6] == pytest.approx(500, rel=0.05)


def test_a_day_off_at_a_weekend_costs_what_a_weekend_does() -> None:
    told = ahead(at_work(date(2026, 7, 1), {date(2025, 7, 4): 0.6}), 5)
    assert told[3] == pytest.approx(200, rel=0.06), "4 July 2026 is a Saturday"


def test_work_that_goes_on_over_days_off_is_forecast_to_go_on() -> None:
    told = ahead(at_work(date(2025, 12, 20), {}, noise=0.1), 14)
    assert told[[2, 3, 4, 5, 6, 9, 10, 11, 12]].min() > 430


def test_use_that_falls_for_good_on_a_day_off_is_no_day_off() -> None:
    values = at_work(date(2025, 8, 11), {})
    values[0, (date(2024, 8, 15) - START).days :] *= 0.6
    told = ahead(values, 7)
    assert told[4] == pytest.approx(300, rel=0.06), "15 August 2025, a Friday"
