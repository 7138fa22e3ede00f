"""A forecast put together with the days that are on the bill in part: their cost, their doubt, and what rests on it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from finops_ai.domain.forecast import MEDIAN
from finops_ai.domain.period import Days
from finops_ai.jobs.nowcasting import Nowcast, with_days
from tests.unit.forecasting.test_corrections import MONTH_END, START, forecast


def begun(mean: float, spread: float, days: int = 2) -> Nowcast:
    return Nowcast(
        days=Days(START - timedelta(days=days), START), mean=np.full(days, mean), spread=np.full(days, spread)
    )


def test_days_in_part_come_before_and_the_totals_count_them() -> None:
    alone = forecast(5.0)
    told = with_days(alone, begun(90.0, 4.0))
    assert told.days.start == START - timedelta(days=2)
    assert told.quantiles[:, 2:].tolist() == alone.quantiles.tolist()
    assert told.quantiles[MEDIAN, :2] == pytest.approx([90, 90])
    assert told.total_quantiles[MONTH_END][MEDIAN] == pytest.approx(180 + 300)


def test_a_total_is_as_unsure_as_its_days_and_what_rests_on_them() -> None:
    alone = forecast(5.0)
    wide = alone.total_quantiles[MONTH_END][-1] - 300
    sure, unsure = (
        with_days(alone, begun(90.0, spread)).total_quantiles[MONTH_END][-1] - 480 for spread in (0.0, 40.0)
    )
    assert sure == pytest.approx(1.1 * wide)
    assert unsure > 80 * 1.95


def test_days_of_another_time_change_nothing() -> None:
    alone = forecast(5.0)
    assert with_days(alone, None) is alone
    early = Nowcast(days=Days(START - timedelta(days=3), START - timedelta(days=1)), mean=np.ones(2), spread=np.ones(2))
    assert with_days(alone, early) is alone
