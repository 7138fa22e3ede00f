"""What moved lately beyond expectation goes back in part; what was announced stays, and so does what hardly moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.reversion import revert

WINDOWS, HORIZON, STEP = 14, 62, 13
LEVEL = 100.0


def _answers(costs: FloatArray) -> FloatArray:
    """Answers (series, WINDOWS, HORIZON) as known at the end of `costs` (series, days)."""
    days = costs.shape[1]
    later = np.concatenate([costs, np.full((len(costs), HORIZON), np.nan)], axis=1)
    origins = [days - STEP * back for back in range(WINDOWS, 0, -1)]
    return np.stack([later[:, at : at + HORIZON] for at in origins], axis=1)


def _reverted(costs: FloatArray, *, announced: bool = False) -> tuple[FloatArray, FloatArray]:
    point, past = np.full((len(costs), HORIZON), LEVEL), np.full((len(costs), WINDOWS, HORIZON), LEVEL)
    return revert(point, past, _answers(costs), np.full((len(costs), WINDOWS + 1), announced), STEP)


def _costs(last_two_weeks: float) -> FloatArray:
    costs = np.full((1, 260), LEVEL)
    costs[:, -STEP:] = last_two_weeks
    return costs


@pytest.mark.parametrize(("last", "in_four_weeks"), [(145.0, 88.0), (55.0, 112.0), (900.0, 85.0), (104.0, LEVEL)])
def test_what_moved_goes_back_by_three_tenths_of_what_is_beyond_a_little(last: float, in_four_weeks: float) -> None:
    point, _ = _reverted(_costs(last))
    assert point[0, 27:] == pytest.approx(in_four_weeks)
    assert np.abs(point[0, 0] - LEVEL) < 1
    assert (np.diff(np.abs(point[0] - LEVEL)) >= -1e-9).all()


def test_an_announced_change_is_meant_to_stay() -> None:
    point, past = _reverted(_costs(160.0), announced=True)
    assert (point == LEVEL).all()
    assert (past == LEVEL).all()


@given(
    costs=arrays(np.float64, (2, 260), elements=st.one_of(st.floats(-1e12, 1e12), st.just(np.nan))),
    back=st.integers(1, WINDOWS),
)
def test_each_origin_looks_at_earlier_days_only_and_all_stays_finite(costs: FloatArray, back: int) -> None:
    origin = costs.shape[1] - STEP * back
    point, past = _reverted(costs)
    assert np.isfinite(point).all()
    assert np.isfinite(past).all()
    other = costs.copy()
    other[:, origin:] = 7.0
    assert (_reverted(other)[1][:, WINDOWS - back] == past[:, WINDOWS - back]).all()


def test_what_was_not_forecast_is_not_made_up() -> None:
    costs = _costs(300.0)
    past = np.full((1, WINDOWS, HORIZON), np.nan)
    point, before = revert(
        np.full((1, HORIZON), LEVEL), past, _answers(costs), np.zeros((1, WINDOWS + 1), dtype=np.bool_), STEP
    )
    assert (point == LEVEL).all()
    assert np.isnan(before).all()
