"""Azure's bills in, answers out: every figure of the shared exports in each of their formats, through the commands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.flow.conftest import Configure, Program
from tests.unit.sources.azure import both, ea, write_run

AZURE = "data/azure"
ROUNDED = Decimal("1e-12")
"""Totals of real files are told with twelve decimals."""

FIGURES = {
    "by_day": "day",
    "by_meter_category": "x_service_code",
    "by_subscription": "sub_account_id",
    "by_account": "sub_account_id",
    "by_cost_center": "x_cost_center",
    "by_model": "x_ai_model",
}
KEYS = (
    "day,billing_period,provider_name,billing_account_id,sub_account_id,service_name,x_service_code,region_id,"
    "charge_category,x_cost_center,x_ai_model,x_environment"
)
BILLING_ACCOUNT = "8611537"


def source(name: str, uri: Path) -> str:
    return f'{{name: {name}, kind: azure_export, uri: "{uri.as_uri()}"}}'


def program(configure: Configure, **uris: Path) -> Program:
    lines = "\n".join(f"  - {source(name, uri)}" for name, uri in uris.items())
    return configure(f"sources:\n{lines}\n")


def answers(bill: Program, *where: str) -> list[dict[str, str]]:
    """The ledger's answer by every key that a total may be asked by, in one call."""
    rows: list[dict[str, str]] = bill("costs", "--group-by", KEYS, *where, "--output", "json").json
    return rows


def by(rows: list[dict[str, str]], key: str, basis: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row[key]] = sums.get(row[key], Decimal(0)) + Decimal(row[f"{basis}_cost"])
    return sums


def differences(found: Mapping[str, Decimal], wanted: Mapping[str, str], tolerance: Decimal) -> dict[str, Decimal]:
    apart = {key: found.get(key, Decimal(0)) - Decimal(wanted.get(key, "0")) for key in found.keys() | wanted.keys()}
    return {key: by for key, by in apart.items() if abs(by) > tolerance}


def met(rows: list[dict[str, str]], truth: Mapping[str, Any], basis: str, tolerance: Decimal = Decimal(0)) -> None:
    for figure, key in FIGURES.items():
        if figure in truth:
            wanted = dict(truth[figure])
            if key == "sub_account_id" and "(none)" in wanted:  # what no subscription bought, the account did
                wanted[BILLING_ACCOUNT] = wanted.pop("(none)")
            assert differences(by(rows, key, basis), wanted, tolerance) == {}, (figure, basis)
    (total,) = by(rows, "currency", basis).values()
    assert abs(total - Decimal(truth["total"])) <= tolerance


@pytest.mark.shared
def test_actual_and_amortized_are_one_truth(shared: Path, configure: Configure) -> None:
    bill = program(configure, azure=shared / AZURE / "exports")
    first = bill("ingest", "--output", "json").json
    assert [(entry["billing_period"], entry["status"]) for entry in first] == [
        ("2026-02", "loaded"),
        ("2026-03", "loaded"),
        ("2026-04", "loaded"),
    ]
    assert [problem for entry in first for problem in entry["problems"]] == []
    actual, amortized = (
        json.loads((shared / AZURE / f"totals-{name}.json").read_text()) for name in ("actual", "amortized")
    )
    assert sum(entry["rows"] for entry in first) == actual["rows"] + amortized["rows"]
    rows = answers(bill)
    met(rows, actual, "billed")
    met(rows, amortized, "effective")
    assert differences(by(rows, "charge_category", "billed"), actual["by_charge_type"], Decimal(0)) == {}
    effective = by(rows, "charge_category", "effective")
    assert effective["Purchase"] == 0
    assert effective["Usage"] == sum(map(Decimal, amortized["by_charge_type"].values()))
    unused = by([row for row in rows if row["sub_account_id"] == BILLING_ACCOUNT], "charge_category", "effective")
    assert unused["Usage"] == Decimal(amortized["by_charge_type"]["UnusedReservation"])
    again = bill("ingest", "--output", "json").json
    assert {entry["status"] for entry in again} == {"unchanged"}


