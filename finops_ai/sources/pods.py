"""Metrics of pods by hours (cAdvisor, kubelet, kube-state-metrics) as usage of their workloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import ContainerUsage, NetworkUsage, VolumeUsage, Workload
from finops_ai.sources.hourly import HOUR_SECONDS, Figure, Hourly, IntArray, Metric, figure, hours_of, instants

REQUESTS = ("cpu_request", "cpu_limit", "memory_request", "memory_limit")
CONTAINER_FIGURES = ("cpu", "memory", "memory_max", "throttled", "restarts", "oom_killed", *REQUESTS)
NO_OWNER = ("", "<none>")
STATIC_OWNER = "Node"

Key = tuple[str, ...]
Told = Mapping[str, Metric]
"""Figure (see prometheus_queries) -> its series by hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """What kube-state-metrics knows of pods; `cluster` stands for a missing label."""

    cluster: str
    owners: Mapping[Key, tuple[str, str]]
    replica_sets: Mapping[Key, tuple[str, str]]
    jobs: Mapping[Key, tuple[str, str]]

    @classmethod
    def of(cls, told: Told, cluster: str) -> Pods:
        def owners(name: str, label: str) -> dict[Key, tuple[str, str]]:
            last: dict[Key, tuple[int, tuple[str, str]]] = {}
            for labels, found in told.get(name, {}).items():
                pairs = dict(labels)
                key = (pairs.get("cluster") or cluster, pairs.get("namespace", ""), pairs.get(label, ""))
                owner = (int(found.hours[-1]), (pairs.get("owner_kind", ""), pairs.get("owner_name", "")))
                last[key] = max(last.get(key, owner), owner)
            return {key: owner for key, (_, owner) in last.items()}

        return cls(
            cluster=cluster,
            owners=owners("pod_owner", "pod"),
            replica_sets=owners("replicaset_owner", "replicaset"),
            jobs=owners("job_owner", "job_name"),
        )

    def workload(self, cluster: str, namespace: str, pod: str) -> Workload:
        """What the pod belongs to: Deployment over ReplicaSet, CronJob over Job, else its owner, else itself."""
        kind, name = self.owners.get((cluster, namespace, pod), ("", ""))
        above = {"ReplicaSet": self.replica_sets, "Job": self.jobs}.get(kind, {})
        upper_kind, upper = above.get((cluster, namespace, name), ("", ""))
        if upper_kind not in NO_OWNER and upper not in NO_OWNER:
            kind, name = upper_kind, upper
        if kind in (*NO_OWNER, STATIC_OWNER) or name in NO_OWNER:
            kind, name = "Pod", pod
        return Workload(cluster, namespace, kind, name)

    def by(self, metric: Metric, *names: str) -> dict[Key, Hourly]:
        """A metric by cluster, namespace and `names`; series that lack one of them tell of no pod."""
        found: dict[Key, Hourly] = {}
        for labels, one in metric.items():
            pairs = dict(labels)
            key = (pairs.get("cluster") or self.cluster, *(pairs.get(name, "") for name in ("namespace", *names)))
            if all(key[1:]):
                found[key] = one
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _PodHours:
    """The pod-hours of one workload, in order of hour and pod."""

    keys: Sequence[Key]
    hours_of: Sequence[IntArray]
    order: IntArray
    hours: tuple[datetime, ...]
    pods: tuple[str, ...]

    @classmethod
    def of(cls, keys: Sequence[Key], *metrics: Mapping[Key, Hourly]) -> _PodHours:
        """Hours in which any of `metrics` tells of a key; the pod is a key's third part."""
        each = [hours_of(*(metric.get(key) for metric in metrics)) for key in keys]
        hours = np.concatenate(each)
        which = np.repeat(np.arange(len(keys)), [len(one) for one in each])
        order = np.lexsort((which, hours))  # keys come sorted, so that their places are in order of pod
        pods = tuple(keys[place][2] for place in which[order].tolist())
        return cls(keys=keys, hours_of=each, order=order, hours=instants(hours[order]), pods=pods)

    def figures(self, metric: Mapping[Key, Hourly], name: Figure) -> FloatArray:
        found = [figure(metric.get(key), name, hours) for key, hours in zip(self.keys, self.hours_of, strict=True)]
        return np.concatenate(found)[self.order]


