"""Incomplete days are estimated from how earlier days filled up, with how sure the estimate is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.app.evaluation import read_split
from finops_ai.forecasting.nowcast import AGES, LEARN_DAYS, Revisions, completeness, nowcast

SHARES = np.array([0.6, 0.95, 1.0, 1.0, 1.0, 1.0])
TRUTH = np.random.default_rng(2).lognormal(4, 0.4, (6, 120))


def _revisions(truth: np.ndarray, shares: np.ndarray, noise: float = 0.0) -> Revisions:
    """Bills of which day d shows `shares[age]` on the morning `age + 1` after it began."""
    random = np.random.default_rng(1)
    series, days = truth.shape
    by_age = np.full((AGES, series, days), np.nan)
    known = truth.copy()
    for age in range(AGES):
        share = shares[age] * np.exp(random.normal(0, noise, truth.shape) * (shares[age] < 1))
        by_age[age] = truth * share
        by_age[age, :, days - age :] = np.nan
        known[:, days - 1 - age] = by_age[age, :, days - 1 - age]
    return Revisions(known=known, by_age=by_age, provider=np.zeros(series, dtype=np.intp))


def test_the_last_days_are_filled_up() -> None:
    view = _revisions(TRUTH, SHARES)
    mean, spread = nowcast(view)
    np.testing.assert_allclose(mean, TRUTH, rtol=0.02)
    assert (spread[:, :-6] == 0).all()
    assert (view.known[:, -1] < 0.65 * TRUTH[:, -1]).all()


def test_spread_tells_how_far_off_it_may_be() -> None:
    view = _revisions(TRUTH, SHARES, noise=0.05)
    mean, spread = nowcast(view)
    off = np.abs(mean[:, -1] - TRUTH[:, -1]) / spread[:, -1]
    assert np.median(off) < 2
    assert (spread[:, -1] > 0).all()


def test_providers_fill_up_differently() -> None:
    fast, slow = _revisions(TRUTH[:3], np.ones(AGES)), _revisions(TRUTH[3:], SHARES)
    view = Revisions(
        known=np.concatenate([fast.known, slow.known]),
        by_age=np.concatenate([fast.by_age, slow.by_age], axis=1),
        provider=np.array([0, 0, 0, 1, 1, 1]),
    )
    share = completeness(view).share[0]
    assert (share[:3] > 0.97).all()
    assert (share[3:] < 0.66).all()


def test_what_is_not_on_the_bill_stays_unknown_and_nothing_stays_nothing() -> None:
    view = _revisions(TRUTH, SHARES)
    view.known[0, -1], view.known[1, -1] = np.nan, 0.0
    mean, spread = nowcast(view)
    assert np.isnan(mean[0, -1])
    assert np.isnan(spread[0, -1])
    assert mean[1, -1] == 0
    assert spread[1, -1] == 0


@given(
    days=st.integers(0, LEARN_DAYS + 5),
    series=st.integers(0, 3),
    value=st.sampled_from([0.0, -3.0, 1e12, float("nan")]),
)
def test_any_bill_has_an_estimate(days: int, series: int, value: float) -> None:
    view = Revisions(
        known=np.full((series, days), value),
        by_age=np.full((AGES, series, days), value),
        provider=np.zeros(series, dtype=np.intp),
    )
    mean, spread = nowcast(view)
    assert mean.shape == spread.shape == (series, days)
    assert not np.isinf(mean).any()
    assert (np.isnan(mean) == np.isnan(view.known)).all()


def test_the_band_of_a_day_completed_holds_as_often_as_it_says(shared: Path) -> None:
    """Nine of ten final costs lie within 1.645 deviations, over all days that are still to fill up."""
    split = read_split(shared / "bench" / "dev" / "daily")
    final = split.log.as_of(split.log.steps + 10)
    inside = []
    for morning in range(300, 620, 10):
        mean, spread = nowcast(split.log.revisions(morning, split.codes("provider")))
        last = slice(morning - AGES, morning)
        away = np.abs(mean[:, last] - final[:, last]) / np.where(spread[:, last] > 0, spread[:, last], np.nan)
        inside.append(away[np.isfinite(away)] <= 1.645)
    assert abs(float(np.concatenate(inside).mean()) - 0.90) < 0.03
