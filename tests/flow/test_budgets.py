"""Budgets over a real bill: how they stand, and the episodes they open."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.flow.conftest import Configure, Program

pytestmark = pytest.mark.timeout(600)

TODAY = date(2026, 4, 20)
COLUMNS = [
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "ContractedCost",
    "BillingCurrency",
    "BillingAccountId",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ServiceName",
    "ProviderName",
    "Tags",
]


def bill(folder: Path, days: int = 110) -> None:
    """Every day 100 of search and 10 of ads."""
    folder.mkdir()
    with (folder / "focus.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for back in range(days, 0, -1):
            day = TODAY - timedelta(days=back)
            month = day.replace(day=1)
            after = (month + timedelta(days=32)).replace(day=1)
            for center, cost in (("search", 100), ("ads", 10)):
                period = [f"{month}T00:00:00Z", f"{after}T00:00:00Z"]
                hours = [f"{day}T00:00:00Z", f"{day + timedelta(days=1)}T00:00:00Z"]
                tags = f'{{"cost-center": "{center}"}}'
                rows.writerow([*[cost] * 4, "USD", "1", *period, *hours, "Usage", "Compute", "Cloud", tags])


def configured(configure: Configure, folder: Path) -> Program:
    return configure(
        f"""
        sources: [{{name: bill, kind: focus_files, uri: "file://{folder}"}}]
        budgets:
          - {{name: search, where: {{x_cost_center: search}}, amount: 1500, currency: USD, kind: hard, owner: team-s}}
          - {{name: "all of it", amount: 3000, currency: USD}}
          - {{name: many, where: {{x_cost_center: "*", service_name: "Comp*"}}, amount: 9000, currency: USD}}
          - {{name: regions, where: {{region_id: ""}}, amount: 5000, currency: USD}}
        """
    )


def test_budgets_stand_as_spent_and_forecast_and_open_their_episodes_once(configure: Configure, tmp_path: Path) -> None:
    bill(tmp_path / "bill")
    run = configured(configure, tmp_path / "bill")
    run("ingest", "--as-of", str(TODAY))
    run("forecast", "--as-of", str(TODAY))
    rows = {row["budget"]: row for row in run("budgets", "status", "--as-of", str(TODAY), "--output", "json").json}
    assert {name: row["state"] for name, row in rows.items()} == {
        "search": "exceeded",
        "all of it": "projected",
        "many": "ok",
        "regions": "ok",
    }
    search, whole = rows["search"], rows["all of it"]
    assert (float(search["spent"]), search["exceeds_on"], search["share"]) == (1900.0, "2026-04-16", "1.267")
    assert float(whole["low_80"]) <= float(whole["month_end"]) <= float(whole["high_80"])
    assert abs(float(whole["month_end"]) - 3300) < 100
    assert whole["exceeds_on"] == "2026-04-28"
    assert (rows["regions"]["forecaster"], float(rows["regions"]["month_end"])) == ("run rate of four weeks", 3300.0)
    assert "search" in run("budgets", "status", "--as-of", str(TODAY)).stdout
    for _ in range(2):
        run("detect", "--as-of", str(TODAY))
    found = run("episodes", "list", "--as-of", str(TODAY), "--output", "json").json
    told = {(one["kind"], one["where"]["budget"], one["severity"]) for one in found if one["kind"].startswith("budget")}
    assert told == {("budget_exceeded", "search", "error"), ("budget_projected", "all of it", "warning")}
    key = next(one["key"] for one in found if one["kind"] == "budget_exceeded")
    assert "limit of 1500.00 USD" in run("explain", key, "--as-of", str(TODAY)).stdout
    run("episodes", "ack", key, "--note", "on it", "--by", "ada", "--as-of", f"{TODAY + timedelta(days=1)}T01:00:00")
    tomorrow = str(TODAY + timedelta(days=1))
    run("detect", "--as-of", tomorrow)
    states = {one["key"]: one["state"] for one in run("episodes", "list", "--as-of", tomorrow, "--output", "json").json}
    assert states[key] == "acknowledged"
