"""How one provider's lines are read: which columns, as what, and the SQL that makes FOCUS charges of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finops_ai.domain.errors import Problem
from finops_ai.domain.focus import canonical_tag
from finops_ai.sources.base import Keep

COST = "DECIMAL(38, 18)"
DOUBLE_COST = "DECIMAL(32, 12)"
"""A double carries no more than 12 decimals of a cost; the whole part has as much room as in `COST`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Where tags or cost categories stand: in a map or JSON column, or in one column per key behind a prefix."""

    column: str
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMapping:
    """The columns a source reads (canonical snake_case) and the SQL beside it.

    Lines that differ in money alone are added up before the SQL runs, so it sees few rows and may be as clear as it
    likes: `raw` has `text`, `days` (UTC dates) and `derived` as keys, `money` as sums of DECIMAL(38, 18), `line_items`, `tags` and `cost_categories` (JSON), `malformed_labels` (boolean). It must
    be linear in the money, may ask whether a column of `null_money` is null (lines that differ in that stay apart; in
    others null counts as 0), and return focus.DIMENSIONS, `day`, focus.MEASURES, `line_items` and `problem` ('' or a
    warning about those lines).

    `required` columns must be there, and on every line the `filled` ones must say something. `derived` are keys
    computed on every line from columns of `text` or `reads`; `outside` tells lines that repeat the cost of others. `aliases` are other names of a column; a column that is absent is looked for
    in the map column that its name begins with (`product_region_code` in `product`).
    """

    sql: Path
    version: int
    text: tuple[str, ...]
    money: tuple[str, ...]
    null_money: frozenset[str] = frozenset()
    days: tuple[str, ...]
    required: frozenset[str]
    filled: frozenset[str]
    billed: str
    currency: str
    day: str
    period: str | None = None
    derived: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    outside: str = "FALSE"
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    null_words: tuple[str, ...] = ()
    tags: Labels
    cost_categories: Labels
    spelling: Callable[[str], str] = str

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.text, *self.reads, *self.days, *self.money)

    @property
    def nulls(self) -> tuple[str, ...]:
        """Texts that mean null."""
        return ("", *self.null_words)


@dataclass(frozen=True, slots=True)
class Cell:
    """A column as it stands in a file: SQL that reads it and the type it has there."""

    sql: str
    type: str

    def as_cost(self) -> str:
        """DECIMAL, null where the file holds no plain decimal number."""
        if self.type in ("DOUBLE", "FLOAT"):
            return f"TRY_CAST({self.sql} AS {DOUBLE_COST})"
        if self.type == "VARCHAR":
            return f"CASE WHEN NOT contains({self.sql}, '_') THEN TRY_CAST({self.sql} AS {COST}) END"
        return f"TRY_CAST({self.sql} AS {COST})"

    def as_day(self) -> str:
        """DATE in UTC, null where the text is no ISO 8601 date; a time without an offset is UTC."""
        if self.type != "VARCHAR":
            return f"TRY_CAST(TRY_CAST({self.sql} AS TIMESTAMP) AS DATE)"
        is_iso = f"regexp_matches({self.sql}, '^\\d{{4}}-\\d{{2}}-\\d{{2}}([T ]|$)')"
        return f"CASE WHEN {is_iso} THEN CAST(CAST(TRY_CAST({self.sql} AS TIMESTAMPTZ) AS TIMESTAMP) AS DATE) END"


def plain(name: str) -> str:
    """What is left of a column name when writers disagree: `lineItem/UnblendedCost` and `line_item_unblended_cost`
    are one, so are `SavingsPlanARN` and `savings_plan_a_r_n`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """An SQL string."""
    return "'" + value.replace("'", "''") + "'"


def find_columns(
    mapping: LineMapping, columns: Mapping[str, str], file: str
) -> tuple[dict[str, Cell], list[Problem]]:
    """Where each column of `mapping` stands among `columns` (name to type), and what is missing or told twice."""
    by_name: dict[str, list[str]] = {}
    for name in columns:
        by_name.setdefault(plain(name), []).append(name)
    cells: dict[str, Cell] = {}
    problems: list[Problem] = []
    for wanted in mapping.columns:
        names = next((by_name[plain(alias)] for alias in (wanted, *mapping.aliases.get(wanted, ()))
                      if plain(alias) in by_name), [])
        if len(names) > 1:
            problems.append(Problem(file=file, line=1, column=names[1], message=f"is the same column as {names[0]!r}"))
        elif names:
            cells[wanted] = Cell(quoted(names[0]), columns[names[0]])
        elif (found := _in_map(wanted, columns)) is not None:
            cells[wanted] = found
        elif wanted in mapping.required:
            problems.append(_missing(mapping.spelling(wanted), columns, file))
    return cells, problems


def find_labels(labels: Labels, columns: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    """The map or JSON column of `labels`, and one column per raw key."""
    of_keys = {name[len(prefix):]: name for prefix in labels.prefixes for name in columns
               if name.lower().startswith(prefix.lower()) and len(name) > len(prefix)}
    whole = next((name for name in columns if plain(name) == plain(labels.column)), None)
    return whole, of_keys


def kept_keys(raw_keys: Sequence[str], keep: frozenset[str]) -> dict[str, list[str]]:
    """Raw spellings in order, by the canonical key that configuration keeps; "*" keeps all."""
    kept: dict[str, list[str]] = {}
    for raw in sorted(raw_keys):
        canonical = canonical_tag(raw)
        if "*" in keep or canonical in keep:
            kept.setdefault(canonical, []).append(raw)
    return kept


def fingerprint_keep(keep: Keep) -> str:
    """Which labels the cube holds: another choice is another cube."""
    return "|".join((",".join(sorted(keep.tags)), ",".join(sorted(keep.cost_categories))))


def _in_map(wanted: str, columns: Mapping[str, str]) -> Cell | None:
    for name, type_ in columns.items():
        if type_ == "MAP(VARCHAR, VARCHAR)" and wanted.startswith(prefix := name.lower() + "_"):
            return Cell(f"{quoted(name)}[{text_literal(wanted.removeprefix(prefix))}]", "VARCHAR")
    return None


def _missing(wanted: str, columns: Mapping[str, str], file: str) -> Problem:
    by_plain = {plain(name): name for name in columns}
    near = difflib.get_close_matches(plain(wanted), by_plain, n=1, cutoff=0.75)
    hint = f"; did you mean {by_plain[near[0]]!r}?" if near else ""
    return Problem(file=file, line=1, column=wanted, message=f"column is missing{hint}")
