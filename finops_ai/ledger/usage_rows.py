"""SQL of the hours of each resource, in one shape: who used it, how much was seen of it, reserved, idle and unused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from finops_ai.domain.usage import WHOLE_POD

GIB = 2.0**30
REST = "(rest)"
"""Profile of what is left of a device in MIG mode beside the slices that are told of."""

OWNER = {
    "source": "source",
    "day": "hour::date",
    "cluster": "cluster",
    "namespace": "namespace",
    "kind": "kind",
    "workload": "name",
}
"""Key -> column of every resource's rows."""

READINGS = "unnest(:ids, :sources) AS reading(id, source)"
WITHIN = "hour >= coalesce(:start, '-infinity') AND hour < coalesce(:end, 'infinity')"
OWNED = "reading.source, head.cluster, head.namespace, head.kind, head.name, at.hour"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What can be used, measured in `unit`. `keys` are those it has besides OWNER's.

    `rows` selects OWNER's columns and those of `keys`, and of one thing in one `hour`: `seen` (share of the hour),
    `average` and `peak` in `unit`, `used`, `reserved`, `idle` and `unused` in unit-hours. Null is unknown.
    """

    name: str
    unit: str
    keys: Mapping[str, str]
    rows: str


def _known(column: str, divisor: float = 1.0) -> str:
    return f"nullif({column}, 'NaN') / {divisor!r}"


ROWS = """
SELECT {owned}, {keys}, {seen} AS seen, {average} AS average, {peak} AS peak, {reserved} AS reserved,
    {average} * {seen} AS used, NULL::double precision AS idle, NULL::double precision AS unused
FROM {readings}
JOIN {table} head ON head.usage_delivery_id = reading.id
JOIN {table}_hour at USING (usage_delivery_id, number)
WHERE {within} AND {condition}
"""


def _rows(table: str, *, condition: str = "true", reserved: str = "NULL::double precision", **parts: str) -> str:
    """SQL of one table's hours; what is used is the average over what was seen."""
    return ROWS.format(
        table=table, condition=condition, reserved=reserved, owned=OWNED, readings=READINGS, within=WITHIN, **parts
    )


def _container(name: str, unit: str, figure: str, request: str, divisor: float = 1.0) -> Resource:
    # Where a pod is told whole, its containers are not added to it, unless they are asked for one by one.
    condition = f"""(:by_container OR head.container = '{WHOLE_POD}' OR NOT EXISTS (
        SELECT FROM container whole
        JOIN container_hour its ON its.usage_delivery_id = whole.usage_delivery_id AND its.number = whole.number
        WHERE whole.usage_delivery_id = reading.id AND whole.container = '{WHOLE_POD}'
            AND whole.cluster = head.cluster AND whole.namespace = head.namespace
            AND its.pod = at.pod AND its.hour = date_trunc('hour', at.hour)
    ))"""
    rows = _rows(
        "container",
        keys="head.container, at.pod",
        seen="coalesce(at.seen, 1)",
        average=_known(f"at.{figure}_avg", divisor),
        peak=_known(f"at.{figure}_max", divisor),
        reserved=f"{_known(f'head.{request}', divisor)} * coalesce(at.seen, 1)",
        condition=condition,
    )
    return Resource(name=name, unit=unit, keys={"container": "container", "pod": "pod"}, rows=rows)


def _network(direction: str) -> Resource:
    per_hour = f"{_known(f'at.{direction}_bytes', GIB)} / nullif(at.seen, 0)"
    rows = _rows("network", keys="at.pod", seen="at.seen", average=per_hour, peak=per_hour)
    return Resource(name=f"network_{direction}", unit="GiB/h", keys={"pod": "pod"}, rows=rows)


# Holders that have a device at one time share its hours. In MIG mode, what is left beside its slices is nobody's.
GPU = """
WITH part AS (
    SELECT reading.id, {owned}, head.pod, head.container, head.node, head.uuid, head.model, head.slice_id, head.profile,
        at.seen, nullif(at.active_avg, 'NaN') AS average, nullif(at.active_max, 'NaN') AS peak,
        nullif(at.idle, 'NaN') AS idle, kinds.fraction,
        at.held / greatest(1, sum(at.held) OVER (
            PARTITION BY reading.id, head.cluster, head.uuid, head.slice_id, at.hour
        )) AS held
    FROM {readings}
    JOIN gpu head ON head.usage_delivery_id = reading.id
    JOIN gpu_hour at USING (usage_delivery_id, number)
    LEFT JOIN unnest(:models, :profiles, :fractions) AS kinds(model, profile, fraction)
        ON kinds.model = head.model AND kinds.profile = head.profile
    WHERE {within}
)
SELECT source, cluster, namespace, kind, name, hour, pod, container, node, uuid, model, slice_id, profile, seen,
    average, peak, CASE WHEN kind <> '' THEN held * fraction ELSE 0 END AS reserved,
    average * seen * fraction AS used, idle * seen * fraction AS idle,
    CASE WHEN kind = '' THEN held * fraction ELSE 0 END AS unused
FROM part
UNION ALL
SELECT source, cluster, '', '', '', hour, '', '', max(node), uuid, max(model), '', '{rest}', 0,
    NULL, NULL, 0, NULL, NULL, CASE WHEN bool_or(fraction IS NULL) THEN NULL ELSE max(held) - sum(held * fraction) END
FROM part
WHERE slice_id <> ''
GROUP BY id, source, cluster, uuid, hour
HAVING bool_or(fraction IS NULL) OR max(held) - sum(held * fraction) > 1e-9
"""

RESOURCES = {
    one.name: one
    for one in (
        _container("cpu", "core", "cpu_cores", "cpu_request_cores"),
        _container("memory", "GiB", "memory_bytes", "memory_request_bytes", GIB),
        Resource(
            name="gpu",
            unit="GPU",
            keys={
                "container": "container",
                "pod": "pod",
                "node": "node",
                "gpu_model": "model",
                "gpu": "uuid",
                "gpu_slice": "slice_id",
                "gpu_profile": "profile",
            },
            rows=GPU.format(owned=OWNED, readings=READINGS, within=WITHIN, rest=REST),
        ),
        Resource(
            name="storage",
            unit="GiB",
            keys={"volume": "claim", "storage_class": "storage_class"},
            rows=_rows(
                "volume",
                keys="head.claim, head.storage_class",
                seen="at.seen",
                average=_known("at.used_bytes_avg", GIB),
                peak=_known("at.used_bytes_max", GIB),
                reserved=_known("at.capacity_bytes", GIB),
            ),
        ),
        _network("received"),
        _network("transmitted"),
    )
}
