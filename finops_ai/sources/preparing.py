"""What a query says twice or at length, worked out once below the SELECT that uses it: costs from doubles, labels."""

from __future__ import annotations

from sqlglot import exp

from finops_ai.sources.mapping import DOUBLE_COST
from finops_ai.sources.wording import is_cast, labels_of, phrase, plain_type

WHOLE = "4503599627370496E0"
"""2**52: doubles from here on are whole."""
HIGH = "17592186044416"
"""2**44: a whole double below 1e32 is two integers of 64 bits, one that counts these and the rest."""


def prepared(tree: exp.Query, dialect: str) -> exp.Query:
    """What is read several times or takes much saying, worked out once in a SELECT below the one that uses it.

    Costs that are doubles become decimals as DuckDB's TRY_CAST makes them: x·1e12 as a double, half away from zero.
    Other engines go by way of the shortest decimal text, which differs in the last decimals of large amounts.
    """
    for select in list(tree.find_all(exp.Select)):
        names: dict[str, str] = {}
        lower: list[exp.Expr] = [exp.Star()]
        upper: list[exp.Expr] = [exp.Star()]
        for cast in list(select.find_all(exp.TryCast)):
            is_labels = cast.to.is_type("map") and is_cast(cast.this, "json")
            if not is_labels and cast.to.sql("duckdb") != plain_type(DOUBLE_COST):
                continue
            number = len(names)
            name = names.setdefault(cast.sql("duckdb"), f"{'labels' if is_labels else 'cost'}_{number}")
            if len(names) > number and is_labels:
                lower.append(exp.alias_(labels_of(cast.this.this, dialect), name))
            elif len(names) > number:
                lower.append(exp.alias_(_scaled(cast.this), f"scaled_{number}"))
                upper.append(exp.alias_(_whole_to_cost(f"scaled_{number}"), name))
            cast.replace(exp.column(name))
        source = select.args["from_"].this if select.args.get("from_") else None
        for columns in (lower, upper):
            if source is not None and len(columns) > 1:
                below = exp.select(*columns).from_(source.copy()).subquery("part")
                source.replace(below)
                source = below
    return tree


def _scaled(cost: exp.Expr) -> exp.Expr:
    size = "abs(x * 1e12)"
    below = f"CAST(floor({size}) AS DOUBLE)"
    rounded = f"{below} + CASE WHEN {size} - {below} >= 5E-1 THEN 1E0 ELSE 0E0 END"
    return phrase(f"sign(x) * CASE WHEN {size} < {WHOLE} THEN {rounded} ELSE {size} END", {"x": cost})


def _whole_to_cost(name: str) -> exp.Expr:
    unit = "CAST('0.000000000001' AS DECIMAL(12, 12))"
    count = f"CAST(CAST(floor(x / {HIGH}E0) AS BIGINT) AS DECIMAL(19, 0)) * CAST({HIGH} AS DECIMAL(14, 0))"
    rest = f"CAST(CAST(x - CAST(floor(x / {HIGH}E0) AS DOUBLE) * {HIGH}E0 AS BIGINT) AS DECIMAL(19, 0))"
    small = f"CAST(CAST(CAST(x AS BIGINT) AS DECIMAL(19, 0)) * {unit} AS {DOUBLE_COST})"
    large = f"CAST(({count} + {rest}) * {unit} AS {DOUBLE_COST})"
    return phrase(f"CASE WHEN abs(x) < 9E18 THEN {small} WHEN abs(x) < 1E32 THEN {large} END", {"x": exp.column(name)})
