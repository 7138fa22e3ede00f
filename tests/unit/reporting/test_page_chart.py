"""The chart of a page: the days as billed, what was expected where a day was judged, and which are not whole."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from finops_ai.domain.forecast import Score
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from finops_ai.reporting.page_chart import DAYS_SHOWN, chart

LAST = date(2026, 4, 12)


def a_series(days: int) -> CostSeries:
    return CostSeries(
        scope=Scope(),
        cost_basis="effective",
        currency="USD",
        days=Days(LAST - timedelta(days=days - 1), LAST + timedelta(days=1)),
        values=np.arange(days, dtype=np.float64) / 3,
        complete_through=LAST - timedelta(days=1),
    )


def test_the_last_days_are_told_with_what_was_expected() -> None:
    judged = LAST - timedelta(days=1)
    score = Score(
        scope=Scope(),
        currency="USD",
        day=judged,
        observed=32.6667,
        expected=10.5,
        upper=12.25,
        z=9,
        p_value=0,
        scorer="x",
    )
    rows = chart(a_series(100), {judged: score}, LAST)
    assert len(rows) == DAYS_SHOWN
    assert [row["day"] for row in rows] == sorted(row["day"] for row in rows)
    assert rows[-2] == {"day": "2026-04-11", "observed": "32.67", "expected": "10.50", "low": "10.50", "high": "12.25"}
    assert rows[-1] == {
        "day": "2026-04-12",
        "observed": "33.00",
        "expected": None,
        "low": None,
        "high": None,
        "incomplete": True,
    }


def test_a_short_history_is_all_told() -> None:
    assert [row["observed"] for row in chart(a_series(3), {}, LAST)] == ["0.00", "0.33", "0.67"]


def test_days_after_today_are_not_told() -> None:
    rows = chart(a_series(5), {}, LAST - timedelta(days=2))
    assert [row["day"] for row in rows] == ["2026-04-08", "2026-04-09", "2026-04-10"]
