"""Where a month ends: never below what it cost already, and the same in the picture as in the headline."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.scope import Scope
from finops_ai.reporting.charts import cumulative_chart
from finops_ai.reporting.outlook import Outlook

APRIL = BillingPeriod(2026, 4)
DAYS = Days(date(2026, 4, 28), date(2026, 5, 1))


def outlook() -> Outlook:
    """Three days to come, each expected to cost 100."""
    forecast = Forecast(
        scope=Scope(),
        cost_basis="effective",
        currency="USD",
        issued_on=date(2026, 4, 29),
        forecaster="baseline/1",
        days=DAYS,
        quantiles=np.full((len(LEVELS), len(DAYS)), 100.0),
        total_quantiles={day: np.full(len(LEVELS), 100.0 * (i + 1)) for i, day in enumerate(DAYS)},
        measured_coverage={},
    )
    return Outlook(month=APRIL, complete_through=date(2026, 4, 27), forecasts={Scope(): forecast})


@pytest.mark.parametrize(("partial", "end"), [(Decimal(40), 3000), (Decimal(100), 3000), (Decimal(900), 3800)])
def test_a_day_that_cost_more_than_expected_counts_before_it_is_whole(partial: Decimal, end: int) -> None:
    by_day = {date(2026, 4, 1) + timedelta(days=i): Decimal(100) for i in range(27)}
    month_end = outlook().month_end({**by_day, date(2026, 4, 28): partial})
    assert month_end is not None
    assert (month_end.low, month_end.expected, month_end.high) == (end, end, end)


def test_the_running_total_ends_where_the_month_is_told_to_end() -> None:
    """Jobs that run now and then: each day's median is 10, the three days come to 400, and only their sum is known."""
    quantiles = np.tile(np.array([5.0, 6, 8, 10, 300, 600, 900])[:, None], (1, len(DAYS)))
    total = np.array([40.0, 100, 200, 400, 700, 1100, 1500])
    forecast = replace(outlook().forecasts[Scope()], quantiles=quantiles, total_quantiles={date(2026, 4, 30): total})
    seen = replace(outlook(), forecasts={Scope(): forecast})
    by_day = {date(2026, 4, 1) + timedelta(days=i): Decimal(100) for i in range(27)}
    end, picture = seen.month_end(by_day), seen.cumulative(by_day)
    assert end is not None
    assert (end.low, end.expected, end.high) == (2800, 3100, 3800)
    assert (picture[-1].low, picture[-1].expected, picture[-1].high) == (end.low, end.expected, end.high)
    assert [figure.day for figure in picture if figure.expected is not None] == [date(2026, 4, 30)]
    drawn = cumulative_chart(picture, "USD", "month")
    assert ">$3.1k</text>" in drawn
    assert "var(--band" in drawn
