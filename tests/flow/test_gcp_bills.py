"""Google Cloud's bill in, answers out: every figure of the shared exports through the command line, in each format."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain.money import total
from tests.flow.conftest import Configure, Program
from tests.unit.sources.gcp_export import jsonl, row, write

pytestmark = pytest.mark.shared

DETAILED, STANDARD, NISE = "gcp-detailed", "gcp-standard", "nise/gcp"
KEYS = {
    "net_by_day_utc": "day",
    "net_by_service": "service_name",
    "net_by_cost_center": "x_cost_center",
    "net_by_model": "x_ai_model",
    "net_by_project": "sub_account_id",
    "net_by_invoice_month": "billing_period",
}


def extracts(shared: Path, name: str, folder: Path) -> Path:
    """The place of one of the shared exports, as a user would point at it."""
    data = shared / "data"
    match name:
        case "detailed, both formats in one folder":
            return data / DETAILED
        case "detailed, Parquet":
            return next((data / DETAILED).glob("*.parquet"))
        case "detailed, JSON lines":
            (folder / "jsonl").mkdir()
            for file in (data / DETAILED).glob("*.jsonl.gz"):
                shutil.copy(file, folder / "jsonl")
            return folder / "jsonl"
        case "standard":
            return data / STANDARD
        case _:
            return data / NISE


def configured(configure: Configure, uri: Path) -> Program:
    return configure(f"""
        sources:
          - {{name: gcp, kind: gcp_billing, uri: "file://{uri}"}}
    """)


def answered(bill: Program, key: str) -> dict[str, dict[str, Decimal]]:
    """By basis, what one answer says of each value of `key`."""
    rows = bill("costs", "--group-by", key, "--output", "json").json
    found: dict[str, dict[str, Decimal]] = {"billed": {}, "effective": {}}
    for line in rows:
        name = line[key].replace("-", "") if key == "billing_period" else line[key]
        for basis, costs in found.items():
            if cost := Decimal(line[f"{basis}_cost"]):
                costs[name or "(none)"] = cost
    return found


def exported(bill: Program, column: str) -> Decimal:
    file = bill.finops.folder / "focus.csv"
    bill("export", "focus", "--start", "2000-01-01", "--end", "2099-01-01", "--file", str(file))
    with file.open(encoding="utf-8", newline="") as text:
        return total(Decimal(line[column]) for line in csv.DictReader(text))


@pytest.mark.parametrize(
    "name", ["detailed, both formats in one folder", "detailed, Parquet", "detailed, JSON lines", "standard"]
)
def test_every_figure_of_the_totals_is_met(name: str, shared: Path, configure: Configure, tmp_path: Path) -> None:
    truth: Mapping[str, Any] = json.loads(
        (shared / "data" / (STANDARD if name == "standard" else DETAILED) / "totals.json").read_text()
    )
    bill = configured(configure, extracts(shared, name, tmp_path))
    loaded = bill("ingest", "--output", "json").json
    assert {entry["status"] for entry in loaded} == {"loaded"}
    assert sum(entry["rows"] for entry in loaded) == truth["rows"]
    assert [entry["rows_rejected"] for entry in loaded] == [0] * len(loaded)
    told = {problem["message"].split(":")[0] for entry in loaded for problem in entry["problems"]}
    both = "lines that another extract of the table holds too count once"
    assert told == ({both} if "both" in name else set())
    for figure, key in KEYS.items():
        expected = {value: Decimal(cost) for value, cost in truth[figure].items() if Decimal(cost)}
        assert answered(bill, key) == {"billed": expected, "effective": expected}, figure
    (net,) = bill("costs", "--output", "json").json
    assert (net["currency"], Decimal(net["billed_cost"])) == ("USD", Decimal(truth["net"]))
    assert exported(bill, "ContractedCost") == Decimal(truth["gross"])
    assert Decimal(net["billed_cost"]) - Decimal(truth["gross"]) == Decimal(truth["credits"])
    assert {entry["status"] for entry in bill("ingest", "--output", "json").json} == {"unchanged"}


def test_the_bill_of_another_generator(shared: Path, configure: Configure, tmp_path: Path) -> None:
    truth = json.loads((shared / "data/nise/totals.json").read_text())["gcp"]
    bill = configured(configure, extracts(shared, "nise", tmp_path))
    (loaded,) = bill("ingest", "--output", "json").json
    assert (loaded["rows"], loaded["problems"]) == (truth["rows"], [])
    for figure, key in (("cost_by_service", "service_name"), ("cost_by_day", "day")):
        expected = {value: Decimal(cost) for value, cost in truth[figure].items()}
        assert answered(bill, key) == {"billed": expected, "effective": expected}


def test_late_rows_restate_their_invoice_month_alone(shared: Path, configure: Configure, tmp_path: Path) -> None:
    folder = extracts(shared, "detailed, JSON lines", tmp_path)
    bill = configured(configure, folder)
    before = {entry["billing_period"]: entry for entry in bill("ingest", "--output", "json").json}
    late = row(
        invoice={"month": "202603"},
        usage_start_time="2026-03-20 05:00:00 UTC",
        export_time="2026-04-06 01:00:00 UTC",
        cost=100.0,
        labels=[],
    )
    write(folder, {"late.jsonl": jsonl([late])})
    after = {entry["billing_period"]: entry for entry in bill("ingest", "--output", "json").json}
    assert {period: entry["status"] for period, entry in after.items()} == {
        "2026-01": "unchanged",
        "2026-02": "unchanged",
        "2026-03": "loaded",
        "2026-04": "unchanged",
    }
    moved = Decimal(after["2026-03"]["billed_cost"]["USD"]) - Decimal(before["2026-03"]["billed_cost"]["USD"])
    assert moved == 100
    assert after["2026-03"]["problems"] == []


def test_a_damaged_extract_is_refused_and_the_last_version_answers_on(
    shared: Path, configure: Configure, tmp_path: Path
) -> None:
    folder = extracts(shared, "detailed, JSON lines", tmp_path)
    bill = configured(configure, folder)
    bill("ingest")
    before = bill("costs", "--group-by", "billing_period", "--output", "json").stdout
    write(folder, {"more.jsonl": jsonl([row(), '{"cost": 1'])})
    (refused,) = bill("ingest", "--output", "json", code=6).json
    assert refused["status"] == "refused"
    assert {(problem["file"], problem["line"]) for problem in refused["problems"]} == {("more.jsonl", 2)}
    assert bill("costs", "--group-by", "billing_period", "--output", "json").stdout == before
