"""FOCUS in, every version: the specification's own scenarios, supporting datasets, and how deliveries replace."""

from __future__ import annotations

import csv
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.flow.conftest import Configure

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "sources" / "focus_files"

DEFAULTS = "{BillingCurrency: USD, ProviderName: Example, ServiceName: Example, ServiceCategory: Other}"


def amount(text: str) -> Decimal:
    return Decimal(re.sub(r"[$, ]", "", text))


@pytest.mark.shared
def test_the_scenarios_of_the_specification_load(shared: Path, configure: Configure) -> None:
    """Spreadsheet dates and amounts, missing columns, the text null: all told by configuration, nothing guessed."""
    place = shared / "data/focus/spec-scenarios"
    bill = configure(f"""
    sources:
      - {{name: spec, kind: focus_files, uri: "file://{place}", written: us, defaults: {DEFAULTS}}}
    """)
    loaded = bill("ingest", "--output", "json").json
    assert {entry["status"] for entry in loaded} == {"loaded"}
    rows = []
    for path in sorted(place.glob("*.csv")):
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows += list(csv.DictReader(file))
    assert sum(entry["rows"] for entry in loaded) == len(rows)
    (total,) = bill("costs", "--output", "json").json
    for name, column in (("BilledCost", "billed_cost"), ("EffectiveCost", "effective_cost")):
        assert Decimal(total[column]) == sum(amount(row[name]) for row in rows)


@pytest.mark.shared
def test_spreadsheet_forms_are_refused_unless_allowed(shared: Path, configure: Configure, tmp_path: Path) -> None:
    place = tmp_path / "saas"
    place.mkdir()
    shutil.copy(shared / "data/focus/spec-scenarios/simple_saas_agreements_c.csv", place)
    bill = configure(f"""
    sources:
      - {{name: spec, kind: focus_files, uri: "file://{place}"}}
    """)
    (entry,) = bill("ingest", "--output", "json", code=6).json
    assert entry["status"] == "refused"
    assert entry["problems"][0]["file"] == "simple_saas_agreements_c.csv"


def test_a_default_is_for_a_column_of_focus(configure: Configure, tmp_path: Path) -> None:
    bill = configure(f"""
    sources:
      - {{name: spec, kind: focus_files, uri: "file://{tmp_path}", defaults: {{Currency: USD}}}}
    """)
    ran = bill("ingest", code=4)
    assert "Currency is no text column of FOCUS" in ran.stderr


def ingested(configure: Configure, place: Path, settings: str = "") -> dict[str, dict[str, Any]]:
    bill = configure(f"""
    sources:
      - {{name: bill, kind: focus_files, uri: "file://{place}"{settings}}}
    """)
    return {entry["billing_period"]: entry for entry in bill("ingest", "--output", "json").json}


def test_datasets_beside_the_charges_are_not_charges(configure: Configure, tmp_path: Path) -> None:
    """A bill of 1.4 with BillingPeriod, InvoiceDetail and ContractCommitment: an open period is told, a closed not."""
    place = tmp_path / "bill"
    shutil.copytree(GOLDEN / "1.4/bill", place)
    first = ingested(configure, place)
    assert {period: entry["status"] for period, entry in first.items()} == {"2026-04": "loaded", "2026-05": "loaded"}
    said = {period: [problem["message"] for problem in entry["problems"]] for period, entry in first.items()}
    assert not any("open" in message for message in said["2026-04"])
    assert any("calls billing period 2026-05 open" in message for message in said["2026-05"])
    periods = place / "billing_periods.csv"
    periods.write_text(periods.read_text().replace("Open", "Closed"))
    second = ingested(configure, place)
    assert {period: entry["status"] for period, entry in second.items()} == {
        "2026-04": "unchanged",
        "2026-05": "loaded",
    }
    assert second["2026-05"]["billed_cost"] == first["2026-05"]["billed_cost"]
    assert not any("open" in problem["message"] for problem in second["2026-05"]["problems"])


def test_a_status_that_is_none_refuses_the_delivery(configure: Configure, tmp_path: Path) -> None:
    place = tmp_path / "bill"
    shutil.copytree(GOLDEN / "1.4/bill", place)
    periods = place / "billing_periods.csv"
    periods.write_text(periods.read_text().replace("Open", "Ajar"))
    bill = configure(f"""
    sources:
      - {{name: bill, kind: focus_files, uri: "file://{place}"}}
    """)
    (entry,) = bill("ingest", "--output", "json", code=6).json
    assert (entry["problems"][0]["file"], entry["problems"][0]["value"]) == ("billing_periods.csv", "ajar")


@pytest.mark.parametrize("by_folder", [True, False])
def test_deliveries_add_up_or_replace_as_configured(by_folder: bool, configure: Configure, tmp_path: Path) -> None:
    text = (GOLDEN / "1.3/bill/focus.csv").read_text()
    place = tmp_path / "bill"
    for number, cost in enumerate(("1.5", "2.5"), start=1):
        file = place / f"run-{number}/focus.csv" if by_folder else place / f"focus-{number}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("1.5,", f"{cost},", 1))
    rest = Decimal("0.775")
    added = ingested(configure, place)
    assert Decimal(added["2026-04"]["billed_cost"]["USD"]) == Decimal(4) + 2 * rest
    replaced = ingested(configure, place, ", delivery_handling: overwrite")
    assert Decimal(replaced["2026-04"]["billed_cost"]["USD"]) == Decimal("2.5") + rest


def test_corrections_are_kept_apart_on_the_days_they_correct(configure: Configure, tmp_path: Path) -> None:
    place = tmp_path / "bill"
    shutil.copytree(GOLDEN / "1.1/bill", place)
    ingested(configure, place)
    bill = configure(f"""
    sources:
      - {{name: bill, kind: focus_files, uri: "file://{place}"}}
    """)
    bill("export", "focus", "--file", "out.csv")
    with (bill.finops.folder / "out.csv").open(newline="") as file:
        (row,) = (row for row in csv.DictReader(file) if row["ChargeClass"] == "Correction")
    assert row["ChargePeriodStart"] == "2026-03-31T23:00:00Z"
    assert row["BillingPeriodStart"] == "2026-04-01T00:00:00Z"
    assert (row["BilledCost"], row["ConsumedQuantity"]) == ("-0.25", "")
    assert row["SkuPriceDetails"] == '{"CoreCount": 4, "InstanceType": "m1"}'
    days = {row["day"]: row["billed_cost"] for row in bill("costs", "--group-by", "day", "--output", "json").json}
    assert days == {"2026-03-31": "-0.25", "2026-04-01": "13.50"}
