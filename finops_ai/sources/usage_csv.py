"""CSV files of usage: their layouts, told apart by their columns, and every value checked before a row is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.series import FloatArray
from finops_ai.sources.mapping import missing_column, text_literal
from finops_ai.sources.parts import Whole, line_numbers

if TYPE_CHECKING:
    from finops_ai.sources.staging import Engine

BATCH_ROWS = 64
LARGEST = 1e16
"""No pod has as many cores, bytes or hours: a number beyond it is a mistake of units."""

NOT_AN_AMOUNT = "is not a plain number of 0 or more"
ISO_TIME = (
    "CASE WHEN regexp_matches({0}, '^\\d{{4}}-\\d{{2}}-\\d{{2}}[T ]') "
    "THEN CAST(TRY_CAST({0} AS TIMESTAMPTZ) AS TIMESTAMP) END"
)
GO_TIME = "CAST(try_strptime(regexp_replace({0}, ' [A-Z]+$', ''), '%Y-%m-%d %H:%M:%S %z') AS TIMESTAMP)"
"""SQL of an instant in UTC, as ISO 8601 writes it and as Go prints it (`2026-05-01 00:00:00 +0000 UTC`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One kind of file. `instant` is the column with the time and `time` its SQL.

    `names` must not be empty, `texts` may be; `amounts` may be empty (unknown or unset) and say what makes cores, bytes
    and hours of them; `counts` are whole numbers, 0 where empty.
    """

    name: str
    instant: str
    time: str
    names: tuple[str, ...]
    texts: tuple[str, ...] = ()
    amounts: Mapping[str, float]
    counts: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.instant, *self.names, *self.texts, *self.amounts, *self.counts)

    @property
    def hour(self) -> str:
        return self.time.format(self.instant)

    def table(self, parts: Sequence[Path]) -> str:
        """SQL of the checked parts: `instant`, texts ('' where empty) and figures in their units."""
        texts = [f"coalesce({name}, '') AS {name}" for name in (*self.names, *self.texts)]
        amounts = [f"CAST({name} AS DOUBLE) * {factor!r} AS {name}" for name, factor in self.amounts.items()]
        counts = [f"CAST(coalesce(CAST({name} AS DOUBLE), 0) AS BIGINT) AS {name}" for name in self.counts]
        files = ", ".join(text_literal(str(part)) for part in parts)
        return f"SELECT {', '.join([*texts, *amounts, *counts])}, {self.hour} AS instant FROM read_parquet([{files}])"


def recognised(header: Sequence[str], layouts: Sequence[Layout]) -> Layout | None:
    """The layout that shares the most columns with `header`, if that is half of its own."""
    best = max(layouts, key=lambda one: len(set(one.columns) & set(header)) / len(one.columns))
    return best if 2 * len(set(best.columns) & set(header)) >= len(best.columns) else None


def stage(whole: Whole, layout: Layout, number: int, duck: Engine) -> Path:
    """One part as Parquet of texts. Raises Malformed with file, line, column and value of what is wrong in it."""
    import duckdb

    from finops_ai.sources.staging import MAX_PROBLEMS, text_columns, text_to_parquet, unreadable

    missing = [column for column in layout.columns if column not in whole.header]
    if missing:
        raise Malformed([missing_column(column, whole.header, whole.name) for column in missing])
    file = duck.scratch / f"{number:06d}.parquet"
    try:
        columns = text_columns(whole)
        text_to_parquet(whole, file, {column: columns[column] for column in layout.columns}, ("",), duck)
    except duckdb.Error as error:
        raise Malformed([unreadable(whole, error)]) from error
    checks = ", ".join(
        f"CASE WHEN {wrong} THEN {{'name': {text_literal(name)}, 'value': {name}, 'why': {text_literal(why)}}} END"
        for name, wrong, why in _checks(layout)
    )
    found = duck.con.execute(
        f"SELECT row, bad.name, bad.value, bad.why FROM (SELECT file_row_number AS row, unnest([{checks}]) AS bad "
        f"FROM read_parquet(?, file_row_number = true)) WHERE bad IS NOT NULL ORDER BY row LIMIT {MAX_PROBLEMS}",
        [str(file)],
    ).fetchall()
    if found:
        at = line_numbers(whole, {row for row, *_ in found})
        raise Malformed(
            [
                Problem(file=whole.name, line=at.get(row), column=column, value=value, message=why)
                for row, column, value, why in found
            ]
        )
    return file


def refuse_twice(duck: Engine, table: str, keys: Sequence[str], column: str) -> None:
    """Raises Malformed when two rows of `table` tell of one thing at one time: adding them would double it."""
    from finops_ai.sources.staging import MAX_PROBLEMS

    columns = ", ".join([*keys, "instant"])
    twice = duck.con.execute(
        f"SELECT {columns} FROM {table} GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT {MAX_PROBLEMS}"
    ).fetchall()
    if twice:
        raise Malformed(
            [
                Problem(file="usage", column=column, value="/".join(row[:-1]), message=f"{row[-1]} is told twice")
                for row in twice
            ]
        )


def rows(duck: Engine, query: str) -> Iterator[Mapping[str, Any]]:
    """Rows of a query as Arrow scalars, some at a time."""
    for batch in duck.con.sql(query).to_arrow_reader(BATCH_ROWS):
        for row in range(batch.num_rows):
            yield {name: batch.column(name)[row] for name in batch.schema.names}


def figures(row: Mapping[str, Any], name: str) -> FloatArray:
    """A list of numbers; null is NaN."""
    values: FloatArray = row[name].values.to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def instants(row: Mapping[str, Any], name: str = "hour") -> tuple[datetime, ...]:
    return tuple(instant.replace(tzinfo=UTC) for instant in row[name].as_py())


def _checks(layout: Layout) -> Iterator[tuple[str, str, str]]:
    """Column, SQL predicate of what is wrong there, and what to say."""
    yield (
        layout.instant,
        f"{layout.hour} IS NULL",
        "is not an ISO 8601 time" if layout.time == ISO_TIME else "is no time",
    )
    for name in layout.names:
        yield name, f"{name} IS NULL", "is empty"
    for name, factor in (*layout.amounts.items(), *((name, 1.0) for name in layout.counts)):
        number = f"TRY_CAST({name} AS DOUBLE) * {factor!r}"
        yield name, f"{name} IS NOT NULL AND NOT coalesce({number} >= 0 AND {number} < {LARGEST}, FALSE)", NOT_AN_AMOUNT
