"""Hourly usage: each source's newest reading (whole, or of each day), earlier ones kept until pruned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.usage import WHOLE_POD, ContainerUsage, GpuUsage, NetworkUsage, Usage, VolumeUsage, Workload
from finops_ai.ledger import bulk, usage_tables
from finops_ai.ledger.connect import driver_errors, psycopg_connection
from finops_ai.ledger.tables import container, container_hour, usage_delivery
from finops_ai.ledger.usage_tables import WORKLOAD

if TYPE_CHECKING:
    import pyarrow as pa

RECENT_DAYS = 30
"""How far back the nouns are read by default; sources that tell all they know at once are read whole."""

KEY = ("usage_delivery_id", "number")
COUNTED = ("restarts", "oom_kills")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A noun and its two tables: what holds for all its hours, and its hours."""

    noun: type[Usage]
    head: sa.Table
    hours: sa.Table

    @property
    def told(self) -> tuple[str, ...]:
        """Columns of the head."""
        return tuple(column.name for column in self.head.c if column.name not in KEY)

    @property
    def hourly(self) -> tuple[str, ...]:
        """Columns with a figure for each hour."""
        return tuple(column.name for column in self.hours.c if column.name not in (*KEY, "hour", "pod"))

    @property
    def by_pod(self) -> bool:
        return "pod" in self.hours.c


KEPT = (
    Kept(noun=ContainerUsage, head=container, hours=container_hour),
    Kept(noun=GpuUsage, head=usage_tables.gpu, hours=usage_tables.gpu_hour),
    Kept(noun=VolumeUsage, head=usage_tables.volume, hours=usage_tables.volume_hour),
    Kept(noun=NetworkUsage, head=usage_tables.network, hours=usage_tables.network_hour),
)


def replace(
    engine: sa.Engine,
    source: str,
    fingerprint: str,
    usages: Sequence[Usage],
    known_at: datetime,
    day: date | None = None,
) -> None:
    """Keep a reading; from `known_at` on it is the source's answer, for `day` or at all. One transaction.

    Raises Malformed when the tables refuse a value and Unavailable when the server is lost.
    """
    values = {"source": source, "fingerprint": fingerprint, "day": day, "known_at": known_at}
    added = sa.insert(usage_delivery).values(values).returning(usage_delivery.c.id)
    with engine.begin() as connection, driver_errors(engine):
        id = connection.execute(added).scalar_one()
        driver = psycopg_connection(connection)
        for kept in KEPT:
            mine = [usage for usage in usages if isinstance(usage, kept.noun)]
            if mine:
                rows = ((id, i, *(_told(usage, name) for name in kept.told)) for i, usage in enumerate(mine))
                bulk.copy_rows(driver, kept.head.name, (*KEY, *kept.told), rows)
                bulk.copy_arrow(driver, kept.hours.name, _hours(kept, id, mine))


def usages(engine: sa.Engine, as_of: datetime, days: int = RECENT_DAYS) -> list[ContainerUsage]:
    """The containers known at `as_of`, by source, then as they were given; hours in order of time and pod.

    Of sources that are read by day, the last `days` count. Pods that are told as a whole only are left out.
    """
    return [one for one in _nouns(engine, KEPT[0], as_of, days) if one.container != WHOLE_POD]


def gpus(engine: sa.Engine, as_of: datetime, days: int = RECENT_DAYS) -> list[GpuUsage]:
    """The GPUs and MIG slices known at `as_of`, by holder; hours in order of time."""
    return list(_nouns(engine, KEPT[1], as_of, days))


def volumes(engine: sa.Engine, as_of: datetime, days: int = RECENT_DAYS) -> list[VolumeUsage]:
    """The volume claims known at `as_of`; hours in order of time."""
    return list(_nouns(engine, KEPT[2], as_of, days))


def networks(engine: sa.Engine, as_of: datetime, days: int = RECENT_DAYS) -> list[NetworkUsage]:
    """The pods' networks known at `as_of`, by workload; hours in order of time and pod."""
    return list(_nouns(engine, KEPT[3], as_of, days))


def known_usage(engine: sa.Engine, source: str, as_of: datetime) -> dict[date | None, str]:
    """Fingerprints of a source's newest readings known at `as_of`, by the day that they tell of (None: of all)."""
    with engine.connect() as connection:
        return {row.day: row.fingerprint for row in in_force(connection, as_of) if row.source == source}


def in_force(connection: sa.Connection, as_of: datetime) -> Sequence[Any]:
    """The readings that answer at `as_of` (id, source, day, fingerprint), by source and day.

    For each source: its newest reading where that told everything, else the newest of each day.
    """
    read = usage_delivery.c
    newest = (read.known_at.desc(), read.id.desc())
    by_day = sa.func.first_value(read.day.is_not(None)).over(partition_by=read.source, order_by=newest)
    known = sa.select(*read, by_day.label("by_day")).where(read.known_at <= as_of).subquery()
    latest = (
        sa.select(known.c.id, known.c.source, known.c.day, known.c.fingerprint)
        .where(known.c.day.is_not(None) == known.c.by_day)
        .ext(pg.distinct_on(known.c.source, known.c.day))
        .order_by(known.c.source, known.c.day, known.c.known_at.desc(), known.c.id.desc())
    )
    return connection.execute(latest).all()


def prune(engine: sa.Engine, before: datetime) -> int:
    """Drop the readings that were superseded before that instant, and days before it; how many."""
    newer = usage_delivery.alias()
    superseded = sa.exists().where(*_supersedes(newer), newer.c.known_at <= before)
    with engine.begin() as connection:
        dropped = sa.delete(usage_delivery).where(superseded | (usage_delivery.c.day < before.date()))
        return connection.execute(dropped).rowcount


