"""Forecasts of many series: deterministic, blind to the future, honest about their bands, never without an answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from finops_ai.forecasting.explain import explain
from finops_ai.forecasting.run import expected_now, forecast_all
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import START, Bill, one_series

CHEAP = ForecastSettings(prophet_series=0, boosted=False)
TODAY = date(2026, 1, 1)


def _forecast(*series: CostSeries, horizon_days: int = 30, settings: ForecastSettings = CHEAP) -> list[Forecast]:
    return forecast_all(series, horizon_days=horizon_days, issued_on=TODAY, settings=settings)


def _bytes(one: Forecast) -> tuple[object, ...]:
    totals = tuple((day, total.tobytes()) for day, total in one.total_quantiles.items())
    return one.scope, one.forecaster, one.days, one.quantiles.tobytes(), totals, repr(one.measured_coverage)


def _sound(one: Forecast) -> None:
    assert one.quantiles.shape == (len(LEVELS), len(one.days))
    assert np.isfinite(one.quantiles).all()
    assert (np.diff(one.quantiles, axis=0) >= 0).all()
    for day, total in one.total_quantiles.items():
        assert day in one.days
        assert np.isfinite(total).all()
        assert (np.diff(total) >= 0).all()


class TestSameAndBlind:
    def test_same_input_same_bytes(self) -> None:
        series = Bill(days=300).series()
        assert [_bytes(one) for one in _forecast(*series)] == [
            _bytes(one) for one in _forecast(*Bill(days=300).series())
        ]

    def test_days_after_the_last_complete_one_are_not_read(self) -> None:
        calm = Bill(days=300).series(through=290)
        scrambled = [replace(one, values=np.r_[one.values[:290], np.full(10, 1e9)]) for one in calm]
        assert [_bytes(one) for one in _forecast(*calm)] == [_bytes(one) for one in _forecast(*scrambled)]
        for one, two in zip(
            *(expected_now(s, lookback_days=200, settings=CHEAP) for s in (calm, scrambled)), strict=True
        ):
            assert one.day_ahead.tobytes() == two.day_ahead.tobytes()

    def test_starts_the_day_after_the_last_complete_one(self) -> None:
        (one,) = _forecast(one_series(np.full(100, 5.0), complete=97))
        assert one.days.start == START + timedelta(days=97)
        assert one.issued_on == TODAY

    def test_series_of_different_calendars_keep_their_order_and_days(self) -> None:
        early = one_series(np.full(200, 10.0), scope=Scope((("x_cost_center", "a"),)))
        late = one_series(np.full(90, 20.0), scope=Scope((("x_cost_center", "b"),)), start=START + timedelta(days=150))
        young = one_series(np.full(5, 30.0), scope=Scope((("x_cost_center", "c"),)), start=START + timedelta(days=195))
        found = _forecast(late, early, young)
        assert [one.median[0] for one in found] == pytest.approx([20, 10, 30])
        assert [one.days.start for one in found] == [START + timedelta(days=n) for n in (240, 200, 200)]
        assert found[2].degraded is not None
        assert found[0].degraded is None


@pytest.fixture(scope="module")
def judged() -> tuple[list[Forecast], np.ndarray]:
    """Forecasts of 160 simulated series from day 330, and what then came."""
    bills = [Bill(days=390, seed=seed).costs() for seed in range(20)]
    values = np.stack([row for bill in bills for row in bill.values()])
    series = [one_series(row, scope=Scope((("service_name", str(i)),)), complete=330) for i, row in enumerate(values)]
    return _forecast(*series, horizon_days=60), values[:, 330:]


class TestBands:
    @pytest.mark.parametrize("days", [7, 30, 60])
    @pytest.mark.parametrize(("level", "low", "high"), [(0.8, 1, 5), (0.95, 0, 6)])
    def test_days_fall_into_the_band_as_often_as_it_says(
        self, judged: tuple[list[Forecast], np.ndarray], days: int, level: float, low: int, high: int
    ) -> None:
        quantiles, truth = np.stack([one.quantiles for one in judged[0]])[:, :, :days], judged[1][:, :days]
        inside = (truth >= quantiles[:, low]) & (truth <= quantiles[:, high])
        assert inside.mean() == pytest.approx(level, abs=0.05)

    def test_measured_coverage_tells_the_truth(self, judged: tuple[list[Forecast], np.ndarray]) -> None:
        for level in (0.8, 0.95):
            assert np.nanmean([one.measured_coverage[level] for one in judged[0]]) == pytest.approx(level, abs=0.05)

    def test_month_totals_have_their_own_band(self, judged: tuple[list[Forecast], np.ndarray]) -> None:
        ends = sorted(judged[0][0].total_quantiles)
        assert [(end + timedelta(days=1)).day == 1 for end in ends] == [True, True, False]
        inside, narrower = [], []
        for end in ends:
            at = (end - judged[0][0].days.start).days + 1
            totals = np.stack([one.total_quantiles[end] for one in judged[0]])
            truth = judged[1][:, :at].sum(axis=1)
            inside.append((truth >= totals[:, 1]) & (truth <= totals[:, 5]))
            by_days = np.stack([one.quantiles[:, :at].sum(axis=1) for one in judged[0]])
            narrower.append(np.median((totals[:, 5] - totals[:, 1]) / (by_days[:, 5] - by_days[:, 1])))
            np.testing.assert_allclose(totals[:, 3], by_days[:, 3])
        assert np.mean(inside) == pytest.approx(0.8, abs=0.08)
        assert max(narrower) < 0.9  # errors of days partly cancel; adding daily bands would be too wide

    def test_work_that_mostly_rests_and_steady_work_have_bands_of_their_own(self) -> None:
        """Judged together, steady scopes would be banded too narrowly, and what rests would leave its band upwards."""
        random = np.random.default_rng(1)
        noise = np.exp(random.normal(0, 0.1, (80, 330)))
        runs = np.exp(random.normal(0, 0.5, (80, 330))) * (random.uniform(size=(80, 330)) < 0.2)
        costs = 10 ** random.uniform(1, 3, (160, 1)) * np.concatenate([noise, runs])
        found = _forecast(
            *(one_series(row, scope=Scope((("service_name", str(i)),)), complete=300) for i, row in enumerate(costs))
        )
        bands, truth = np.stack([one.quantiles for one in found]), costs[:, 300:]
        inside = (bands[:, 1] <= truth) & (truth <= bands[:, 5])
        assert 0.75 < inside[:80].mean() < 0.85
        assert (truth > bands[:, -1])[80:].mean() < 0.03


class TestChampions:
    def test_prophet_wins_where_a_yearly_season_bends_and_changes_the_forecast(self) -> None:
        day = np.arange(720)
        noise = np.random.default_rng(3).normal(0, 5, 720)
        seasonal = one_series(1000 + 400 * np.sin(2 * np.pi * day / 365.25) + noise, start=date(2024, 1, 1))
        (with_prophet,) = _forecast(seasonal, settings=ForecastSettings())
        (without,) = _forecast(seasonal)
        assert with_prophet.forecaster == "prophet/1"
        assert without.forecaster != "prophet/1"
        truth = 1000 + 400 * np.sin(2 * np.pi * np.arange(720, 750) / 365.25)
        assert np.abs(with_prophet.median - truth).mean() < 0.5 * np.abs(without.median - truth).mean()
        errors = with_prophet.backtest_error
        assert errors["prophet"] < min(error for name, error in errors.items() if name != "prophet")

    def test_prophet_is_asked_about_the_dearest_only(self) -> None:
        series = Bill(days=200).series()
        found = _forecast(*series, settings=ForecastSettings(prophet_series=2, prophet_windows=1, boosted=False))
        asked = {one.scope for one in found if "prophet" in one.backtest_error}
        dearest = sorted(series, key=lambda one: -one.values[-28:].sum())[:2]
        assert asked == {one.scope for one in dearest}

    def test_work_that_runs_now_and_then_is_forecast_by_its_mean(self) -> None:
        random = np.random.default_rng(5)
        values = np.where(random.uniform(size=300) < 0.5, 100.0, 60.0)
        (one,) = _forecast(one_series(values))
        assert one.forecaster in ("trailing-mean/1", "baseline/1")
        assert one.median.mean() == pytest.approx(80, rel=0.15)

    def test_the_first_month_repeats_the_last_week(self) -> None:
        (one,) = _forecast(one_series([*range(1, 11)]))
        assert one.forecaster == "seasonal-naive/1"
        np.testing.assert_allclose(one.median[:7], [4, 5, 6, 7, 8, 9, 10])
        assert "cold start" in (one.degraded or "")


class TestBaseline:
    def test_fees_on_the_first_are_expected_on_the_first(self) -> None:
        days = [START + timedelta(days=t) for t in range(300)]
        values = [100.0 + 400 * (day.day == 1) for day in days]
        (one,) = _forecast(one_series(values), horizon_days=60)
        for day, median in zip(one.days, one.median, strict=True):
            assert median == pytest.approx(500 if day.day == 1 else 100, rel=0.1), day

    def test_a_spike_does_not_move_the_level_and_a_lasting_step_does(self) -> None:
        spike, step = np.full(200, 100.0), np.full(200, 100.0)
        spike[-3:] = 900
        step[-14:] = 300
        settings = replace(CHEAP, challenge_margin=1.0)  # the baseline alone
        near, far = _forecast(one_series(spike), one_series(step, currency="EUR"), settings=settings)
        assert near.median[0] == pytest.approx(100, rel=0.1)
        assert far.median[0] == pytest.approx(300, rel=0.1)

    @pytest.mark.parametrize(("weeks", "missed", "is_moved"), [(2, True, True), (1, True, False), (2, False, False)])
    def test_a_weekly_job_is_expected_on_the_day_that_had_it_in_two_weeks(
        self, weeks: int, missed: bool, is_moved: bool
    ) -> None:
        day = np.arange(200)
        since = 200 - 7 * weeks
        noise = np.exp(np.random.default_rng(5).normal(0, 0.04, 200))
        old = (day % 7 == 2) & ((day < since) | (not missed))
        new = (day % 7 == 5) & (day >= since)
        settings = replace(CHEAP, challenge_margin=1.0)  # the baseline alone
        (one,) = _forecast(one_series(np.where(old | new, 500.0, 100.0) * noise), horizon_days=7, settings=settings)
        by_weekday = {(200 + ahead) % 7: one.median[ahead] for ahead in range(7)}
        assert bool(by_weekday[5] > 400) is is_moved
        assert bool(by_weekday[2] < 150) is is_moved

    def test_explanation_adds_up_to_the_median(self) -> None:
        for one, forecast in zip(Bill(days=300).series(), _forecast(*Bill(days=300).series()), strict=True):
            parts = explain(one, forecast, CHEAP)
            np.testing.assert_allclose(sum(parts.values()), forecast.median, rtol=1e-9)

    def test_explanation_names_the_fee_and_the_weekend(self) -> None:
        days = [START + timedelta(days=t) for t in range(300)]
        series = one_series([(40.0 if day.weekday() > 4 else 100.0) + 500 * (day.day == 1) for day in days])
        (forecast,) = _forecast(series, settings=replace(CHEAP, challenge_margin=1.0))
        parts = explain(series, forecast, CHEAP)
        for i, day in enumerate(forecast.days):
            assert (parts["month"][i] > 300) == (day.day == 1)
            if day.day != 1:
                assert (parts["weekday"][i] < 0) == (day.weekday() > 4)

    def test_explanation_names_the_clock_of_a_job_and_is_silent_where_there_is_none(self) -> None:
        noise = np.exp(np.random.default_rng(6).normal(0, 0.03, 300))
        sprints = one_series(np.where(np.arange(300) % 14 == 9, 900.0, 100.0) * noise)
        (forecast,) = _forecast(sprints, settings=replace(CHEAP, challenge_margin=1.0))
        for ahead, part in enumerate(explain(sprints, forecast, CHEAP)["cycle"]):
            assert (part > 300) == ((300 + ahead) % 14 == 9)
        (plain,) = _forecast(one_series(100.0 * noise))
        assert "cycle" not in explain(one_series(100.0 * noise), plain, CHEAP)


DEGENERATE = {
    "zero": np.zeros(200),
    "one point": np.array([5.0]),
    "one point long ago": np.r_[7.0, np.zeros(300)],
    "constant": np.full(400, 3.25),
    "negative": np.full(200, -40.0),
    "credit": np.r_[np.full(150, 100.0), -5000.0, np.full(50, 100.0)],
    "jump": np.r_[np.full(200, 1.0), np.full(3, 1e12)],
    "fall": np.r_[np.full(200, 1e12), np.full(3, 1e-6)],
    "missing": np.r_[np.full(60, 5.0), np.full(30, np.nan), np.full(60, 5.0)],
    "nothing but missing": np.full(60, np.nan),
    "infinite": np.r_[np.full(60, 5.0), np.inf, np.full(60, 5.0)],
    "huge": np.full(100, 1e300),
    "thirty years": np.tile([10.0, 11.0, 12.0], 3653),
}


class TestDegenerate:
    @pytest.mark.parametrize("name", DEGENERATE)
    def test_has_an_answer(self, name: str) -> None:
        one = one_series(DEGENERATE[name])
        (found,) = _forecast(one)
        _sound(found)
        if np.nanmin(np.nan_to_num(one.values)) >= 0:
            assert found.quantiles.min() >= 0
        for expected in expected_now([one], lookback_days=400, settings=CHEAP):
            assert not np.isinf(expected.day_ahead).any()

    def test_no_complete_day_is_said(self) -> None:
        (found,) = _forecast(one_series([1.0, 2.0], complete=0))
        _sound(found)
        assert found.degraded == "no complete day to learn from"
        assert expected_now([one_series([1.0], complete=0)], lookback_days=9, settings=CHEAP)[0].day_ahead.size == 0

    def test_duplicates_and_no_series_at_all(self) -> None:
        one = one_series(np.full(100, 5.0))
        first, second = _forecast(one, one)
        assert _bytes(first) == _bytes(second)
        assert _forecast() == []

    def test_horizon_must_be_positive(self) -> None:
        with pytest.raises(ValueError, match="horizon_days"):
            _forecast(one_series([1.0]), horizon_days=0)

    @hypothesis_settings(max_examples=40)
    @given(
        values=st.lists(
            st.one_of(st.floats(-1e12, 1e12), st.floats(0, 100), st.just(0.0), st.just(float("nan"))), max_size=120
        ),
        horizon_days=st.integers(1, 100),
        incomplete=st.integers(0, 3),
    )
    def test_any_history(self, values: list[float], horizon_days: int, incomplete: int) -> None:
        (found,) = _forecast(one_series(values, complete=max(len(values) - incomplete, 0)), horizon_days=horizon_days)
        _sound(found)
        limit = 5 * max([abs(v) for v in values if not np.isnan(v)], default=0.0)
        assert np.abs(found.quantiles).max() <= limit + 1e-9
