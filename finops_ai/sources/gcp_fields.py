"""The fields of Google Cloud's billing export, and the SQL that makes one flat line of a row in any layout of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finops_ai.sources.mapping import COST, Cell, plain, quoted, text_literal

PROMOTION = "PROMOTION"
"""Credits of this type are a form of payment; all others make the price lower."""
CREDIT_TYPES = (
    PROMOTION,
    "COMMITTED_USAGE_DISCOUNT",
    "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
    "DISCOUNT",
    "FEE_UTILIZATION_OFFSET",
    "FREE_TIER",
    "RESELLER_MARGIN",
    "SUBSCRIPTION_BENEFIT",
    "SUSTAINED_USAGE_DISCOUNT",
)

PLAIN = (
    "billing_account_id",
    "service.id",
    "service.description",
    "sku.id",
    "sku.description",
    "usage_start_time",
    "project.id",
    "project.name",
    "location.location",
    "location.region",
    "currency",
    "cost_type",
    "adjustment_info.type",
    "adjustment_info.mode",
    "consumption_model.description",
    "usage.unit",
    "usage.pricing_unit",
)
AMOUNTS = (
    "cost",
    "cost_at_list",
    "cost_at_effective_price_default",
    "usage.amount",
    "usage.amount_in_pricing_units",
)
REQUIRED = ("billing_account_id", "cost", "currency", "invoice.month", "usage_start_time")
IDENTITY = ("billing_account_id", "export_time", "usage_start_time", "usage_end_time", "sku.id", "project.id")
"""With the invoice month, the kind of cost and the labels: lines alike in these come from one append to the table, so
an extract has all of them or none. Times to the second: not every writer keeps more."""

LABEL = ("key", "value")
CREDIT = ("type", "amount")
OWNERS = {
    "labels": LABEL,
    "tags": (*LABEL, "inherited"),
    "project.labels": LABEL,
    "system_labels": LABEL,
}
"""Where labels stand, nearest to the resource first: the first that has a key gives its value."""


def flat_columns(columns: Mapping[str, Cell], extract: str) -> list[str]:
    """The columns of the flat file, leaving out what the part does not have."""
    cells = {name: cell for name in (*PLAIN, *AMOUNTS) if (cell := columns.get(plain(name)))}
    selected = [f"CAST({_said(name, cells)} AS VARCHAR) AS {quoted(name)}" for name in cells]
    if month := columns.get("invoicemonth"):
        text = f"CAST({month.sql} AS VARCHAR)"
        as_day = f"{text}[1:4] || '-' || {text}[5:6] || '-01'"
        is_month = f"regexp_matches({text}, '^\\d{{6}}$')"
        selected.append(f'CASE WHEN {is_month} THEN {as_day} ELSE {text} END AS "invoice.month"')
    selected += _credits(columns.get("credits"))
    merged, fault = _labels(columns)
    selected += [f"{merged} AS tags", f'{fault} AS "labels.fault"']
    return [*selected, f"{_identity(columns, merged)} AS identity", f"{text_literal(extract)} AS extract"]


def _said(name: str, cells: Mapping[str, Cell]) -> str:
    """SQL of a column. The base unit is read only where no other is told: byte-seconds of a bucket burst decimals."""
    priced = cells.get("usage.amount_in_pricing_units")
    if name == "usage.amount" and priced:
        return f"CASE WHEN {priced.sql} IS NULL THEN {cells[name].sql} END"
    return cells[name].sql


def _credits(cell: Cell | None) -> list[str]:
    """The credits of a line as two sums and the types among them, sorted."""
    if cell is None:
        return []
    found, bad = _array(cell, CREDIT)
    amount = f"CASE WHEN NOT contains(c.amount, '_') THEN TRY_CAST(c.amount AS {COST}) END"
    bad = f"({bad} OR coalesce(list_bool_or(list_transform({found}, lambda c: {amount} IS NULL)), FALSE))"
    raw = f"CAST({cell.sql if cell.type in ('VARCHAR', 'JSON') else f'to_json({cell.sql})'} AS VARCHAR)"
    sums = []
    for name, of_type in (("promotion", "="), ("discount", "IS DISTINCT FROM")):
        amounts = f"list_transform({found}, lambda c: CASE WHEN c.type {of_type} '{PROMOTION}' THEN {amount} END)"
        added = f"CAST(CAST(coalesce(list_sum({amounts}), 0) AS {COST}) AS VARCHAR)"
        sums.append(f'CASE WHEN {bad} THEN {raw} ELSE {added} END AS "credits.{name}"')
    types = f"list_sort(list_distinct(list_transform({found}, lambda c: coalesce(c.type, '(none)'))))"
    known = ", ".join(map(text_literal, CREDIT_TYPES))
    unknown = f"list_filter({types}, lambda t: t NOT IN ({known}))"
    return [
        *sums,
        f"array_to_string({types}, ',') AS \"credits.type\"",
        f"array_to_string({unknown}, ',') AS \"credits.unknown\"",
    ]


def _labels(columns: Mapping[str, Cell]) -> tuple[str, str]:
    """SQL for the map of all labels of a line, and for what is wrong with them."""
    found = {place: _array(cell, fields) for place, fields in OWNERS.items() if (cell := columns.get(plain(place)))}
    if not found:
        return "CAST(MAP {} AS MAP(VARCHAR, VARCHAR))", "NULL"
    lists = {place: sql for place, (sql, _) in found.items()}
    if "tags" in lists:  # bound to the resource itself before inherited ones
        bound, is_above = lists["tags"], "coalesce(e.inherited = 'true', FALSE)"
        ordered = [f"list_filter({bound}, lambda e: {condition})" for condition in (f"NOT {is_above}", is_above)]
        lists["tags"] = f"list_transform({' || '.join(ordered)}, lambda e: {{'key': e.key, 'value': e.value}})"
    every = f"list_concat({', '.join([*lists.values(), 'NULL'])})"
    keys = f"list_transform({every}, lambda e: e.key)"
    said = f"list_filter({every}, lambda e: e.key IS NOT NULL)"
    first = f"list_filter({said}, lambda e, i: list_position(list_transform({said}, lambda l: l.key), e.key) = i)"
    are_unique = f"len(list_distinct({keys})) = len({keys})"  # as nearly always, which saves most of the time
    merged = f"CASE WHEN {are_unique} THEN map_from_entries({every}) ELSE map_from_entries({first}) END"
    faults = [
        f"WHEN {bad} THEN {text_literal(f'{place} are no list of keys and values and were left out')}"
        for place, (_, bad) in found.items()
    ]
    faults.append(f"WHEN {are_unique} THEN NULL")
    for place, sql in lists.items():
        doubled = f"len(list_distinct({sql})) > len(list_distinct(list_transform({sql}, lambda e: e.key)))"
        faults.append(f"WHEN {doubled} THEN {text_literal(f'a key stands twice in {place}: the first value is taken')}")
    return f"coalesce({merged}, MAP {{}})", f"CASE {' '.join(faults)} END"


def _array(cell: Cell, fields: Sequence[str]) -> tuple[str, str]:
    """SQL for a repeated record as a list of structs of texts, and the predicate that it is none."""
    texts = ", ".join(f"{quoted(field)} VARCHAR" for field in fields)
    sql, element, kind = cell.sql, "e", duck_type(cell.type)
    if kind.id == "map":
        sql, there = f"map_entries({sql})", {"key", "value"}
    elif kind.id == "struct" and [name for name, _ in kind.children] == ["list"]:  # lists as BigQuery may write them
        inner, record = kind.children[0][1].children[0][1].children[0]
        sql, element, there = f"{sql}.list", f"e.{quoted(inner)}", {name for name, _ in record.children}
    elif str(kind) == f"STRUCT({texts})[]":
        return sql, "FALSE"
    elif kind.id == "list":
        record = kind.children[0][1]
        there = {name for name, _ in record.children} if record.id == "struct" else set()
    else:
        parsed = f"TRY_CAST(TRY_CAST({sql} AS JSON) AS STRUCT({texts})[])"
        return parsed, f"({sql} NOT IN ('', 'null') AND {parsed} IS NULL)"
    values = [
        f"{text_literal(field)}: " + (f"CAST({element}.{quoted(field)} AS VARCHAR)" if field in there else "NULL")
        for field in fields
    ]
    taken = f"list_transform({sql}, lambda e: {{{', '.join(values)}}})"
    return f"CAST({taken} AS STRUCT({texts})[])", "FALSE"


def _identity(columns: Mapping[str, Cell], labels: str) -> str:
    """SQL for what tells one append of lines from all others, as any format tells it."""
    cells = [columns.get(plain(name)) for name in IDENTITY]
    if not all(cells):
        return "CAST(NULL AS VARCHAR)"
    texts = [
        f"CAST(epoch_us(date_trunc('second', TRY_CAST({cell.sql} AS TIMESTAMPTZ))) AS VARCHAR)"
        if cell.name.endswith("_time")
        else f"CAST({cell.sql} AS VARCHAR)"
        for cell in [*filter(None, cells), *filter(None, (columns.get("invoicemonth"), columns.get("costtype")))]
    ]
    every = ", ".join([*(f"coalesce({text}, '')" for text in texts), f"CAST(to_json({labels}) AS VARCHAR)"])
    return f"md5(concat_ws(chr(31), {every}))"


def duck_type(text: str) -> Any:
    """DuckDB's type of that name; its stubs know too little of what it can be asked."""
    import duckdb

    return duckdb.sqltype(text)
