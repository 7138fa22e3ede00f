"""What the usage of one container shows: percentiles, peaks, gaps, growth, replicas."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import ContainerUsage
from finops_ai.rightsizing.settings import Settings

BATCH = frozenset({"CronJob", "Job", "Workflow", "CronWorkflow"})
"""Kinds whose pods run and end: their hours have gaps by nature."""

_SEGMENT_HOURS = 48
_RESTART_DROP = 0.7
_TREND_CORRELATION = 0.9
_TREND_GROWTH = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Requests and limits of one container: cores and bytes, None where unset."""

    cpu_request: Decimal | None = None
    cpu_limit: Decimal | None = None
    memory_request: Decimal | None = None
    memory_limit: Decimal | None = None

    @property
    def guaranteed(self) -> bool:
        """QoS class Guaranteed, as far as this container goes: every request is set and equals its limit."""
        pairs = ((self.cpu_request, self.cpu_limit), (self.memory_request, self.memory_limit))
        return all(request is not None and request == limit for request, limit in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Facts of one window. `cpu` and `memory` are the hourly maxima, sorted, missing samples left out.

    `cpu_average` are the hourly averages, sorted. `runs` counts pods: of a job, each is a run.
    `pods_low` and `pods_high` are the 10th and 90th percentile of pods seen per hour, of a job
    their mean over all hours of the window; `memory_grows` tells that
    memory rises until the pod is replaced, most of the time.
    """

    cpu: tuple[Decimal, ...]
    cpu_average: tuple[Decimal, ...]
    memory: tuple[Decimal, ...]
    start: datetime | None
    end: datetime | None
    days: Decimal
    hours_seen: Decimal
    pods_low: Decimal
    pods_high: Decimal
    pod_hours: int
    runs: int
    is_batch: bool
    throttled_share: float
    memory_grows: bool
    oom_kills: int | None
    restarts: int | None
    throttled: bool

    @property
    def memory_max(self) -> Decimal:
        return self.memory[-1] if self.memory else Decimal(0)


def observe(usage: ContainerUsage, settings: Settings) -> Observed:
    known = ~np.isnan(usage.cpu_cores_max) & ~np.isnan(usage.memory_bytes_max)
    hours = [hour for hour, is_known in zip(usage.hours, known, strict=True) if is_known]
    start, end = (min(hours), max(hours)) if hours else (None, None)
    span_hours = Decimal(int((end - start).total_seconds()) // 3600 + 1) if start and end else Decimal(0)
    pods_per_hour = sorted(Decimal(count) for count in Counter(hours).values())
    throttled = usage.throttled_ratio[~np.isnan(usage.throttled_ratio)]
    throttled_share = float(np.mean(throttled > settings.throttled_ratio)) if throttled.size else 0.0
    is_batch = usage.workload.kind in BATCH
    low, high = (percentile(pods_per_hour, share) for share in (Decimal("0.1"), Decimal("0.9")))
    if is_batch and span_hours:
        low = high = Decimal(len(hours)) / span_hours
    return Observed(
        cpu_average=_sorted(usage.cpu_cores_avg),
        runs=len({pod for pod, is_known in zip(usage.pods, known, strict=True) if is_known}),
        is_batch=is_batch,
        cpu=_sorted(usage.cpu_cores_max),
        memory=_sorted(usage.memory_bytes_max),
        start=start,
        end=end,
        days=span_hours / 24,
        hours_seen=Decimal(len(set(hours))) / span_hours if span_hours else Decimal(0),
        pods_low=low,
        pods_high=high,
        pod_hours=len(hours),
        throttled_share=throttled_share,
        memory_grows=_grows(usage),
        oom_kills=usage.oom_kills,
        restarts=usage.restarts,
        throttled=throttled_share > settings.throttled_share,
    )


def resources_of(usage: ContainerUsage) -> Resources:
    return Resources(
        cpu_request=_exact(usage.cpu_request_cores),
        cpu_limit=_exact(usage.cpu_limit_cores),
        memory_request=_exact(usage.memory_request_bytes),
        memory_limit=_exact(usage.memory_limit_bytes),
    )


def percentile(ordered: Sequence[Decimal], share: Decimal) -> Decimal:
    """Nearest rank: the smallest value that at least `share` of them do not exceed; 0 of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else Decimal(0)


def _exact(value: float | None) -> Decimal | None:
    return None if value is None or math.isnan(value) else Decimal(repr(float(value)))


def _sorted(values: FloatArray) -> tuple[Decimal, ...]:
    return tuple(Decimal(repr(value)) for value in np.sort(values[~np.isnan(values)]).tolist())


def _grows(usage: ContainerUsage) -> bool:
    """Whether memory climbs in a straight line between restarts for more than half of the pod-hours.

    A segment ends where memory falls by 30 % in an hour. It climbs when hour and memory correlate above 0.9 and the
    climb is a fifth of the mean: a daily rhythm does neither over two days.
    """
    climbing = total = 0
    for memory in _per_pod(usage):
        cuts = [i for i in range(1, len(memory)) if memory[i] < _RESTART_DROP * memory[i - 1]]
        for start, end in zip([0, *cuts], [*cuts, len(memory)], strict=True):
            segment = memory[start:end]
            total += len(segment)
            if len(segment) >= _SEGMENT_HOURS and segment.std() > 0:
                hours = np.arange(len(segment), dtype=np.float64)
                correlation = float(np.corrcoef(hours, segment)[0, 1])
                growth = correlation * float(segment.std() / hours.std()) * len(segment) / float(segment.mean())
                climbing += len(segment) if correlation > _TREND_CORRELATION and growth > _TREND_GROWTH else 0
    return total > 0 and climbing > total / 2


def _per_pod(usage: ContainerUsage) -> Iterable[FloatArray]:
    samples: dict[str, list[tuple[datetime, float]]] = {}
    for pod, hour, memory in zip(usage.pods, usage.hours, usage.memory_bytes_max.tolist(), strict=True):
        if not math.isnan(memory):
            samples.setdefault(pod, []).append((hour, memory))
    for rows in samples.values():
        yield np.array([memory for _, memory in sorted(rows)], dtype=np.float64)
