"""Google Cloud's export: credits, commitments, labels, invoice months, extracts that overlap, and what may be wrong."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from pydantic import ValidationError

from finops_ai.domain.delivery import Refusal
from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.money import total
from finops_ai.sources import gcp_billing
from finops_ai.sources.base import Scan
from tests.unit.sources.exports import ALL, by_tag, delivered, facts, scanned, sums
from tests.unit.sources.gcp_export import (
    FORMATS,
    STANDARD,
    TABLE,
    Row,
    credit,
    gcp,
    jsonl,
    labels,
    parquet_bytes,
    row,
    write,
)


def one(folder: Path, *rows: Row | str, **told: Any) -> Scan:
    return scanned(gcp(write(folder, {"a.jsonl": jsonl(rows)}), **told))


def every(folder: Path) -> list[Scan]:
    made = gcp(folder)
    return [made.charges(delivery) for delivery in delivered(made)]


def billed(scans: Scan | list[Scan]) -> Decimal:
    return total(cost for scan in ([scans] if isinstance(scans, Scan) else scans) for cost in scan.billed().values())


def warnings(scans: Scan | list[Scan]) -> list[str]:
    return [p.message for scan in ([scans] if isinstance(scans, Scan) else scans) for p in scan.problems]


def refused(folder: Path, *rows: Row | str) -> tuple[Problem, ...]:
    """The problems for which a file is refused, while listing or while reading."""
    made = gcp(write(folder, {"a.jsonl": jsonl(rows)}))
    problems: list[Problem] = []
    for item in made.deliveries(None):
        if isinstance(item, Refusal):
            problems.extend(item.problems)
        else:
            with pytest.raises(Malformed) as caught:
                made.charges(item)
            problems.extend(caught.value.problems)
    assert problems
    assert {problem.file for problem in problems} == {"a.jsonl"}
    return tuple(problems)


# --- money ----------------------------------------------------------------------------------------------------------


def test_a_line_is_invoiced_at_its_cost_and_all_its_credits(tmp_path: Path) -> None:
    credits = [credit(-0.5), credit("-2.5e-1", "FREE_TIER"), credit(-1e-7, "PROMOTION"), credit(-0.25, None)]
    scan = one(tmp_path, row(cost=4.0, credits=credits))
    assert sums(scan, "charge_category") == {"Usage": Decimal("3.0"), "Credit": Decimal("-0.0000001")}
    assert sums(scan, "charge_category", "effective_cost") == sums(scan, "charge_category")
    assert sums(scan, lambda _: "", "contracted_cost") == {"": Decimal(4)}
    assert warnings(scan) == ["unknown credit type (none) is taken as a discount: 1 line, 3.00 USD billed"]


@pytest.mark.parametrize("text", ["1.2e-05", "-3.4E+2", "0.1", "1234567.123456789", "5"])
def test_costs_keep_every_digit_as_number_text_and_double(tmp_path: Path, text: str) -> None:
    as_number = json.dumps(row(cost="@")).replace('"@"', text)
    assert billed(one(tmp_path / "number", as_number)) == Decimal(text)
    assert billed(one(tmp_path / "text", row(cost=text))) == Decimal(text)
    write(tmp_path / "double", {"a.parquet": parquet_bytes([row(cost=float(text))])})
    assert billed(every(tmp_path / "double")) == Decimal(text)


def test_numeric_columns_of_parquet_are_read_exactly(tmp_path: Path) -> None:
    table = parquet.read_table(pa.BufferReader(parquet_bytes([row()])))
    exact = pa.array([Decimal("2.500000001")], pa.decimal128(38, 9))
    table = table.set_column(table.schema.get_field_index("cost"), "cost", exact)
    parquet.write_table(table, tmp_path / "a.parquet")
    assert billed(every(tmp_path)) == Decimal("2.500000001")


LEGACY = [
    row(cost=0.2401, credits=[credit(-0.2401, "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE")]),
    row(cost=0.14006, sku={"id": "F", "description": "Commitment - dollar based v1: GCE for 1 year"}, labels=[]),
    row(cost=0.1, usage_start_time="2026-04-10 07:00:00 UTC"),
]
MULTIPRICE = [
    row(cost=0.14006, cost_at_effective_price_default=0.2401, consumption_model={"id": "C", "description": "CUD"}),
    row(
        cost=0.14006,
        sku={"id": "F", "description": "Commitment - dollar based v1: GCE for 1 year"},
        labels=[],
        credits=[credit(-0.14006, "FEE_UTILIZATION_OFFSET")],
    ),
    row(cost=0.1, usage_start_time="2026-04-10 07:00:00 UTC", consumption_model={"id": "D", "description": "Default"}),
]
"""One hour of use that a commitment covers and one it does not, before and after Google's model change."""