@pytest.mark.shared
def test_focus_tells_what_the_two_exports_tell(shared: Path, configure: Configure) -> None:
    truth = json.loads((shared / AZURE / "totals-focus.json").read_text())
    place = shared / AZURE / "focus-1.0r2"
    bill = program(configure, focus=place, two=shared / AZURE / "exports")
    bill("ingest")
    focus, two = (answers(bill, "--where", f"source={name}") for name in ("focus", "two"))
    for basis in ("billed", "effective"):
        met(focus, truth[basis] | {"by_meter_category": truth[basis]["by_service"]}, basis)
    assert differences(by(focus, "billing_period", "billed"), truth["by_month_billed"], Decimal(0)) == {}
    assert differences(by(focus, "charge_category", "billed"), truth["billed_by_charge_category"], Decimal(0)) == {}
    assert len(focus) > 400
    assert focus == two


@pytest.mark.shared
@pytest.mark.parametrize(("name", "said"), [("Actual", "no AmortizedCost"), ("Amortized", "no ActualCost")])
def test_a_real_file_alone_meets_its_figures_and_says_what_it_cannot_know(
    shared: Path, configure: Configure, name: str, said: str
) -> None:
    truth = json.loads((shared / AZURE / "real-ea-small/totals.json").read_text())[name]
    bill = program(configure, azure=shared / AZURE / f"real-ea-small/EA_{name}Cost_Small.csv")
    (entry,) = bill("ingest", "--output", "json").json
    assert (entry["billing_period"], entry["rows"], entry["status"]) == ("2023-09", truth["rows"], "loaded")
    assert said in entry["problems"][0]["message"]
    rows = answers(bill)
    for basis in ("billed", "effective"):
        met(rows, truth, basis, ROUNDED)
        assert differences(by(rows, "charge_category", basis), truth["by_charge_type"], ROUNDED) == {}


@pytest.mark.shared
def test_real_files_of_one_folder_are_one_truth(shared: Path, configure: Configure) -> None:
    truth = json.loads((shared / AZURE / "real-ea-small/totals.json").read_text())
    bill = program(configure, azure=shared / AZURE / "real-ea-small")
    (entry,) = bill("ingest", "--output", "json").json
    assert entry["rows"] == truth["Actual"]["rows"] + truth["Amortized"]["rows"]
    rows = answers(bill)
    met(rows, truth["Actual"], "billed", ROUNDED)
    met(rows, truth["Amortized"], "effective", ROUNDED)
    told = [problem["message"] for problem in entry["problems"]]
    assert "ActualCost tells usage until 2023-09-05, AmortizedCost until 2023-09-22" in told[0]


@pytest.mark.shared
def test_a_file_with_a_header_alone_is_refused(shared: Path, configure: Configure) -> None:
    bill = program(configure, azure=shared / AZURE / "real-ea-small/EA_NoRows.csv")
    (entry,) = bill("ingest", "--output", "json", code=6).json
    assert "holds no cost export with rows" in entry["problems"][0]["message"]


@pytest.mark.shared
def test_a_classic_export_in_euros(shared: Path, configure: Configure) -> None:
    truth = json.loads((shared / "data/nise/totals.json").read_text())["azure"]
    bill = program(configure, azure=shared / "data/nise/azure")
    entries = bill("ingest", "--output", "json").json
    assert sum(entry["rows"] for entry in entries) == truth["rows"]
    assert {code for entry in entries for code in entry["billed_cost"]} == set(truth["currency"])
    rows = answers(bill)
    for basis in ("billed", "effective"):
        for figure in ("by_day", "by_meter_category"):
            assert differences(by(rows, FIGURES[figure], basis), truth[figure], Decimal(0)) == {}


NO_CURRENCY = "BillingCurrency"
HEADER_SETS: Mapping[str, tuple[str, str] | str] = {
    "BOM.csv": "PreTaxCost",
    "Enterprise.csv": ("CAD", "0.00"),
    "EnterpriseCamel.csv": ("USD", "0.012"),
    "German.csv": ("USD", "0.075"),
    "MissingBrackets.csv": NO_CURRENCY,
    "Template.csv": NO_CURRENCY,
    "VirtualMachine.csv": NO_CURRENCY,
    "YA.csv": ("USD", "0.075"),
}
"""Currency and sum of what loads, the column that is missing or empty of what must be refused."""


