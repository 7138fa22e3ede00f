"""Where the values stand that cannot be booked: file, line, column and what it says there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finops_ai.domain.errors import Problem
from finops_ai.sources import lines
from finops_ai.sources.mapping import LineMapping, quoted, text_literal
from finops_ai.sources.parts import line_numbers
from finops_ai.sources.staging import MAX_PROBLEMS, Staged

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MAX_VALUE_CHARACTERS = 80

NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"


def locate(con: DuckDBPyConnection, staged: Sequence[Staged], mapping: LineMapping) -> list[Problem]:
    """The first bad values in the order of the files, one Problem each, at most `MAX_PROBLEMS`."""
    by_file = {str(part.file): part for part in staged}
    checks = ", ".join(_check(name, mapping) for name in mapping.columns)
    found = con.execute(
        f"SELECT part_file, part_row, bad.name, bad.value, bad.why FROM ("
        f"  SELECT part_file, part_row, unnest([{checks}]) AS bad FROM lines"
        f"  WHERE NOT outside AND ({lines.rejected(mapping)})"
        f") WHERE bad IS NOT NULL ORDER BY part_file, part_row, bad.name LIMIT {MAX_PROBLEMS}"
    ).fetchall()
    wanted: dict[str, set[int]] = {}
    for file, row, *_ in found:
        wanted.setdefault(file, set()).add(row)
    at = {file: line_numbers(by_file[file].whole, numbers) for file, numbers in wanted.items()}
    return [
        Problem(
            file=by_file[file].whole.name,
            line=at[file].get(row),
            column=cell.name if (cell := by_file[file].cells.get(name)) else mapping.spelling(name),
            value=value if value is None else value[:MAX_VALUE_CHARACTERS],
            message=why,
        )
        for file, row, name, value, why in found
    ]


def _check(name: str, mapping: LineMapping) -> str:
    """SQL for what is wrong with one column of a line, null where nothing is."""
    said = quoted("raw " + name)
    empty = lines.says_nothing(said, mapping)
    must = name in mapping.filled
    if name in mapping.money:
        infinite = f"lower({said}) SIMILAR TO '[-+]?(nan|inf|infinity)'"
        why = (
            f"CASE WHEN {empty} THEN 'is empty' WHEN {infinite} THEN 'is not a finite number' "
            f"WHEN regexp_matches({said}, {text_literal(NUMBER)}) THEN 'is beyond the range of DECIMAL(38, 18)' "
            f"ELSE 'is not a plain decimal number such as 1234.56' END"
        )
        wrong = f"({name} IS NULL OR {infinite})" + ("" if must else f" AND NOT {empty}")
    elif name in mapping.days and must:
        why = f"CASE WHEN {empty} THEN 'is empty' ELSE 'is not an ISO 8601 date between 2000 and 2099' END"
        wrong = lines.bad_day(name)
    elif name in mapping.text and must:
        said, why, wrong = name, "'is empty'", lines.says_nothing(name, mapping)
    else:
        return "NULL"
    shown = f"CASE WHEN NOT {lines.says_nothing(said, mapping)} THEN {said} END"
    return f"CASE WHEN {wrong} THEN {{'name': {text_literal(name)}, 'value': {shown}, 'why': {why}}} END"
