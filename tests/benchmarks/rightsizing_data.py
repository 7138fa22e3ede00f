"""Usage for the rightsizing benchmark: the shared traces, simulated ones of the same kinds, and fleets made of them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.rightsizing.settings import MIB

START = datetime(2026, 4, 1, tzinfo=UTC)
WEEK = 168


def shared_traces(folder: Path) -> list[ContainerUsage]:
    rows: dict[tuple[str, ...], list[dict[str, str]]] = {}
    with gzip.open(folder / "container_usage_hourly.csv.gz", "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            key = tuple(row[name] for name in ("cluster", "namespace", "kind", "workload", "container"))
            rows.setdefault(key, []).append(row)
    return [_trace(key, of) for key, of in rows.items()]


def _trace(key: Sequence[str], of: Sequence[dict[str, str]]) -> ContainerUsage:
    def column(name: str, scale: float) -> np.ndarray:
        return np.array([float(row[name]) * scale for row in of])

    last = of[-1]
    return ContainerUsage(
        workload=Workload(key[0], key[1], key[2], key[3]),
        container=key[4],
        hours=tuple(datetime.fromisoformat(row["timestamp"]) for row in of),
        pods=tuple(row["pod"] for row in of),
        cpu_cores_avg=column("cpu_avg_m", 0.001),
        cpu_cores_max=column("cpu_max_m", 0.001),
        memory_bytes_avg=column("mem_avg_mib", MIB),
        memory_bytes_max=column("mem_max_mib", MIB),
        throttled_ratio=column("cpu_throttled_ratio", 1),
        restarts=0,
        oom_kills=sum(int(row["oom_kills"]) for row in of),
        cpu_request_cores=float(last["cpu_request_m"]) / 1000,
        cpu_limit_cores=float(last["cpu_limit_m"]) / 1000,
        memory_request_bytes=float(last["mem_request_mib"]) * MIB,
        memory_limit_bytes=float(last["mem_limit_mib"]) * MIB,
    )


def simulated_traces(pods: int = 2) -> list[ContainerUsage]:
    """Two weeks of a daily rhythm, of bursts, and of next to nothing."""
    draw = np.random.default_rng(7)
    hours = [hour for hour in range(2 * WEEK) for _ in range(pods)]
    rhythm = 1 + 0.4 * np.sin(np.array(hours) / 24 * 2 * np.pi)
    noise = draw.lognormal(0, 0.05, len(hours))
    burst = np.where(draw.random(len(hours)) < 0.03, 9.0, 1.4)
    told = {"daily": (0.05 * rhythm * noise, 1.4), "bursty": (0.01 * noise, burst), "idle": (0.0001 * noise, 1.4)}
    return [
        ContainerUsage(
            workload=Workload("shop", "default", "Deployment", name),
            container="server",
            hours=tuple(START + timedelta(hours=hour) for hour in hours),
            pods=tuple(f"{name}-{i % pods}" for i in range(len(hours))),
            cpu_cores_avg=cpu,
            cpu_cores_max=cpu * over,
            memory_bytes_avg=60 * MIB * noise,
            memory_bytes_max=64 * MIB * noise,
            throttled_ratio=np.zeros(len(hours)),
            restarts=0,
            oom_kills=0,
            cpu_request_cores=0.2,
            cpu_limit_cores=0.4,
            memory_request_bytes=180.0 * MIB,
            memory_limit_bytes=360.0 * MIB,
        )
        for name, (cpu, over) in told.items()
    ]


def fleet(traces: Iterable[ContainerUsage], variants: int) -> list[ContainerUsage]:
    """Each trace as `variants` services of other sizes: its two weeks in any order, four in all, with noise."""
    return [
        _variant(trace, number) for trace in traces if len(set(trace.hours)) == 2 * WEEK for number in range(variants)
    ]


def _variant(trace: ContainerUsage, number: int) -> ContainerUsage:
    draw = np.random.default_rng([number, sum(trace.workload.name.encode())])
    size_cpu, size_memory = 10 ** draw.uniform(0, 1.5), 10 ** draw.uniform(0, 1.5)
    start = min(trace.hours)
    at = np.array([int((hour - start).total_seconds()) // 3600 for hour in trace.hours])
    picks = [np.flatnonzero(at // WEEK == week) for week in draw.integers(0, 2, 4)]
    index = np.concatenate(picks)
    hour = np.concatenate([at[pick] % WEEK + week * WEEK for week, pick in enumerate(picks)])
    day_cpu = np.exp(draw.normal(0, 0.08, 28))[hour // 24] * size_cpu
    day_memory = np.exp(draw.normal(0, 0.03, 28))[hour // 24] * size_memory
    limits = {"cpu_request_cores": size_cpu, "cpu_limit_cores": size_cpu}
    limits |= {"memory_request_bytes": size_memory, "memory_limit_bytes": size_memory}
    return replace(
        trace,
        workload=replace(trace.workload, name=f"{trace.workload.name}-{number}"),
        hours=tuple(start + timedelta(hours=int(one)) for one in hour),
        pods=tuple(trace.pods[i] for i in index),
        cpu_cores_avg=trace.cpu_cores_avg[index] * day_cpu,
        cpu_cores_max=trace.cpu_cores_max[index] * day_cpu,
        memory_bytes_avg=trace.memory_bytes_avg[index] * day_memory,
        memory_bytes_max=trace.memory_bytes_max[index] * day_memory,
        throttled_ratio=trace.throttled_ratio[index],
        **{name: (getattr(trace, name) or 0) * scale for name, scale in limits.items()},
    )
