"""A forecast begins with the days that are on the bill in part, completed by how each source filled up before."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import sqlalchemy as sa

from finops_ai.domain.money import total
from finops_ai.domain.period import BillingPeriod
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.jobs.forecast import forecast
from finops_ai.jobs.run import Turn
from tests.ledger.bills import bill, charge, load

FIRST, LAST = date(2026, 1, 5), date(2026, 4, 17)
MORNINGS = 30
SHARES = {"aws": (0.6, 0.95), "gcp": (0.8, 1.0)}
SETTLE_DAYS = {"aws": 2, "gcp": 2}
SETTINGS = ForecastSettings(prophet_series=0)
JUMP = 3
"""The last day costs so many times what it should: only the half-known bill can tell."""


def truth() -> dict[tuple[date, str, str], float]:
    random = np.random.default_rng(5)
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    levels = {("aws", "search"): 400.0, ("aws", "ads"): 250.0, ("gcp", "search"): 120.0}
    return {
        (day, source, center): level * float(np.exp(random.normal(0, 0.03))) * (JUMP if day == LAST else 1)
        for day in days
        for (source, center), level in levels.items()
    }


def deliver(ledger: sa.Engine, morning: date, months: set[BillingPeriod]) -> None:
    """What each source has on its bill on a morning: the last two days in part."""
    random = np.random.default_rng(morning.toordinal())
    for source, shares in SHARES.items():
        for month in sorted(months):
            rows = []
            for (day, one, center), cost in truth().items():
                if one != source or day >= morning or day not in month.days:
                    continue
                age = (morning - day).days - 1
                there = shares[age] if age < len(shares) else 1.0
                there *= float(np.exp(random.normal(0, 0.01))) if there < 1 else 1.0
                amount = Decimal(str(round(cost * there, 2)))
                rows.append(charge(day, amount, x_cost_center=center, service_name="Compute"))
            at = datetime.combine(morning, time(5), tzinfo=UTC)
            load(ledger, bill(*rows), source=source, period=str(month), known_at=at, fingerprint=at.isoformat())


def told(ledger: sa.Engine, morning: date) -> list[Any]:
    at = datetime.combine(morning, time(6), tzinfo=UTC)
    turn = Turn(engine=ledger, as_of=at, now=lambda: at)
    found = forecast(turn, cost_basis="effective", horizon_days=30, settle_days=SETTLE_DAYS, settings=SETTINGS)
    return list(found.results)


def test_days_on_the_bill_in_part_are_completed_and_still_add_up(ledger: sa.Engine) -> None:
    today = LAST + timedelta(days=1)
    every = {BillingPeriod.of(day) for day, _, _ in truth()}
    first = today - timedelta(days=MORNINGS)
    deliver(ledger, first, {month for month in every if month.start < first})
    for n in range(1, MORNINGS + 1):
        morning = first + timedelta(days=n)
        deliver(ledger, morning, {BillingPeriod.of(morning - timedelta(days=back)) for back in (1, 3)})
    rows = {tuple(sorted(row["scope"].items())): row for row in told(ledger, today)}
    whole = truth()
    for scope, row in rows.items():
        wanted = dict(scope)
        if "x_ai_model" in wanted:
            continue
        for i, day in enumerate((LAST - timedelta(days=1), LAST)):
            came = sum(
                cost
                for (each, _, center), cost in whole.items()
                if each == day and wanted.get("x_cost_center", center) == center
            )
            shown = row["days"][i]
            assert shown["day"] == day.isoformat()
            assert abs(float(shown["q0.5"]) / came - 1) < 0.05
            deviation = (float(shown["high_80"]) - float(shown["low_80"])) / 2.563
            assert 0 < deviation < 0.05 * came
            assert abs(float(shown["q0.5"]) - came) < 4 * deviation
        assert total(row["components"].values()) == row["month_end"] - row["month_to_date"]
        assert float(row["components"]["completed"]) > 0
        # The day of the jump is known by now, so that the days after it are forecast from their level, not from it.
        assert float(row["days"][2]["q0.5"]) < 0.6 * float(row["days"][1]["q0.5"])
    parts = [row for scope, row in rows.items() if [name for name, _ in scope] == ["x_cost_center"]]
    for i, shown in enumerate(rows[()]["days"]):
        assert Decimal(shown["q0.5"]) == total(Decimal(part["days"][i]["q0.5"]) for part in parts)


def test_without_knowing_how_days_fill_up_a_forecast_begins_after_the_last_whole_one(ledger: sa.Engine) -> None:
    today = LAST + timedelta(days=1)
    deliver(ledger, today, {BillingPeriod.of(day) for day, _, _ in truth()})
    for row in told(ledger, today):
        assert row["days"][0]["day"] == (LAST - timedelta(days=1)).isoformat()
        assert "completed" not in row["components"]


def test_a_day_that_outgrew_its_forecast_counts_and_credits_that_lag_are_still_expected(ledger: sa.Engine) -> None:
    today = LAST + timedelta(days=1)
    usage, credit, lag = Decimal(400), Decimal(-80), timedelta(days=3)
    for month in sorted({BillingPeriod.of(day) for day, _, _ in truth()}):
        rows = []
        for day in sorted({day for day, _, _ in truth() if day in month.days}):
            for center, times in (("search", JUMP if day == LAST else 1), ("ads", 1)):
                rows.append(charge(day, usage * times, x_cost_center=center))
                if day <= LAST - lag:
                    rows.append(charge(day, credit, x_cost_center=center, charge_category="Credit"))
        at = datetime.combine(today, time(5), tzinfo=UTC)
        load(ledger, bill(*rows), source="gcp", period=str(month), known_at=at, fingerprint=at.isoformat())
    rows = {tuple(sorted(row["scope"].items())): row for row in told(ledger, today)}
    search, ads = (rows[(("x_cost_center", center),)]["days"] for center in ("search", "ads"))
    assert search[0]["day"] == (LAST - timedelta(days=1)).isoformat()
    net = float(usage + credit)
    assert all(abs(float(shown["q0.5"]) / net - 1) < 0.03 for shown in (*ads[:5], search[0]))
    assert abs(float(search[1]["q0.5"]) - (JUMP * float(usage) + float(credit))) < 0.03 * net
    assert Decimal(rows[()]["days"][1]["q0.5"]) == Decimal(search[1]["q0.5"]) + Decimal(ads[1]["q0.5"])