def test_the_change_of_the_commitment_model_moves_no_net_cost(tmp_path: Path) -> None:
    before, after = one(tmp_path / "before", *LEGACY), one(tmp_path / "after", *MULTIPRICE)
    for scan in (before, after):
        assert billed(scan) == Decimal("0.24006")
        assert sums(scan, "sub_account_id", "effective_cost") == {"shop-prod": Decimal("0.24006")}
        assert sums(scan, "service_name", "effective_cost") == {"Compute Engine": Decimal("0.24006")}
        assert sums(scan, "charge_category", "effective_cost").get("Purchase", Decimal(0)) == 0
        assert sums(scan, "charge_category", "consumed_quantity")["Usage"] == 8
        assert sums(scan, "pricing_category", "consumed_quantity") | {"": 0} == {"Committed": 4, "Standard": 4, "": 0}
    for measure in ("list_cost", "contracted_cost"):
        at_contract = sums(before, lambda _: "", "contracted_cost")
        assert sums(after, lambda _: "", "contracted_cost") == at_contract, measure


def test_an_unused_commitment_is_a_purchase_and_what_it_is_worth_is_usage(tmp_path: Path) -> None:
    fee = row(
        cost=1.0, sku={"id": "F", "description": "Commitment v1: Cpu"}, credits=[credit(-0.7, "FEE_UTILIZATION_OFFSET")]
    )
    scan = one(tmp_path, fee)
    assert sums(scan, "charge_category") == {"Purchase": Decimal("0.3"), "Usage": Decimal(0)}
    assert sums(scan, "charge_category", "effective_cost") == {"Purchase": Decimal(0), "Usage": Decimal("0.3")}
    assert sums(scan, "pricing_category", "effective_cost")["Committed"] == Decimal("0.3")


@pytest.mark.parametrize(
    ("told", "category", "charge_class"),
    [
        ({"cost_type": "tax"}, "Tax", ""),
        ({"cost_type": "rounding_error"}, "Adjustment", ""),
        ({"cost_type": "adjustment"}, "Adjustment", ""),
        ({"cost_type": "adjustment", "adjustment_info": {"type": "PRICE_CORRECTION"}}, "Adjustment", "Correction"),
        ({"cost_type": "adjustment", "adjustment_info": {"mode": "COMPLETE_NEGATION"}}, "Adjustment", "Correction"),
        ({"cost_type": "adjustment", "adjustment_info": {"type": "GOODWILL"}}, "Credit", ""),
        ({"cost_type": None}, "Usage", ""),
        ({"cost_type": "surprise"}, "Usage", ""),
    ],
)
def test_kinds_of_cost(tmp_path: Path, told: Row, category: str, charge_class: str) -> None:
    scan = one(tmp_path, row(cost=-1.5, **told))
    (fact,) = facts(scan)
    assert (fact["charge_category"], fact["charge_class"], fact["billed_cost"]) == (category, charge_class, -1.5)
    assert bool(warnings(scan)) == (told["cost_type"] == "surprise")


def test_a_quantity_is_told_in_the_unit_that_is_priced(tmp_path: Path) -> None:
    """A petabyte kept for a day is 86 quintillion byte-seconds, more than a decimal of the ledger holds."""
    petabytes = {
        "amount": 8.64e20,
        "unit": "byte-seconds",
        "amount_in_pricing_units": 310000.5,
        "pricing_unit": "gibibyte month",
    }
    scan = one(tmp_path / "priced", *[row(usage=petabytes)] * 3)
    assert sums(scan, "consumed_unit", "consumed_quantity") == {"GiB-Months": Decimal("930001.5")}
    bare = {"amount": 7.0, "unit": "requests", "amount_in_pricing_units": None, "pricing_unit": None}
    assert sums(one(tmp_path / "bare", row(usage=bare)), "consumed_unit", "consumed_quantity") == {"requests": 7}


def test_currencies_of_one_invoice_stay_apart(tmp_path: Path) -> None:
    scan = one(tmp_path, row(), row(cost=3.0, currency="EUR", currency_conversion_rate=0.92))
    assert scan.billed() == {"USD": Decimal("2.5"), "EUR": Decimal(3)}


