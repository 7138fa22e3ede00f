"""Bars of text for a pull request: each day's peak under the lines of what is requested now and proposed.

Text and not an image: every forge, mail and terminal shows it, nothing has to be rendered, stored or fetched, and a
private repository's figures are not put where an image could be read from.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

ROWS = 8
EIGHTHS = " ▁▂▃▄▅▆▇█"
UNKNOWN = "·"


def bars(values: Sequence[float | None], lines: Sequence[tuple[str, float]]) -> list[str]:
    """One column for each value, a dotted line with its name at each level; no line is longer than it need be."""
    known = [value for value in values if value is not None]
    top = max([*known, *(level for _, level in lines)], default=0.0)
    if top <= 0 or not known:
        return []
    names: dict[int, list[str]] = {}
    for name, level in lines:
        names.setdefault(min(int(level / top * ROWS), ROWS - 1), []).append(name)
    drawn = []
    for row in range(ROWS - 1, -1, -1):
        cells = [_cell(value, top, row, row in names) for value in values]
        told = f" ┄ {', '.join(names[row])}" if row in names else ""
        drawn.append("".join(cells).rstrip() + told)
    return drawn


def parsed(fact: str) -> tuple[str, list[float | None]]:
    """The first day and the values of a `daily_*` fact; empty where there is none or it is none."""
    first, _, rest = fact.partition(" ")
    try:
        return first, [None if word == "-" else float(Decimal(word)) for word in rest.split()]
    except ArithmeticError:
        return "", []


def _cell(value: float | None, top: float, row: int, lined: bool) -> str:
    if value is None:
        return UNKNOWN if row == 0 else ("┄" if lined else " ")
    eighths = round(value / top * ROWS * 8) - row * 8
    if eighths <= 0:
        return "┄" if lined else " "
    return EIGHTHS[min(eighths, 8)]
