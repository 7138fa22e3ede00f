"""Extracts of Google Cloud's billing export laid out flat: nested fields as columns, credits summed, labels merged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.gcp_fields import REQUIRED, duck_type, flat_columns
from finops_ai.sources.mapping import Cell, missing_column, plain, quoted, text_literal
from finops_ai.sources.parts import Whole, unpack, verify
from finops_ai.sources.staging import Engine, engine, text_columns, text_to_parquet, unreadable
from finops_ai.world.scratch import Scratch

JSON_FIELDS = {
    "billing_account_id": "VARCHAR",
    "service": "STRUCT(id VARCHAR, description VARCHAR)",
    "sku": "STRUCT(id VARCHAR, description VARCHAR)",
    "usage_start_time": "VARCHAR",
    "usage_end_time": "VARCHAR",
    "export_time": "VARCHAR",
    "project": "STRUCT(id VARCHAR, name VARCHAR, labels VARCHAR)",
    "labels": "VARCHAR",
    "system_labels": "VARCHAR",
    "tags": "VARCHAR",
    "location": "STRUCT(location VARCHAR, region VARCHAR)",
    "cost": "VARCHAR",
    "cost_at_list": "VARCHAR",
    "cost_at_effective_price_default": "VARCHAR",
    "currency": "VARCHAR",
    "usage": "STRUCT(amount VARCHAR, unit VARCHAR, amount_in_pricing_units VARCHAR, pricing_unit VARCHAR)",
    "credits": "VARCHAR",
    "invoice": "STRUCT(month VARCHAR)",
    "cost_type": "VARCHAR",
    "adjustment_info": "STRUCT(type VARCHAR, mode VARCHAR)",
    "consumption_model": "STRUCT(description VARCHAR)",
}
"""What is read of JSON lines. Numbers as the text that names them, and arrays as JSON text, so that one that is none is
seen; fields beside these are not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What an extract holds of one invoice month; `digest` is equal for equal lines in any order."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """An extract as `lay_out` writes it, and what it holds of each invoice month."""

    path: Path
    months: Mapping[BillingPeriod, Month]

    @property
    def projects(self) -> set[str]:
        with engine() as duck:
            found = duck.con.execute("FROM read_parquet(?)", [str(self.path)])
            if "project.id" not in [column[0] for column in found.description or ()]:
                return set()
            query = 'SELECT DISTINCT "project.id" FROM read_parquet(?) WHERE "project.id" <> \'\''
            return {project for (project,) in duck.con.execute(query, [str(self.path)]).fetchall()}


class LaidOut:
    """Extracts laid out once each, for as long as this lives."""

    def __init__(self) -> None:
        self._folder: Scratch | None = None
        self._flat: dict[tuple[str, str], Flat] = {}

    def file(self, name: str, etag: str, path: Path, extract: str) -> Flat:
        if self._folder is None:
            self._folder = Scratch("gcp")
        if (name, etag) not in self._flat:
            target = self._folder.path / f"{len(self._flat):06d}.parquet"
            self._flat[name, etag] = Flat(path=target, months=lay_out(name, path, extract, target))
        return self._flat[name, etag]


def lay_out(name: str, path: Path, extract: str, target: Path) -> dict[BillingPeriod, Month]:
    """Write an extract (JSON lines, Parquet or CSV, packed or not) to `target` as flat Parquet, line by line.

    Columns are named as Google names them (`invoice.month` as the month's first day). `credits.promotion` and
    `credits.discount` add up a line's credits; they hold the text of the credits where one has no amount. `tags` is a
    map of all labels; `labels.fault` tells what was wrong with them. `identity` is equal for lines of one append, null
    where the extract does not tell; `extract` is given. Returns what it holds of each invoice month. Raises Malformed,
    also when no line names its invoice month, or Unavailable when there is no room.
    """
    import duckdb

    with engine() as duck:
        duck.con.execute("SET preserve_insertion_order = true")  # so that a line is found again by its number
        whole, relation = _relation(name, path, duck)
        try:
            columns = _described(relation, whole, duck)
            names = [cell.name for cell in columns.values()]
            if missing := [missing_column(name, names, whole.name) for name in REQUIRED if plain(name) not in columns]:
                raise Malformed(missing)
            query = f"SELECT {', '.join(flat_columns(columns, extract))} FROM {relation}"
            duck.con.execute(f"COPY ({query}) TO {text_literal(str(target))} (FORMAT parquet, COMPRESSION lz4_raw)")
            return _months(name, target, duck)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise Malformed([_broken_line(whole) or unreadable(whole, error)]) from error


def _broken_line(whole: Whole) -> Problem | None:
    """The first line of JSON lines that is no JSON object: DuckDB counts them differently from case to case."""
    if whole.text is None or whole.header:
        return None
    with whole.text.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            why = _wrong(line) if line.strip() else ""
            if why:
                return Problem(
                    file=whole.name, line=number, message=f"is not one JSON object: {why}", value=line.strip()[:80]
                )
    return None


def _wrong(line: str) -> str:
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        return str(error)
    if not line.lstrip().startswith("{"):
        return "it is something else"
    names = [name for name, _ in pairs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    return f"{doubled[0]} stands twice" if doubled else ""


def _months(name: str, flat: Path, duck: Engine) -> dict[BillingPeriod, Month]:
    columns = duck.con.execute("DESCRIBE FROM read_parquet(?)", [str(flat)]).fetchall()
    said = ", ".join(quoted(column) for column, *_ in columns if column != "extract")
    found = duck.con.execute(
        f'SELECT TRY_CAST("invoice.month" AS DATE) AS month, count(*), sum(CAST(hash({said}) AS HUGEINT)) '
        "FROM read_parquet(?) GROUP BY month ORDER BY month",
        [str(flat)],
    ).fetchall()
    months = {BillingPeriod.of(day): Month(rows=rows, digest=str(digest)) for day, rows, digest in found if day}
    if not months:
        message = "no line names its invoice month (YYYYMM)" if found else "holds no rows"
        raise Malformed([Problem(file=name, column="invoice.month", message=message)])
    return months


def _relation(name: str, path: Path, duck: Engine) -> tuple[Whole, str]:
    """The part proved whole, and SQL that reads it."""
    import duckdb

    with path.open("rb") as file:
        is_text = file.read(4) not in (b"PAR1", b"")
    if is_text:
        text = duck.scratch / "part.jsonl"
        unpack(path, name, text)
        with text.open("rb") as file:
            start = file.read(4096).lstrip()[:1]
        if start == b"{":
            fields = ", ".join(f"{text_literal(field)}: {text_literal(kind)}" for field, kind in JSON_FIELDS.items())
            reading = f"format = 'newline_delimited', compression = 'none', columns = {{{fields}}}"
            return Whole(name=name, path=path, text=text), f"read_json({text_literal(str(text))}, {reading})"
        if start == b"[":
            message = "is one JSON array: write one object a line (JSON lines), as a BigQuery extract does"
            raise Malformed([Problem(file=name, line=1, message=message)])
    whole = verify(path, name, duck.scratch)
    file_ = duck.scratch / "part.parquet"
    if whole.is_parquet:
        file_.symlink_to(path.resolve())  # DuckDB reads * and [ in a name as a pattern
    else:
        try:
            text_to_parquet(whole, file_, {cell.sql: cell for cell in text_columns(whole).values()}, ("",), duck)
        except duckdb.InvalidInputException as error:
            raise Malformed([unreadable(whole, error)]) from error
        duck.con.execute("SET preserve_insertion_order = true")
    return whole, f"read_parquet({text_literal(str(file_))}, hive_partitioning = false)"


def _described(relation: str, whole: Whole, duck: Engine) -> dict[str, Cell]:
    """Columns of the part, and the fields of its structs as `column.field`, by their plain names."""
    found: dict[str, Cell] = {}
    names = {cell.sql: name for name, cell in text_columns(whole).items()}
    for column, type_, *_ in duck.con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall():
        name = names.get(column, column)
        found[plain(name)] = Cell(name, quoted(column), type_)
        kind = duck_type(type_)
        for child, child_type in kind.children if kind.id == "struct" else ():
            inner = f"{name}.{child}"
            found.setdefault(plain(inner), Cell(inner, f"{quoted(column)}.{quoted(child)}", str(child_type)))
    return found
