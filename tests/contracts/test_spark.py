"""Spark gives the cubes of DuckDB to the last byte: dimensions, facts, control totals, warnings, rejects, refusals.

One Spark session on this machine for all tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from finops_ai.domain.errors import Malformed
from finops_ai.sources import aws_cur, azure_export, focus_files
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.mapping import DOUBLE_COST, LineMapping
from finops_ai.sources.scan import scan
from finops_ai.world.spark import Spark
from tests import rig
from tests.conftest import Finops
from tests.unit.sources.exports import ALL, KEEP, Row, charge, csv_text, cur2_table, line

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("spark")]


@pytest.fixture(scope="module")
def spark() -> Iterator[Spark]:
    rig.need_spark()
    started = Spark(memory="700m")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")  # half the seconds of small scans
        try:
            yield started
        finally:
            started.close()


def both(
    spark: Spark, mapping: LineMapping, files: Sequence[Path], keep: Keep = ALL, **asked: Any
) -> tuple[Scan | tuple[Any, ...], ...]:
    """What DuckDB and Spark make of the same files: a scan, or the problems for which they refuse them."""
    found: list[Scan | tuple[Any, ...]] = []
    for engine in (None, spark):
        try:
            found.append(scan([(path.name, path) for path in files], mapping, keep, spark=engine, **asked))
        except Malformed as error:
            found.append((error.problems, error.rows, error.rejected))
    return tuple(found)


def same(spark: Spark, mapping: LineMapping, files: Sequence[Path], keep: Keep = ALL, **asked: Any) -> Scan:
    here, there = both(spark, mapping, files, keep, **asked)
    assert isinstance(here, Scan)
    assert isinstance(there, Scan)
    by_hour = [(here.hours, there.hours)] if keep.hours else []
    for one, other in ((here.dimensions, there.dimensions), (here.facts, there.facts), *by_hour):
        assert other.schema == one.schema
        assert other.equals(one)
    assert there.control == here.control
    assert list(there.control.by_account) == list(here.control.by_account)
    assert there.problems == here.problems
    assert there.rows_rejected == here.rows_rejected
    return here


def write(folder: Path, *tables: pa.Table) -> list[Path]:
    paths = [folder / f"part [{number}] *.parquet" for number in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        parquet.write_table(table, path)
    return paths


LINES: list[Row] = [
    line("Usage", "1.5", tag_Cost_Center="a", tag_cost_center="b"),
    line("Usage", "0.1", tag_model='quote " slash \\ / tab \t é \u2028 \x7f', line_item_operation="EKSPod-EC2"),
    line("SavingsPlanCoveredUsage", "2", savings_plan_savings_plan_effective_cost="1.25", tag_model="m"),
    line("SavingsPlanNegation", "-2"),
    line("SavingsPlanRecurringFee", "5", savings_plan_total_commitment_to_date="5", savings_plan_used_commitment="4"),
    line("RIFee", "7", reservation_unused_recurring_fee="3", reservation_reservation_a_r_n="arn"),
    line("DiscountedUsage", "0", reservation_effective_cost="0.6", pricing_public_on_demand_cost="1"),
    line(
        "Mystery", "1e-10", line_item_currency_code="EUR", product_region_code="", line_item_availability_zone="eu-1b"
    ),
    line("Credit", "-0.3", line_item_usage_account_id="", tag_env="\x00null"),
    line("Tax", "123456789.123456789", line_item_usage_start_date="2026-04-30T23:59:59.999Z"),
]


def test_reports_with_every_kind_of_line(spark: Spark, tmp_path: Path) -> None:
    drifted = cur2_table(LINES[4:]).drop_columns(["pricing_unit"])
    read = same(spark, aws_cur.MAPPING, write(tmp_path, cur2_table(LINES[:6]), drifted), replace(ALL, hours=True))
    assert any("both" in problem.message for problem in read.problems)
    assert any("split cost" in problem.message for problem in read.problems)
    assert len(read.control.billed_cost) == 2


def test_generated_report(spark: Spark, tmp_path: Path) -> None:
    from tests.benchmarks.scan_data import write_cur2

    same(spark, aws_cur.MAPPING, write_cur2(tmp_path, 20_000), KEEP)


CHARGES: list[Row] = [
    charge(BilledCost=amount, ChargePeriodStart=day, Tags=tags)
    for amount, day, tags in (
        ("1.5", "2026-04-01T00:00:00Z", '{"cost-center": "search", "n": 1, "b": true, "none": null, "d": {"a": [1]}}'),
        (" 2 ", "2026-04-01", '{"a": "b", "a": "c"}'),
        ("1e-3", "2026-04-01 12:30:00", "{}"),
        ("+.5", "2026-04-01T23:30:00-01:00", "[1]"),
        ("-1.", "2026-04-01 00:00:00 UTC", "not json"),
        ("0.0000000000000000005", "2026-04-01T00:00:00.000Z", '{"single": \'quotes\'}'),
        ("1E2", "2026-04-01T00:00:00+00:00", '{"a": "NaN"}'),
        ("12345678901234567890.123456789012345678", "2026-04-02T00:00", '{"a": "b"} and more'),
    )
]  # fmt: skip


def test_texts_are_read_alike(spark: Spark, tmp_path: Path) -> None:
    """A text part is laid out on this machine and added up on Spark."""
    path = tmp_path / "charges.csv"
    path.write_text(csv_text(CHARGES), newline="", encoding="utf-8")
    same(spark, focus_files.MAPPING, [path], period=date(2026, 4, 1))


REJECTS = ["abc", "", "nan", "inf", "1_000", "1e40", "１２", "0x10", "1d", "--1", "1,5", "1 2", "\t3", "3\u00a0"]


def test_what_cannot_be_booked_is_told_alike(spark: Spark, tmp_path: Path) -> None:
    path = tmp_path / "charges.csv"
    wrong = [charge(BilledCost=amount) for amount in REJECTS]
    wrong += [
        charge(ChargePeriodStart=day) for day in ("2026-02-30", "yesterday", "1999-12-31", "2026-04-01T25:00:00Z")
    ]
    path.write_text(csv_text([*CHARGES, *wrong]), newline="", encoding="utf-8")
    read = same(spark, focus_files.MAPPING, [path], max_rejected_rows=len(wrong))
    assert read.rows_rejected > 14
    here, there = both(spark, focus_files.MAPPING, [path])
    assert isinstance(here, tuple)
    assert there == here


def test_american_dates_and_spellings_of_accounts(spark: Spark, tmp_path: Path) -> None:
    row = {
        "billingAccountId": "/providers/Microsoft.Billing/billingAccounts/123:4/x",
        "SubscriptionId": "/Subscriptions/ABC-1",
        "billingCurrency": "USD",
        "costInBillingCurrency": "1.25",
        "chargeType": "Usage",
        "quantity": "3",
        "unitPrice": "0.5",
        "resourceLocation": "West Europe",
        "tags": '"cost-center": "a","env": "b"',
    }
    dates = ("04/01/2026", "4/2/26", "2026-04-03", "13/13/2026", "4/31/2026")
    path = tmp_path / "azure.csv"
    path.write_text(csv_text([{**row, "date": day} for day in dates]), newline="", encoding="utf-8")
    mapping = replace(azure_export.MAPPING, derived={**azure_export.MAPPING.derived, "dataset": "'actual'"})
    same(spark, mapping, [path], max_rejected_rows=2)


def test_sums_without_room_are_refused_alike(spark: Spark, tmp_path: Path) -> None:
    path = tmp_path / "charges.csv"
    path.write_text(csv_text([charge(BilledCost="9" * 20)] * 3), newline="", encoding="utf-8")
    here, there = both(spark, focus_files.MAPPING, [path])
    assert isinstance(here, tuple)
    assert isinstance(there, tuple)
    assert "add up to too much" in here[0][0].message
    assert "add up to too much" in there[0][0].message


doubles = st.lists(
    st.one_of(
        st.floats(width=64),
        st.floats(-1e7, 1e7),
        st.integers(-(2**62), 2**62).map(lambda n: n / 1e12),
        st.integers(-(10**9), 10**9).map(lambda n: (n + 0.5) / 1e12),
        st.decimals("-1e6", "1e6", places=13).map(float),
    ),
    max_size=200,
)
few = settings(max_examples=8, suppress_health_check=list(HealthCheck))


@few
@given(doubles)
def test_doubles_become_the_same_decimals(
    spark: Spark, tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    from finops_ai.sources.rendering import Renderer

    path = tmp_path_factory.mktemp("doubles") / "doubles.parquet"
    values = [
        *values,
        0.0,
        -0.0,
        1e19,
        9.2233720368547758e6,
        9e6,
        9.1e6,
        99999999999999999999.0,
        1e20,
        5e-13,
        1.5e-12,
        2.5e-12,
        4.9999999999999994e-13,
    ]
    parquet.write_table(pa.table({"n": range(len(values)), "x": values}), path)
    said = f"SELECT n, TRY_CAST(x AS {DOUBLE_COST}) AS cost, isfinite(x) AS finite FROM read_parquet('{path}') AS t"
    with duckdb.connect() as con:
        here = con.execute(f"{said} ORDER BY n").fetchall()
    with spark.work() as work:
        work.parquet("part_0", [str(path)])
        there = sorted(work.rows(Renderer(dialect="spark", tables=["part_0"]).step("", said)))
    assert there == here


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@few
@given(st.lists(texts, max_size=100))
def test_texts_become_the_same_json(spark: Spark, tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    from finops_ai.sources.rendering import Renderer

    path = tmp_path_factory.mktemp("texts") / "texts.parquet"
    values = [*values, *(chr(code) for code in range(1, 256))]
    tags = [json.dumps({"a": value}, ensure_ascii=number % 2 == 0) for number, value in enumerate(values)]
    parquet.write_table(pa.table({"n": range(len(values)), "x": values, "tags": tags}), path)
    text = "CAST(to_json(replace(x, chr(0), '?')) AS VARCHAR)"
    read = "TRY_CAST(TRY_CAST(tags AS JSON) AS MAP(VARCHAR, VARCHAR))['a']"
    said = f"SELECT n, {text} AS text, {read} AS label FROM read_parquet('{path}') AS t"
    with duckdb.connect() as con:
        here = con.execute(f"{said} ORDER BY n").fetchall()
    with spark.work() as work:
        work.parquet("part_0", [str(path)])
        there = sorted(work.rows(Renderer(dialect="spark", tables=["part_0"]).step("", said)))
    assert there == here


@pytest.mark.shared
@pytest.mark.parametrize(
    ("mapping", "pattern"),
    [
        (aws_cur.MAPPING, "aws-cur2/**/BILLING_PERIOD=2026-04/*.parquet"),
        (focus_files.MAPPING, "aws-focus/**/*.parquet"),
        (focus_files.MAPPING, "focus/focus-1.2-all.parquet"),
    ],
    ids=["aws-cur2", "aws-focus", "focus"],
)
def test_shared(spark: Spark, shared: Path, mapping: LineMapping, pattern: str) -> None:
    read = same(spark, mapping, sorted((shared / "data").glob(pattern)))
    assert sum(read.control.billed_cost.values(), Decimal(0)) > 0


def test_from_the_command_line(finops: Finops, tmp_path: Path) -> None:
    """The ledger takes a bill from Spark, and knows it again when DuckDB brings it."""
    rig.need_spark()
    bill = Path(__file__).resolve().parents[1] / "golden/sources/aws_cur/export/bill"
    config = tmp_path / "finops.yaml"
    config.write_text(json.dumps({"sources": [{"name": "bill", "kind": "aws_cur", "uri": str(bill)}]}))
    java = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    first = finops("--config", config, "ingest", "--engine", "spark", "--output", "json", env=java, timeout_seconds=280)
    assert first.exit_code == 0, first.stderr
    assert {row["status"] for row in first.json} == {"loaded"}
    again = finops("--config", config, "ingest", "--output", "json")
    assert [{**row, "status": "", "problems": []} for row in again.json] == [
        {**row, "status": "", "problems": []} for row in first.json
    ]
    assert {row["status"] for row in again.json} == {"unchanged"}
