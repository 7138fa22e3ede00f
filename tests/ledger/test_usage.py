"""Usage by day, and of GPUs, volumes and networks: kept, superseded, thinned, and summed with what is unknown."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from finops_ai.domain.period import Days
from finops_ai.domain.usage import ContainerUsage, GpuUsage, NetworkUsage, VolumeUsage, Workload
from finops_ai.ledger import usage
from finops_ai.ledger.usage_sums import UsageQuery, sums

DAY = date(2026, 4, 1)
START = datetime(2026, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEB = Workload("c1", "ml", "Deployment", "web")


def hours(count: int, first: int = 0) -> tuple[datetime, ...]:
    return tuple(START + HOUR * (first + i) for i in range(count))


def flat(count: int, value: float) -> Any:
    return np.full(count, value)


def a_container(count: int, first: int = 0, **changes: Any) -> ContainerUsage:
    figures = ("cpu_cores_avg", "cpu_cores_max", "memory_bytes_avg", "memory_bytes_max", "throttled_ratio")
    values: dict[str, Any] = {
        "workload": WEB,
        "container": "server",
        "hours": hours(count, first),
        "pods": ("web-1",) * count,
        **{name: flat(count, 1.0) for name in figures},
        "restarts": 1,
        "oom_kills": 0,
        "cpu_request_cores": 2.0,
        "cpu_limit_cores": None,
        "memory_request_bytes": None,
        "memory_limit_bytes": None,
        "seen": flat(count, 1.0),
    }
    return ContainerUsage(**{**values, **changes})


def a_gpu(count: int = 2, *, workload: Workload | None = WEB, **changes: Any) -> GpuUsage:
    values: dict[str, Any] = {
        "cluster": "c1",
        "node": "n1",
        "uuid": "GPU-1",
        "model": "NVIDIA H100",
        "slice_id": "",
        "profile": "",
        "workload": workload,
        "pod": "web-1" if workload else "",
        "container": "server" if workload else "",
        "measure": "m",
        "memory_total_bytes": None,
        "hours": hours(count),
        **{name: flat(count, 0.5) for name in ("active_avg", "active_max", "idle")},
        **{name: flat(count, 1.0) for name in ("held", "seen", "memory_bytes_avg", "memory_bytes_max")},
    }
    return GpuUsage(**{**values, **changes})


def ask(ledger: sa.Engine, *keys: str, resource: str = "gpu", days: Days | None = None) -> list[dict[str, Any]]:
    query = UsageQuery(days=days, group_by=keys, resources=(resource,), as_of=START + HOUR * 100)
    return sums(ledger, query)


def same(one: Any, other: Any) -> bool:
    return all(
        np.array_equal(mine, theirs, equal_nan=True) if isinstance(mine, np.ndarray) else mine == theirs
        for name in type(one).__slots__
        for mine, theirs in [(getattr(one, name), getattr(other, name))]
    )


def test_every_noun_comes_back_as_it_was_read(ledger: sa.Engine) -> None:
    gpu, free = a_gpu(active_avg=np.array([0.5, np.nan])), a_gpu(workload=None, uuid="GPU-2", memory_total_bytes=8.0)
    room = {"seen": flat(2, 1.0), "capacity_bytes": flat(2, 9.0), "used_bytes_max": flat(2, np.nan)}
    volume = VolumeUsage(
        cluster="c1",
        namespace="ml",
        claim="models",
        storage_class="fast",
        workload=None,
        hours=hours(2),
        used_bytes_avg=flat(2, 3.0),
        **room,
    )
    moved = {"seen": flat(1, 0.5), "received_bytes": flat(1, 1.0), "transmitted_bytes": flat(1, 0.0)}
    network = NetworkUsage(workload=WEB, hours=hours(1), pods=("web-1",), **moved)
    usage.replace(ledger, "prom", "f1", [a_container(2), gpu, free, volume, network], START, DAY)
    assert [len(read(ledger, START)) for read in (usage.usages, usage.gpus, usage.volumes, usage.networks)] == [
        1,
        2,
        1,
        1,
    ]
    assert same(usage.usages(ledger, START)[0], a_container(2))
    assert all(same(back, given) for back, given in zip(usage.gpus(ledger, START), (gpu, free), strict=True))
    assert [same(back, volume) for back in usage.volumes(ledger, START)] == [True]
    assert [same(back, network) for back in usage.networks(ledger, START)] == [True]


def test_days_are_put_together_and_the_newest_reading_of_each_counts(ledger: sa.Engine) -> None:
    usage.replace(ledger, "prom", "a", [a_container(10)], START + HOUR * 10, DAY)
    usage.replace(ledger, "prom", "b", [a_container(24)], START + HOUR * 25, DAY)
    second = a_container(3, 24, cpu_request_cores=4.0)
    usage.replace(ledger, "prom", "c", [second], START + HOUR * 27, DAY + timedelta(days=1))
    (early,) = usage.usages(ledger, START + HOUR * 12)
    assert len(early.hours) == 10
    (whole,) = usage.usages(ledger, START + HOUR * 28)
    assert (whole.hours, whole.restarts, whole.cpu_request_cores) == (hours(27), 2, 4.0)
    assert usage.known_usage(ledger, "prom", START + HOUR * 28) == {DAY: "b", DAY + timedelta(days=1): "c"}
    assert usage.usages(ledger, START + timedelta(days=60)) == [], "sizing looks at the last days only"
    usage.replace(ledger, "prom", "file", [a_container(1)], START + HOUR * 30)
    (all_at_once,) = usage.usages(ledger, START + HOUR * 31)
    assert len(all_at_once.hours) == 1, "a reading of everything takes the place of the days"


def test_of_one_day_of_knowledge_the_last_reading_is_kept(ledger: sa.Engine) -> None:
    for hour in (1, 2, 23, 25):
        usage.replace(ledger, "prom", str(hour), [a_container(hour)], START + HOUR * hour, DAY)
    assert usage.thin(ledger, START) == 0
    assert usage.thin(ledger, START + timedelta(days=9)) == 2
    answers = [usage.known_usage(ledger, "prom", START + HOUR * hour) for hour in (22, 24, 26)]
    assert answers == [{}, {DAY: "23"}, {DAY: "25"}]
    assert usage.prune(ledger, START) == 0
    assert usage.prune(ledger, START + timedelta(days=9)) == 2


def test_holders_that_share_a_device_share_its_hours(ledger: sa.Engine) -> None:
    other = Workload("c1", "ml", "Deployment", "other")
    usage.replace(ledger, "files", "f", [a_gpu(), a_gpu(workload=other, pod="other-1")], START)
    assert {row["workload"]: row["reserved"] for row in ask(ledger, "workload")} == {"other": 1.0, "web": 1.0}


def test_a_slice_of_an_unknown_part_is_unknown_and_never_zero(ledger: sa.Engine) -> None:
    strange = {"model": "Some Card", "slice_id": "1", "profile": "1g.10gb"}
    usage.replace(ledger, "files", "f", [a_gpu(workload=None, **strange), a_gpu(uuid="GPU-2")], START)
    rows = {row["gpu"]: row for row in ask(ledger, "gpu")}
    assert (rows["GPU-1"]["unused"], rows["GPU-1"]["used"], rows["GPU-1"]["average"]) == (None, None, 0.5)
    assert (rows["GPU-2"]["unused"], rows["GPU-2"]["used"]) == (0, 1.0)


def test_half_seen_hours_weigh_half_and_gaps_are_told(ledger: sa.Engine) -> None:
    told = a_container(3, cpu_cores_avg=np.array([1.0, np.nan, 4.0]), seen=np.array([1.0, 1.0, 0.5]))
    usage.replace(ledger, "files", "f", [told], START)
    (row,) = ask(ledger, "workload", resource="cpu", days=Days(DAY, DAY + timedelta(days=1)))
    assert (row["hours"], row["hours_asked"]) == (2, 24)
    assert row["average"] == pytest.approx((1 + 4 * 0.5) / 1.5)
    assert row["used"] == 3.0
    assert row["gaps"] == ["2026-04-01T01:00Z/2026-04-01T02:00Z", "2026-04-01T03:00Z/2026-04-02T00:00Z"]
    (by_default,) = ask(ledger, "workload", resource="cpu")
    assert (by_default["hours_asked"], by_default["coverage"]) == (3, pytest.approx(2 / 3))


def test_a_pod_told_whole_is_not_added_to_its_containers(ledger: sa.Engine) -> None:
    usage.replace(
        ledger, "files", "f", [a_container(2), a_container(3, container="", cpu_cores_max=flat(3, np.nan))], START
    )
    (row,) = ask(ledger, "workload", resource="cpu")
    assert (row["used"], row["peak"]) == (3.0, None)
    assert [row["used"] for row in ask(ledger, "container", resource="cpu")] == [3.0, 2.0]
    assert [each.container for each in usage.usages(ledger, START)] == ["server"], "sizing is for containers"
