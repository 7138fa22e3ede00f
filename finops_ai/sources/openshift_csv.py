"""Usage files of OpenShift's cost management (koku-metrics-operator): pods, containers, volume claims and GPUs.

Pods are told whole (core-seconds and byte-seconds of an hour), containers by the quarter of an hour with their owners,
from which the workloads are known; claims in byte-seconds; GPUs by the time that a pod held them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finops_ai.domain.usage import WHOLE_POD, ContainerUsage, GpuUsage, Usage, VolumeUsage, Workload
from finops_ai.sources.hourly import HOUR_SECONDS
from finops_ai.sources.usage_csv import GO_TIME, Layout, figures, instants, refuse_twice, rows

if TYPE_CHECKING:
    from finops_ai.sources.staging import Engine

PER_HOUR = 1 / HOUR_SECONDS
START = "interval_start"

PODS = Layout(
    name="pods",
    instant=START,
    time=GO_TIME,
    names=("namespace", "pod"),
    amounts={
        f"pod_{what}_{amount}": PER_HOUR
        for amount in ("cpu_core_seconds", "memory_byte_seconds")
        for what in ("usage", "request", "limit")
    },
)
CONTAINERS = Layout(
    name="containers by quarter of an hour",
    instant=START,
    time=GO_TIME,
    names=("namespace", "pod", "container_name"),
    texts=("owner_kind", "owner_name", "workload_type", "workload"),
    amounts={
        "cpu_request_container_avg": 1.0,
        "cpu_limit_container_avg": 1.0,
        "memory_request_container_avg": 1.0,
        "memory_limit_container_avg": 1.0,
        "cpu_usage_container_avg": 1.0,
        "cpu_usage_container_max": 1.0,
        "memory_usage_container_avg": 1.0,
        "memory_usage_container_max": 1.0,
    },
)
CLAIMS = Layout(
    name="volume claims",
    instant=START,
    time=GO_TIME,
    names=("namespace", "persistentvolumeclaim"),
    texts=("pod", "storageclass"),
    amounts={"persistentvolumeclaim_capacity_bytes": 1.0, "persistentvolumeclaim_usage_byte_seconds": PER_HOUR},
)
GPUS = Layout(
    name="GPUs",
    instant=START,
    time=GO_TIME,
    names=("namespace", "pod", "gpu_uuid"),
    texts=("node", "gpu_model_name", "mig_instance_id", "mig_profile"),
    amounts={"gpu_memory_capacity_mib": 2.0**20, "gpu_pod_uptime": PER_HOUR},
)
LAYOUTS = (PODS, CONTAINERS, CLAIMS, GPUS)
LABELS = ("node_labels", "namespace_labels")
"""A file with one of these tells of labels, not of usage."""

KINDS = {
    kind.lower(): kind
    for kind in (
        "Deployment",
        "DeploymentConfig",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
        "CronJob",
    )
}
UNTOLD = ("", "<none>")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owners:
    """Workload of each namespace and pod, where container files tell it; a pod without one is its own."""

    cluster: str
    known: Mapping[tuple[str, str], Workload]

    def of(self, namespace: str, pod: str) -> Workload:
        return self.known.get((namespace, pod)) or Workload(self.cluster, namespace, "Pod", pod)


def usages(parts: Mapping[str, Sequence[Path]], cluster: str, duck: Engine) -> Iterator[Usage]:
    """Nouns of checked parts by the name of their layout. Raises Malformed for a thing told twice for one time."""
    for number, layout in enumerate(LAYOUTS):
        if layout.name in parts:
            duck.con.execute(f"CREATE TEMP TABLE openshift_{number} AS {layout.table(parts[layout.name])}")
    has = {layout.name: f"openshift_{number}" for number, layout in enumerate(LAYOUTS) if layout.name in parts}
    owners = _Owners(
        cluster=cluster, known=_owners(duck, has[CONTAINERS.name], cluster) if CONTAINERS.name in has else {}
    )
    for layout, read in ((PODS, _pods), (CONTAINERS, _containers), (CLAIMS, _claims), (GPUS, _gpus)):
        if table := has.get(layout.name):
            # A claim that several pods mount is told once for each; it is one claim all the same.
            keys = (*layout.names, "mig_instance_id") if layout is GPUS else layout.names
            refuse_twice(duck, table, keys if layout is not CLAIMS else (*keys, "pod"), layout.names[-1])
            yield from read(duck, table, owners)


def _pods(duck: Engine, table: str, owners: _Owners) -> Iterator[ContainerUsage]:
    query = _over_hours(
        f"SELECT namespace, pod, '{WHOLE_POD}' AS container, instant AS hour, 1.0 AS seen,"
        " pod_usage_cpu_core_seconds AS cpu_avg, NULL::DOUBLE AS cpu_max,"
        " pod_usage_memory_byte_seconds AS memory_avg, NULL::DOUBLE AS memory_max,"
        " pod_request_cpu_core_seconds AS cpu_request, pod_limit_cpu_core_seconds AS cpu_limit,"
        " pod_request_memory_byte_seconds AS memory_request, pod_limit_memory_byte_seconds AS memory_limit"
        f" FROM {table}"
    )
    for row in rows(duck, query):
        yield _container(row, owners)


def _containers(duck: Engine, table: str, owners: _Owners) -> Iterator[ContainerUsage]:
    """An hour is made of its quarters; a missing one makes it a part of an hour."""
    requests = ", ".join(
        f"last({resource}_{what}_container_avg ORDER BY instant) AS {resource}_{what}"
        for resource in ("cpu", "memory")
        for what in ("request", "limit")
    )
    query = _over_hours(
        "SELECT namespace, pod, container_name AS container, date_trunc('hour', instant) AS hour,"
        " least(count(*) / 4.0, 1.0) AS seen, avg(cpu_usage_container_avg) AS cpu_avg,"
        " max(cpu_usage_container_max) AS cpu_max, avg(memory_usage_container_avg) AS memory_avg,"
        f" max(memory_usage_container_max) AS memory_max, {requests} FROM {table} GROUP BY ALL"
    )
    for row in rows(duck, query):
        yield _container(row, owners)


def _over_hours(hours: str) -> str:
    """One row for each pod and container: lists by hour, and what was asked for last."""
    lists = [
        f"list({name} ORDER BY hour) AS {name}" for name in ("seen", "cpu_avg", "cpu_max", "memory_avg", "memory_max")
    ]
    last = [
        f"last({name} ORDER BY hour) AS {name}"
        for name in ("cpu_request", "cpu_limit", "memory_request", "memory_limit")
    ]
    return (
        f"SELECT namespace, pod, container, {', '.join([*lists, *last])}, list(hour ORDER BY hour) AS hours"
        f" FROM ({hours}) GROUP BY ALL ORDER BY ALL"
    )


def _container(row: Mapping[str, Any], owners: _Owners) -> ContainerUsage:
    hours, pod = instants(row, "hours"), row["pod"].as_py()
    return ContainerUsage(
        workload=owners.of(row["namespace"].as_py(), pod),
        container=row["container"].as_py(),
        hours=hours,
        pods=(pod,) * len(hours),
        cpu_cores_avg=figures(row, "cpu_avg"),
        cpu_cores_max=figures(row, "cpu_max"),
        memory_bytes_avg=figures(row, "memory_avg"),
        memory_bytes_max=figures(row, "memory_max"),
        throttled_ratio=np.full(len(hours), np.nan),
        restarts=None,
        oom_kills=None,
        cpu_request_cores=row["cpu_request"].as_py(),
        cpu_limit_cores=row["cpu_limit"].as_py(),
        memory_request_bytes=row["memory_request"].as_py(),
        memory_limit_bytes=row["memory_limit"].as_py(),
        seen=figures(row, "seen"),
    )


def _claims(duck: Engine, table: str, owners: _Owners) -> Iterator[VolumeUsage]:
    query = (
        "SELECT namespace, persistentvolumeclaim AS claim, last(storageclass ORDER BY hour) AS class,"
        " last(pod ORDER BY hour, pod) AS pod, list(hour ORDER BY hour) AS hour,"
        " list(capacity ORDER BY hour) AS capacity, list(used ORDER BY hour) AS used FROM (SELECT namespace,"
        " persistentvolumeclaim, max(storageclass) AS storageclass, max(pod) AS pod, instant AS hour,"
        " max(persistentvolumeclaim_capacity_bytes) AS capacity, max(persistentvolumeclaim_usage_byte_seconds) AS used"
        f" FROM {table} GROUP BY ALL) GROUP BY ALL ORDER BY ALL"
    )
    for row in rows(duck, query):
        namespace, pod, used = row["namespace"].as_py(), row["pod"].as_py(), figures(row, "used")
        yield VolumeUsage(
            cluster=owners.cluster,
            namespace=namespace,
            claim=row["claim"].as_py(),
            storage_class=row["class"].as_py(),
            workload=owners.of(namespace, pod) if pod else None,
            hours=instants(row),
            seen=np.where(np.isnan(used), 0.0, 1.0),
            capacity_bytes=figures(row, "capacity"),
            used_bytes_avg=used,
            used_bytes_max=np.full(used.size, np.nan),
        )


def _gpus(duck: Engine, table: str, owners: _Owners) -> Iterator[GpuUsage]:
    """Who held which device for how long; what its engines did is not told: unknown."""
    names = ("namespace", "pod", *GPUS.names[2:], *GPUS.texts)
    query = (
        f"SELECT {', '.join(names)}, max(gpu_memory_capacity_mib) AS memory, list(instant ORDER BY instant) AS hour,"
        f" list(least(gpu_pod_uptime, 1.0) ORDER BY instant) AS held FROM {table} GROUP BY ALL ORDER BY ALL"
    )
    for row in rows(duck, query):
        told = {name: row[name].as_py() for name in names}
        held = figures(row, "held")
        unknown = np.full(held.size, np.nan)
        yield GpuUsage(
            cluster=owners.cluster,
            node=told["node"],
            uuid=told["gpu_uuid"],
            model=told["gpu_model_name"],
            slice_id=told["mig_instance_id"],
            profile=told["mig_profile"],
            workload=owners.of(told["namespace"], told["pod"]),
            pod=told["pod"],
            container="",
            measure="",
            memory_total_bytes=row["memory"].as_py(),
            hours=instants(row),
            held=held,
            seen=np.zeros(held.size),
            active_avg=unknown,
            active_max=unknown,
            idle=unknown,
            memory_bytes_avg=unknown,
            memory_bytes_max=unknown,
        )


def _owners(duck: Engine, table: str, cluster: str) -> dict[tuple[str, str], Workload]:
    """The workload over the owner where it is told, else the owner."""
    last = ", ".join(f"last({name} ORDER BY instant)" for name in CONTAINERS.texts)
    found = {}
    for namespace, pod, *told in duck.con.execute(
        f"SELECT namespace, pod, {last} FROM {table} GROUP BY ALL"
    ).fetchall():
        owner_kind, owner, kind, workload = ("" if text in UNTOLD else text for text in told)
        name, of = (workload, KINDS.get(kind.lower(), kind)) if workload and kind else (owner, owner_kind)
        if name and of:
            found[namespace, pod] = Workload(cluster, namespace, of, name)
    return found
