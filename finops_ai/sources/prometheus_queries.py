"""What is asked of Prometheus: one PromQL query per figure, each of which the configuration may replace.

`$step` is the time between two points, `$matchers` what the configuration adds to every selector. Series are brought
down to the labels that matter on the server; `max` there makes one of the copies that two scrapes of one target leave.
"""

from __future__ import annotations

from finops_ai.sources.gpus import LABELS, METRICS

_POD = "cluster, namespace, pod"
_CONTAINER = f"{_POD}, container"
_CLAIM = "cluster, namespace, persistentvolumeclaim"
_GPU = f"cluster, {', '.join(LABELS)}"
_OF_CONTAINER = 'container!="",container!="POD"$matchers'


def _rate(metric: str, selector: str) -> str:
    return f"rate({metric}{{{selector}}}[$step])"


def _over_time(what: str, metric: str, selector: str, by: str) -> str:
    return f"max by ({by}) ({what}_over_time({metric}{{{selector}}}[$step]))"


def _request(what: str, resource: str) -> str:
    selector = f'resource="{resource}",{_OF_CONTAINER}'
    return _over_time("last", f"kube_pod_container_resource_{what}", selector, _CONTAINER)


def _network(direction: str) -> str:
    rate = _rate(f"container_network_{direction}_bytes_total", 'pod!=""$matchers')
    return f"sum by ({_POD}) (max by ({_POD}, interface) ({rate}))"


def _owner(metric: str, label: str) -> str:
    owned = f"cluster, namespace, {label}, owner_kind, owner_name"
    return _over_time("max", metric, f'{label}!=""$matchers', owned)


FINE: dict[str, str] = {
    "cpu": f"max by ({_CONTAINER}) ({_rate('container_cpu_usage_seconds_total', _OF_CONTAINER)})",
    "memory": _over_time("avg", "container_memory_working_set_bytes", _OF_CONTAINER, _CONTAINER),
    "memory_max": _over_time("max", "container_memory_working_set_bytes", _OF_CONTAINER, _CONTAINER),
    "throttled": (
        f"max by ({_CONTAINER}) ({_rate('container_cpu_cfs_throttled_periods_total', _OF_CONTAINER)}"
        f" / {_rate('container_cpu_cfs_periods_total', _OF_CONTAINER)})"
    ),
    "network_received": _network("receive"),
    "network_transmitted": _network("transmit"),
    **{
        f"{name}{suffix}": _over_time(what, metric, 'UUID!=""$matchers', _GPU)
        for name, (metric, _) in METRICS.items()
        for suffix, what in (("", "avg"), ("_max", "max"))
        if name != "gpu_memory_free" or not suffix
    },
    "volume_used": _over_time("avg", "kubelet_volume_stats_used_bytes", 'namespace!=""$matchers', _CLAIM),
    "volume_used_max": _over_time("max", "kubelet_volume_stats_used_bytes", 'namespace!=""$matchers', _CLAIM),
    "volume_capacity": _over_time("max", "kubelet_volume_stats_capacity_bytes", 'namespace!=""$matchers', _CLAIM),
}
"""Asked at every step: what is used."""

HOURLY: dict[str, str] = {
    "cpu_request": _request("requests", "cpu"),
    "cpu_limit": _request("limits", "cpu"),
    "memory_request": _request("requests", "memory"),
    "memory_limit": _request("limits", "memory"),
    "restarts": _over_time("max", "kube_pod_container_status_restarts_total", _OF_CONTAINER, _CONTAINER),
    "oom_killed": _over_time(
        "max",
        "kube_pod_container_status_last_terminated_reason",
        f'reason="OOMKilled",{_OF_CONTAINER}',
        _CONTAINER,
    ),
    "pod_owner": _owner("kube_pod_owner", "pod"),
    "replicaset_owner": _over_time(
        "max",
        "kube_replicaset_owner",
        'replicaset!=""$matchers',
        "cluster, namespace, replicaset, owner_kind, owner_name",
    ),
    "job_owner": _over_time(
        "max", "kube_job_owner", 'job_name!=""$matchers', "cluster, namespace, job_name, owner_kind, owner_name"
    ),
    "volume_requested": _over_time(
        "max", "kube_persistentvolumeclaim_resource_requests_storage_bytes", 'namespace!=""$matchers', _CLAIM
    ),
    "volume_class": _over_time(
        "max", "kube_persistentvolumeclaim_info", 'namespace!=""$matchers', f"{_CLAIM}, storageclass"
    ),
    "volume_pod": _over_time(
        "max", "kube_pod_spec_volumes_persistentvolumeclaims_info", 'pod!=""$matchers', f"{_CLAIM}, pod"
    ),
}
"""Asked once an hour: what is declared, counted or owned."""

QUERIES = {**FINE, **HOURLY}
BEFORE = frozenset({"restarts"})
"""Asked from one hour earlier on: the first hour's rise needs the hour before."""
