"""The ledger's answer to "how much of it was used": hours, gaps, averages and peaks by any keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

import sqlalchemy as sa

from finops_ai.domain import gpu
from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import Days
from finops_ai.ledger.usage import in_force
from finops_ai.ledger.usage_rows import OWNER, RESOURCES, Resource
from finops_ai.ledger.usage_tables import gpu as devices

KEYS = tuple(dict.fromkeys([*OWNER, *(key for one in RESOURCES.values() for key in one.keys)]))
"""What usage can be grouped by; a key that a resource does not have is None there."""

FIGURES = ("average", "peak", "used", "reserved", "idle", "unused")

# `asked` is the time that could have samples; a group by day asks for its day of it.
QUERY = """
WITH told AS MATERIALIZED ({rows}),
asked AS (
    SELECT source AS of_source, tstzrange(
        coalesce(:start, date_trunc('hour', min(hour))), coalesce(:end, max(hour) + interval '1 hour')
    ) AS during
    FROM told GROUP BY source
),
grouped AS (
    SELECT {keys}
        tstzrange(min(lower(asked.during{of_day})), max(upper(asked.during{of_day}))) AS during,
        coalesce(
            range_agg(tstzrange(date_trunc('hour', hour), date_trunc('hour', hour) + interval '1 hour'))
                FILTER (WHERE average IS NOT NULL AND seen > 0),
            '{{}}'
        ) AS seen_during,
        sum(average * seen) / nullif(sum(seen) FILTER (WHERE average IS NOT NULL), 0) AS average,
        max(peak) AS peak, sum(used) AS used, sum(reserved) AS reserved, sum(idle) AS idle,
        CASE WHEN bool_or(unused IS NULL) THEN NULL ELSE sum(unused) END AS unused
    FROM told JOIN asked ON of_source = source
    GROUP BY {groups}
)
SELECT *, (SELECT coalesce(sum(extract(epoch FROM upper(part) - lower(part))), 0) / 3600
        FROM unnest(seen_during * tstzmultirange(during)) AS part)::integer AS hours,
    extract(epoch FROM upper(during) - lower(during)) / 3600 AS hours_asked,
    tstzmultirange(during) - seen_during AS gaps
FROM grouped
ORDER BY {order}
"""
OF_DAY = " * tstzrange(told.hour::date::timestamptz, (told.hour::date + 1)::timestamptz)"


TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "ids": sa.ARRAY(sa.BigInteger),
    "sources": sa.ARRAY(sa.Text),
    "start": sa.DateTime(timezone=True),
    "end": sa.DateTime(timezone=True),
    "by_container": sa.Boolean(),
    "models": sa.ARRAY(sa.Text),
    "profiles": sa.ARRAY(sa.Text),
    "fractions": sa.ARRAY(sa.Double),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """`days` None: from the first to the last hour that a source knows of a resource."""

    days: Days | None
    group_by: tuple[str, ...]
    resources: tuple[str, ...]
    as_of: datetime


def check(keys: Sequence[str], resources: Sequence[str]) -> None:
    """Raises UsageError for a key or a resource that is none."""
    for what, given, known in (("key", keys, KEYS), ("resource", resources, tuple(RESOURCES))):
        for one in given:
            if one not in known:
                close = difflib.get_close_matches(one, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
                raise UsageError(f"no {what} {one!r}; {hint}")


def sums(engine: sa.Engine, query: UsageQuery) -> list[dict[str, Any]]:
    """One mapping for each resource and group, in that order: `resource`, the keys, and its figures; None is unknown.

    `hours` have samples, `coverage` is their share of the hours asked for, `gaps` are the others as ISO 8601 intervals
    in UTC. `average` and `peak` are of one pod, device or claim in `unit`; `used`, `reserved`, `idle` and `unused` are
    sums in unit-hours, of whole devices where it is GPUs. `unused` is None as soon as a part of it is unknown.
    """
    check(query.group_by, query.resources)
    with engine.connect() as connection:
        readings = in_force(connection, query.as_of)
        bound = {
            "ids": [row.id for row in readings],
            "sources": [row.source for row in readings],
            "by_container": "container" in query.group_by,
            **_window(query),
            **_fractions(connection, [row.id for row in readings]),
        }
        return [row for name in query.resources for row in _sums(connection, RESOURCES[name], query.group_by, bound)]


def _sums(
    connection: sa.Connection, resource: Resource, group_by: Sequence[str], bound: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    columns = {**OWNER, **resource.keys}
    mine = [key for key in group_by if key in columns]
    numbers = ", ".join(str(place) for place, _ in enumerate(mine, start=1))
    statement = QUERY.format(
        rows=resource.rows,
        keys="".join(f'told.{columns[key]} AS "{key}", ' for key in mine),
        of_day=OF_DAY if "day" in mine else "",
        groups=numbers or "()",
        order=numbers or "1",
    )
    text = sa.text(statement)
    typed = text.bindparams(*(sa.bindparam(name, type_=TYPES[name]) for name in TYPES if f":{name}" in statement))
    given = {name: value for name, value in bound.items() if f":{name}" in statement}
    for row in connection.execute(typed, given).mappings():
        if not row["hours_asked"]:
            continue  # nothing is known of this resource
        yield {
            "resource": resource.name,
            **{key: row.get(key) for key in group_by},
            "unit": resource.unit,
            "hours": row["hours"],
            "hours_asked": int(row["hours_asked"]),
            "coverage": row["hours"] / float(row["hours_asked"]),
            **{name: row[name] for name in FIGURES},
            "gaps": [f"{_iso(gap.lower)}/{_iso(gap.upper)}" for gap in row["gaps"]],
        }


def _window(query: UsageQuery) -> dict[str, datetime | None]:
    """Start and end of the hours asked for; those that were not over at `as_of` are not asked for."""
    if query.days is None:
        return {"start": None, "end": None}
    start, end = (datetime.combine(day, time(), UTC) for day in (query.days.start, query.days.end))
    over = query.as_of.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return {"start": start, "end": max(start, min(end, over))}


def _fractions(connection: sa.Connection, ids: Sequence[int]) -> dict[str, list[Any]]:
    """Which part of a device each profile is, where that is known."""
    mine = devices.c.usage_delivery_id == sa.any_(sa.bindparam(None, list(ids), sa.ARRAY(sa.BigInteger)))
    kinds = connection.execute(sa.select(devices.c.model, devices.c.profile).where(mine).distinct()).all()
    known = [(model, profile, part) for model, profile in kinds if (part := gpu.fraction(model, profile)) is not None]
    return {
        "models": [model for model, _, _ in known],
        "profiles": [profile for _, profile, _ in known],
        "fractions": [float(part) for _, _, part in known],
    }


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
