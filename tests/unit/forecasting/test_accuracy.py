"""Measures of accuracy against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from finops_ai.forecasting.accuracy import bias, coverage, mase, pinball, wape

ACTUAL = np.array([[10.0, 20.0, 30.0]])
FORECAST = np.array([[12.0, 18.0, 33.0]])


def test_shares() -> None:
    assert wape(ACTUAL, FORECAST)[0] == pytest.approx(7 / 60)
    assert bias(ACTUAL, FORECAST)[0] == pytest.approx(3 / 60)


def test_mase_is_in_units_of_the_naive_error() -> None:
    history = np.array([[1.0, 2, 3, 4, 5, 6, 7, 3, 4, 5]])  # each day two more than a week before
    assert mase(ACTUAL, FORECAST, history)[0] == pytest.approx((7 / 3) / 2)
    assert np.isnan(mase(ACTUAL, FORECAST, np.ones((1, 20)))[0])


def test_pinball_at_the_median_is_half_the_error() -> None:
    assert pinball(ACTUAL, FORECAST, 0.5)[0] == pytest.approx(7 / 3 / 2)
    assert pinball(np.array([10.0]), np.array([8.0]), 0.9) == pytest.approx(1.8)
    assert pinball(np.array([8.0]), np.array([10.0]), 0.9) == pytest.approx(0.2)


def test_coverage_counts_known_days_only() -> None:
    actual = np.array([[1.0, 5.0, np.nan, 3.0], [np.nan] * 4])
    share = coverage(actual, np.full((2, 4), 1.0), np.full((2, 4), 4.0))
    assert share[0] == pytest.approx(2 / 3)
    assert np.isnan(share[1])
