"""A value -> table, JSON or CSV: exact amounts for programs, readable ones for people, no text that acts."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from io import TextIOWrapper
from itertools import chain
from typing import Any, Literal, TextIO

from finops_ai.domain.money import Money, plain
from finops_ai.domain.plain_data import plain_data

Output = Literal["table", "json", "csv"]
Rows = Sequence[Mapping[str, Any]]

PIPE_COLUMNS = 160
"""Width of a table in a file or a pipe when COLUMNS does not say; a terminal tells its own."""

_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that a terminal obeys, that turn the reading direction, or that cannot be seen or encoded."""

_FORMULA = ("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that make a spreadsheet run a cell (OWASP, CSV injection), full-width forms included.

The carriage return, which belongs to them, is escaped everywhere: it also overwrites a terminal's line.
"""


def show(rows: Rows, columns: Sequence[str] | None, output: Output, stream: TextIO) -> None:
    """Write `rows` to `stream`; `columns` picks and orders keys (default: every key, in order of appearance).

    Values: text, numbers, Decimal, Money, dates, enums, None, and mappings or lists of these. JSON carries decimals
    as text, dates as ISO 8601 and a missing key as null. Raises TypeError for a value of another kind.
    """
    names = list(columns) if columns is not None else list(dict.fromkeys(chain.from_iterable(rows)))
    cells = [{name: row.get(name) for name in names} for row in rows] if columns is not None else rows
    writers: dict[str, Callable[[Rows, list[str], TextIO], None]] = {"table": _table, "json": _json, "csv": _csv}
    if isinstance(stream, TextIOWrapper):  # data is UTF-8 whatever the locale; a terminal shows what it can
        if output == "table":
            stream.reconfigure(errors="replace")
        else:
            stream.reconfigure(encoding="utf-8")
    writers[output](cells, names, stream)


def _json(rows: Rows, _: list[str], stream: TextIO) -> None:
    text = json.dumps([plain_data(row) for row in rows], indent=2, ensure_ascii=False, allow_nan=False)
    # json escapes C0 inside strings; the line breaks outside are ours, so only the rest is left to hide.
    stream.write(_ACTING.sub(lambda found: found[0] if found[0] == "\n" else _escaped_utf16(found[0]), text) + "\n")


def _csv(rows: Rows, names: list[str], stream: TextIO) -> None:
    if not names:
        return
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_cell(name) for name in names])
    writer.writerows([[_cell(row.get(name)) for name in names] for row in rows])


def _table(rows: Rows, names: list[str], stream: TextIO) -> None:
    if not names:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_COLUMNS
    console = Console(file=stream, width=width, markup=False, emoji=False, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for name in names:
        values = [row.get(name) for row in rows if row.get(name) is not None]
        numeric = bool(values) and all(_is_number(value) for value in values)
        table.add_column(Text(_visible(name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_readable(row.get(name))) for name in names))
    console.print(table)


def _cell(value: Any) -> str:
    """One CSV cell. Numbers stay numbers; text that a spreadsheet would run gets an apostrophe in front."""
    data = plain_data(value)
    match data:
        case None:
            return ""
        case bool():
            return str(data).lower()
        case int() | float():
            return repr(data)
        case dict() | list():
            return _visible(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    text = str(data)
    if not isinstance(value, Decimal) and text.startswith(_FORMULA):
        text = f"'{text}"
    return _visible(text, keep="\t\n")


def _readable(value: Any) -> str:
    """One table cell: amounts with thousands separators and cents, names instead of structure."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Enum():
            return _readable(value.value)
        case str():
            return _visible(value)
        case int():
            return f"{value:,}"
        case float():
            return "" if not math.isfinite(value) else f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4g}"
        case Decimal():
            return _amount(value)
        case Money():
            return f"{_amount(value.amount)} {_visible(value.currency)}"
        case date():
            return value.isoformat()
        case Mapping():
            return ", ".join(f"{_visible(str(key))}={_readable(item)}" for key, item in value.items())
        case list() | tuple() | set() | frozenset():
            return ", ".join(_readable(item) for item in value)
    raise TypeError(f"cannot show a {type(value).__name__}")


def _amount(value: Decimal) -> str:
    """Cents, unless that would hide an amount altogether."""
    if not value.is_finite():
        return ""
    return f"{value:,.2f}" if not value or abs(value) >= Decimal("0.005") else plain(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Decimal | int | float | Money) and not isinstance(value, bool)


def _visible(text: str, keep: str = "") -> str:
    return _ACTING.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode()


def _escaped_utf16(char: str) -> str:
    """JSON's own escape: \\uXXXX for each UTF-16 unit."""
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
