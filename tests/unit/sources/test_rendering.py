"""The SQL of a scan for other engines: what is written, that it parses, and that it means the same where that can run.

FINOPS_WRITE_GOLDEN=1 writes tests/golden/sql again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources import aws_cur, azure_export, elsewhere, focus_files, gcp_billing, gcp_lines
from finops_ai.sources.base import Dialect
from finops_ai.sources.mapping import LineMapping
from tests.unit.sources.exports import ALL, KEEP, cur2_table, delivered, focus, line, scanned, source, write_export

CASES = Path(__file__).resolve().parents[2] / "golden"
GOLDEN = CASES / "sql"
KINDS = ("aws_cur", "azure_export", "focus_files", "gcp_billing")
APRIL = BillingPeriod(2026, 4)

OF_THE_ENGINES = {
    "spark": {"FROM_JSON", "TO_JSON", "CONCAT_WS", "CHR", "MAP_KEYS", "TRY_ELEMENT_AT", "TRY_TO_TIMESTAMP"},
    "trino": {"FROM_ISO8601_TIMESTAMP", "REGEXP_REPLACE", "IS_FINITE", "CONCAT_WS", "CHR", "JSON_FORMAT", "STRPOS",
              "ELEMENT_AT", "AT_TIMEZONE", "DATE_PARSE", "TRY"},
    "bigquery": {"ARRAY_TO_STRING", "IS_NAN", "IS_INF", "LAX_STRING", "CODE_POINTS_TO_STRING", "STRPOS",
                 "REGEXP_EXTRACT"},
}  # fmt: skip
"""Functions that sqlglot has no word for, by the engine whose documentation has them."""


def files(kind: str, folder: Path) -> tuple[LineMapping, list[tuple[str, Path]]]:
    """A small bill of each kind as a table would hold it, and how it is read."""
    if kind == "gcp_billing":
        bill = CASES / "sources/gcp_billing"
        (case, *_) = sorted(path for path in bill.iterdir() if path.is_dir())
        (extract, *_) = sorted(path for path in (case / "bill").rglob("*") if path.is_file())
        gcp_lines.lay_out("extract", extract, "extract", folder / "flat.parquet")
        return gcp_billing.MAPPING, [("flat", folder / "flat.parquet")]
    if kind == "azure_export":
        mapping = azure_export.MAPPING
        return mapping, [("charges", _parquet(folder, mapping, {"tags": "VARCHAR", "date": "DATE"}))]
    if kind == "focus_files":
        mapping = focus_files.MAPPING
        types = {"charge_period_start": "TIMESTAMP", "tags": "VARCHAR", "billed_cost": "DECIMAL(30, 15)"}
        return mapping, [("charges", _parquet(folder, mapping, types))]
    write_export(folder, {"a.parquet": cur2_table([line(tag_Cost_Center="a", tag_cost_center="b", tag_model="m")])})
    return aws_cur.MAPPING, [("a.parquet", next(folder.rglob("*.parquet")))]


def _parquet(folder: Path, mapping: LineMapping, types: Mapping[str, str]) -> Path:
    columns = {**dict.fromkeys(mapping.columns, "VARCHAR"), **dict.fromkeys(mapping.money, "DOUBLE"), **types}
    nulls = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items() if name != "tags")
    tags = """'{"cost-center": "a", "cost_center": "b", "env": "prod"}' AS tags"""
    duckdb.sql(f"COPY (SELECT {nulls}, {tags}) TO '{folder / 'charges.parquet'}' (FORMAT parquet)")
    return folder / "charges.parquet"


@pytest.mark.parametrize("dialect", ["bigquery", "spark", "trino"])
@pytest.mark.parametrize("kind", KINDS)
def test_golden(kind: str, dialect: Dialect, tmp_path: Path) -> None:
    mapping, parts = files(kind, tmp_path)
    said = elsewhere.sql(parts, mapping, KEEP, APRIL, dialect, ["finops.bill"])
    path = GOLDEN / f"{kind}.{dialect}.sql"
    if os.environ.get("FINOPS_WRITE_GOLDEN"):
        path.write_text(said, encoding="utf-8")
    assert said.splitlines() == path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_athena_speaks_trino(kind: str, tmp_path: Path) -> None:
    mapping, parts = files(kind, tmp_path)
    athena, trino = (elsewhere.sql(parts, mapping, KEEP, APRIL, name, ["b"]) for name in ("athena", "trino"))
    assert athena == trino


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.sql")), ids=lambda path: path.stem)
def test_it_is_the_engines_own_sql(path: Path) -> None:
    """sqlglot's parser of that dialect reads it, tables and names are whole, and no word of DuckDB is left."""
    dialect = path.suffixes[0].removeprefix(".")
    tree = sqlglot.parse_one(path.read_text(encoding="utf-8"), read=dialect)
    steps = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = {table.sql(dialect) for table in tree.find_all(exp.Table) if table.name not in steps}
    assert {name for name in tables if name} - {"finops.bill"} == set()
    known = OF_THE_ENGINES[dialect]
    assert {call.name.upper() for call in tree.find_all(exp.Anonymous)} - known == set()
    assert not any(group.args.get("all") for group in tree.find_all(exp.Group))
    for select in tree.find_all(exp.Select):
        assert_no_lateral_names(select)