def test_without_a_project_there_is_no_sub_account(tmp_path: Path) -> None:
    assert sums(one(tmp_path, row(project=None)), "sub_account_id") == {"": Decimal("2.5")}


# --- labels ---------------------------------------------------------------------------------------------------------


def tags(folder: Path, **told: Any) -> dict[str, str]:
    made = gcp(write(folder, {"a.jsonl": jsonl([row(**told)])}), ALL)
    (fact,) = facts(scanned(made))
    found: dict[str, str] = fact["tags"]
    return found


def test_many_labels_and_credits_multiply_nothing(tmp_path: Path) -> None:
    many = {f"k{n}": str(n) for n in range(40)}
    scan = one(tmp_path, row(labels=labels(**many), credits=[credit(-0.01)] * 30))
    assert (scan.control.rows, billed(scan)) == (1, Decimal("2.2"))


def test_the_label_nearest_to_the_resource_counts(tmp_path: Path) -> None:
    above = {"id": "p", "labels": labels(env="project", team="project", owner="project")}
    bound = [
        {"key": "team", "value": "inherited", "inherited": True},
        {"key": "team", "value": "direct", "inherited": False},
    ]
    found = tags(tmp_path, labels=labels(env="resource"), tags=bound, project=above, system_labels=[])
    assert found == {"env": "resource", "team": "direct", "owner": "project"}


def test_a_label_that_stands_twice_counts_once_and_is_told(tmp_path: Path) -> None:
    scan = one(tmp_path, row(labels=[*labels(cost_center="a"), *labels(cost_center="b")]), row(cost=1.0))
    assert sums(scan, by_tag("cost-center")) == {"a": Decimal("2.5"), "search": Decimal(1)}
    assert warnings(scan) == ["a key stands twice in labels: the first value is taken: 1 line, 2.50 USD billed"]


@pytest.mark.parametrize(
    "value",
    ["x" * 77_000, "=1+1", "<script>alert(1)</script>", "a'; DROP TABLE charge; --", "\u202ereversed", "ѕеаrсh",
     'quote"back\\slash', "{}", "null", "\x00nul", "日本語", "\U0001f4b8"],
)  # fmt: skip
def test_label_values_are_only_text(tmp_path: Path, value: str) -> None:
    shown = value.replace("\x00", "\ufffd")
    for name, written in FORMATS.items():
        made = gcp(write(tmp_path / name, {f"a.{name}": written([row(labels=labels(cost_center=value))])}))
        if name == "csv" and "\x00" in value:
            continue  # as JSON text in a field the escape stays an escape; a raw NUL is refused like in any CSV
        assert sums(scanned(made), by_tag("cost-center")) == {shown: Decimal("2.5")}, name


@pytest.mark.parametrize("broken", ["oops", {"a": "b"}, 7])
def test_labels_that_are_no_list_are_told_and_the_money_counts(tmp_path: Path, broken: Any) -> None:
    scan = one(tmp_path, {**row(), "labels": broken})
    assert billed(scan) == Decimal("2.5")
    assert warnings(scan) == ["labels are no list of keys and values and were left out: 1 line, 2.50 USD billed"]


# --- invoice months and late rows -----------------------------------------------------------------------------------


def test_the_invoice_month_is_the_period_whatever_the_day(tmp_path: Path) -> None:
    rows = [row(), row(usage_start_time="2026-05-01 06:59:59 UTC"), row(usage_start_time="2026-01-15 00:00:00 UTC"),
            row(invoice={"month": "202605"}, usage_start_time="2026-05-01 07:00:00 UTC")]  # fmt: skip
    made = gcp(write(tmp_path, {"a.jsonl.gz": jsonl(rows)}))
    found = {str(item.billing_period): made.charges(item) for item in delivered(made)}
    assert {period: scan.control.rows for period, scan in found.items()} == {"2026-04": 3, "2026-05": 1}
    days = {fact["day"] for fact in facts(found["2026-04"])}
    assert days == {date(2026, 4, 10), date(2026, 5, 1), date(2026, 1, 15)}


