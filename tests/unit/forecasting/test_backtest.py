"""Windows cannot see their answer, and neither can any rolling forecast."""

from __future__ import annotations

import numpy as np

from finops_ai.forecasting.backtest import windows
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import START, Bill

SETTINGS = ForecastSettings()


def _costs(days: int = 300) -> np.ndarray:
    return np.stack(list(Bill(days=days).costs().values()))


def test_windows_split_history_from_answer() -> None:
    values = _costs()
    found = windows(values, START, horizon_days=30, settings=SETTINGS)
    assert len(found) == 14
    for window in found:
        np.testing.assert_array_equal(window.history(), values[:, : window.origin])
        known = min(30, 300 - window.origin)
        np.testing.assert_array_equal(window.answer()[:, :known], values[:, window.origin : window.origin + known])
        assert np.isnan(window.answer()[:, known:]).all()


def test_history_owns_its_memory() -> None:
    window = windows(_costs(), START, horizon_days=30, settings=SETTINGS)[0]
    history = window.history()
    assert history.base is None
    history[:] = 0
    assert window.history().any()


def test_origins_meet_every_weekday() -> None:
    origins = [window.origin for window in windows(_costs(), START, horizon_days=30, settings=SETTINGS)]
    assert {origin % 7 for origin in origins} == set(range(7))


def test_short_history_has_no_windows() -> None:
    assert windows(_costs(days=35), START, horizon_days=30, settings=SETTINGS) == []


def test_one_pass_equals_one_forecast_per_window() -> None:
    values = _costs()
    found = windows(values, START, horizon_days=30, settings=SETTINGS)
    rolling = Baseline(SETTINGS).walk(values, START, 30, origins=[w.origin for w in found]).rolling
    for window in found:
        np.testing.assert_array_equal(rolling[window.origin], window.forecast(Baseline(SETTINGS), ()))


def test_scrambled_answers_change_no_rolling_forecast() -> None:
    values = _costs()
    scrambled = values.copy()
    scrambled[:, 200:] = np.random.default_rng(1).uniform(0, 1e6, scrambled[:, 200:].shape)
    one, two = (Baseline(SETTINGS).walk(v, START, 30, origins=[180, 200]) for v in (values, scrambled))
    for origin in (180, 200):
        assert one.rolling[origin].tobytes() == two.rolling[origin].tobytes()
    assert one.day_ahead[:, :201].tobytes() == two.day_ahead[:, :201].tobytes()
    assert one.fortnight_ahead[:, :201].tobytes() == two.fortnight_ahead[:, :201].tobytes()
