"""A month's forecast is held against what came, beside the simplest forecast."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from finops_ai.domain.period import BillingPeriod
from finops_ai.forecasting.promises import held
from finops_ai.forecasting.run import forecast_all
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import START, one_series

MONTH = BillingPeriod(2025, 7)
SETTINGS = ForecastSettings(prophet_series=0, boosted=False)


def _costs(days: int = 240) -> np.ndarray:
    return np.array([60.0 if (START + timedelta(days=i)).weekday() >= 5 else 100.0 for i in range(days)])


def test_a_kept_promise() -> None:
    known = (MONTH.start - START).days
    (issued,) = forecast_all([one_series(_costs()[:known])], horizon_days=40, issued_on=MONTH.start, settings=SETTINGS)
    promise = held(issued, one_series(_costs()), MONTH)
    assert promise is not None
    assert promise.days == 31
    assert promise.actual == _costs()[known : known + 31].sum()
    assert promise.expected == pytest.approx(promise.actual, rel=0.02)
    assert promise.wape < 0.02
    assert promise.naive_wape == 0
    assert promise.coverage_95 == 1


def test_a_month_that_is_not_whole_or_was_not_forecast_is_not_judged() -> None:
    known = (MONTH.start - START).days
    (issued,) = forecast_all([one_series(_costs()[:known])], horizon_days=40, issued_on=MONTH.start, settings=SETTINGS)
    assert held(issued, one_series(_costs(), complete=known + 20), MONTH) is None
    assert held(issued, one_series(_costs()), BillingPeriod(2024, 1)) is None
    assert date(2025, 8, 1) in issued.days


def test_what_stopped_costing_is_told_without_a_share() -> None:
    known = (MONTH.start - START).days
    (issued,) = forecast_all([one_series(_costs()[:known])], horizon_days=40, issued_on=MONTH.start, settings=SETTINGS)
    gone = _costs()
    gone[known:] = 0
    promise = held(issued, one_series(gone), MONTH)
    assert promise is not None
    assert promise.actual == 0
    assert np.isnan(promise.wape)
