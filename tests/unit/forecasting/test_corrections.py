"""What bills are corrected by after their month has closed: learned as it happened, and part of a month's band."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.forecast import BANDS, LEVELS, MEDIAN, Forecast
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.forecasting.corrections import shares, with_corrections

START, MONTH_END = date(2026, 4, 28), date(2026, 4, 30)


def forecast(width: float) -> Forecast:
    """Three days to the end of April, and on into May: 100 a day."""
    levels = np.array([-2.0, -1.3, -0.7, 0.0, 0.7, 1.3, 2.0]) * width
    days = Days(START, START + timedelta(days=33))
    return Forecast(
        scope=Scope(),
        cost_basis="effective",
        currency="USD",
        issued_on=START,
        forecaster="baseline/1",
        days=days,
        quantiles=np.full((len(LEVELS), len(days)), 100.0),
        total_quantiles={MONTH_END: 300 + levels, days.end - timedelta(days=1): 3300 + 10 * levels},
        measured_coverage={},
    )


def bills(count: int, *, often: float, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Bills of which some are trued up by one to two percent, mostly upwards."""
    random = np.random.default_rng(seed)
    closed = 1000 * np.exp(random.normal(0, 1, count))
    up = np.where(random.random(count) < often, random.uniform(-0.005, 0.02, count), 0.0)
    return closed, closed * (1 + up)


def test_a_band_with_corrections_holds_as_often_as_it_says() -> None:
    """On the last day nothing is left to forecast, and one bill in seven is trued up yet."""
    changed = shares(*bills(400, often=1 / 7))
    assert changed is not None
    closed, settled = bills(4000, often=1 / 7, seed=3)
    held = dict.fromkeys(BANDS, 0.0)
    for then, now in zip(closed, settled, strict=True):
        one = with_corrections(forecast(0.0), then - 300, changed).total_quantiles[MONTH_END] + then - 300
        for level, (low, high) in BANDS.items():
            held[level] += float(one[low] - 1e-9 <= now <= one[high] + 1e-9) / len(closed)
    assert 0.8 <= held[0.8] <= 0.95
    assert 0.93 <= held[0.95] <= 0.97


def test_only_the_total_of_the_month_it_begins_in_gets_wider_and_the_median_stays() -> None:
    one = forecast(5.0)
    changed = shares(*bills(200, often=0.2))
    wider = with_corrections(one, 2700.0, changed)
    assert wider.quantiles is one.quantiles
    assert {day for day in one.total_quantiles if (wider.total_quantiles[day] != one.total_quantiles[day]).any()} == {
        MONTH_END
    }
    before, after = one.total_quantiles[MONTH_END], wider.total_quantiles[MONTH_END]
    assert after[MEDIAN] == before[MEDIAN]
    assert after[-1] - after[MEDIAN] > before[-1] - before[MEDIAN]


@given(
    closed=st.lists(st.floats(-1e6, 1e9), max_size=60),
    factors=st.lists(st.one_of(st.floats(-3, 3), st.just(float("nan"))), max_size=60),
    so_far=st.floats(-1e6, 1e9),
    width=st.floats(0, 1e6),
)
def test_levels_stay_in_order_whatever_the_bills(
    closed: list[float], factors: list[float], so_far: float, width: float
) -> None:
    count = min(len(closed), len(factors))
    then = np.array(closed[:count])
    changed = shares(then, then * np.array(factors[:count]))
    values = with_corrections(forecast(width), so_far, changed).total_quantiles[MONTH_END]
    assert np.isfinite(values).all()
    assert (np.diff(values) >= -1e-6 * (1 + np.abs(values[1:]))).all()


def test_few_bills_and_bills_that_were_not_there_say_nothing() -> None:
    closed, settled = bills(19, often=0.5)
    assert shares(closed, settled) is None
    late = np.concatenate([np.full(30, 500.0), np.zeros(30)])
    assert shares(late, np.full(60, 1000.0)) is None  # half a bill, and none: not corrections


def test_bills_that_never_change_widen_nothing() -> None:
    closed, _ = bills(60, often=0.0)
    one = forecast(5.0)
    told = with_corrections(one, 2700.0, shares(closed, closed)).total_quantiles[MONTH_END]
    np.testing.assert_allclose(told, one.total_quantiles[MONTH_END])