def assert_no_lateral_names(select: exp.Select) -> None:
    """A name given in a SELECT is not used further on in it, unless what it stands for has the same name."""
    given: set[str] = set()
    for one in select.expressions:
        names = {column.name for column in one.find_all(exp.Column) if not column.table}
        used = {"kind", "type", "has_category", "is_usage", "is_commitment", "is_unused", "is_known"} & names & given
        assert not used, (used, one.sql())
        given.add(one.alias)


def test_what_runs_elsewhere_is_the_same_bill(tmp_path: Path) -> None:
    """The whole query, names and groups told in full, run here: its answer read as FOCUS is the cube of the scan."""
    rows = [
        line("Usage", "1.5", tag_CostCenter="a", tag_cost_center="b"),
        line("SavingsPlanCoveredUsage", "2", savings_plan_savings_plan_effective_cost="1.25", tag_model='a "b"\\'),
        line("SavingsPlanNegation", "-2"),
        line("Mystery", "0.1", line_item_currency_code="EUR"),
        line("Tax", "-3.75", line_item_usage_start_date="2026-04-30T23:59:59Z"),
    ]
    bill = source(aws_cur, write_export(tmp_path, {"a.parquet": cur2_table(rows)}).parents[3], ALL)
    (delivery,) = delivered(bill)
    said: Any = bill
    (part,) = tmp_path.rglob("*.parquet")
    with duckdb.connect() as con:
        con.execute(f"CREATE VIEW charges AS FROM read_parquet('{part}', hive_partitioning = false)")
        con.execute("SET TimeZone = 'UTC'")
        answer = tmp_path / "answer.parquet"
        con.execute(f"COPY ({said.sql(delivery, 'duckdb', ['charges'])}) TO '{answer}' (FORMAT parquet)")
    told, read = bill.charges(delivery), scanned(focus(answer, ALL))
    assert read.dimensions.equals(told.dimensions)
    assert read.facts.equals(told.facts)
    assert read.control.billed_cost == told.control.billed_cost


def test_as_many_tables_as_sets_of_columns(tmp_path: Path) -> None:
    rows = cur2_table([line()])
    write_export(tmp_path, {"a.parquet": rows, "b.parquet": rows.drop_columns(["pricing_unit"])})
    parts = [(path.name, path) for path in sorted(tmp_path.rglob("*.parquet"))]
    with pytest.raises(UsageError, match="2 sets of columns"):
        elsewhere.sql(parts, aws_cur.MAPPING, KEEP, APRIL, "trino", ["one"])
    said = elsewhere.sql(parts, aws_cur.MAPPING, KEEP, APRIL, "trino", ["one", "other"])
    names = {table.name for table in sqlglot.parse_one(said, read="trino").find_all(exp.Table)}
    assert {"one", "other"} <= names


def test_labels_are_told_apart_where_they_differ(tmp_path: Path) -> None:
    """Null among the spellings of a key: least and greatest of Trino and BigQuery would not see the difference."""
    rows = [line(tag_env="a", tag_Env="", tag_ENV="b")]
    write_export(tmp_path, {"a.parquet": cur2_table(rows)})
    (part,) = tmp_path.rglob("*.parquet")
    for dialect in ("trino", "bigquery"):
        said = elsewhere.sql([("a", part)], aws_cur.MAPPING, KEEP, APRIL, dialect, ["charges"])
        assert "LEAST" not in said
        assert said.count("<> NULLIF(") == 3
