"""Hourly container usage from CSV: one line for each pod and hour, units in the column names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.sources.usage_csv import ISO_TIME, Layout, figures, instants, refuse_twice, rows

if TYPE_CHECKING:
    from finops_ai.sources.staging import Engine

MIB = 2.0**20
CONTAINERS = Layout(
    name="containers",
    instant="timestamp",
    time=ISO_TIME,
    names=("cluster", "namespace", "kind", "workload", "container", "pod"),
    amounts={
        "cpu_request_m": 1e-3,
        "cpu_limit_m": 1e-3,
        "mem_request_mib": MIB,
        "mem_limit_mib": MIB,
        "cpu_avg_m": 1e-3,
        "cpu_max_m": 1e-3,
        "mem_avg_mib": MIB,
        "mem_max_mib": MIB,
        "cpu_throttled_ratio": 1.0,
    },
    counts=("restarts", "oom_kills"),
)
REQUESTS = ("cpu_request_m", "cpu_limit_m", "mem_request_mib", "mem_limit_mib")
SAMPLES = ("cpu_avg_m", "cpu_max_m", "mem_avg_mib", "mem_max_mib", "cpu_throttled_ratio")


def containers(parts: Sequence[Path], duck: Engine) -> Iterator[ContainerUsage]:
    """Samples by workload and container, in order of hour and pod. Raises Malformed for a pod-hour told twice."""
    duck.con.execute(f"CREATE TEMP TABLE sample AS {CONTAINERS.table(parts)}")
    refuse_twice(duck, "sample", CONTAINERS.names, "pod")
    lists = [f"list({name} ORDER BY instant, pod) AS {name}" for name in ("pod", *SAMPLES)]
    last = [f"last({name} ORDER BY instant, pod) AS {name}" for name in REQUESTS]
    sums = [f"CAST(sum({name}) AS BIGINT) AS {name}" for name in CONTAINERS.counts]
    columns = ", ".join([*CONTAINERS.names[:-1], "list(instant ORDER BY instant, pod) AS hour", *lists, *last, *sums])
    for row in rows(duck, f"SELECT {columns} FROM sample GROUP BY ALL ORDER BY ALL"):
        yield _container(row)


def _container(row: Mapping[str, Any]) -> ContainerUsage:
    """One row as a noun; an empty sample is NaN, an empty request or limit is unset."""
    names = {name: row[name].as_py() for name in ("cluster", "namespace", "kind", "workload")}
    return ContainerUsage(
        workload=Workload(names["cluster"], names["namespace"], names["kind"], names["workload"]),
        container=row["container"].as_py(),
        hours=instants(row),
        pods=tuple(row["pod"].as_py()),
        cpu_cores_avg=figures(row, "cpu_avg_m"),
        cpu_cores_max=figures(row, "cpu_max_m"),
        memory_bytes_avg=figures(row, "mem_avg_mib"),
        memory_bytes_max=figures(row, "mem_max_mib"),
        throttled_ratio=figures(row, "cpu_throttled_ratio"),
        restarts=row["restarts"].as_py(),
        oom_kills=row["oom_kills"].as_py(),
        cpu_request_cores=row["cpu_request_m"].as_py(),
        cpu_limit_cores=row["cpu_limit_m"].as_py(),
        memory_request_bytes=row["mem_request_mib"].as_py(),
        memory_limit_bytes=row["mem_limit_mib"].as_py(),
    )
