"""The learned forecaster: blind to the future, the same every time, better than what it corrects."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from finops_ai.domain.forecast import Forecast
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from finops_ai.forecasting.combination import weights
from finops_ai.forecasting.naive import SeasonalNaive
from finops_ai.forecasting.run import forecast_all
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import START, one_series

SMALL = ForecastSettings(prophet_series=0, boosted_rounds=60, boosted_origins=40)
SERIES, HISTORY, HORIZON = 36, 260, 30


def _bills() -> np.ndarray:
    """Weekends, a fee on the tenth that doubles in the last month of a quarter, growth; (series, days)."""
    random = np.random.default_rng(3)
    days = [START + timedelta(days=i) for i in range(HISTORY + HORIZON)]
    weekend = np.array([day.weekday() >= 5 for day in days])
    fee = np.array([(day.day == 10) * (2.0 if day.month % 3 == 0 else 1.0) for day in days])
    level = 10 ** random.uniform(0, 4, (SERIES, 1))
    growth = np.exp(random.uniform(-0.001, 0.002, (SERIES, 1)) * np.arange(len(days)))
    noise = np.exp(random.normal(0, 0.05, (SERIES, len(days))))
    return level * growth * noise * np.where(weekend, random.uniform(0.3, 1, (SERIES, 1)), 1.0) + 2 * level * fee


BILLS = _bills()


def _series(values: np.ndarray) -> list[CostSeries]:
    return [one_series(row, scope=Scope((("service_name", str(i)),)), complete=HISTORY) for i, row in enumerate(values)]


def _issue(
    series: list[CostSeries], settings: ForecastSettings = SMALL, announced: tuple[KnownEvent, ...] = ()
) -> list[Forecast]:
    today = START + timedelta(days=HISTORY)
    return forecast_all(series, horizon_days=HORIZON, issued_on=today, settings=settings, announced=announced)


@pytest.fixture(scope="module")
def issued() -> list[Forecast]:
    return _issue(_series(BILLS))


def test_all_are_forecast_by_the_combination(issued: list[Forecast]) -> None:
    assert {one.forecaster for one in issued} == {"combination/1"}
    for one in issued:
        assert {"baseline", "theta", "boosted", "combination"} <= one.backtest_error.keys()
        assert np.isfinite(one.quantiles).all()
        assert (np.diff(one.quantiles, axis=0) >= 0).all()


def test_it_errs_far_less_than_last_week_repeated(issued: list[Forecast]) -> None:
    truth = BILLS[:, HISTORY:]
    naive = SeasonalNaive().forecast(BILLS[:, :HISTORY], START, HORIZON, ())
    scale = truth.mean(axis=1, keepdims=True)
    error, naive_error = (np.abs(each - truth) / scale for each in (np.stack([one.median for one in issued]), naive))
    assert error.mean() < 0.6 * naive_error.mean()


def test_a_scrambled_future_and_a_second_run_change_no_byte(issued: list[Forecast]) -> None:
    scrambled = BILLS.copy()
    scrambled[:, HISTORY:] = np.random.default_rng(9).uniform(0, 1e6, (SERIES, HORIZON))
    for one, two in zip(issued, _issue(_series(scrambled)), strict=True):
        assert one.quantiles.tobytes() == two.quantiles.tobytes()
        assert repr(one.measured_coverage) == repr(two.measured_coverage)
        assert [t.tobytes() for t in one.total_quantiles.values()] == [
            t.tobytes() for t in two.total_quantiles.values()
        ]


def test_what_is_switched_off_costs_nothing_from_that_day_on(issued: list[Forecast]) -> None:
    off = START + timedelta(days=HISTORY + 12)
    event = KnownEvent(
        scope=Scope((("service_name", "3"),)), days=Days(off, off + timedelta(days=1)), note="retired", ends_use=True
    )
    found = _issue(_series(BILLS), announced=(event,))
    assert found[3].median[:12].min() > 0
    assert found[3].median[12:].max() == 0
    end = max(found[3].total_quantiles)
    assert found[3].total_quantiles[end][3] == pytest.approx(found[3].median.sum())
    assert found[4].median[12:].min() > 0


def test_odd_series_among_others_break_nothing() -> None:
    values = BILLS.copy()
    values[0] = 0
    values[1, 100:] = 1e12
    values[2] = -5
    values[3, 50:200] = np.nan
    values[4] = 1e-9
    values[5, -HORIZON - 5 :] = 1e300
    values[6, : HISTORY - 3] = 0
    for one in _issue(_series(values)):
        assert np.isfinite(one.quantiles).all()
        assert all(np.isfinite(total).all() for total in one.total_quantiles.values())


def test_weights_follow_the_smaller_error_and_ties_go_to_the_cheaper() -> None:
    random = np.random.default_rng(0)
    answer = random.normal(100, 1, (40, 6, 30))
    near, far = answer + random.normal(0, 1, answer.shape), answer + random.normal(0, 9, answer.shape)
    scale, classes = np.ones(40), np.zeros(40, dtype=np.intp)
    share = weights(answer, [far, near], scale, classes, 30)
    assert share[1].min() > 0.85
    np.testing.assert_allclose(share.sum(axis=0), 1)
    assert weights(answer, [near, near], scale, classes, 30)[0].min() == 0.5  # the rest is trust in what learns
    nothing = np.full_like(answer, np.nan)
    assert weights(nothing, [near, far], scale, classes, 30)[0].min() == 1
