"""How one provider's lines are read: which columns, as what, and the SQL that makes FOCUS charges of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from finops_ai.domain.errors import Problem
from finops_ai.domain.focus import canonical_tag
from finops_ai.sources.base import Keep

COST = "DECIMAL(38, 18)"
DOUBLE_COST = "DECIMAL(32, 12)"
"""A double carries no more than 12 decimals of a cost; the whole part has as much room as in `COST`."""


ISO_DATE = r"^\d{4}-\d{2}-\d{2}([T ]|$)"
US_DATE = r"^\d{1,2}/\d{1,2}/(\d{2}|\d{4})( |$)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Where tags or cost categories stand: in a map or JSON column, or in one column per key behind a prefix.

    With `bare` the JSON may come without the braces around its members. `also` is a second such column.
    """

    column: str
    prefixes: tuple[str, ...] = ()
    bare: bool = False
    also: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How a source tells what the cube has no room for: resources, SKUs, unit prices, hours.

    The SQL reads `charge`: what the mapping's SQL makes of a line alone (focus.DIMENSIONS, `day`, focus.MEASURES) and
    `origin`, a struct of every column of the mapping and of `reads` as that line has them, null where its text means
    null: texts as text, money as DECIMAL(38, 18), days as the text that stands there, `all_tags` as JSON text. It
    returns `charge` itself and columns of FOCUS 1.2 by their names; those it leaves out follow from `charge`.
    The mapping's SQL must hand `origin` on. `instant(text)` and `amount(text)` make a time and a decimal of a text,
    `unit_price(rate, quantity, cost)` a price.
    """

    sql: Path
    reads: tuple[str, ...]


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
    computed on every line from columns of `text` or `reads` (`typed` are all lines); `outside` tells lines that repeat
    the cost of others, `outside_told` what is said of them. `billed` is the column or SQL of what a line is invoiced
    at. `account` is SQL on a line that gives its sub account. `aliases` are other names of a column. A column that is
    absent is looked for in the map column that its name begins with (`product_region_code` in `product`). `period` is
    SQL on `days` for a day of the line's billing period, where one file may hold several; `only` says which lines are
    read at all. `detail` is how lines are told one by one.

    What else a file may do: `named` is what one of its headers means; `us_dates` allows MM/DD/YYYY; `us_amounts`
    allows $1,234.50; the columns of `decimal_commas` may say 1,5 for 1.5 where the file leaves no doubt; `cleaned` is
    SQL, with {0} for the text, that gives the one spelling of a `text` column; `defaults` are texts for columns that
    are absent. With `by_hour` the `days` are times, cut to the hour.
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
    only: str = "TRUE"
    derived: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    outside: str = "FALSE"
    outside_told: str = "lines that repeat the cost of other lines (split cost allocation) are left out"
    named: Callable[[str], str] = str
    us_dates: bool = False
    us_amounts: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    decimal_commas: tuple[str, ...] = ()
    cleaned: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    null_words: tuple[str, ...] = ()
    tags: Labels
    cost_categories: Labels
    spelling: Callable[[str], str] = str
    detail: Detail | None = None
    by_hour: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.text, *self.reads)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.texts, *self.days, *self.money)

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

    def as_text(self) -> str:
        """VARCHAR; JSON of what is nested."""
        if self.type.startswith(("MAP(", "STRUCT(")) or self.type.endswith("]"):
            return f"CAST(to_json({self.sql}) AS VARCHAR)"
        return f"CAST({self.sql} AS VARCHAR)"

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

    def as_day(self, *, us_dates: bool = False) -> str:
        """DATE in UTC, null where the text is no ISO 8601 date; a time without an offset is UTC.

        With `us_dates` the text may also be MM/DD/YYYY or M/D/YY.
        """
        return self._time("TRY_CAST({} AS DATE)", "CAST({} AS DATE)", us_dates)

    def as_hour(self, *, us_dates: bool = False) -> str:
        """TIMESTAMP in UTC, cut to the hour, of what `as_day` makes a date of; a text without a time is midnight."""
        return self._time("date_trunc('hour', {})", "date_trunc('hour', {})", us_dates)

    def _time(self, typed: str, said: str, us_dates: bool) -> str:
        """SQL that makes `typed` of a time, or `said` of a text that is one; {} stands for the TIMESTAMP."""
        if self.type != "VARCHAR":
            return typed.format(f"TRY_CAST({self.sql} AS TIMESTAMP)")
        utc = said.format(f"CAST(TRY_CAST({self.sql} AS TIMESTAMPTZ) AS TIMESTAMP)")
        iso = f"WHEN regexp_matches({self.sql}, '{ISO_DATE}') THEN {utc}"
        us = f"WHEN regexp_matches({self.sql}, '{US_DATE}') THEN {said.format(us_instant(self.sql))}"
        return f"CASE {iso} {us if us_dates else ''} END"


def us_instant(sql: str) -> str:
    """SQL for midnight of a text that matches US_DATE; two digits are a year of this century."""
    day = f"regexp_replace(split_part({sql}, ' ', 1), '/(\\d{{2}})$', '/20\\1')"
    return f"try_strptime({day}, '%m/%d/%Y')"


def us_amount(sql: str) -> str:
    """SQL for the plain decimal of a text such as `-$1,234.50 `; any other text as it stands."""
    is_us = f"regexp_matches({sql}, '^\\s*-?\\$?(\\d{{1,3}}(,\\d{{3}})+|\\d+)(\\.\\d+)?\\s*$')"
    return f"CASE WHEN {is_us} THEN regexp_replace({sql}, '[$,\\s]', '', 'g') ELSE {sql} END"


def plain_amounts(cells: Mapping[str, Cell], mapping: LineMapping) -> dict[str, Cell]:
    """`cells` with the money of a mapping that allows `us_amounts` read as such."""
    texts = [name for name in mapping.money if mapping.us_amounts and name in cells and cells[name].type == "VARCHAR"]
    return {**cells, **{name: replace(cells[name], sql=us_amount(cells[name].sql)) for name in texts}}


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
    known = {plain(name) for wanted in mapping.columns for name in (wanted, *mapping.aliases.get(wanted, ()))}
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
        elif wanted in mapping.defaults:
            cells[wanted] = Cell(wanted, text_literal(mapping.defaults[wanted]), "VARCHAR")
        elif wanted in mapping.required:
            others = (name for name in columns if plain(name) not in known)
            problems.append(missing_column(mapping.spelling(wanted), others, file))
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
    """Which labels the cube holds, and whether it has hours: another choice is another cube."""
    labels = "|".join((",".join(sorted(keep.tags)), ",".join(sorted(keep.cost_categories))))
    return f"{labels}|by hour" if keep.hours else labels


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
