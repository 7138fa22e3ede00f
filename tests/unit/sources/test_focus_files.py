"""FOCUS files of any provider and version: layouts, spellings, nulls, labels and what is filled."""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from finops_ai.domain.delivery import Delivery, Refusal
from tests.unit.sources.exports import (
    ALL,
    CHARGE,
    Row,
    by_tag,
    charge,
    csv_text,
    delivered,
    facts,
    focus,
    packed,
    scanned,
    sums,
    write_export,
)

D = Decimal


def write(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(csv_text(rows), newline="")
    return path


def only(root: Path, row: Row) -> dict[str, object]:
    (fact,) = facts(scanned(focus(write(root / "focus.csv", [row]))))
    return fact


def test_a_charge_keeps_what_it_says(tmp_path: Path) -> None:
    fact = only(tmp_path, charge(InvoiceIssuerName="Reseller", RegionId="eu-1", x_ServiceCode="C1", SkuMeter="vCPU"))
    assert [fact[name] for name in ("billed_cost", "effective_cost", "list_cost", "contracted_cost")] == [
        D("1.5"),
        D("1.25"),
        D("2"),
        D("1.75"),
    ]
    assert (fact["consumed_quantity"], fact["consumed_unit"]) == (2, "Hours")
    assert (fact["sub_account_id"], fact["invoice_issuer_name"], fact["region_id"]) == ("007", "Reseller", "eu-1")
    assert (fact["x_service_code"], fact["x_sku_group"], fact["tags"]) == ("C1", "vCPU", {"cost-center": "search"})
    assert fact["day"] == date(2026, 4, 1)


def test_columns_may_stand_in_any_order_and_case_beside_others(tmp_path: Path) -> None:
    shuffled = {name.lower() if n % 2 else name: CHARGE[name] for n, name in enumerate(sorted(CHARGE, reverse=True))}
    expected = scanned(focus(write(tmp_path / "plain/a.csv", [CHARGE])))
    found = scanned(focus(write(tmp_path / "shuffled/a.csv", [{**shuffled, "Id": "7", "x_Other": "y"}])))
    assert found.facts.equals(expected.facts)
    assert found.dimensions.equals(expected.dimensions)


@pytest.mark.parametrize("word", ["NULL", "null", ""])
def test_a_null_is_written_as_text(tmp_path: Path, word: str) -> None:
    row = charge(Tags=word, SubAccountId=word, ChargeClass=word, ConsumedQuantity=word, ConsumedUnit=word)
    fact = only(tmp_path, row)
    assert (fact["tags"], fact["sub_account_id"], fact["charge_class"]) == ({}, "000000000001", "")
    assert (fact["consumed_quantity"], fact["consumed_unit"]) == (0, "")
    table = pa.table({name: [value] for name, value in row.items()})
    parquet.write_table(table, tmp_path / "text.parquet")
    (again,) = facts(scanned(focus(tmp_path / "text.parquet")))
    assert {**again, "dimension": 0} == {**fact, "dimension": 0}


@pytest.mark.parametrize("column", ["ServiceProviderName", "HostProviderName"])
def test_later_versions_name_the_provider_otherwise(tmp_path: Path, column: str) -> None:
    row = {**CHARGE, column: CHARGE["ProviderName"]}
    row.pop("ProviderName")
    assert only(tmp_path, row)["provider_name"] == "Example Cloud"


@pytest.mark.parametrize(
    ("start", "day"),
    [
        ("2026-04-01T23:59:59Z", date(2026, 4, 1)),
        ("2026-04-01 23:59:59", date(2026, 4, 1)),
        ("2026-04-01T23:59:59.999999+00:00", date(2026, 4, 1)),
        ("2026-04-01T23:00:00-05:00", date(2026, 4, 2)),
        ("2026-04-01", date(2026, 4, 1)),
    ],
)
def test_a_time_is_iso_with_or_without_an_offset(tmp_path: Path, start: str, day: date) -> None:
    assert only(tmp_path, charge(ChargePeriodStart=start))["day"] == day


@pytest.mark.parametrize("kind", ["naive", "UTC", "Asia/Tokyo", "ns", "date"])
def test_a_time_may_have_any_type(tmp_path: Path, kind: str) -> None:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    moment = datetime(2026, 4, 1, 23, tzinfo=UTC)
    values = {
        "naive": pa.array([moment.replace(tzinfo=None)]),
        "UTC": pa.array([moment], pa.timestamp("ms", "UTC")),
        "Asia/Tokyo": pa.array([moment.astimezone(ZoneInfo("Asia/Tokyo"))], pa.timestamp("us", "Asia/Tokyo")),
        "ns": pa.array([moment.replace(tzinfo=None)], pa.timestamp("ns")),
        "date": pa.array([moment.date()]),
    }
    table = pa.table({name: [value] for name, value in CHARGE.items() if name != "ChargePeriodStart"})
    parquet.write_table(table.append_column("ChargePeriodStart", values[kind]), tmp_path / "a.parquet")
    assert scanned(focus(tmp_path)).facts["day"].to_pylist() == [date(2026, 4, 1)]


def test_labels_may_be_json_or_a_map(tmp_path: Path) -> None:
    labels = {"cost-center": "a", "n": 1.5, "ok": True, "none": None, "deep": {"k": [1]}, "empty": ""}
    import json

    write(tmp_path / "json/a.csv", [charge(Tags=json.dumps(labels), x_CostCategories='{"Team": "blue"}')])
    (fact,) = facts(scanned(focus(tmp_path / "json", ALL)))
    assert fact["tags"] == {"cost-center": "a", "n": "1.5", "ok": "true", "deep": '{"k":[1]}'}
    assert fact["x_cost_categories"] == {"team": "blue"}
    table = pa.table({name: [value] for name, value in CHARGE.items() if name != "Tags"})
    for name, tags in (
        ("map", pa.array([[("cost-center", "a"), ("none", None)]], pa.map_(pa.string(), pa.string()))),
        ("struct", pa.array([{"cost-center": "a", "none": None}])),
    ):
        (tmp_path / name).mkdir()
        parquet.write_table(table.append_column("Tags", tags), tmp_path / name / "a.parquet")
        (fact,) = facts(scanned(focus(tmp_path / name, ALL)))
        assert fact["tags"] == {"cost-center": "a"}


@pytest.mark.parametrize("tags", ["{broken", "[1]", '"text"', "cost-center=a"])
def test_labels_that_are_no_object_cost_no_money(tmp_path: Path, tags: str) -> None:
    path = write(tmp_path / "a.csv", [charge(), charge(Tags=tags)])
    scan = scanned(focus(path))
    assert sums(scan, by_tag("cost-center")) == {"search": D("1.5"), "(untagged)": D("1.5")}
    (problem,) = scan.problems
    assert problem.severity == "warning"
    assert "not a JSON object" in problem.message
    assert "1 line, 1.50 USD" in problem.message


@pytest.mark.parametrize("category", ["", "Rebate"])
def test_an_unknown_category_is_usage_and_told(tmp_path: Path, category: str) -> None:
    path = write(tmp_path / "a.csv", [charge(ChargeCategory=category), charge(ChargeCategory="Adjustment")])
    scan = scanned(focus(path))
    assert sums(scan, "charge_category") == {"Usage": D("1.5"), "Adjustment": D("1.5")}
    (problem,) = scan.problems
    assert "taken as Usage" in problem.message


def test_a_missing_list_cost_is_never_a_silent_zero(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [charge(), charge(ListCost=""), charge(ListCost="", ContractedCost="")])
    scan = scanned(focus(path))
    assert sums(scan, "provider_name", "list_cost") == {"Example Cloud": D("2") + D("1.75") + D("1.25")}
    assert sums(scan, "provider_name", "contracted_cost") == {"Example Cloud": D("1.75") * 2 + D("1.25")}
    (problem,) = scan.problems
    assert "2 lines" in problem.message


def test_costs_may_be_doubles_decimals_or_text(tmp_path: Path) -> None:
    for name, type_ in (("double", pa.float64()), ("decimal", pa.decimal128(30, 12)), ("int", pa.int64())):
        values = {"double": [2.0], "decimal": [D("2")], "int": [2]}[name]
        table = pa.table({key: [value] for key, value in CHARGE.items() if key != "BilledCost"})
        path = tmp_path / name / "a.parquet"
        path.parent.mkdir()
        parquet.write_table(table.append_column("BilledCost", pa.array(values, type_)), path)
        assert scanned(focus(path)).control.billed_cost == {"USD": 2}


# --- deliveries -----------------------------------------------------------------------------------------------------


def test_one_file_may_hold_several_bills(tmp_path: Path) -> None:
    months = ["2026-03-01", "2026-04-01T00:00:00Z", "2026-02-01 00:00:00"]
    late = charge(BillingPeriodStart=months[1], ChargePeriodStart="2026-03-31T23:00:00Z", BilledCost="0.25")
    path = write(tmp_path / "a.csv", [*(charge(BillingPeriodStart=month) for month in months), late])
    source = focus(path)
    deliveries = delivered(source)
    assert [str(item.billing_period) for item in deliveries] == ["2026-02", "2026-03", "2026-04"]
    scans = [source.charges(item) for item in deliveries]
    assert [scan.control.billed_cost["USD"] for scan in scans] == [D("1.5"), D("1.5"), D("1.75")]
    assert sums(scans[2], "day") == {date(2026, 4, 1): D("1.5"), date(2026, 3, 31): D("0.25")}


def test_files_of_a_folder_are_parts(tmp_path: Path) -> None:
    write(tmp_path / "one.csv", [charge()])
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/two.csv.gz").write_bytes(packed(csv_text([charge(BilledCost="2")])))
    parquet.write_table(pa.table({name: [value] for name, value in CHARGE.items()}), tmp_path / "three.parquet")
    (tmp_path / "README.md").write_text("not a bill")
    source = focus(tmp_path)
    (delivery,) = delivered(source)
    assert len(delivery.parts) == 3
    assert source.charges(delivery).control.billed_cost == {"USD": 5}


def test_one_unreadable_part_leaves_no_bill_half_told(tmp_path: Path) -> None:
    write(tmp_path / "one.csv", [charge()])
    (tmp_path / "two.csv.gz").write_bytes(packed(csv_text([charge()]))[:-9])
    (refusal,) = focus(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert refusal.billing_period is None
    assert refusal.problems[0].file == "two.csv.gz"


@pytest.mark.parametrize("uri", ["acme", "acme/data"])
def test_a_partition_folder_names_the_bill_without_a_manifest(tmp_path: Path, uri: str) -> None:
    for month in ("2026-03", "2026-04"):
        write(tmp_path / f"acme/data/BILLING_PERIOD={month}/a.csv", [charge(BillingPeriodStart=f"{month}-01")])
    source = focus(tmp_path / uri)
    deliveries = delivered(source)
    assert [str(item.billing_period) for item in deliveries] == ["2026-03", "2026-04"]
    assert [source.charges(item).control.rows for item in deliveries] == [1, 1]


def test_a_manifest_decides_which_files_count(tmp_path: Path) -> None:
    write_export(tmp_path, {"a.csv.gz": packed(csv_text([charge()]))})
    (tmp_path / "data-exports/acme/data/BILLING_PERIOD=2026-04/old.csv.gz").write_bytes(packed(csv_text([charge()])))
    source = focus(tmp_path)
    (delivery,) = delivered(source)
    assert len(delivery.parts) == 1
    assert source.charges(delivery).control.rows == 1


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    (refusal,) = focus(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "holds no FOCUS files" in refusal.problems[0].message


def test_fingerprints_follow_the_content_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "here/a.csv", [charge()])
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    (here,), (there,) = (delivered(focus(tmp_path / name)) for name in ("here", "there"))
    assert isinstance(here, Delivery)
    assert here.fingerprint == there.fingerprint
    write(path, [charge(BilledCost="1.6")])
    assert delivered(focus(tmp_path / "here"))[0].fingerprint != here.fingerprint
