"""Words of DuckDB's SQL that another engine lacks or takes otherwise, said so that they mean the same to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import sqlglot
from sqlglot import exp

TRINO = ("trino", "athena")

LARGEST_DOUBLE = "1.7976931348623157E308"
ISO = r"\d{4}-\d{2}-\d{2}([T ]\d{1,2}:\d{1,2}(:\d{1,2}(\.\d+)?( ?UTC)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?"
"""Times that Spark and DuckDB read alike."""
NOT_AN_AMOUNT = "[^\t-\r -^`-~]"
"""What is in no number: an underscore, and all that is not ASCII, such as digits of other scripts."""


def worded(tree: exp.Query, dialect: str) -> exp.Query:
    """`tree` with every word put into `dialect`, the innermost first."""
    for node in reversed(list(tree.dfs())):
        rule = RULES.get(type(node))
        above, key, index = node.parent, node.arg_key, node.index
        if rule is not None and (said := rule(node, dialect)) is not node:
            if above is None or key is None:
                raise AssertionError("the root is a SELECT, for which there is no rule")
            above.set(key, said, index)
    return tree


def phrase(text: str, given: Mapping[str, exp.Expr]) -> exp.Expr:
    """An expression with copies of what is given in the place of its names."""
    tree: exp.Expr = sqlglot.parse_one(text, read="duckdb")
    for node in list(tree.find_all(exp.Column)):
        if node.name in given and not node.this.quoted:
            put = given[node.name].copy()
            node.replace(put)
    return tree


def plain_type(type_: str) -> str:
    return exp.DataType.build(type_, dialect="duckdb").sql("duckdb")


def _call(name: str, *arguments: Any) -> exp.Expr:
    return exp.Anonymous(
        this=name, expressions=[exp.convert(one) if isinstance(one, str) else one for one in arguments]
    )


def is_cast(node: Any, type_: str) -> bool:
    return isinstance(node, exp.Cast) and node.to.is_type(type_)


def _function(node: exp.Anonymous, dialect: str) -> exp.Expr:
    if node.name.lower() == "try_strptime":
        return _us_day(node.expressions[0], dialect)
    if node.name.lower() != "isfinite":
        return node
    (x,) = node.expressions
    if dialect == "spark":  # where NaN is larger than any other
        return phrase(f"(abs(x) <= {LARGEST_DOUBLE})", {"x": x})
    return (
        _call("IS_FINITE", x)
        if dialect in TRINO
        else exp.paren(exp.not_(exp.or_(_call("IS_NAN", x.copy()), _call("IS_INF", x.copy()))))
    )


def _us_day(text: exp.Expr, dialect: str) -> exp.Expr:
    """The day of M/D/YYYY."""
    if dialect == "spark":
        return _call("TRY_TO_TIMESTAMP", text, "M/d/yyyy")
    if dialect in TRINO:
        return _call("TRY", _call("DATE_PARSE", text, "%c/%e/%Y"))
    return exp.SafeFunc(this=_call("PARSE_DATETIME", "%m/%d/%Y", text))


def _first(node: exp.SplitPart, dialect: str) -> exp.Expr:
    """What stands before the first separator, in BigQuery, which has no SPLIT_PART."""
    if dialect != "bigquery":
        return node
    return _call("REGEXP_EXTRACT", node.this, f"^[^{node.args['delimiter'].name}]*")


def _contains(node: exp.Contains, dialect: str) -> exp.Expr:
    """Exactly, not as words are found: BigQuery's CONTAINS_SUBSTR folds case."""
    if node.expression.name == "_":
        return exp.RegexpLike(this=node.this, expression=exp.Literal.string(NOT_AN_AMOUNT))
    if dialect == "spark":
        return node
    return exp.paren(exp.GT(this=_call("STRPOS", node.this, node.expression), expression=exp.Literal.number(0)))


