"""Numbers with decimal commas, read as such only where a file leaves no doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.sources.mapping import Cell, LineMapping

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WITH_COMMA = r"^\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*$"
THOUSANDS = r"^\s*[-+]?[1-9]\d{0,2},\d{3}\s*$"
"""1,234 may be a thousand or a little more than one."""


def with_points(
    cells: Mapping[str, Cell], mapping: LineMapping, file: Path, con: DuckDBPyConnection, *, sure: bool
) -> dict[str, Cell]:
    """`cells` with decimal points, if the numbers of a staged text file are written with commas.

    They are when no number has a point, every comma stands alone in its number, and either the file is separated by
    semicolons (`sure`) or some comma cannot separate thousands. In any other file they stay as they are and are
    refused where they are read.
    """
    numbers = {name: cell for name in mapping.decimal_commas if (cell := cells.get(name)) and cell.type == "VARCHAR"}
    if not numbers:
        return dict(cells)
    texts = ", ".join(cell.sql for cell in numbers.values())
    ((points, commas, odd, beyond_doubt),) = con.execute(
        "SELECT count(*) FILTER (contains(n, '.')), count(*) FILTER (contains(n, ',')), "
        "count(*) FILTER (contains(n, ',') AND NOT regexp_matches(n, $comma)), "
        "count(*) FILTER (contains(n, ',') AND NOT regexp_matches(n, $thousands)) "
        f"FROM (SELECT unnest([{texts}]) AS n FROM read_parquet($file))",
        {"comma": WITH_COMMA, "thousands": THOUSANDS, "file": str(file)},
    ).fetchall()
    if points or odd or not commas or not (sure or beyond_doubt):
        return dict(cells)
    read = {name: replace(cell, sql=f"replace({cell.sql}, ',', '.')") for name, cell in numbers.items()}
    return {**cells, **read}
