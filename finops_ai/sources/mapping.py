"""How one provider's lines are read: which columns, as what, and the SQL that makes FOCUS charges of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    likes. Its `raw` has the `text`, `days` (UTC dates) and `derived` columns as keys, `money` as sums of
    DECIMAL(38, 18), `line_items`, `tags` and `cost_categories` (JSON) and `malformed_labels` (boolean). It returns
    focus.DIMENSIONS, `day`, focus.MEASURES, `line_items` and `problem` ('', or a warning about those lines). It must
    be linear in the money; it may ask whether a column of `null_money` is null, for lines that differ in that stay
    apart; in other columns null counts as 0.

    `required` columns must be there, and on every line the `filled` ones must say something. `derived` are keys
    computed on every line from columns of `text` or `reads`; `outside` tells lines that repeat the cost of others.
    `account` is SQL on a line that gives its sub account. `aliases` are other names of a column. A column that is
    absent is looked for in the map column that its name
    begins with (`product_region_code` in `product`). `period` is the day on which the billing period begins, where
    one file may hold several.
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
    account: str
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
    """A column as it stands in a file: its name there, SQL that reads it and its type."""

    name: str
    sql: str
    type: str

    def as_cost(self) -> str:
        """DECIMAL, null where the file holds no plain decimal number."""
        if self.type in ("DOUBLE", "FLOAT"):
            return f"TRY_CAST({self.sql} AS {DOUBLE_COST})"
        if self.type == "VARCHAR":
            return f"CASE WHEN NOT contains({self.sql}, '_') THEN TRY_CAST({self.sql} AS {COST}) END"
        return f"TRY_CAST({self.sql} AS {COST})"

    def is_no_cost(self, nulls: str) -> str:
        """Predicate: something is said here and it is no cost. `nulls` is the SQL list of texts that mean null.

        NaN is asked for by itself: it is not in the statistics of a Parquet file, so that DuckDB may take it for sure
        that every double can be cast.
        """
        if self.type in ("DOUBLE", "FLOAT"):
            return f"({self.sql} IS NOT NULL AND (NOT isfinite({self.sql}) OR {self.as_cost()} IS NULL))"
        said = f"AND {self.sql} NOT IN ({nulls})" if self.type == "VARCHAR" else ""
        return f"({self.sql} IS NOT NULL {said} AND {self.as_cost()} IS NULL)"

    def as_day(self) -> str:
        """DATE in UTC, null where the text is no ISO 8601 date; a time without an offset is UTC."""
        if self.type != "VARCHAR":
            return f"TRY_CAST(TRY_CAST({self.sql} AS TIMESTAMP) AS DATE)"
        is_iso = f"regexp_matches({self.sql}, '^\\d{{4}}-\\d{{2}}-\\d{{2}}([T ]|$)')"
        return f"CASE WHEN {is_iso} THEN CAST(CAST(TRY_CAST({self.sql} AS TIMESTAMPTZ) AS TIMESTAMP) AS DATE) END"


def plain(name: str) -> str:
    """What is left of a column name on which writers disagree.

    `lineItem/UnblendedCost` and `line_item_unblended_cost` are one, so are `SavingsPlanARN` and `savings_plan_a_r_n`.
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """An SQL string."""
    return "'" + value.replace("'", "''") + "'"


def find_columns(mapping: LineMapping, columns: Mapping[str, Cell], file: str) -> tuple[dict[str, Cell], list[Problem]]:
    """Where each column of `mapping` stands among `columns` (by name), and what is missing or told twice."""
    by_plain: dict[str, list[Cell]] = {}
    for name, cell in columns.items():
        by_plain.setdefault(plain(name), []).append(cell)
    cells: dict[str, Cell] = {}
    problems: list[Problem] = []
    for wanted in mapping.columns:
        names = (wanted, *mapping.aliases.get(wanted, ()))
        found = next((by_plain[plain(name)] for name in names if plain(name) in by_plain), [])
        if len(found) > 1:
            message = f"is the same column as {found[0].name!r}"
            problems.append(Problem(file=file, line=1, column=found[1].name, message=message))
        elif found or (found := _in_map(wanted, columns)):
            cells[wanted] = found[0]
        elif wanted in mapping.required:
            problems.append(missing_column(mapping.spelling(wanted), columns, file))
    return cells, problems


def find_labels(labels: Labels, columns: Mapping[str, Cell]) -> tuple[Cell | None, dict[str, Cell]]:
    """The map or JSON column of `labels`, and the columns that hold one raw key each."""
    of_keys = {
        name[len(prefix) :]: cell
        for prefix in labels.prefixes
        for name, cell in columns.items()
        if name.lower().startswith(prefix.lower()) and len(name) > len(prefix)
    }
    whole = next((cell for name, cell in columns.items() if plain(name) == plain(labels.column)), None)
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


def _in_map(wanted: str, columns: Mapping[str, Cell]) -> list[Cell]:
    return [
        Cell(name, f"{cell.sql}[{text_literal(wanted.removeprefix(prefix))}]", "VARCHAR")
        for name, cell in columns.items()
        if cell.type == "MAP(VARCHAR, VARCHAR)" and wanted.startswith(prefix := name.lower() + "_")
    ][:1]


def missing_column(wanted: str, columns: Iterable[str], file: str) -> Problem:
    """The problem that a file lacks a column, with the name it may have meant."""
    by_plain = {plain(name): name for name in columns}
    near = difflib.get_close_matches(plain(wanted), by_plain, n=1, cutoff=0.75)
    hint = f"; did you mean {by_plain[near[0]]!r}?" if near else ""
    return Problem(file=file, line=1, column=wanted, message=f"column is missing{hint}")
