"""The SQL of a scan in the words of other engines: Spark, Trino, Athena and BigQuery.

A scan is a chain of named SELECTs in DuckDB's SQL (see `lines.chain`). What other engines do not have, or have with
another meaning, is said here so that it means the same to them; sqlglot does the spelling. Dates are UTC: the engine's
session must be, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from finops_ai.sources.base import Dialect
from finops_ai.sources.preparing import prepared
from finops_ai.sources.wording import worded

HERE_ALONE = re.compile(r"all_tags|origin|part_file|part_row|raw .*", re.DOTALL)
"""Columns that tell more of a line than its charge, or where it stands: that is asked on this machine only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Renders the steps of one chain, each after those that it reads: which columns they have is remembered.

    `tables` are the engine's names for what the `read_parquet` calls of the chain read, in their order.
    """

    dialect: Dialect
    tables: Sequence[str]
    _columns: dict[str, list[str] | None] = field(default_factory=dict)

    def step(self, name: str, sql: str) -> str:
        """A SELECT that later ones read by `name`."""
        return self._text(self._step(name, sql))

    def whole(self, steps: Mapping[str, str]) -> str:
        """All steps as one query: the last one, with those before it in its WITH."""
        trees = {name: self._step(name, sql) for name, sql in steps.items()}
        ctes: list[exp.CTE] = []
        for name, tree in trees.items():
            ctes.extend(tree.ctes)
            tree.set("with_", None)
            ctes.append(exp.CTE(this=tree, alias=exp.TableAlias(this=exp.to_identifier(name))))
        last = ctes.pop().this
        last.set("with_", exp.With(expressions=ctes))
        return self._text(last)

    def _step(self, name: str, sql: str) -> exp.Query:
        tree = sqlglot.parse_one(sql, read="duckdb")
        if not isinstance(tree, exp.Query):
            raise TypeError(f"step {name} is no SELECT")
        for node in tree.walk():
            node.comments = None
        tables = iter(self.tables)
        for read in tree.find_all(exp.ReadParquet, bfs=False):
            reading = read.find_ancestor(exp.Table)
            if reading is not None:
                reading.replace(exp.to_table(next(tables), dialect=self.dialect))
        self._columns[name] = _resolved(tree, self._columns)
        if self.dialect == "duckdb":
            return tree
        return worded(prepared(tree, self.dialect), self.dialect)

    def _text(self, tree: exp.Query) -> str:
        return tree.sql(self.dialect, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE)


def _resolved(query: exp.Expr, known: Mapping[str, list[str] | None]) -> list[str] | None:
    """Say in full what DuckDB lets out: GROUP BY ALL, ORDER BY ALL, names given earlier in the same SELECT.

    Returns the columns of `query`, None where they are not known: those of a table of the engine.
    """
    known = dict(known)
    for cte in query.args["with_"].expressions if query.args.get("with_") else ():
        columns = _resolved(cte.this, known)
        known[cte.alias] = [column.name for column in cte.args["alias"].columns] or columns
    if isinstance(query, exp.SetOperation):
        columns = _resolved(query.this, known)
        _resolved(query.expression, known)
        return columns
    if isinstance(query, exp.Subquery):
        return _resolved(query.this, known)
    if not isinstance(query, exp.Select):
        return None
    sources = [_columns_of(source, known) for source in _sources(query)]
    read = None if None in sources else [name for columns in sources for name in columns or ()]
    query.set("expressions", [one for one in query.expressions if not HERE_ALONE.fullmatch(one.alias_or_name)])
    if read is not None:
        _say_names(query, set(read))
    _say_all(query)
    names: list[str] = []
    for one in query.expressions:
        if not one.is_star:
            names.append(one.alias_or_name)
        elif read is None:
            return None
        else:
            names.extend(read)
    return names


def _sources(select: exp.Select) -> list[exp.Expr]:
    found = [select.args["from_"].this] if select.args.get("from_") else []
    return found + [join.this for join in select.args.get("joins") or ()]


def _columns_of(source: exp.Expr, known: Mapping[str, list[str] | None]) -> list[str] | None:
    return known.get(source.name) if isinstance(source, exp.Table) else _resolved(source, known)


def _say_names(select: exp.Select, read: set[str]) -> None:
    """Put in place of a name given earlier in the list what it stands for. A column of that name comes first."""
    given: dict[str, exp.Expr] = {}
    for one in select.expressions:
        _put(one, given)
        if isinstance(one, exp.Alias) and one.alias not in read:
            given[one.alias] = one.this
    if where := select.args.get("where"):
        _put(where, given)


def _put(tree: exp.Expr, given: Mapping[str, exp.Expr]) -> None:
    inner = (node for node in tree.dfs(prune=lambda node: isinstance(node, exp.Query)))
    for node in list(inner):
        if isinstance(node, exp.Column) and not node.table and node.name in given:
            stands_for = given[node.name].copy()
            node.replace(stands_for if isinstance(stands_for, exp.Column | exp.Literal) else exp.paren(stands_for))


def _say_all(select: exp.Select) -> None:
    group, order = select.args.get("group"), select.args.get("order")
    if group and group.args.get("all"):
        keys = [one.unalias().copy() for one in select.expressions if not one.find(exp.AggFunc)]
        select.set("group", exp.Group(expressions=keys))
    if order and [one.name for one in order.expressions] == ["ALL"]:
        places = [exp.Literal.number(place + 1) for place in range(len(select.expressions))]
        select.set("order", exp.Order(expressions=[exp.Ordered(this=one, nulls_first=False) for one in places]))