def _differ(node: exp.NEQ, dialect: str) -> exp.Expr:
    """least(…) <> greatest(…) of the values that are there: elsewhere one null makes both null."""
    if not isinstance(node.this, exp.Least) or dialect == "spark":
        return node
    values = [node.this.this, *node.this.expressions]
    pairs = [exp.NEQ(this=one.copy(), expression=other.copy()) for one, other in combinations(values, 2)]
    return exp.paren(exp.or_(*pairs))


def _joined(node: exp.ConcatWs, dialect: str) -> exp.Expr:
    separator, *texts = node.expressions
    if dialect == "bigquery":
        return _call("ARRAY_TO_STRING", exp.Array(expressions=texts), separator)
    return _call("CONCAT_WS", separator, *texts)


def _character(node: exp.Chr, dialect: str) -> exp.Expr:
    """BigQuery's CHR(0) is an empty text."""
    if dialect != "bigquery":
        return _call("CHR", *node.expressions)
    (code,) = node.expressions
    return _call("CODE_POINTS_TO_STRING", exp.Array(expressions=[code]))


def _cut(node: exp.TimestampTrunc, dialect: str) -> exp.Expr:
    """Days are cut to their month, times to their hour."""
    if node.args["unit"].name == "HOUR":
        return node
    return exp.DateTrunc(this=node.this, unit=exp.Literal.string(node.args["unit"].name))  # type: ignore[no-untyped-call]


def _pattern(text: str) -> str:
    """A dollar is the end of the text, not of its last line."""
    return re.sub(r"(?<![\\\[])\$", r"\\z", text)


def _matches(node: exp.RegexpLike, dialect: str) -> exp.Expr:
    node.expression.replace(exp.Literal.string(_pattern(node.expression.name)))
    return node


def _replaced(node: exp.RegexpReplace, dialect: str) -> exp.Expr:
    """Patterns here match once or are meant for all, so that 'g' makes no difference."""
    flags = node.args["modifiers"].name if node.args.get("modifiers") else ""
    pattern = _pattern(node.expression.name)
    put = node.args["replacement"].name
    if dialect != "bigquery":
        put = re.sub(r"\\(\d)", r"$\1", put)
    return _call("REGEXP_REPLACE", node.this, "(?i)" * ("i" in flags) + pattern, put)


def _cast(node: exp.Cast, dialect: str) -> exp.Expr:
    """Of casts: days of times, times of texts, JSON as a map, JSON texts."""
    inner = node.this
    if is_cast(node, "date") and isinstance(inner, exp.TryCast) and inner.to.is_type("timestampntz"):
        return exp.TryCast(this=inner.this, to=node.to, safe=True)  # by way of a time some engines round
    if is_cast(node, "timestamptz") and isinstance(node, exp.TryCast) and dialect in TRINO:
        iso = "TRY(from_iso8601_timestamp(regexp_replace(replace(x, ' UTC', 'Z'), '^(.{10}) ', '$1T')))"
        return exp.AtTimeZone(this=phrase(iso, {"x": inner}), zone=exp.Literal.string("UTC"))
    if dialect == "bigquery" and isinstance(node, exp.TryCast) and node.to.is_type("bigdecimal"):
        return _call("ROUND", node, exp.Literal.number(scale)) if (scale := node.to.meta.get("scale")) else node
    if is_cast(node, "timestamptz") and isinstance(node, exp.TryCast) and dialect == "spark":
        is_iso = exp.RegexpLike(this=inner.copy(), expression=exp.Literal.string(f"\\A{ISO}\\z"))
        return exp.case().when(is_iso, node)
    if isinstance(inner, exp.Anonymous) and inner.name.lower() == "to_json" and node.to.is_type("text"):
        return _json_text(inner.expressions[0], dialect)
    return node


def _table(node: exp.CTE, dialect: str) -> exp.Expr:
    """BigQuery has no VALUES and no names of columns before AS: a table of constants is an array of records."""
    values = node.this.find(exp.Values)
    if dialect != "bigquery" or values is None:
        return node
    names = [column.name for column in node.args["alias"].columns]
    first, *rest = [list(row.expressions) for row in values.expressions]
    records = [exp.Struct(expressions=[exp.alias_(value, name) for value, name in zip(first, names, strict=True)])]
    records += [exp.Struct(expressions=row) for row in rest]
    table = exp.Unnest(expressions=[exp.Array(expressions=records)])
    return exp.CTE(this=exp.select(exp.Star()).from_(table), alias=exp.TableAlias(this=node.args["alias"].this))