def containers(told: Told, pods: Pods) -> Iterator[ContainerUsage]:
    """Containers by workload, in order; hours with CPU or memory, in order of hour and pod."""
    metrics = {name: pods.by(told.get(name, {}), "pod", "container") for name in CONTAINER_FIGURES}
    cpu, memory = metrics["cpu"], metrics["memory"]
    members: dict[tuple[Workload, str], list[Key]] = {}
    for key in sorted({*cpu, *memory}):
        members.setdefault((pods.workload(key[0], key[1], key[2]), key[3]), []).append(key)
    alive = hours_of(*metrics["restarts"].values())
    for (workload, container), keys in sorted(members.items()):
        rows = _PodHours.of(keys, cpu, memory)
        events = [known for key in keys if (known := _events(metrics, key, alive))]
        yield ContainerUsage(
            workload=workload,
            container=container,
            hours=rows.hours,
            pods=rows.pods,
            cpu_cores_avg=rows.figures(cpu, "mean"),
            cpu_cores_max=rows.figures(cpu, "peak"),
            memory_bytes_avg=rows.figures(memory, "mean"),
            memory_bytes_max=rows.figures(metrics["memory_max"] or memory, "peak"),
            throttled_ratio=rows.figures(metrics["throttled"], "mean"),
            seen=np.maximum(rows.figures(cpu, "seen"), rows.figures(memory, "seen")),
            restarts=sum(restarts for restarts, _ in events) if events else None,
            oom_kills=sum(kills for _, kills in events) if events else None,
            **_requests(metrics, keys),
        )


def networks(told: Told, pods: Pods) -> Iterator[NetworkUsage]:
    """Bytes by workload: mean rates times the time that was seen."""
    received, sent = (pods.by(told.get(name, {}), "pod") for name in ("network_received", "network_transmitted"))
    members: dict[Workload, list[Key]] = {}
    for key in sorted({*received, *sent}):
        members.setdefault(pods.workload(key[0], key[1], key[2]), []).append(key)
    for workload, keys in sorted(members.items()):
        rows = _PodHours.of(keys, received, sent)
        seconds = {id(metric): rows.figures(metric, "seen") * HOUR_SECONDS for metric in (received, sent)}
        yield NetworkUsage(
            workload=workload,
            hours=rows.hours,
            pods=rows.pods,
            seen=np.maximum(*seconds.values()) / HOUR_SECONDS,
            received_bytes=rows.figures(received, "mean") * seconds[id(received)],
            transmitted_bytes=rows.figures(sent, "mean") * seconds[id(sent)],
        )


def volumes(told: Told, pods: Pods) -> Iterator[VolumeUsage]:
    """Claims with capacity and use; where the kubelet tells no capacity, what was requested counts."""
    used, peak, capacity, requested = (
        pods.by(told.get(name, {}), "persistentvolumeclaim")
        for name in ("volume_used", "volume_used_max", "volume_capacity", "volume_requested")
    )
    classes = _told_of(pods, told, "storageclass")
    mounted = _told_of(pods, told, "pod")
    for key in sorted({*used, *capacity, *requested}):
        hours = hours_of(used.get(key), capacity.get(key), requested.get(key))
        room = figure(capacity.get(key), "peak", hours)
        yield VolumeUsage(
            cluster=key[0],
            namespace=key[1],
            claim=key[2],
            storage_class=classes.get(key, ""),
            workload=pods.workload(key[0], key[1], mounted[key]) if key in mounted else None,
            hours=instants(hours),
            seen=figure(used.get(key), "seen", hours),
            capacity_bytes=np.where(np.isnan(room), figure(requested.get(key), "peak", hours), room),
            used_bytes_avg=figure(used.get(key), "mean", hours),
            used_bytes_max=figure((peak or used).get(key), "peak", hours),
        )


def _told_of(pods: Pods, told: Told, label: str) -> dict[Key, str]:
    """A label of claims: the storage class, or the last pod (by hour, then name) that mounted them."""
    last: dict[Key, tuple[int, str]] = {}
    metric = told.get({"storageclass": "volume_class", "pod": "volume_pod"}[label], {})
    for (cluster, namespace, claim, value), found in pods.by(metric, "persistentvolumeclaim", label).items():
        key, here = (cluster, namespace, claim), (int(found.hours[-1]), value)
        last[key] = max(last.get(key, here), here)
    return {key: value for key, (_, value) in last.items()}


def _requests(metrics: Mapping[str, Mapping[Key, Hourly]], keys: Sequence[Key]) -> dict[str, Any]:
    """What the pod seen last asked for: None where it is unset, NaN where nothing is known of anybody's."""
    unset = None if any(metrics[name] for name in REQUESTS) else np.nan
    found: dict[str, Any] = {}
    for name in REQUESTS:
        told = ((metrics[name].get(key), key) for key in keys)
        last = max(((int(one.hours[-1]), key, float(one.last[-1])) for one, key in told if one), default=None)
        found[f"{name}_{'cores' if name.startswith('cpu') else 'bytes'}"] = last[2] if last else unset
    return found


def _events(metrics: Mapping[str, Mapping[Key, Hourly]], key: Key, alive: IntArray) -> tuple[int, int] | None:
    """Restarts of a pod's container, and those of them in hours whose last termination was an OOM kill; None: unknown.

    The counter of a pod that appears while others are told starts at 0; where nothing at all was told the hour before,
    what it stands at is no news.
    """
    found = metrics["restarts"].get(key)
    if found is None:
        return None
    counts = found.last
    before = np.append(0.0 if found.hours[0] - 1 in alive else counts[0], counts[:-1])
    risen = np.where(counts >= before, counts - before, counts)
    killed = figure(metrics["oom_killed"].get(key), "last", found.hours) == 1
    return int(risen.sum()), int(risen[killed].sum())
