"""Metrics of NVIDIA's dcgm-exporter, by hours, as GPU usage: whole devices, MIG slices, and who held them.

A MIG slice has no DCGM_FI_DEV_GPU_UTIL: the activity of the graphics engine is measured for all, and the older
utilisation stands in only for a whole device without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from finops_ai.domain.usage import GpuUsage, Workload
from finops_ai.sources.hourly import Hourly, IntArray, Labels, Metric, Scale, figure, hours_of, instants

MIB = 2.0**20
METRICS = {
    "gpu_active": ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", Scale(largest=1.01)),
    "gpu_utilisation": ("DCGM_FI_DEV_GPU_UTIL", Scale(factor=0.01, largest=1.01)),
    "gpu_memory_used": ("DCGM_FI_DEV_FB_USED", Scale(factor=MIB, largest=2.0**50)),
    "gpu_memory_free": ("DCGM_FI_DEV_FB_FREE", Scale(factor=MIB, largest=2.0**50)),
}
"""Figure -> metric (dcgm-exporter, etc/default-counters.csv) and its way to shares and bytes.

DCGM marks what it cannot tell by enormous numbers (dcgm_structs.h, DCGM_FP64_BLANK).
"""

LABELS = (
    "Hostname",
    "UUID",
    "GPU_I_ID",
    "GPU_I_PROFILE",
    "modelName",
    *(f"{prefix}{name}" for prefix in ("", "exported_") for name in ("namespace", "pod", "container")),
)
EXPORTERS = ("dcgm-exporter", "nvidia-dcgm-exporter")
Owner = Callable[[str, str, str], Workload]
"""Cluster, namespace and pod to the workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Device:
    """A device or slice and its holder."""

    cluster: str
    node: str
    uuid: str
    slice_id: str
    profile: str
    model: str
    namespace: str
    pod: str
    container: str

    @property
    def whole(self) -> tuple[str, str]:
        return self.cluster, self.uuid


def gpus(told: Mapping[str, Metric], cluster: str, owner: Owner) -> Iterator[GpuUsage]:
    """`told` has the names of METRICS, and each with `_max` where peaks were asked for apart.

    `cluster` stands for a missing label. A device that is cut into slices is told by its slices.
    """
    exported = any(dict(labels).get("exported_pod") for metric in told.values() for labels in metric)
    by_device: dict[_Device, dict[str, Hourly]] = {}
    for name, metric in told.items():
        for labels, found in metric.items():
            by_device.setdefault(_device(labels, cluster, exported), {})[name] = found
    cut: dict[tuple[str, str], IntArray] = {}
    for device, metrics in by_device.items():
        if device.slice_id:
            before = cut.get(device.whole, np.empty(0, dtype=np.int64))
            cut[device.whole] = np.union1d(before, hours_of(*metrics.values()))
    for device in sorted(by_device, key=lambda one: (one.cluster, one.node, one.uuid, one.slice_id, one.pod)):
        hours = hours_of(*by_device[device].values())
        if not device.slice_id and not device.pod and device.whole in cut:
            hours = np.setdiff1d(hours, cut[device.whole])
        if hours.size:
            yield _usage(device, by_device[device], hours, owner)


def _usage(device: _Device, told: Mapping[str, Hourly], hours: IntArray, owner: Owner) -> GpuUsage:
    active = next((name for name in ("gpu_active", "gpu_utilisation") if name in told), "")
    if active == "gpu_utilisation" and device.slice_id:
        active = ""  # it is the whole device's
    activity, used = told.get(active), told.get("gpu_memory_used")
    total = figure(used, "mean", hours) + figure(told.get("gpu_memory_free"), "mean", hours)
    return GpuUsage(
        cluster=device.cluster,
        node=device.node,
        uuid=device.uuid,
        model=device.model,
        slice_id=device.slice_id,
        profile=device.profile,
        workload=owner(device.cluster, device.namespace, device.pod) if device.pod else None,
        pod=device.pod,
        container=device.container,
        measure=METRICS[active][0] if active else "",
        memory_total_bytes=float(np.nanmax(total)) if np.isfinite(total).any() else None,
        hours=instants(hours),
        held=np.max([figure(one, "seen", hours) for one in told.values()], axis=0),
        seen=figure(activity, "seen", hours),
        active_avg=np.minimum(figure(activity, "mean", hours), 1.0),
        active_max=np.minimum(figure(told.get(f"{active}_max", activity), "peak", hours), 1.0),
        idle=figure(activity, "idle", hours),
        memory_bytes_avg=figure(used, "mean", hours),
        memory_bytes_max=figure(told.get("gpu_memory_used_max", used), "peak", hours),
    )


def _device(labels: Labels, cluster: str, exported: bool) -> _Device:
    """`exported`: the scrape's own labels stand in front, so that the holder's are the exported ones."""
    told = dict(labels)
    prefix = "exported_" if exported else ""
    pod, container = told.get(f"{prefix}pod", ""), told.get(f"{prefix}container", "")
    if not exported and container in EXPORTERS:
        pod = container = ""
    return _Device(
        cluster=told.get("cluster") or cluster,
        node=told.get("Hostname", ""),
        uuid=told.get("UUID", ""),
        slice_id=told.get("GPU_I_ID", ""),
        profile=told.get("GPU_I_PROFILE", ""),
        model=told.get("modelName", ""),
        namespace=told.get(f"{prefix}namespace", "") if pod else "",
        pod=pod,
        container=container,
    )