def test_hours_of_a_clock_change_are_days_of_utc(tmp_path: Path) -> None:
    starts = [
        "2026-03-08T01:30:00-08:00",
        "2026-03-08T03:30:00-07:00",
        "2026-11-01 08:30:00 UTC",
        "2026-03-07T23:30:00-08:00",
    ]
    scan = one(tmp_path, *(row(usage_start_time=start, cost=1.0) for start in starts))
    assert sums(scan, lambda fact: str(fact["day"])) == {"2026-03-08": Decimal(3), "2026-11-01": Decimal(1)}


def test_a_late_row_moves_the_fingerprint_of_its_month_alone(tmp_path: Path) -> None:
    march = row(invoice={"month": "202603"}, usage_start_time="2026-03-10 00:00:00 UTC")

    def prints(*rows: Row) -> list[str]:
        return [item.fingerprint for item in delivered(gcp(write(tmp_path, {"a.jsonl": jsonl(rows)})))]

    before = prints(march, row())
    assert prints(row(), march) == before  # nothing new, only written anew
    late = prints(march, row(), row(export_time="2026-04-20 00:00:00 UTC"))
    assert [one == other for one, other in zip(before, late, strict=True)] == [True, False]


# --- extracts that overlap ------------------------------------------------------------------------------------------

HOURS = [
    row(usage_start_time=f"{start}:00:00 UTC", export_time=f"{start}:30:00.25 UTC", cost=1.0)
    for start in (f"2026-04-{day:02d} {hour:02d}" for day in (1, 2, 3) for hour in range(4))
]


def test_the_same_rows_in_two_formats_count_once(tmp_path: Path) -> None:
    write(tmp_path, {f"{TABLE}.parquet": parquet_bytes(HOURS), f"{TABLE}.jsonl.gz": jsonl(HOURS)})
    scans = every(tmp_path)
    assert billed(scans) == 12
    assert sum(scan.control.rows for scan in scans) == 12
    told = "lines that another extract of the table holds too count once: 12 lines, 12.00 USD billed"
    assert warnings(scans) == [told]


def test_extracts_that_share_some_rows_make_one_table(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"old.jsonl": jsonl(HOURS[:8]), "new.parquet": parquet_bytes(HOURS[4:]), "mid.jsonl": jsonl(HOURS[6:7])},
    )
    assert billed(every(tmp_path)) == 12


def test_a_stale_extract_beside_a_newer_one_takes_nothing_away(tmp_path: Path) -> None:
    late = [*HOURS, row(usage_start_time="2026-04-01 00:00:00 UTC", export_time="2026-04-09 00:00:00 UTC", cost=5.0)]
    write(tmp_path, {"stale.parquet": parquet_bytes(HOURS), "new.jsonl": jsonl(late)})
    assert billed(every(tmp_path)) == 17


def test_shards_of_one_extract_add_up_though_rows_are_alike(tmp_path: Path) -> None:
    write(tmp_path, {f"x-{n:012d}.json": jsonl([row(), row()]) for n in range(3)})
    assert billed(every(tmp_path)) == 15
    write(tmp_path, {"again.parquet": parquet_bytes([row()] * 6)})
    assert billed(every(tmp_path)) == 15


