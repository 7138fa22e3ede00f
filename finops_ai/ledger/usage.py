"""Hourly container usage: each source's newest reading whole, earlier ones kept until pruned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.ledger import bulk
from finops_ai.ledger.connect import driver_errors, psycopg_connection
from finops_ai.ledger.tables import container, container_hour, usage_delivery

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("cluster", "namespace", "kind", "name", "container")
FIGURES = (
    "restarts",
    "oom_kills",
    "cpu_request_cores",
    "cpu_limit_cores",
    "memory_request_bytes",
    "memory_limit_bytes",
)
HOURLY = ("cpu_cores_avg", "cpu_cores_max", "memory_bytes_avg", "memory_bytes_max", "throttled_ratio")


def replace(
    engine: sa.Engine, source: str, fingerprint: str, usages: Sequence[ContainerUsage], known_at: datetime
) -> None:
    """Keep a reading; from `known_at` on it is the source's answer. One transaction.

    Raises Malformed when the tables refuse a value and Unavailable when the server is lost.
    """
    added = sa.insert(usage_delivery).values(source=source, fingerprint=fingerprint, known_at=known_at)
    with engine.begin() as connection, driver_errors(engine):
        id = connection.execute(added.returning(usage_delivery.c.id)).scalar_one()
        driver = psycopg_connection(connection)
        columns = ("usage_delivery_id", "number", *NAMES, *FIGURES)
        rows = (
            (id, number, *_names(usage), *(getattr(usage, f) for f in FIGURES)) for number, usage in enumerate(usages)
        )
        bulk.copy_rows(driver, "container", columns, rows)
        bulk.copy_arrow(driver, "container_hour", _hours(id, usages))


def usages(engine: sa.Engine, as_of: datetime) -> list[ContainerUsage]:
    """The readings known at `as_of`, by source, then as they were given; hours in order of time and pod."""
    latest = sa.select(usage_delivery.c.id).where(usage_delivery.c.known_at <= as_of)
    newest = (usage_delivery.c.source, usage_delivery.c.known_at.desc(), usage_delivery.c.id.desc())
    key = (container_hour.c.usage_delivery_id, container_hour.c.number)
    by_time = (container_hour.c.hour, container_hour.c.pod)
    packed = (
        sa.func.array_agg(pg.aggregate_order_by(container_hour.c[name], *by_time)).label(name)
        for name in ("hour", "pod", *HOURLY)
    )
    with engine.connect() as connection:
        ids = connection.scalars(latest.ext(pg.distinct_on(usage_delivery.c.source)).order_by(*newest)).all()
        containers = connection.execute(sa.select(container).where(container.c.usage_delivery_id.in_(ids))).all()
        hours = connection.execute(sa.select(*key, *packed).where(key[0].in_(ids)).group_by(*key)).all()
    hours_of = {(row.usage_delivery_id, row.number): row for row in hours}
    order = {id: position for position, id in enumerate(ids)}
    containers = sorted(containers, key=lambda row: (order[row.usage_delivery_id], row.number))
    return [_usage(row, hours_of.get((row.usage_delivery_id, row.number))) for row in containers]


def known_usage(engine: sa.Engine, source: str, as_of: datetime) -> str | None:
    """Fingerprint of a source's newest reading known at `as_of`."""
    newest = (usage_delivery.c.known_at.desc(), usage_delivery.c.id.desc())
    mine = (usage_delivery.c.source == source, usage_delivery.c.known_at <= as_of)
    chosen = sa.select(usage_delivery.c.fingerprint).where(*mine)
    with engine.connect() as connection:
        fingerprint: str | None = connection.scalar(chosen.order_by(*newest).limit(1))
    return fingerprint


def prune(engine: sa.Engine, before: datetime) -> int:
    """Drop the readings that were superseded before that instant; how many."""
    newer = usage_delivery.alias()
    superseded = sa.exists().where(
        newer.c.source == usage_delivery.c.source,
        newer.c.known_at <= before,
        sa.tuple_(newer.c.known_at, newer.c.id) > sa.tuple_(usage_delivery.c.known_at, usage_delivery.c.id),
    )
    with engine.begin() as connection:
        return connection.execute(sa.delete(usage_delivery).where(superseded)).rowcount


def _hours(id: int, usages: Sequence[ContainerUsage]) -> pa.Table:
    import pyarrow as pa

    numbers = [np.full(len(usage.hours), number) for number, usage in enumerate(usages)]
    hours = [hour for usage in usages for hour in usage.hours]
    columns = {
        "usage_delivery_id": pa.repeat(id, len(hours)),
        "number": np.concatenate([np.empty(0, dtype=np.int64), *numbers]),
        "hour": pa.array(hours, pa.timestamp("us", tz="UTC")),
        "pod": pa.array([pod for usage in usages for pod in usage.pods], pa.string()),
    }
    for name in HOURLY:
        columns[name] = np.concatenate([np.empty(0), *(getattr(usage, name) for usage in usages)])
    return pa.table(columns)


def _usage(row: sa.Row[Any], hours: sa.Row[Any] | None) -> ContainerUsage:
    known: dict[str, Any] = {name: getattr(row, name) for name in FIGURES}
    known |= {name: np.array(getattr(hours, name) if hours else [], dtype=np.float64) for name in HOURLY}
    return ContainerUsage(
        workload=Workload(row.cluster, row.namespace, row.kind, row.name),
        container=row.container,
        hours=tuple(hours.hour) if hours else (),
        pods=tuple(hours.pod) if hours else (),
        **known,
    )


def _names(usage: ContainerUsage) -> tuple[str, ...]:
    return (*(getattr(usage.workload, name) for name in ("cluster", "namespace", "kind", "name")), usage.container)