def thin(engine: sa.Engine, before: datetime) -> int:
    """Of readings of one day by the same source that became known on one UTC day before `before`, keep the last.

    A day is read again with each of its hours; what was known at the end of every day can still be asked for.
    """
    newer = usage_delivery.alias()
    same_day = sa.cast(newer.c.known_at, sa.Date) == sa.cast(usage_delivery.c.known_at, sa.Date)
    superseded = sa.exists().where(*_supersedes(newer), same_day)
    old = (usage_delivery.c.known_at < before, usage_delivery.c.day.is_not(None))
    with engine.begin() as connection:
        return connection.execute(sa.delete(usage_delivery).where(*old, superseded)).rowcount


def _supersedes(newer: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    mine = usage_delivery.c
    return (
        newer.c.source == mine.source,
        newer.c.day.is_not_distinct_from(mine.day),
        sa.tuple_(newer.c.known_at, newer.c.id) > sa.tuple_(mine.known_at, mine.id),
    )


def _told(usage: Usage, name: str) -> Any:
    """A figure of the head; of what no workload holds, the names that are known all the same, else ''."""
    if name not in WORKLOAD:
        return getattr(usage, name)
    return getattr(usage.workload, name) if usage.workload else getattr(usage, name, "")


def _hours(kept: Kept, id: int, usages: Sequence[Any]) -> pa.Table:
    import pyarrow as pa

    numbers = [np.full(len(usage.hours), number) for number, usage in enumerate(usages)]
    hours = [hour for usage in usages for hour in usage.hours]
    columns = {
        "usage_delivery_id": pa.repeat(id, len(hours)),
        "number": np.concatenate([np.empty(0, dtype=np.int64), *numbers]),
        "hour": pa.array(hours, pa.timestamp("us", tz="UTC")),
    }
    if kept.by_pod:
        columns["pod"] = pa.array([pod for usage in usages for pod in usage.pods], pa.string())
    for name in kept.hourly:
        columns[name] = pa.chunked_array([_figures(getattr(usage, name), len(usage.hours)) for usage in usages])
    return pa.table(columns)


def _figures(values: Any, length: int) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(length, pa.float64()) if values is None else pa.array(values, pa.float64(), from_pandas=False)


def _nouns(engine: sa.Engine, kept: Kept, as_of: datetime, days: int) -> Iterator[Any]:
    key = tuple(kept.hours.c[name] for name in KEY)
    order = [kept.hours.c.hour, *([kept.hours.c.pod] if kept.by_pod else [])]
    names = [column.name for column in order] + list(kept.hourly)
    packed = (sa.func.array_agg(pg.aggregate_order_by(kept.hours.c[name], *order)).label(name) for name in names)
    since = as_of.date() - timedelta(days=days)
    with engine.connect() as connection:
        readings = {row.id: row for row in in_force(connection, as_of) if row.day is None or row.day >= since}
        ids = sa.bindparam(None, list(readings), sa.ARRAY(sa.BigInteger))
        heads = connection.execute(sa.select(kept.head).where(kept.head.c[KEY[0]] == sa.any_(ids))).all()
        hours = connection.execute(sa.select(*key, *packed).where(key[0] == sa.any_(ids)).group_by(*key)).all()
    hours_of = {(row.usage_delivery_id, row.number): row for row in hours}
    position = {id: number for number, id in enumerate(readings)}
    parts: dict[tuple[Any, ...], list[tuple[sa.Row[Any], sa.Row[Any] | None]]] = {}
    for head in sorted(heads, key=lambda row: (position[row.usage_delivery_id], row.number)):
        reading = readings[head.usage_delivery_id]
        # What a reading of everything tells twice stays apart; the days of one thing are put together.
        which: tuple[Any, ...] = (head.number,) if reading.day is None else tuple(_texts(kept, head))
        found = hours_of.get((head.usage_delivery_id, head.number))
        parts.setdefault((reading.source, *which), []).append((head, found))
    for pieces in parts.values():
        yield _noun(kept, pieces)


def _texts(kept: Kept, head: sa.Row[Any]) -> Iterable[str]:
    return (getattr(head, name) for name in kept.told if isinstance(kept.head.c[name].type, sa.Text))


def _noun(kept: Kept, pieces: Sequence[tuple[sa.Row[Any], sa.Row[Any] | None]]) -> Any:
    """One noun of its days: counts add up, of other figures the last counts."""
    last = pieces[-1][0]
    told = [hours for _, hours in pieces if hours is not None]
    known: dict[str, Any] = {name: getattr(last, name) for name in kept.told if name in kept.noun.__slots__}
    known |= {name: _counted([getattr(head, name) for head, _ in pieces]) for name in COUNTED if name in known}
    known["workload"] = Workload(last.cluster, last.namespace, last.kind, last.name) if last.kind else None
    known["hours"] = tuple(hour for hours in told for hour in hours.hour)
    if kept.by_pod:
        known["pods"] = tuple(pod for hours in told for pod in hours.pod)
    for name in kept.hourly:
        values = [value for hours in told for value in getattr(hours, name)]
        unknown = kept.hours.c[name].nullable and all(value is None for value in values)
        known[name] = None if unknown else np.array(values, dtype=np.float64)
    return kept.noun(**known)


def _counted(counts: Sequence[int | None]) -> int | None:
    """The sum of what was counted, None where nothing was."""
    told = [count for count in counts if count is not None]
    return sum(told) if told else None
