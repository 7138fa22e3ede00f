"""AWS reports: line types to charges, manifests to deliveries, tags under every spelling."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Unavailable
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.base import Keep
from tests.unit.sources.exports import (
    ALL,
    by_tag,
    cur,
    cur2_table,
    delivered,
    facts,
    legacy_csv,
    line,
    packed,
    scanned,
    sums,
    write_export,
    write_lines,
    write_report,
)

D = Decimal
APRIL = BillingPeriod(2026, 4)


def only(root: Path, *rows: dict[str, str], **settings: int) -> dict[str, object]:
    """The one fact that lines come to."""
    write_lines(root, rows)
    (fact,) = facts(scanned(cur(root, **settings)))
    return fact


# --- line types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            line("Usage", "1.5", pricing_public_on_demand_cost="2"),
            ("Usage", "", "Usage-Based", "Standard", "1.5", "1.5", "2", "1.5", "1"),
        ),
        (
            line("Usage", "1.5", line_item_usage_type="USE2-SpotUsage:g5.xlarge"),
            ("Usage", "", "Usage-Based", "Dynamic", "1.5", "1.5", "1.5", "1.5", "1"),
        ),
        (
            line("DiscountedUsage", "0", pricing_public_on_demand_cost="2", reservation_effective_cost="1.2"),
            ("Usage", "", "Usage-Based", "Committed", "0", "1.2", "2", "2", "1"),
        ),
        (line("Tax", "3"), ("Tax", "", "Recurring", "", "3", "3", "3", "3", "0")),
        (line("Credit", "-3"), ("Credit", "", "One-Time", "", "-3", "-3", "0", "0", "0")),
        (line("Refund", "-3"), ("Usage", "Correction", "One-Time", "Standard", "-3", "-3", "-3", "-3", "0")),
        (
            line("Refund", "-9", line_item_product_code="ComputeSavingsPlans"),
            ("Usage", "Correction", "One-Time", "Standard", "-9", "0", "-9", "-9", "0"),
        ),
        (
            line("SavingsPlanUpfrontFee", "100"),
            ("Purchase", "", "One-Time", "Standard", "100", "0", "100", "100", "0"),
        ),
        (
            line("Fee", "100", reservation_reservation_a_r_n="arn:aws:ri"),
            ("Purchase", "", "One-Time", "Standard", "100", "0", "100", "100", "0"),
        ),
        (line("Fee", "15"), ("Purchase", "", "One-Time", "Standard", "15", "15", "15", "15", "0")),
        (line("EdpDiscount", "-2"), ("Usage", "", "Usage-Based", "Standard", "-2", "-2", "0", "-2", "0")),
    ],
    ids=lambda value: value["line_item_line_item_type"] if isinstance(value, dict) else "",
)
def test_a_line_type_is_one_kind_of_charge(tmp_path: Path, row: dict[str, str], expected: tuple[str, ...]) -> None:
    fact = only(tmp_path, row)
    texts = [fact[name] for name in ("charge_category", "charge_class", "charge_frequency", "pricing_category")]
    measures = [
        fact[name] for name in ("billed_cost", "effective_cost", "list_cost", "contracted_cost", "consumed_quantity")
    ]
    assert (*texts, *measures) == (*expected[:4], *map(D, expected[4:]))


@pytest.mark.parametrize(
    "fee",
    [
        line(
            "SavingsPlanRecurringFee",
            "10",
            savings_plan_total_commitment_to_date="10",
            savings_plan_used_commitment="7",
        ),
        line(
            "RIFee",
            "10",
            reservation_unused_amortized_upfront_fee_for_billing_period="1",
            reservation_unused_recurring_fee="2",
        ),
    ],
    ids=["savings plan", "reservation"],
)
def test_a_commitment_fee_is_a_purchase_and_its_unused_part_is_usage(tmp_path: Path, fee: dict[str, str]) -> None:
    write_lines(tmp_path, [fee])
    rows = {row["charge_category"]: row for row in facts(scanned(cur(tmp_path)))}
    assert (rows["Purchase"]["billed_cost"], rows["Purchase"]["effective_cost"]) == (10, 0)
    assert (rows["Usage"]["billed_cost"], rows["Usage"]["effective_cost"]) == (0, 3)
    assert rows["Usage"]["pricing_category"] == "Committed"
    assert sum(row["list_cost"] for row in rows.values()) == 10


def test_covered_usage_is_billed_nothing_and_its_cost_meets_the_negation(tmp_path: Path) -> None:
    covered = line("SavingsPlanCoveredUsage", "4", tag_model="clip", savings_plan_savings_plan_effective_cost="2.5")
    write_lines(tmp_path, [covered, line("SavingsPlanNegation", "-4"), line("Usage", "1", tag_model="clip")])
    scan = scanned(cur(tmp_path))
    assert sums(scan, by_tag("model", "(none)")) == {"clip": 1, "(none)": 0}
    assert sums(scan, by_tag("model", "(none)"), "effective_cost") == {"clip": D("3.5"), "(none)": 0}
    assert scan.control.billed_cost == {"USD": 1}
    assert sums(scan, "charge_category", "consumed_quantity") == {"Usage": 2}


def test_what_a_negation_leaves_stays_visible_without_a_tag(tmp_path: Path) -> None:
    covered = line("SavingsPlanCoveredUsage", "4", tag_model="clip", savings_plan_savings_plan_effective_cost="2.5")
    write_lines(tmp_path, [covered, line("SavingsPlanNegation", "-3.75")])
    assert sums(scanned(cur(tmp_path)), by_tag("model", "(none)")) == {"clip": 0, "(none)": D("0.25")}


def test_an_unknown_line_type_is_booked_and_told(tmp_path: Path) -> None:
    write_lines(tmp_path, [line("NewType", "2"), line("NewType", "3"), line("Usage", "1")])
    scan = scanned(cur(tmp_path))
    assert scan.control.billed_cost == {"USD": 6} == {"USD": sums(scan, "charge_category")["Usage"]}
    (problem,) = scan.problems
    assert problem.severity == "warning"
    assert "NewType" in problem.message
    assert "2 lines" in problem.message
    assert "5.00 USD" in problem.message


def test_split_lines_repeat_the_cost_of_the_instance_and_stay_out(tmp_path: Path) -> None:
    split = line("Usage", "0.7", split_line_item_parent_resource_id="i-1", line_item_unblended_cost="0.7")
    write_lines(tmp_path, [line("Usage", "2"), split, split])
    scan = scanned(cur(tmp_path))
    assert sums(scan, "billing_currency") == {"USD": 2} == scan.control.billed_cost
    assert scan.control.rows == 1
    (problem,) = scan.problems
    assert "split" in problem.message
    assert "2 lines, 1.40 USD" in problem.message


def test_lines_of_pods_and_tasks_stay_out_by_their_operation_alone(tmp_path: Path) -> None:
    """An export of chosen columns may leave out the one that names the instance; Fargate tasks are billed alone."""
    of_instance = [
        line("Usage", "2", line_item_usage_type="SpotUsage:g5.xlarge", line_item_operation="RunInstances:SV001"),
        line(
            "SavingsPlanCoveredUsage",
            "3",
            line_item_operation="RunInstances",
            savings_plan_savings_plan_effective_cost="1.75",
        ),
        line("SavingsPlanNegation", "-3", line_item_operation="RunInstances"),
    ]
    pods = [line("Usage", "0.7", line_item_operation=name) for name in ("EKSPod-EC2", "ECSTask-EC2")]
    fargate = line("Usage", "0.25", line_item_operation="FargateTask")
    write_lines(tmp_path, [*of_instance, *pods, fargate])
    scan = scanned(cur(tmp_path))
    assert scan.control.billed_cost == {"USD": Decimal("2.25")} == sums(scan, "billing_currency")
    assert sums(scan, "billing_currency", "effective_cost") == {"USD": Decimal("4.00")}
    (problem,) = scan.problems
    assert "2 lines, 1.40 USD" in problem.message


# --- dimensions -----------------------------------------------------------------------------------------------------


def test_dimensions_carry_what_aws_says(tmp_path: Path) -> None:
    fact = only(tmp_path, line(line_item_usage_account_id="012345600004"))
    assert fact["sub_account_id"] == "012345600004"
    assert fact["billing_account_id"] == "000000000001"
    assert (fact["provider_name"], fact["invoice_issuer_name"]) == ("AWS", "Amazon Web Services, Inc.")
    assert (fact["service_name"], fact["x_service_code"]) == ("Amazon Elastic Compute Cloud", "AmazonEC2")
    assert (fact["service_category"], fact["x_sku_group"]) == ("Compute", "BoxUsage:g5.xlarge")
    assert (fact["region_id"], fact["consumed_unit"], fact["billing_currency"]) == ("us-east-1", "Hrs", "USD")
    assert fact["billing_account_name"] == ""


def test_the_payer_stands_in_for_a_missing_account_and_the_code_for_a_name(tmp_path: Path) -> None:
    row = line(line_item_usage_account_id="", product_product_name="", product_region_code="")
    fact = only(tmp_path, {**row, "line_item_availability_zone": "eu-west-2b"})
    assert (fact["sub_account_id"], fact["service_name"], fact["region_id"]) == (
        "000000000001",
        "AmazonEC2",
        "eu-west-2",
    )


def test_a_day_is_a_utc_day_and_may_lie_outside_its_bill(tmp_path: Path) -> None:
    starts = ["2026-04-01T00:30:00+02:00", "2026-04-30 23:59:59", "2026-05-01T00:00:00Z", "2026-02-11"]
    write_lines(tmp_path, [line(line_item_usage_start_date=start) for start in starts])
    days = {row["day"] for row in facts(scanned(cur(tmp_path)))}
    assert days == {date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 1), date(2026, 2, 11)}


def test_currencies_are_never_added(tmp_path: Path) -> None:
    write_lines(tmp_path, [line("Usage", "1"), line("Usage", "10", line_item_currency_code="CNY")])
    scan = scanned(cur(tmp_path))
    assert scan.control.billed_cost == {"USD": 1, "CNY": 10} == sums(scan, "billing_currency")


# --- tags -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["cost-center", "Cost_Center", "COST-CENTER", "cost_center"])
def test_a_tag_is_found_under_every_spelling(tmp_path: Path, spelling: str) -> None:
    rows = [line(**{f"tag_{spelling}": "search"})]
    write_lines(tmp_path / "csv", rows)
    write_export(tmp_path / "map", {"a.parquet": cur2_table(rows)})
    for folder in ("csv", "map"):
        (fact,) = facts(scanned(cur(tmp_path / folder)))
        assert fact["tags"] == {"cost-center": "search"}


def test_a_rare_spelling_in_the_last_part_is_found(tmp_path: Path) -> None:
    common = cur2_table([line(tag_model="a")] * 500)
    rare = cur2_table([line(tag_model="a")] * 499 + [line(tag_Model="b")])
    write_export(tmp_path, {"a.parquet": common, "b.parquet": rare})
    assert sums(scanned(cur(tmp_path)), by_tag("model")) == {"a": D("1498.5"), "b": D("1.5")}


def test_columns_that_differ_in_case_alone_are_two_columns(tmp_path: Path) -> None:
    write_lines(tmp_path, [line(tag_Model="a"), line(tag_model="b"), line(tag_Model="", tag_model="c")])
    assert set(sums(scanned(cur(tmp_path)), by_tag("model"))) == {"a", "b", "c"}


def test_spellings_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    rows = [line(tag_Model="a", tag_model="b"), line(tag_Model="a", tag_model="a"), line(tag_Model="", tag_model="c")]
    write_lines(tmp_path / "csv", rows)
    write_export(tmp_path / "map", {"a.parquet": cur2_table(rows)})
    for folder in ("csv", "map"):
        scan = scanned(cur(tmp_path / folder))
        assert sums(scan, by_tag("model")) == {"a": 3, "c": D("1.5")}
        (problem,) = scan.problems
        assert problem.severity == "warning"
        assert all(word in problem.message for word in ("Model", "model", "1 line,", "1.50 USD"))


def test_only_the_keys_asked_for_are_kept(tmp_path: Path) -> None:
    write_lines(tmp_path, [line(tag_model="a", tag_Name="node-1", tag_env="prod")])
    one = Keep(tags=frozenset({"model"}), cost_categories=frozenset())
    none = Keep(tags=frozenset(), cost_categories=frozenset())
    for keep, expected in (
        (one, '{"model":"a"}'),
        (none, "{}"),
        (ALL, '{"env":"prod","model":"a","name":"node-1"}'),
    ):
        assert scanned(cur(tmp_path, keep)).dimensions["tags"].to_pylist() == [expected]


def test_cost_categories_are_kept_beside_tags(tmp_path: Path) -> None:
    write_lines(tmp_path / "csv", [{**line(), "costCategory/Team": "blue"}])
    table = cur2_table([line()])
    categories = pa.array([[("Team", "blue")]], pa.map_(pa.string(), pa.string()))
    write_export(tmp_path / "map", {"a.parquet": table.append_column("cost_category", categories)})
    for folder in ("csv", "map"):
        (fact,) = facts(scanned(cur(tmp_path / folder, ALL)))
        assert fact["x_cost_categories"] == {"team": "blue"}


HOSTILE = [
    "'; DROP TABLE charge; --",
    '"}],"x":"y',
    'a "quoted", value\nover\r\nlines\t',
    "\\u0000 \\' \\\" {{7*7}} ${x} $(id) `id`",
    "🧾 ünïcode 字 \u202e",
    "x" * 77_000,
    "=cmd|' /C calc'!A0",
]


def test_hostile_tag_values_come_through_as_they_are(tmp_path: Path) -> None:
    rows = [line(tag_model=value) for value in HOSTILE]
    write_lines(tmp_path / "csv", rows)
    write_export(tmp_path / "map", {"a.parquet": cur2_table(rows)})
    for folder in ("csv", "map"):
        assert sums(scanned(cur(tmp_path / folder)), by_tag("model")) == {value: D("1.5") for value in HOSTILE}


def test_hostile_tag_keys_are_data(tmp_path: Path) -> None:
    keys = ["a'b\"c", "x'] from lines; --", 'q"\\u', "ключ", "a,b\nc"]
    write_lines(tmp_path / "csv", [line(**{f"tag_{key}": "v" for key in keys})])
    write_export(tmp_path / "map", {"a.parquet": cur2_table([line(**{f"tag_{key}": "v" for key in keys})])})
    for folder in ("csv", "map"):
        (fact,) = facts(scanned(cur(tmp_path / folder, ALL)))
        assert fact["tags"] == dict.fromkeys(keys, "v")


def test_a_nul_in_a_value_does_not_reach_the_database(tmp_path: Path) -> None:
    write_export(tmp_path, {"a.parquet": cur2_table([line(tag_model="a\0b", line_item_usage_type="u\0v")])})
    (fact,) = facts(scanned(cur(tmp_path)))
    assert (fact["tags"], fact["x_sku_group"]) == ({"model": "a\ufffdb"}, "u\ufffdv")


# --- formats --------------------------------------------------------------------------------------------------------


def mixed_lines() -> list[dict[str, str]]:
    return [
        line("Usage", "1.25", tag_model="a", pricing_public_on_demand_cost="2"),
        line("SavingsPlanCoveredUsage", "4", tag_model="a", savings_plan_savings_plan_effective_cost="2.5"),
        line("SavingsPlanNegation", "-4"),
        line("Tax", "0.0000000001"),
        line("Credit", "-3", line_item_usage_start_date="2026-04-02T00:00:00Z"),
    ]


def test_all_formats_of_one_bill_give_one_cube(tmp_path: Path) -> None:
    rows = mixed_lines()
    text = legacy_csv(rows)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("acme-1.csv", text)
    shouted = text.replace("lineItem/UnblendedCost", "LINEITEM/unblendedcost").replace(
        "savingsPlan/SavingsPlanEffectiveCost", "SavingsPlan/savingsplaneffectivecost"
    )
    write_report(tmp_path / "gzip", {"a.csv.gz": packed(text)})
    write_report(tmp_path / "plain", {"a.csv": text.encode()})
    write_report(tmp_path / "bom", {"a.csv": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()})
    write_report(tmp_path / "zip", {"a.csv.zip": archive.getvalue()})
    write_report(tmp_path / "case", {"a.csv.gz": packed(shouted)})
    write_lines(tmp_path / "parts", rows, parts=3)
    write_export(tmp_path / "doubles", {"a.parquet": cur2_table(rows)})
    write_export(tmp_path / "decimals", {"a.parquet": cur2_table(rows, Decimal, pa.decimal128(28, 10))})
    write_export(tmp_path / "text", {"a.csv.gz": packed(text)})
    cubes = {folder.name: scanned(cur(folder)) for folder in tmp_path.iterdir()}
    expected = cubes.pop("gzip")
    assert expected.facts.num_rows == 5
    for name, scan in cubes.items():
        assert scan.dimensions.equals(expected.dimensions), name
        assert scan.facts.equals(expected.facts), name


def test_legacy_parquet_has_a_column_for_each_tag(tmp_path: Path) -> None:
    table = cur2_table([line(tag_model="a")]).drop_columns(["resource_tags", "product"])
    table = table.append_column("resource_tags_user_cost_center", pa.array(["search"]))
    table = table.append_column("product_product_name", pa.array(["Amazon Elastic Compute Cloud"]))
    path = tmp_path / "cur/acme/acme/year=2026/month=4/acme-00001.snappy.parquet"
    path.parent.mkdir(parents=True)
    pa.parquet.write_table(table, path)
    key = "p/cur/acme/acme/year=2026/month=4/acme-00001.snappy.parquet"
    write_report(tmp_path, {}, reportKeys=[key])
    (fact,) = facts(scanned(cur(tmp_path)))
    assert (fact["tags"], fact["service_name"]) == ({"cost-center": "search"}, "Amazon Elastic Compute Cloud")


def test_a_double_carries_twelve_decimals(tmp_path: Path) -> None:
    write_export(tmp_path, {"a.parquet": cur2_table([line("Usage", "0.1")] * 10 + [line("Usage", "1e-13")])})
    assert scanned(cur(tmp_path)).control.billed_cost == {"USD": 1}


def test_three_hundred_and_fifty_columns(tmp_path: Path) -> None:
    wide = {f"product/column{n}": "x" for n in range(200)} | {f"resourceTags/user:tag{n}": "y" for n in range(150)}
    write_lines(tmp_path, [{**line(), **wide}] * 3)
    scan = scanned(cur(tmp_path, Keep(tags=frozenset({"tag149"}), cost_categories=frozenset())))
    assert scan.dimensions["tags"].to_pylist() == ['{"tag149":"y"}']
    assert scan.control.rows == 3


# --- deliveries -----------------------------------------------------------------------------------------------------


def test_only_the_current_assembly_counts(tmp_path: Path) -> None:
    write_lines(tmp_path, [line("Usage", "1")], assembly="first")
    source = cur(tmp_path)
    (before,) = delivered(source)
    write_lines(tmp_path, [line("Usage", "2")], assembly="second")
    (after,) = delivered(source)
    assert before.fingerprint != after.fingerprint
    assert source.charges(after).control.billed_cost == {"USD": 2}


def test_a_new_version_and_an_overwritten_one_are_one_cube(tmp_path: Path) -> None:
    for assembly in ("1", "2", "3"):
        write_lines(tmp_path / "new", [line("Usage", assembly)], assembly=assembly)
        write_lines(tmp_path / "overwritten", [line("Usage", assembly)], assembly="same")
    new, overwritten = (scanned(cur(tmp_path / name)) for name in ("new", "overwritten"))
    assert new.facts.equals(overwritten.facts)
    assert new.control.billed_cost == {"USD": 3}


def test_the_newest_run_of_an_export_speaks(tmp_path: Path) -> None:
    for run, cost in (("20260401T01-a", "1"), ("20260403T01-b", "3"), ("20260402T01-c", "2")):
        write_export(tmp_path, {"a.parquet": cur2_table([line("Usage", cost)])}, run=run)
    assert scanned(cur(tmp_path)).control.billed_cost == {"USD": 3}


@pytest.mark.parametrize("uri", [".", "cur", "cur/acme"])
def test_uri_may_stand_at_the_report_or_above(tmp_path: Path, uri: str) -> None:
    write_lines(tmp_path, [line("Usage", "1")])
    assert scanned(cur(tmp_path / uri)).control.billed_cost == {"USD": 1}


@pytest.mark.parametrize("uri", [".", "data-exports", "data-exports/acme"])
def test_uri_may_stand_at_the_export_or_above(tmp_path: Path, uri: str) -> None:
    write_export(tmp_path, {"a.parquet": cur2_table([line("Usage", "1")])})
    assert scanned(cur(tmp_path / uri)).control.billed_cost == {"USD": 1}


def test_periods_come_oldest_first_and_from_since_on(tmp_path: Path) -> None:
    for period in ("20260401-20260501", "20260201-20260301", "20260301-20260401"):
        write_lines(tmp_path, [line()], period=period)
    source = cur(tmp_path)
    assert [str(item.billing_period) for item in source.deliveries(None)] == ["2026-02", "2026-03", "2026-04"]
    assert [str(item.billing_period) for item in source.deliveries(BillingPeriod(2026, 3))] == ["2026-03", "2026-04"]


def test_a_copy_elsewhere_has_the_same_fingerprint(tmp_path: Path) -> None:
    write_lines(tmp_path / "here", [line()], parts=2)
    shutil.copytree(tmp_path / "here/cur/acme", tmp_path / "there/acme")
    (here,), (there,) = (delivered(cur(tmp_path / name)) for name in ("here", "there"))
    assert here.fingerprint == there.fingerprint


def test_a_fingerprint_changes_with_the_content_and_with_the_keys_kept(tmp_path: Path) -> None:
    write_lines(tmp_path, [line("Usage", "1.0")])
    (before,) = delivered(cur(tmp_path))
    (other_keys,) = delivered(cur(tmp_path, ALL))
    write_lines(tmp_path, [line("Usage", "1.1")])
    (after,) = delivered(cur(tmp_path))
    assert len({before.fingerprint, other_keys.fingerprint, after.fingerprint}) == 3


def test_two_reports_under_one_uri_would_count_the_bill_twice(tmp_path: Path) -> None:
    write_lines(tmp_path, [line()])
    write_export(tmp_path, {"a.parquet": cur2_table([line()])})
    (refusal,) = cur(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "cur/acme" in refusal.problems[0].message
    assert "data-exports/acme" in refusal.problems[0].message
    assert "point uri at one of" in refusal.problems[0].message


def test_a_place_without_a_manifest_is_told(tmp_path: Path) -> None:
    (tmp_path / "acme-00001.csv.gz").write_bytes(packed(legacy_csv([line()])))
    (refusal,) = cur(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "manifest" in refusal.problems[0].message


KEY = "p/cur/acme/20260401-20260501/assembly-1/a.csv.gz"


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"reportKeys": [KEY, KEY]}, "names an object twice"),
        ({"reportKeys": [KEY.replace("/a.csv", "/b.csv")]}, "names a part that is missing"),
        ({"reportKeys": ["p/cur/acme/20260401-20260501/../../../../etc/passwd"]}, "climbs out"),
        ({"reportKeys": ["/etc/passwd"]}, "climbs out"),
        ({"reportKeys": ["p/cur/acme/20260401-20260501//a.csv.gz"]}, "climbs out"),
        ({"reportKeys": ["p/cur/acme/20260401-20260501\\..\\a.csv.gz"]}, "climbs out"),
        ({"reportKeys": ["p/cur/acme/20260301-20260401/assembly-1/a.csv.gz"]}, "does not belong to"),
        ({"reportKeys": ["p/other/20260401-20260501/assembly-1/a.csv.gz"]}, "does not belong to"),
        ({"reportKeys": ["s3://one/" + KEY, "s3://two/" + KEY]}, "several buckets"),
        ({"reportKeys": []}, "names no parts"),
        ({"reportKeys": None}, "names no parts"),
        ({"reportKeys": [7]}, "not text"),
        ({"billingPeriod": {"start": "20260301T000000.000Z"}}, "another billing period"),
    ],
)
def test_a_bad_manifest_refuses_its_period_alone(tmp_path: Path, manifest: dict[str, object], message: str) -> None:
    write_lines(tmp_path, [line("Usage", "2")], period="20260301-20260401")
    path = write_report(tmp_path, {"a.csv.gz": packed(legacy_csv([line()]))}, **manifest)
    march, april = cur(tmp_path).deliveries(None)
    assert isinstance(march, Delivery)
    assert isinstance(april, Refusal)
    assert april.billing_period == APRIL
    assert april.problems[0].file == path.relative_to(tmp_path).as_posix()
    assert message in april.problems[0].message


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 200_000, b"\x00"])
def test_a_manifest_that_is_no_manifest(tmp_path: Path, content: bytes) -> None:
    write_lines(tmp_path, [line()]).write_bytes(content)
    (refusal,) = cur(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "manifest is not" in refusal.problems[0].message


def test_a_manifest_that_says_a_thing_twice(tmp_path: Path) -> None:
    path = write_lines(tmp_path, [line()])
    path.write_text(path.read_text().replace("{", '{"reportKeys": [], ', 1))
    (refusal,) = cur(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "reportKeys stands twice" in refusal.problems[0].message


def test_a_part_that_changes_after_listing_is_unavailable(tmp_path: Path) -> None:
    write_lines(tmp_path, [line()])
    source = cur(tmp_path)
    (delivery,) = delivered(source)
    write_lines(tmp_path, [line("Usage", "9")])
    with pytest.raises(Unavailable, match="changed"):
        source.charges(delivery)
    with pytest.raises(Unavailable, match="changed"):
        cur(tmp_path).charges(delivery)


def test_a_delivery_can_be_read_by_another_instance(tmp_path: Path) -> None:
    write_lines(tmp_path, [line()])
    (delivery,) = delivered(cur(tmp_path))
    assert cur(tmp_path).charges(delivery).control.rows == 1


def test_names_that_are_patterns_to_duckdb_are_names(tmp_path: Path) -> None:
    one, two = (cur2_table([line("Usage", cost)]) for cost in ("1", "2"))
    write_export(tmp_path / "a*[b]'?", {"x*.parquet": one, "[y]'.parquet": two})
    assert scanned(cur(tmp_path / "a*[b]'?")).control.billed_cost == {"USD": 3}


def test_the_manifest_of_the_period_is_read_not_that_of_an_assembly(tmp_path: Path) -> None:
    path = write_lines(tmp_path, [line("Usage", "1")])
    inner = json.loads(path.read_text()) | {"reportKeys": ["nowhere"]}
    (path.parent / "assembly-1" / "acme-Manifest.json").write_text(json.dumps(inner))
    assert scanned(cur(tmp_path)).control.billed_cost == {"USD": 1}