def labels_of(text: exp.Expr, dialect: str) -> exp.Expr:
    """Labels of a JSON object and nothing after it, null where the text is none or says a key twice."""
    if dialect == "bigquery":
        parsed = exp.SafeFunc(this=exp.ParseJSON(this=text))
        is_object = exp.EQ(this=_call("JSON_TYPE", parsed), expression=exp.convert("object"))
        return exp.case().when(is_object, parsed.copy())
    if dialect != "spark":
        return phrase("TRY(CAST(json_parse(x) AS MAP(VARCHAR, VARCHAR)))", {"x": text})
    lists = sqlglot.parse_one(
        "from_json(concat('[', x, ']'), 'array<map<string,string>>', "
        "map('allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false'))",
        read="spark",
    )
    once = sqlglot.parse_one(
        "CASE WHEN size(l) = 1 THEN try_element_at("
        "filter(l, m -> size(map_keys(m)) = size(array_distinct(map_keys(m)))), 1) END",
        read="spark",
    )
    for column in list(once.find_all(exp.Column)):
        if column.name == "l":
            column.replace(lists.copy())
    for column in list(once.find_all(exp.Column)):
        if column.name == "x":
            column.replace(text.copy())
    return once


def _json_text(value: exp.Expr, dialect: str) -> exp.Expr:
    """The JSON of a text; of anything else as the engine writes it."""
    if dialect == "bigquery":
        return phrase("CASE WHEN x IS NOT NULL THEN TO_JSON_STRING(x) END", {"x": value})
    if dialect in TRINO:
        return _call("JSON_FORMAT", exp.cast(value, "json"))
    if isinstance(value, exp.Column):
        return _call("TO_JSON", value)
    listed = _call("TO_JSON", _call("ARRAY", value))
    return phrase("CASE WHEN x IS NOT NULL THEN substring(l, 2, length(l) - 2) END", {"x": value, "l": listed})


def _of_key(node: exp.Bracket, dialect: str) -> exp.Expr:
    """The value of a label: null where it has none. BigQuery keeps a map of Parquet as records, JSON as JSON."""
    (key,) = node.expressions
    if dialect == "spark" or not key.is_string:
        return node
    if dialect in TRINO:
        return _call("ELEMENT_AT", node.this, key)
    if not (isinstance(node.this, exp.Column) and node.this.this.quoted):
        return _call("LAX_STRING", node)
    records = sqlglot.parse_one("SELECT value FROM UNNEST(m.key_value) WHERE key = k LIMIT 1", read="bigquery")
    for column in list(records.find_all(exp.Column)):
        if column.table == "m":
            column.replace(exp.Dot.build([node.this.copy(), exp.to_identifier("key_value")]))
        elif column.name == "k":
            column.replace(key.copy())
    return exp.paren(records)


def _decimal(node: exp.DataType, dialect: str) -> exp.Expr:
    """BigQuery's NUMERIC has nine decimals, and a cast names none."""
    if dialect != "bigquery" or not node.is_type("decimal"):
        return node
    said = exp.DataType(this=exp.DataType.Type.BIGDECIMAL)
    said.meta["scale"] = node.expressions[1].name
    return said


RULES: Mapping[type[exp.Expr], Callable[[Any, str], exp.Expr]] = {
    exp.Anonymous: _function,
    exp.CTE: _table,
    exp.Bracket: _of_key,
    exp.Cast: _cast,
    exp.Chr: _character,
    exp.ConcatWs: _joined,
    exp.Contains: _contains,
    exp.DataType: _decimal,
    exp.NEQ: _differ,
    exp.RegexpLike: _matches,
    exp.RegexpReplace: _replaced,
    exp.SplitPart: _first,
    exp.TimestampTrunc: _cut,
    exp.TryCast: _cast,
}
