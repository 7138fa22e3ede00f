"""A cost center whose jobs run now and then: where its month ends, beside steady ones, and what adds up."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import sqlalchemy as sa

from finops_ai.domain.budget import Budget
from finops_ai.domain.money import Money, total
from finops_ai.domain.period import BillingPeriod
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.jobs.budgets import standings
from finops_ai.jobs.forecast import forecast
from finops_ai.jobs.run import Turn
from tests.ledger.bills import bill, charge, load

FIRST, TODAY = date(2025, 3, 1), date(2026, 4, 3)
JOB, OFTEN = 600.0, 0.25
"""What a job costs, and the share of days on which one runs."""


def test_its_month_comes_to_what_such_months_cost(ledger: sa.Engine) -> None:
    random = np.random.default_rng(8)
    days = [FIRST + timedelta(days=n) for n in range((TODAY - FIRST).days)]
    costs: dict[str, Any] = {
        center: level * np.exp(random.normal(0, 0.04, len(days))) for center, level in (("search", 40.0), ("ads", 25.0))
    }
    costs["research"] = np.where(random.random(len(days)) < OFTEN, JOB, 0.01)
    at = datetime.combine(TODAY, time(5), tzinfo=UTC)
    for month in sorted({f"{day:%Y-%m}" for day in days}):
        rows = [
            charge(day, Decimal(str(round(cost, 2))), x_cost_center=center, service_name="Compute")
            for center, values in costs.items()
            for day, cost in zip(days, values, strict=True)
            if f"{day:%Y-%m}" == month
        ]
        load(ledger, bill(*rows), period=month, known_at=at, fingerprint=month)
    turn = Turn(engine=ledger, as_of=at + timedelta(hours=1), now=lambda: at)
    done = forecast(
        turn, cost_basis="effective", horizon_days=30, settle_days={}, settings=ForecastSettings(prophet_series=0)
    )
    rows = {tuple(row["scope"].items()): row for row in done.results}
    research = rows[(("x_cost_center", "research"),)]
    month = float(research["month_end"])
    assert 0.7 < month / (30 * OFTEN * JOB) < 1.3
    assert research["low_80"] < research["month_end"] < research["high_80"]
    assert sum(float(day["q0.5"]) for day in research["days"]) < 0.5 * month
    assert float(research["components"]["now_and_then"]) > 0.5 * month
    for row in rows.values():
        assert total(row["components"].values()) == row["month_end"] - row["month_to_date"]
    centers = [row["month_end"] for scope, row in rows.items() if [name for name, _ in scope] == ["x_cost_center"]]
    assert total(centers) == rows[()]["month_end"]
    assert 0.85 < float(rows[()]["month_end"]) / (30 * (40 + 25 + OFTEN * JOB)) < 1.15
    at += timedelta(hours=2)
    budget = Budget(
        name="research", where={"x_cost_center": "research"}, amount=Money(Decimal(2000), "USD"), hard=False, owner=""
    )
    (standing,) = standings(ledger, [budget], [BillingPeriod.of(TODAY)], cost_basis="effective", as_of=at)
    assert abs(standing.month_end.amount - research["month_end"]) < 1
    assert standing.exceeds_on is not None
    assert 12 <= standing.exceeds_on.day <= 25
