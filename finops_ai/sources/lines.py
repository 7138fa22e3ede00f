"""SQL over every line of a delivery: typed columns, the check of each value, and lines alike added up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date

from finops_ai.domain import focus
from finops_ai.sources.mapping import COST, Cell, LineMapping, quoted, text_literal
from finops_ai.sources.shapes import Shape, json_map

FIRST_DAY, END_DAY = "DATE '2000-01-01'", "DATE '2100-01-01'"
"""A charge outside these days is a mistake of the file, not a charge."""

BAD_COST, MALFORMED_LABELS, FIRST_NULL = 1, 2, 4
"""Bits of `flags`: one key is cheaper to group by than many booleans."""

NUL = "replace({0}, chr(0), '\N{REPLACEMENT CHARACTER}')"
"""PostgreSQL has no text with a NUL in it."""


def lines(shapes: Sequence[Shape], mapping: LineMapping, period: date | None) -> str:
    """One row per line: the columns of the mapping, `flags`, `outside`, the labels kept, and where the line stands.

    `period` leaves out lines of other billing periods, but not those that name none: they would be nobody's.
    """
    derived = "".join(f", {sql} AS {name}" for name, sql in mapping.derived.items())
    where = mapping.only
    if period and mapping.period:
        day = mapping.period
        where = f"({where}) AND (date_trunc('month', {day}) = DATE '{period}' OR {bad_day(day)})"
    return f"SELECT *, coalesce({mapping.outside}, FALSE) AS outside{derived} FROM typed WHERE {where}"


def typed(shapes: Sequence[Shape], mapping: LineMapping) -> str:
    """What `lines` reads: every line of every shape with the columns of the mapping in their types."""
    return " UNION ALL ".join(_typed(shape, shapes, mapping) for shape in shapes)


def grouped(shapes: Sequence[Shape], mapping: LineMapping) -> str:
    """Lines that differ in money alone, added up. Only columns that some file has are read."""
    keys = [name for name in (*mapping.text, *mapping.days) if _present(name, shapes)]
    keys += [*mapping.derived, *(name for _, name, _ in _labels(shapes)), "flags"]
    keys += ["collision"] if _may_collide(shapes) else []
    sums = [f"CAST(sum({name}) AS {COST}) AS {name}" for name in mapping.money if _present(name, shapes)]
    return f"SELECT {', '.join([*keys, *sums])}, count(*) AS line_items FROM lines WHERE NOT outside GROUP BY ALL"


def single(shapes: Sequence[Shape], mapping: LineMapping) -> str:
    """`grouped` where every line is a group of its own, with `origin`: all that the line says."""
    keys = [name for name in (*mapping.text, *mapping.days, *mapping.money) if _present(name, shapes)]
    keys += [*mapping.derived, *(name for _, name, _ in _labels(shapes)), "flags"]
    keys += ["collision"] if _may_collide(shapes) else []
    said = {name: f"CASE WHEN {name} NOT IN ({nulls(mapping)}) THEN {name} END" for name in mapping.texts}
    said |= {name: name for name in (*mapping.money, "all_tags")}
    said |= {name: f"CAST({quoted('raw ' + name)} AS VARCHAR)" for name in mapping.days}
    origin = ", ".join(f"{text_literal(name)}: {sql}" for name, sql in said.items())
    return f"SELECT {', '.join(keys)}, 1 AS line_items, {{{origin}}} AS origin FROM lines WHERE NOT outside"


def groups(shapes: Sequence[Shape], mapping: LineMapping, origin: str = "NULL") -> str:
    """Grouped lines with every column that the mapping asks for, null where the text means null."""
    columns = [
        f"CASE WHEN {name} NOT IN ({nulls(mapping)}) THEN {name} END AS {name}"
        if _present(name, shapes)
        else f"CAST(NULL AS VARCHAR) AS {name}"
        for name in mapping.text
    ]
    columns += [name if _present(name, shapes) else f"CAST(NULL AS DATE) AS {name}" for name in mapping.days]
    columns += mapping.derived
    for name in mapping.money:
        if not _present(name, shapes):
            columns.append(f"CAST({'NULL' if name in mapping.null_money else '0'} AS {COST}) AS {name}")
        elif name in mapping.null_money:
            columns.append(f"CASE WHEN {_flag(_null_bit(name, mapping))} THEN NULL ELSE {name} END AS {name}")
        else:
            columns.append(f"coalesce({name}, 0) AS {name}")
    columns += ["line_items", "flags", f"{_flag(MALFORMED_LABELS)} AS malformed_labels", f"{origin} AS origin"]
    columns.append("collision" if _may_collide(shapes) else "CAST(NULL AS VARCHAR) AS collision")
    columns += [f"{_json(shapes, kind)} AS {name}" for kind, name in (("tag", "tags"), ("category", "cost_categories"))]
    return f"SELECT {', '.join(columns)} FROM grouped"


def raw(mapping: LineMapping) -> str:
    """Groups that can be booked: what the mapping reads."""
    return f"SELECT * FROM groups WHERE NOT ({rejected(mapping)})"


def charged(mapping: LineMapping, *more: str) -> str:
    """Charges as the mapping tells them; every dimension becomes text that any database takes, '' for null.

    `more` are columns of the mapping's SQL to hand on.
    """
    text = NUL.format("coalesce(CAST({0} AS VARCHAR), '')") + " AS {0}"
    columns = [text.format(name) for name in focus.DIMENSIONS]
    columns += ["day", *focus.MEASURES, "line_items", "problem", *more]
    return f"SELECT {', '.join(columns)} FROM ({mapping.sql.read_text(encoding='utf-8')}) AS charges"


def charge(mapping: LineMapping) -> str:
    """Charges alike in all but money, added up: what a scan brings home."""
    when = "CAST(day AS DATE) AS day, CAST(hour(day) AS INTEGER) AS hour" if mapping.by_hour else "day"
    sums = [f"CAST(sum({name}) AS {COST}) AS {name}" for name in focus.MEASURES]
    sums.append("CAST(sum(line_items) AS BIGINT) AS line_items")
    return f"SELECT {', '.join([*focus.DIMENSIONS, when, *sums, 'problem'])} FROM charged GROUP BY ALL"


def collided(mapping: LineMapping) -> str:
    """Groups on which spellings of one key say different things."""
    return (
        f"SELECT collision, {mapping.currency} AS currency, CAST(sum(line_items) AS BIGINT) AS line_items, "
        f"CAST(sum({mapping.billed}) AS {COST}) AS billed FROM raw WHERE collision IS NOT NULL GROUP BY ALL"
    )


def chain(shapes: Sequence[Shape], mapping: LineMapping, period: date | None) -> dict[str, str]:
    """Every step from the lines to the cube, by the name under which the next ones read it."""
    return {
        "typed": typed(shapes, mapping),
        "lines": lines(shapes, mapping, period),
        "grouped": grouped(shapes, mapping),
        "groups": groups(shapes, mapping),
        "raw": raw(mapping),
        "charged": charged(mapping),
        "charge": charge(mapping),
    }


def rejected(mapping: LineMapping) -> str:
    """Predicate over lines and over groups: what they say cannot be booked."""
    texts = [name for name in mapping.text if name in mapping.filled]
    days = [name for name in mapping.days if name in mapping.filled]
    return " OR ".join(
        [_flag(BAD_COST), *(says_nothing(name, mapping) for name in texts), *(bad_day(name) for name in days)]
    )


def bad_day(name: str) -> str:
    return f"({name} IS NULL OR {name} < {FIRST_DAY} OR {name} >= {END_DAY})"


def says_nothing(sql: str, mapping: LineMapping) -> str:
    return f"({sql} IS NULL OR {sql} IN ({nulls(mapping)}))"


def nulls(mapping: LineMapping) -> str:
    return ", ".join(text_literal(word) for word in mapping.nulls)


def _typed(shape: Shape, shapes: Sequence[Shape], mapping: LineMapping) -> str:
    """One SELECT for the parts of one shape; a column that is absent is null."""
    cells = {name: shape.cells.get(name, Cell(name, "NULL", "VARCHAR")) for name in mapping.columns}
    columns = [f"{_text(cells[name], name, mapping)} AS {name}" for name in mapping.texts]
    columns += [f"{_instant(cells[name], mapping)} AS {name}" for name in mapping.days]
    columns += [f"{cells[name].as_cost()} AS {name}" for name in mapping.money]
    columns.append(f"{_flags(shape, mapping)} AS flags")
    for key, name, kind in _labels(shapes):
        spellings = (shape.tags if kind == "tag" else shape.cost_categories).get(key, ())
        columns.append(f"coalesce({', '.join([*_values(spellings), 'CAST(NULL AS VARCHAR)'])}) AS {name}")
    columns.append(f"{_collision(shape)} AS collision")
    columns += [f"{shape.all_tags} AS all_tags"] if mapping.detail else []
    columns += ["part_file", "file_row_number AS part_row"]
    columns += [
        f"CAST({cells[name].sql} AS VARCHAR) AS {quoted('raw ' + name)}" for name in (*mapping.money, *mapping.days)
    ]
    return f"SELECT {', '.join(columns)} FROM {shape.source}"


def _instant(cell: Cell, mapping: LineMapping) -> str:
    if mapping.by_hour:
        return f"CAST({cell.as_hour(us_dates=mapping.us_dates)} AS TIMESTAMP)"
    return f"CAST({cell.as_day(us_dates=mapping.us_dates)} AS DATE)"


def _text(cell: Cell, name: str, mapping: LineMapping) -> str:
    text = f"CAST({cell.sql} AS VARCHAR)"
    return mapping.cleaned[name].format(text) if name in mapping.cleaned else text


def _flags(shape: Shape, mapping: LineMapping) -> str:
    bad = " OR ".join(_bad_cost(cell, name, mapping) for name, cell in shape.cells.items() if name in mapping.money)
    flags = [f"CASE WHEN {bad} THEN {BAD_COST} ELSE 0 END"]
    for column in shape.json:
        broken = f"{column.sql} NOT IN ({nulls(mapping)}) AND {json_map(column, mapping.nulls)} IS NULL"
        flags.append(f"CASE WHEN {broken} THEN {MALFORMED_LABELS} ELSE 0 END")
    for name in sorted(mapping.null_money):
        cost = shape.cells[name].as_cost() if name in shape.cells else "NULL"
        flags.append(f"CASE WHEN {cost} IS NULL THEN {_null_bit(name, mapping)} ELSE 0 END")
    return " | ".join(flags)


def _bad_cost(cell: Cell, name: str, mapping: LineMapping) -> str:
    """Predicate: the file says something here that is no cost, or nothing where it must."""
    bad = cell.is_no_cost(nulls(mapping))
    return f"({bad} OR {cell.as_cost()} IS NULL)" if name in mapping.filled else bad


def _flag(bit: int) -> str:
    return f"(flags & {bit} <> 0)"


def _null_bit(name: str, mapping: LineMapping) -> int:
    return FIRST_NULL << sorted(mapping.null_money).index(name)


def _present(name: str, shapes: Sequence[Shape]) -> bool:
    return any(name in shape.cells for shape in shapes)


def _labels(shapes: Sequence[Shape]) -> Iterator[tuple[str, str, str]]:
    """Canonical key, column and kind of every label kept."""
    for kind in ("tag", "category"):
        of_kind = [shape.tags if kind == "tag" else shape.cost_categories for shape in shapes]
        for number, key in enumerate(sorted({key for labels in of_kind for key in labels})):
            yield key, f"{kind}_{number}", kind


def _values(spellings: Sequence[tuple[str, str]]) -> list[str]:
    return [f"nullif({sql}, '')" for _, sql in spellings]


def _may_collide(shapes: Sequence[Shape]) -> bool:
    return any(
        len(spellings) > 1
        for shape in shapes
        for labels in (shape.tags, shape.cost_categories)
        for spellings in labels.values()
    )


def _collision(shape: Shape) -> str:
    """What to say where spellings of one key carry different values on a line; null elsewhere."""
    cases = []
    for labels in (shape.tags, shape.cost_categories):
        for key, spellings in labels.items():
            if len(spellings) > 1:
                values = ", ".join(_values(spellings))
                said = f"{' and '.join(repr(raw) for raw, _ in spellings)} are both {key!r}"
                cases.append(f"WHEN least({values}) <> greatest({values}) THEN {text_literal(said)}")
    return f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS VARCHAR)"


def _json(shapes: Sequence[Shape], kind: str) -> str:
    """SQL for a JSON object of the labels that say something, keys in order."""
    members = [
        f"{text_literal(json.dumps(key, ensure_ascii=False) + ':')} || CAST(to_json({NUL.format(name)}) AS VARCHAR)"
        for key, name, of_kind in _labels(shapes)
        if of_kind == kind
    ]
    return f"'{{' || concat_ws(',', {', '.join(members)}) || '}}'" if members else "'{}'"
