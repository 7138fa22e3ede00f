"""A month cannot end below what it cost already, however little its last days were expected to cost."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.scope import Scope
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