def test_rows_that_differ_in_labels_alone_are_no_repeats(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": jsonl([row()]), "b.jsonl": jsonl([row(labels=labels(cost_center="ml"))])})
    assert billed(every(tmp_path)) == 5


def test_the_standard_export_beside_the_detailed_one_is_left_out_and_told(tmp_path: Path) -> None:
    files = {f"{TABLE}.jsonl": jsonl(HOURS), f"{STANDARD}.jsonl": jsonl(HOURS[:3])}
    scans = every(write(tmp_path, files))
    assert billed(scans) == 12
    told = "is left out for 2026-04: the detailed export beside it holds the same charges"
    assert warnings(scans) == [told]
    alone = every(write(tmp_path / "alone", {f"{STANDARD}.jsonl": files[f"{STANDARD}.jsonl"]}))
    assert billed(alone) == 3


def test_a_uri_may_be_one_file_a_folder_or_hold_notes(tmp_path: Path) -> None:
    write(tmp_path, {"x/a.jsonl": jsonl([row()]), "x/totals.json": b'{\n "rows": 1\n}', "x/README.md": b"# hi"})
    assert billed(every(tmp_path)) == billed(every(tmp_path / "x" / "a.jsonl")) == Decimal("2.5")


# --- what may be wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "column", "value", "message"),
    [
        (row(cost="NaN"), "cost", "NaN", "is not a finite number"),
        (json.dumps(row(cost="@")).replace('"@"', "NaN"), "cost", "NaN", "is not a finite number"),
        (row(cost=None), "cost", None, "is empty"),
        (row(cost="1,5"), "cost", "1,5", "is not a plain decimal number"),
        (row(cost=True), "cost", "true", "is not a plain decimal number"),
        (row(cost="1e40"), "cost", "1e40", "is beyond the range"),
        (row(currency=""), "currency", None, "is empty"),
        (row(invoice=None), "invoice.month", None, "is empty"),
        (row(invoice={"month": "2026-4"}), "invoice.month", "2026-4", "is not an ISO 8601 date"),
        (row(usage_start_time="10/04/2026"), "usage_start_time", "10/04/2026", "is not an ISO 8601 date"),
        (
            row(usage_start_time="1970-01-01 00:00:00 UTC"),
            "usage_start_time",
            "1970-01-01 00:00:00 UTC",
            "between 2000",
        ),
        (row(credits=[credit("x")]), "credits.discount", '"amount"', "is not a plain decimal number"),
        (row(credits=[{"type": "PROMOTION"}]), "credits.discount", "PROMOTION", "is not a plain decimal number"),
        ({**row(), "credits": "oops"}, "credits.discount", "oops", "is not a plain decimal number"),
        (
            {**row(), "usage": {"amount": "many"}},
            "usage.amount",
            "many",
            "decimal number",
        ),
    ],
)
def test_a_value_that_cannot_be_booked_is_told_by_line(
    tmp_path: Path, line: Row | str, column: str, value: str | None, message: str
) -> None:
    problems = [problem for problem in refused(tmp_path, row(), line, row()) if problem.column == column]
    assert {problem.line for problem in problems} == {2}
    assert all(message in problem.message for problem in problems)
    assert all(value is None or value in str(problem.value) for problem in problems)


def test_lines_that_cannot_be_booked_may_be_left_out_and_are_counted(tmp_path: Path) -> None:
    scan = one(tmp_path, row(), row(cost="?"), max_rejected_rows=1)
    assert (billed(scan), scan.rows_rejected, scan.control.rows) == (Decimal("2.5"), 1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"cost": 1', "Expecting ',' delimiter"),
        ('{"cost": 1} {"cost": 2}', "Extra data"),
        ('{"cost": 1, "cost": 2}', "cost stands twice"),
        ('[{"cost": 1}]', "it is something else"),
    ],
)
def test_a_line_that_is_no_json_object_refuses_the_file(tmp_path: Path, text: str, message: str) -> None:
    (problem,) = refused(tmp_path, row(), text, row())
    assert (problem.line, problem.value) == (2, text)
    assert message in problem.message


