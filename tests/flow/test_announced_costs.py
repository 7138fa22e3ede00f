"""A launch that was announced is in the forecast of its cost center and of the total, before it ever cost anything."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.money import Money, total
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.jobs.forecast import forecast
from finops_ai.jobs.run import Turn
from tests.ledger.bills import bill, charge, load

FIRST, TODAY = date(2026, 1, 1), date(2026, 4, 11)
LAUNCH = date(2026, 4, 21)
PER_DAY = Decimal("412.50")


def told(ledger: sa.Engine, *announced: KnownEvent) -> dict[str, Any]:
    at = datetime.combine(TODAY, time(6), tzinfo=UTC)
    turn = Turn(engine=ledger, as_of=at, now=lambda: at)
    settings = ForecastSettings(prophet_series=0)
    done = forecast(
        turn, cost_basis="effective", horizon_days=30, settle_days={}, settings=settings, announced=announced
    )
    return {"|".join(value for _, value in sorted(row["scope"].items())): row for row in done.results}


def test_a_launch_costs_what_was_announced_from_its_first_day_on(ledger: sa.Engine) -> None:
    days = [FIRST + timedelta(days=n) for n in range((TODAY - FIRST).days)]
    for month in ("2026-01", "2026-02", "2026-03", "2026-04"):
        rows = [
            charge(day, Decimal(level + day.day % 3), x_cost_center=center, service_name="Compute")
            for day in days
            if f"{day:%Y-%m}" == month
            for center, level in (("search", 300), ("ads", 120))
        ]
        at = datetime.combine(TODAY, time(5), tzinfo=UTC)
        load(ledger, bill(*rows), period=month, known_at=at, fingerprint=month)
    launch = KnownEvent(
        scope=Scope((("x_cost_center", "voice"),)),
        days=Days(LAUNCH, LAUNCH + timedelta(days=1)),
        note="launch of voice",
        adds=Money(PER_DAY, "USD"),
    )
    before, after = told(ledger), told(ledger, launch)
    assert "voice" not in before
    voice, whole, was = after["voice"], after[""], before[""]
    assert voice["month_to_date"] == 0
    assert abs(voice["month_end"] - 10 * PER_DAY) < 1  # the 21st to the 30th
    assert voice["low_80"] < voice["month_end"] < voice["high_80"]
    assert abs(whole["month_end"] - was["month_end"] - 10 * PER_DAY) < 1
    for center in ("search", "ads"):
        assert abs(after[center]["month_end"] - before[center]["month_end"]) < 1
    for i, day in enumerate(whole["days"]):
        parts = (after[center]["days"][i]["q0.5"] for center in ("search", "ads", "voice"))
        assert Decimal(day["q0.5"]) == total(Decimal(part) for part in parts)