@pytest.mark.shared
def test_every_set_of_headers_loads_or_is_refused_by_its_column(shared: Path, configure: Configure) -> None:
    folder = shared / AZURE / "opencost-headersets"
    assert {path.name for path in folder.iterdir()} == set(HEADER_SETS)
    bill = program(configure, **{name.removesuffix(".csv"): folder / name for name in HEADER_SETS})
    entries = {entry["source"] + ".csv": entry for entry in bill("ingest", "--output", "json", code=6).json}
    for name, expected in HEADER_SETS.items():
        if isinstance(expected, tuple):
            assert (entries[name]["status"], entries[name]["billed_cost"]) == ("loaded", dict([expected])), name
        else:
            assert entries[name]["status"] == "refused", name
            assert expected in {problem["column"] for problem in entries[name]["problems"]}, name


@pytest.mark.shared
def test_an_older_run_answered_until_the_newer_came(shared: Path, configure: Configure, tmp_path: Path) -> None:
    """April's runs arrive one after the other; each replaces the month, and what was known then can still be asked."""
    truth = json.loads((shared / AZURE / "totals-actual.json").read_text())["by_day"]
    exports = tmp_path / "exports"
    shutil.copytree(shared / AZURE / "exports", exports)
    runs = {
        json.loads(manifest.read_text())["runInfo"]["submittedTime"][:10]: manifest.parent
        for manifest in exports.glob("*-actual/20260401-20260430/*/manifest.json")
    }
    twins = {
        json.loads(manifest.read_text())["runInfo"]["submittedTime"][:10]: manifest.parent
        for manifest in exports.glob("*-amortized/20260401-20260430/*/manifest.json")
    }
    assert sorted(runs) == sorted(twins) == ["2026-04-10", "2026-04-20", "2026-04-30"]
    away = tmp_path / "away"
    away.mkdir()
    for kind, of in (("actual", runs), ("amortized", twins)):
        for day, folder in of.items():
            shutil.move(folder, away / f"{kind}-{day}")
    bill = program(configure, azure=exports)
    for day in sorted(runs):
        for kind, of in (("actual", runs), ("amortized", twins)):
            shutil.move(away / f"{kind}-{day}", of[day])
        entries = bill("--as-of", day, "ingest", "--output", "json").json
        assert {entry["billing_period"]: entry["status"] for entry in entries}["2026-04"] == "loaded"
    for day in sorted(runs):
        rows = bill("--as-of", day, "costs", "--start", "2026-04-01", "--end", "2026-05-01", "--output", "json").json
        wanted = sum(Decimal(cost) for known, cost in truth.items() if "2026-04-01" <= known <= day)
        assert Decimal(rows[0]["billed_cost"]) == wanted, day


def test_what_is_wrong_refuses_its_month_and_the_last_version_answers(configure: Configure, tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    actual, amortized = both()
    for days, month in (("20260301-20260331", "03"), ("20260401-20260430", "04")):
        for dataset, rows in (("ActualCost", actual), ("AmortizedCost", amortized)):
            moved = [
                {**row, "Date": row["Date"].replace("04/", f"{month}/"), "BillingPeriodStartDate": f"{month}/01/2026"}
                for row in rows
            ]
            write_run(exports, moved, dataset=dataset, days=days, run=f"{month}-{dataset}")
    bill = program(configure, azure=exports)
    bill("ingest")
    before = bill("costs", "--group-by", "billing_period,charge_category", "--output", "json").json
    manifest = write_run(exports, [ea(Cost="999")], run="broken", submitted="2026-05-01T09:00:00Z")
    part = manifest.parent / "part_0_0001.csv.gz"
    part.write_bytes(part.read_bytes()[:-9])
    entries = {entry["billing_period"]: entry for entry in bill("ingest", "--output", "json", code=6).json}
    assert (entries["2026-03"]["status"], entries["2026-04"]["status"]) == ("unchanged", "refused")
    (problem,) = entries["2026-04"]["problems"]
    assert problem["file"].endswith("broken/part_0_0001.csv.gz")
    assert "deliver it again" in problem["message"]
    assert bill("costs", "--group-by", "billing_period,charge_category", "--output", "json").json == before
