"""Consumption of containers, GPUs, volumes and pods' networks over the hours seen, and who held them.

In every noun the arrays have one entry for each entry of `hours` (starts of UTC hours). `seen` is the share of the
hour that samples tell of, 0..1; averages are over that share. NaN is unknown, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finops_ai.domain.series import BoolArray, FloatArray

WHOLE_POD = ""
"""Container of usage that is told of a pod as a whole."""

IDLE_BELOW = 0.05
"""A GPU whose engines are active for less than this share of a sample's time is idle in it."""


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """A Kubernetes workload: what a manifest declares and what runs under one name."""

    cluster: str
    namespace: str
    kind: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.cluster}/{self.namespace}/{self.kind}/{self.name}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContainerUsage:
    """Hourly consumption of one container name over all pods of a workload.

    Arrays have one entry per pod-hour: CPU in cores, memory in bytes, NaN where the sample is missing (unknown,
    never 0). `request` and `limit` are what the pods ran with last; None means unset. `restarts` and `oom_kills` are
    None where nothing tells of them, `seen` where the source tells whole hours only.
    """

    workload: Workload
    container: str
    hours: tuple[datetime, ...]
    pods: tuple[str, ...]
    cpu_cores_avg: FloatArray
    cpu_cores_max: FloatArray
    memory_bytes_avg: FloatArray
    memory_bytes_max: FloatArray
    throttled_ratio: FloatArray
    restarts: int | None
    oom_kills: int | None
    cpu_request_cores: float | None
    cpu_limit_cores: float | None
    memory_request_bytes: float | None
    memory_limit_bytes: float | None
    seen: FloatArray | None = None

    def where(self, kept: BoolArray) -> ContainerUsage:
        """Only these pod-hours. Counts of restarts and kills are of the whole window: when they were is not known."""
        told = {name: getattr(self, name) for name in self.__slots__}
        per_hour = {name: value[kept] for name, value in told.items() if hasattr(value, "dtype")}
        return replace(
            self,
            hours=tuple(compress(self.hours, kept)),
            pods=tuple(compress(self.pods, kept)),
            **per_hour,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GpuUsage:
    """One GPU, or one MIG slice of it, while one container held it; `workload` is None while nobody did.

    `uuid` names the device, `slice_id` and `profile` (such as 1g.10gb) the slice; both are empty for a whole GPU.
    `held` is the share of the hour for which the source tells this holder. `active` is the share of time in which the
    engines worked, 0..1; `idle` the share of what was seen that lies below IDLE_BELOW. Memory in bytes. `measure` names
    the metric behind `active`.
    """

    cluster: str
    node: str
    uuid: str
    model: str
    slice_id: str
    profile: str
    workload: Workload | None
    pod: str
    container: str
    measure: str
    memory_total_bytes: float | None
    hours: tuple[datetime, ...]
    held: FloatArray
    seen: FloatArray
    active_avg: FloatArray
    active_max: FloatArray
    idle: FloatArray
    memory_bytes_avg: FloatArray
    memory_bytes_max: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumeUsage:
    """One persistent volume claim; `workload` is None where no pod is known to mount it. Bytes."""

    cluster: str
    namespace: str
    claim: str
    storage_class: str
    workload: Workload | None
    hours: tuple[datetime, ...]
    seen: FloatArray
    capacity_bytes: FloatArray
    used_bytes_avg: FloatArray
    used_bytes_max: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkUsage:
    """Bytes that the pods of a workload moved; one entry per pod-hour, for the share of it that was seen."""

    workload: Workload
    hours: tuple[datetime, ...]
    pods: tuple[str, ...]
    seen: FloatArray
    received_bytes: FloatArray
    transmitted_bytes: FloatArray


Usage = ContainerUsage | GpuUsage | VolumeUsage | NetworkUsage
