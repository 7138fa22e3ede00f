"""Typed tables as people read them, as CSV that no spreadsheet executes, and as plain data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from finops_ai.domain.money import plain
from finops_ai.domain.report import Versus
from finops_ai.domain.text import one_line
from finops_ai.reporting.formats import DASH, change, day_year, money, percent, places_for

Cell = str | Decimal | int | float | date | Versus | None
Row = tuple[Cell, ...]
Kind = Literal["text", "code", "money", "delta", "change", "share", "bias", "count", "date"]

FORMULA_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""What makes a spreadsheet read text as a formula; some take the full-width forms as well."""

EXACT_PLACES = 2
"""Places of money in a table of many currencies, which is there to be compared with an invoice."""


@dataclass(frozen=True, slots=True)
class Column:
    """`name` is for machines, `title` for people. `change` holds a Versus, `share` and `bias` a ratio.

    `bar`: its size is drawn beside the figure. `optional`: people do not see it while no row has anything there.
    """

    name: str
    title: str
    kind: Kind = "text"
    bar: bool = False
    optional: bool = False

    @property
    def numeric(self) -> bool:
        return self.kind not in ("text", "code", "date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`currency` is None where each row names its own in the column `currency`."""

    name: str
    title: str
    currency: str | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None = None
    note: str = ""

    def for_people(self) -> Table:
        """Without the optional columns in which no row has anything."""
        kept = [i for i, column in enumerate(self.columns) if not column.optional or any(row[i] for row in self.rows)]

        def cut(row: Row) -> Row:
            return tuple(row[i] for i in kept)

        columns = tuple(self.columns[i] for i in kept)
        rows = tuple(map(cut, self.rows))
        return replace(self, columns=columns, rows=rows, total=cut(self.total) if self.total else None)

    def shown(self, row: Row) -> list[str]:
        """Cells of one row as people read them, not escaped; money of one column has one number of places."""
        return [self._shown(row, i) for i in range(len(row))]

    def _shown(self, row: Row, i: int) -> str:
        match row[i]:
            case None:
                return DASH
            case Versus() as pair:
                return change(pair.now, pair.ratio)
            case Decimal() as amount:
                sign = self.columns[i].kind == "delta"
                if self.currency is None:
                    return money(amount, self._currency(row), digits=EXACT_PLACES, sign=sign)
                digits = places_for((*self.amounts(i), amount), self.currency)
                return money(amount, self.currency, digits=digits, sign=sign)
            case float() as ratio:
                return percent(ratio, sign=self.columns[i].kind == "bias")
            case int() as count:
                return f"{count:,}"
            case date() as day:
                return day_year(day)
            case text:
                return one_line(text)

    def amounts(self, i: int) -> list[Decimal]:
        """Money of one column, without the total."""
        return [cell for row in self.rows if isinstance(cell := row[i], Decimal)]

    def _currency(self, row: Row) -> str:
        return str(row[[column.name for column in self.columns].index("currency")])


def to_csv(tables: Sequence[Table]) -> str:
    """Tables of one name as one file, with the currency as first column; amounts exact, totals left to the reader."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    leading = ["currency"] if tables[0].currency is not None else []
    writer.writerow([*leading, *(column.name for column in tables[0].columns)])
    for table in tables:
        owner = [defused(table.currency)] if table.currency is not None else []
        writer.writerows([*owner, *(_csv_cell(cell) for cell in row)] for row in table.rows)
    return buffer.getvalue()


def to_data(table: Table) -> dict[str, Any]:
    """Rows as mappings; amounts are decimal strings, ratios numbers, days ISO dates."""
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, map(_plain, row), strict=True)) for row in table.rows]
    return {"rows": rows, "total": dict(zip(names, map(_plain, table.total), strict=True)) if table.total else None}


def defused(text: str) -> str:
    """Text that a spreadsheet shows and never runs: on one line, with an apostrophe where it would be a formula."""
    line = one_line(text)
    return f"'{line}" if line.startswith(FORMULA_STARTS) else line


def by_name(tables: Iterable[Table]) -> dict[str, list[Table]]:
    named: dict[str, list[Table]] = {}
    for table in tables:
        named.setdefault(table.name, []).append(table)
    return named


def _csv_cell(cell: Cell) -> str:
    value = _plain(cell)
    if isinstance(cell, str):
        return defused(cell)
    return "" if value is None else str(value)


def _plain(cell: Cell) -> str | int | float | None:
    match cell:
        case Versus():
            return None if cell.ratio is None else round(cell.ratio, 6)
        case Decimal():
            return plain(cell)
        case float():
            return round(cell, 6)
        case date():
            return cell.isoformat()
    return cell
