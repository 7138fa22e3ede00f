"""A month's total is as unsure as earlier bills were after their month had closed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import sqlalchemy as sa

from finops_ai.domain.period import BillingPeriod
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.jobs.forecast import forecast
from finops_ai.jobs.run import Turn
from tests.ledger.bills import bill, charge, load

CENTERS = {"search": 400.0, "ads": 250.0, "voice": 120.0, "risk": 90.0, "data": 60.0}
MONTHS = [BillingPeriod(2026, month) for month in range(1, 8)]
TODAY = MONTHS[-1].end - timedelta(days=1)
SETTINGS = ForecastSettings(prophet_series=0, boosted=False)


def costs(month: BillingPeriod) -> dict[tuple[date, str], float]:
    random = np.random.default_rng(month.start.toordinal())
    return {
        (day, center): level * float(np.exp(random.normal(0, 0.02)))
        for day in month.days
        for center, level in CENTERS.items()
        if day < TODAY
    }


def deliver(ledger: sa.Engine, month: BillingPeriod, at: datetime, trued_up: float = 1.0) -> None:
    """A month's bill as it stands at an instant; `trued_up` is what one cost center's is multiplied by."""
    chosen = list(CENTERS)[month.start.month % len(CENTERS)]
    rows = [
        charge(day, Decimal(str(round(cost * (trued_up if center == chosen else 1), 2))), x_cost_center=center)
        for (day, center), cost in costs(month).items()
    ]
    load(ledger, bill(*rows), period=str(month), known_at=at, fingerprint=at.isoformat())


def told(ledger: sa.Engine) -> dict[str, Any]:
    """What July comes to on its last morning, of one cost center."""
    at = datetime.combine(TODAY, time(6), tzinfo=UTC)
    turn = Turn(engine=ledger, as_of=at, now=lambda: at)
    found = forecast(turn, cost_basis="effective", horizon_days=30, settle_days={}, settings=SETTINGS)
    (row,) = [one for one in found.results if one["scope"] == {"x_cost_center": "search"}]
    return dict(row)


def test_bills_that_were_trued_up_make_the_next_total_less_sure(ledger: sa.Engine) -> None:
    for month in MONTHS:
        deliver(ledger, month, datetime.combine(min(month.end, TODAY), time(5), tzinfo=UTC))
    before = told(ledger)
    for month in MONTHS[:-1]:
        settled = datetime.combine(month.end + timedelta(days=6), time(5), tzinfo=UTC)
        deliver(ledger, month, settled, trued_up=1.02)
    after = told(ledger)
    assert abs(after["month_end"] - before["month_end"]) < Decimal("0.01") * before["month_end"]
    above = [float((row["high_95"] - row["month_end"]) / row["month_end"]) for row in (before, after)]
    below = [float((row["month_end"] - row["low_95"]) / row["month_end"]) for row in (before, after)]
    assert above[0] < 0.01
    assert above[1] > 0.015  # one bill in five was trued up by two percent, and all of them upwards
    assert below[1] < below[0] + 0.005