def test_a_json_array_is_told_how_to_be_written(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": b'[{"billing_account_id": "x"}]'})
    (refusal,) = gcp(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "write one object a line" in refusal.problems[0].message


def test_a_packed_extract_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(jsonl([row(cost=float(n)) for n in range(500)]))
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (refusal,) = gcp(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "cut short" in refusal.problems[0].message


def test_a_packed_extract_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(b" " * (1 << 20))
    (refusal,) = gcp(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "unpacks to more than" in refusal.problems[0].message


@pytest.mark.parametrize("column", ["cost", "currency", "invoice", "billing_account_id"])
def test_a_file_without_a_column_that_is_needed_says_which(tmp_path: Path, column: str) -> None:
    write(tmp_path, {"a.parquet": parquet_bytes([row()], drop=[column])})
    (refusal,) = gcp(tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    (problem,) = refusal.problems
    assert (problem.file, problem.message) == ("a.parquet", "column is missing")
    assert str(problem.column).startswith(column)


@pytest.mark.parametrize("shape", ["map", "list-element"])
def test_repeated_records_are_read_as_other_writers_lay_them_out(tmp_path: Path, shape: str) -> None:
    rows = [row(credits=[credit(-0.5)])]
    table = parquet.read_table(pa.BufferReader(parquet_bytes(rows)))
    if shape == "map":
        told = pa.array([[("cost-center", "search")]], pa.map_(pa.string(), pa.string()))
        table = table.set_column(table.schema.get_field_index("labels"), "labels", told)
    else:
        for name in ("labels", "credits"):
            told = pa.array([{"list": [{"element": each} for each in rows[0][name]]}])
            table = table.set_column(table.schema.get_field_index(name), name, told)
    parquet.write_table(table, tmp_path / "a.parquet")
    assert sums(every(tmp_path), by_tag("cost-center")) == {"search": Decimal(2)}


def test_columns_come_and_go_over_the_years(tmp_path: Path) -> None:
    newer = [*("consumption_model", "cost_at_effective_price_default", "cost_at_list", "tags", "resource")]
    old = parquet_bytes([row(invoice={"month": "202603"})], drop=[*newer, "adjustment_info", "system_labels"])
    future = {**row(export_time="2026-05-01 00:00:00 UTC"), "carbon": {"kg": 1}, "zz": [1, 2]}
    write(tmp_path, {"old.parquet": old, "new.jsonl": jsonl([future])})
    assert billed(every(tmp_path)) == Decimal(5)


def test_neither_or_both_places_are_a_configuration_error() -> None:
    for table, uri in ((None, None), ("p.d.t", "x")):
        with pytest.raises(ValidationError, match="name either table"):
            gcp_billing.Settings(name="gcp", table=table, uri=uri)
    with pytest.raises(ValidationError, match="table"):
        gcp_billing.Settings(name="gcp", table="p.d.t` UNION ALL SELECT 1")


# --- whatever the rows ----------------------------------------------------------------------------------------------

money = st.decimals("-1e6", "1e6", places=10, allow_nan=False, allow_infinity=False).map(lambda d: format(d, "f"))
kinds = st.sampled_from(["PROMOTION", "SUSTAINED_USAGE_DISCOUNT", "FEE_UTILIZATION_OFFSET", "NEW_KIND", None])
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
rows = st.builds(
    row,
    cost=money,
    credits=st.lists(st.builds(credit, money, kinds), max_size=3),
    labels=st.lists(
        st.builds(lambda k, v: {"key": k, "value": v}, st.sampled_from(["cost-center", "model", "x"]), texts),
        max_size=3,
    ),
    project=st.sampled_from([None, {"id": "a"}, {"id": "b"}]),
    cost_type=st.sampled_from(["regular", "tax", "adjustment", "rounding_error", "odd", None]),
    currency=st.sampled_from(["USD", "JPY"]),
    sku=st.sampled_from([{"description": "Commitment v1: Cpu"}, {"description": "Core"}, {"description": None}]),
    invoice=st.sampled_from([{"month": "202604"}, {"month": "202605"}]),
    usage_start_time=st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(lambda day: f"{day} 12:00:00 UTC"),
)


def net(line: Row) -> Decimal:
    return total([Decimal(line["cost"]), *(Decimal(each["amount"]) for each in line["credits"])])


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows, min_size=1, max_size=8), st.integers(1, 3), st.randoms())
def test_the_sum_of_all_charges_is_the_sum_of_all_lines(lines: list[Row], parts: int, dice: random.Random) -> None:
    dice.shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        files = {f"a-{n:012d}.jsonl": jsonl(lines[n::parts]) for n in range(parts) if lines[n::parts]}
        scans = every(write(Path(folder), files))
    for currency in {line["currency"] for line in lines}:
        truth = total(net(line) for line in lines if line["currency"] == currency)
        for measure in ("billed_cost", "effective_cost"):
            assert sums(scans, "billing_currency", measure)[currency] == truth
    assert sum(scan.control.rows for scan in scans) == len(lines)
    by_project = sums(scans, "sub_account_id")
    for project in {(line["project"] or {}).get("id", "") for line in lines}:
        truth = total(net(line) for line in lines if (line["project"] or {}).get("id", "") == project)
        assert by_project[project] == truth


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows, min_size=1, max_size=6), st.data())
def test_any_overlap_of_extracts_counts_every_line_once(lines: list[Row], data: st.DataObject) -> None:
    lines = [{**line, "export_time": f"2026-04-10 00:00:{n:02d} UTC"} for n, line in enumerate(lines)]
    chosen = [data.draw(st.lists(st.sampled_from(lines), unique_by=id)) for _ in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        files = {f"{n}.jsonl": jsonl(some) for n, some in enumerate([lines, *chosen]) if some}
        scans = every(write(Path(folder), files))
    assert sum(scan.control.rows for scan in scans) == len(lines)
    truth = {code: total(net(line) for line in lines if line["currency"] == code) for code in ("USD", "JPY")}
    found = sums(scans, "billing_currency")
    assert all(found.get(code, Decimal(0)) == cost for code, cost in truth.items())
