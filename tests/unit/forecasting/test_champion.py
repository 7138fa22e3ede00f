"""A challenger has to win every window it is judged on, and what it says of the next days counts little."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from finops_ai.forecasting.backtest import windows
from finops_ai.forecasting.champion import challenge, contest, say
from finops_ai.forecasting.matrix import align
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import one_series

HORIZON = 30


@pytest.mark.parametrize(("lost", "winner"), [(False, "prophet"), (True, "baseline")])
def test_prophet_replaces_no_champion_that_was_better_once(lost: bool, winner: str) -> None:
    day = np.arange(720)
    noise = np.random.default_rng(3).normal(0, 5, 720)
    seasonal = one_series(1000 + 400 * np.sin(2 * np.pi * day / 365.25) + noise, start=date(2024, 1, 1))
    settings = ForecastSettings(boosted=False)
    (group,) = align([seasonal], history_days=settings.history_days)
    past = windows(group.values, group.start, horizon_days=HORIZON, settings=settings)
    state = contest(group, past, HORIZON, settings)
    whole = [k for k, one in enumerate(past) if one.origin + HORIZON <= len(day)]
    if lost:
        state.past[0, whole[-1]] = state.answer[0, whole[-1]]
    challenge(state, [0], group, past, settings)
    assert state.champions == [winner]
    assert state.errors[0]["prophet"] < state.errors[0]["baseline"]


def test_tomorrow_is_left_to_those_that_know_today_best() -> None:
    part = say(90)
    assert part[0] < 0.02
    assert (np.diff(part) >= 0).all()
    assert part[27:].tolist() == [0.5] * 63
