"""The demo company's Kubernetes cluster: three weeks of container usage, hour by hour."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from finops_ai.demo.billing import at
from finops_ai.domain.period import Days

CLUSTER = "prod"
NOTHING: Mapping[str, Any] = {}
USAGE_DAYS = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One workload's container: what it asks for and what it does, per pod. CPU in millicores, memory in MiB.

    `burst` is the highest second of an hour over its average, `leak_mib_per_day` grows from Monday to Sunday,
    `age_hours` is set for what began of late. Memory that would pass the limit is an OOM kill.
    """

    namespace: str
    workload: str
    name: str
    pods: int
    cpu_request_m: int
    cpu_limit_m: int | None
    memory_request_mib: int
    memory_limit_mib: int
    cpu_m: float
    burst: float
    memory_mib: float
    memory_noise: float = 0.02
    leak_mib_per_day: float = 0.0
    kind: str = "Deployment"
    age_hours: int | None = None


CONTAINERS = (
    Container(  # far too large: to be lowered
        namespace="search",
        workload="search-api",
        name="api",
        pods=3,
        cpu_request_m=1500,
        cpu_limit_m=None,
        memory_request_mib=2048,
        memory_limit_mib=2048,
        cpu_m=310,
        burst=1.6,
        memory_mib=920,
    ),
    Container(  # far too large, but without a cost center: policy must block the change
        namespace="ml-serve",
        workload="clip-preprocess",
        name="preprocess",
        pods=4,
        cpu_request_m=4000,
        cpu_limit_m=4000,
        memory_request_mib=8192,
        memory_limit_mib=8192,
        cpu_m=620,
        burst=1.5,
        memory_mib=2150,
    ),
    Container(  # killed for memory: to be raised
        namespace="ml-serve",
        workload="whisper-gateway",
        name="gateway",
        pods=2,
        cpu_request_m=500,
        cpu_limit_m=1000,
        memory_request_mib=512,
        memory_limit_mib=512,
        cpu_m=233,
        burst=1.4,
        memory_mib=455,
        memory_noise=0.05,
    ),
    Container(  # uses what it asks for
        namespace="ml-train",
        workload="sdxl-finetune",
        name="trainer",
        pods=1,
        cpu_request_m=8000,
        cpu_limit_m=8000,
        memory_request_mib=32768,
        memory_limit_mib=32768,
        cpu_m=3900,
        burst=1.3,
        memory_mib=26500,
    ),
    Container(  # leaks all week: its memory must not be lowered to a quiet day's
        kind="StatefulSet",
        namespace="data-platform",
        workload="feature-store",
        name="server",
        pods=2,
        cpu_request_m=1000,
        cpu_limit_m=2000,
        memory_request_mib=6144,
        memory_limit_mib=8192,
        cpu_m=460,
        burst=1.4,
        memory_mib=1500,
        leak_mib_per_day=590,
    ),
    Container(  # right as it is
        namespace="risk",
        workload="risk-scorer",
        name="scorer",
        pods=2,
        cpu_request_m=800,
        cpu_limit_m=1600,
        memory_request_mib=1024,
        memory_limit_mib=1024,
        cpu_m=390,
        burst=1.35,
        memory_mib=800,
    ),
    Container(  # two days old: too young to judge
        namespace="search",
        workload="query-rewriter",
        name="rewriter",
        pods=1,
        cpu_request_m=1000,
        cpu_limit_m=2000,
        memory_request_mib=1024,
        memory_limit_mib=1024,
        cpu_m=90,
        burst=1.5,
        memory_mib=300,
        age_hours=44,
    ),
)


def usage_file(as_of: date, known_on: date, seed: int, merged: Mapping[str, tuple[date, Container]] = NOTHING) -> bytes:
    """Hourly samples of every pod in the three weeks before `known_on` (UTC), as gzipped CSV, oldest first.

    An hour's samples are the same in every file that holds them; `as_of` is the day from which ages count. `merged`
    says from which day on a workload runs with other requests.
    """
    rows = [row for container in CONTAINERS for row in _samples(container, as_of, known_on, seed, merged)]
    rows.sort(key=lambda row: row["timestamp"])
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _samples(
    container: Container, as_of: date, known_on: date, seed: int, merged: Mapping[str, tuple[date, Container]]
) -> Iterator[dict[str, str]]:
    since, other = merged.get(container.workload, (known_on, container))
    born = at(as_of, -container.age_hours) if container.age_hours else None
    for pod in (f"{container.workload}-{number}" for number in range(container.pods)):
        for day in Days(known_on - timedelta(days=USAGE_DAYS), known_on):
            random = Random(f"{seed}/{pod}/{day}")  # noqa: S311 - a simulation, not a secret
            for hour in (at(day, hour) for hour in range(24)):
                sample = _sample(other if day >= since else container, hour, random)
                if born is None or hour >= born:
                    yield {
                        "timestamp": f"{hour:%Y-%m-%dT%H:%M:%SZ}",
                        "cluster": CLUSTER,
                        "namespace": container.namespace,
                        "kind": container.kind,
                        "workload": container.workload,
                        "container": container.name,
                        "pod": pod,
                        **sample,
                    }


def _sample(container: Container, hour: datetime, random: Random) -> dict[str, str]:
    """Busy in the afternoon, quieter at night and at the weekend."""
    daily = 1 + 0.25 * math.cos((hour.hour - 14) / 24 * 2 * math.pi)
    load = daily * (0.75 if hour.weekday() >= 5 else 1.0) * (1 + 0.05 * random.gauss(0, 1))
    cpu = container.cpu_m * max(load, 0.1)
    cpu_max = min(cpu * container.burst, container.cpu_limit_m or math.inf)
    leaked = container.leak_mib_per_day * (hour.weekday() + hour.hour / 24)
    wanted = container.memory_mib * (1 + container.memory_noise * random.gauss(0, 1)) + leaked
    killed = wanted > container.memory_limit_mib
    memory = min(wanted, container.memory_limit_mib)
    return {
        "cpu_request_m": str(container.cpu_request_m),
        "cpu_limit_m": str(container.cpu_limit_m or ""),
        "mem_request_mib": str(container.memory_request_mib),
        "mem_limit_mib": str(container.memory_limit_mib),
        "cpu_avg_m": f"{cpu:.3f}",
        "cpu_max_m": f"{cpu_max:.3f}",
        "mem_avg_mib": f"{memory * 0.97:.3f}",
        "mem_max_mib": f"{memory:.3f}",
        "cpu_throttled_ratio": "0.0000",
        "restarts": str(int(killed)),
        "oom_kills": str(int(killed)),
    }
