"""Consumption of one container over the hours seen, and what its workload asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finops_ai.domain.series import FloatArray


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
    never 0). `request` and `limit` are what the pods ran with last; None means unset.
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
    restarts: int
    oom_kills: int
    cpu_request_cores: float | None
    cpu_limit_cores: float | None
    memory_request_bytes: float | None
    memory_limit_bytes: float | None
