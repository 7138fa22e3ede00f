"""Bills in several currencies: never added, told beside their worth at dated rates, with what has none left visible."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.flow.conftest import Configure

COLUMNS = (
    "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "ChargeCategory,ProviderName,ServiceName,Tags"
)
CONFIG = """
    sources:
      - {name: bill, kind: focus_files, uri: bill.csv}
    currencies: {reporting: EUR, rates: rates.csv}
"""


def line(cost: str, currency: str, day: str) -> str:
    tags = '"{""cost-center"": ""search""}"'
    return f"{cost},{cost},{cost},{cost},{currency},2026-03-01,{day},Usage,AWS,EC2,{tags}"


def bill(*lines: str) -> str:
    return "\n".join([COLUMNS, *lines]) + "\n"


def test_costs_in_the_reporting_currency(configure: Configure) -> None:
    finops = configure(CONFIG)
    folder = finops.finops.folder
    lines = [line("100.01", "USD", "2026-03-02"), line("50", "EUR", "2026-03-02"), line("7000", "JPY", "2026-03-03")]
    (folder / "bill.csv").write_text(bill(*lines))
    rates = folder / "rates.csv"
    rates.write_text("period,currency,reporting_currency,rate\n2026-03,USD,EUR,0.9\n")
    loaded = finops("ingest", "--as-of", "2026-04-02", "--output", "json").json
    assert [(one["source"], one["status"]) for one in loaded] == [("bill", "loaded"), ("currency rates", "loaded")]

    asked = ("costs", "--group-by", "x_cost_center", "--report-in", "EUR")
    ran = finops(*asked, "--output", "json")
    worth = {row["currency"]: row["x_reporting_billed_cost"] for row in ran.json}
    assert {currency: value and Decimal(value) for currency, value in worth.items()} == {
        "USD": Decimal("90.009"),
        "EUR": Decimal(50),
        "JPY": None,
    }
    assert {row["currency"]: Decimal(row["billed_cost"]) for row in ran.json}["JPY"] == 7000
    assert "no rate from JPY to EUR" in ran.stderr

    # The missing rate arrives, an open month is corrected; what was known before stays as it was.
    rates.write_text("period,currency,reporting_currency,rate\n2026-03,USD,EUR,0.8\n2026-03,JPY,EUR,0.006\n")
    finops("ingest", "--as-of", "2026-04-05")
    rows = finops(*asked, "--output", "json").json
    assert [Decimal(row["x_reporting_billed_cost"]) for row in rows] == [50, 42, Decimal("80.008")]
    assert finops(*asked, "--as-of", "2026-04-02", "--output", "json").json == ran.json


def test_a_final_month_cannot_be_rewritten(configure: Configure) -> None:
    finops = configure(CONFIG)
    folder: Path = finops.finops.folder
    (folder / "bill.csv").write_text(bill(line("100", "USD", "2026-03-02")))
    rates = folder / "rates.csv"
    header = "period,currency,reporting_currency,rate\n"
    rates.write_text(f"{header}2026-03,USD,EUR,0.9\n")
    finops("ingest", "--as-of", "2026-04-02")
    rates.write_text(f"{header}2026-03,USD,EUR,0.5\n2026-04,USD,EUR,0.5\n")
    ran = finops("ingest", "--as-of", "2026-05-20", code=6)
    assert "its month is final" in ran.stderr
    (row,) = finops("costs", "--report-in", "EUR", "--output", "json").json
    assert Decimal(row["x_reporting_billed_cost"]) == 90


def test_a_rate_table_that_cannot_be_read_is_told_with_its_line(configure: Configure) -> None:
    finops = configure(CONFIG)
    folder: Path = finops.finops.folder
    (folder / "bill.csv").write_text(bill(line("100", "USD", "2026-03-02")))
    (folder / "rates.csv").write_text('period,currency,reporting_currency,rate\n2026-03,USD,EUR,"0,9"\n')
    ran = finops("ingest", code=6)
    assert "rates.csv:2: rate:" in ran.stderr
    assert [row["status"] for row in finops("ingest", "--output", "json", code=6).json] == ["unchanged", "refused"]
