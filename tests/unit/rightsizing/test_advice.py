"""Advice on GPUs, volumes and idle workloads: planted cases, unknown figures, and savings within what is billed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain.money import Money
from finops_ai.domain.usage import ContainerUsage, GpuUsage, NetworkUsage, VolumeUsage, Workload
from finops_ai.rightsizing import accelerators, idle, volumes
from finops_ai.rightsizing.accelerators import GpuPrices
from finops_ai.rightsizing.advice import Advice
from finops_ai.rightsizing.settings import GIB, MIB, Prices, Settings

START = datetime(2026, 4, 1, tzinfo=UTC)
A100, L4 = "NVIDIA A100-SXM4-80GB", "NVIDIA L4"
PRICES = GpuPrices(
    hourly={"A100": Money(Decimal("3.20"), "USD"), "L4": Money(Decimal("0.80"), "USD")}, rate="effective"
)
SERVE = Workload("ml", "serve", "Deployment", "llm")


def gpu(hours: int = 72, active: float = 0.5, peak: float | None = None, **over: Any) -> GpuUsage:
    known = np.full(hours, active)
    told: dict[str, Any] = {
        "cluster": "ml",
        "node": "node-1",
        "uuid": "GPU-1",
        "model": A100,
        "slice_id": "",
        "profile": "",
        "workload": SERVE,
        "pod": "llm-0",
        "container": "server",
        "measure": "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        "memory_total_bytes": None,
        "hours": tuple(START + timedelta(hours=hour) for hour in range(hours)),
        "held": np.ones(hours),
        "seen": np.ones(hours),
        "active_avg": known,
        "active_max": known if peak is None else np.full(hours, peak),
        "idle": (known < 0.05).astype(float),
        "memory_bytes_avg": np.full(hours, 10e9),
        "memory_bytes_max": np.full(hours, 10e9),
    }
    return GpuUsage(**{**told, **over})


def advised(*usages: GpuUsage, prices: GpuPrices = PRICES) -> dict[str, Advice]:
    return {one.kind: one for one in accelerators.advise(usages, prices, Settings())}


def high(one: Advice) -> Decimal:
    assert one.saving is not None
    return one.saving.high.amount


def test_a_device_that_works_is_left_alone() -> None:
    assert advised(gpu(active=0.7, peak=1.0)) == {}
    assert advised(gpu(active=0.35, peak=0.65, model=L4)) == {}


def test_nobody_holds_it() -> None:
    spare = gpu(active=0.0, workload=None, pod="", container="")
    assert high(advised(spare)["spare_gpu"]) == Decimal("3.20") * 730
    assert advised(spare)["spare_gpu"].saving.low == advised(spare)["spare_gpu"].saving.high  # type: ignore[union-attr]
    beside = advised(spare, gpu(uuid="GPU-2"))["spare_gpu"]
    assert beside.saving is not None
    assert beside.saving.low.amount == 0


def test_held_and_idle() -> None:
    found = advised(gpu(active=0.01))
    assert "release it" in found["idle_gpu"].words
    assert high(found["idle_gpu"]) == Decimal("3.20") * 730


def test_a_low_duty_cycle_takes_another_accelerator_or_a_slice() -> None:
    found = advised(gpu(active=0.05, peak=0.2))
    assert "L4" in found["other_gpu"].words
    assert high(found["other_gpu"]) == Decimal("2.40") * 730
    without = GpuPrices(hourly={"A100": Money(Decimal("3.20"), "USD")}, rate="x")
    sliced = advised(gpu(active=0.05, peak=0.2), prices=without)["mig_slice"]
    assert "2g.20gb" in sliced.words
    assert sliced.saving is not None
    assert sliced.saving.low.amount == 0
    large = gpu(active=0.05, peak=0.2, memory_bytes_max=np.full(72, 70e9))
    assert advised(large) == {}


def test_two_small_ones_share_a_device() -> None:
    pair = [
        gpu(active=0.1, peak=0.3, model=L4, uuid=f"GPU-{i}", pod=f"llm-{i}", memory_bytes_max=np.full(72, 8e9))
        for i in (1, 2)
    ]
    assert "time-slicing" in advised(*pair)["share_gpu"].words
    full = [replace(one, memory_bytes_max=np.full(72, 15e9)) for one in pair]
    assert "share_gpu" not in advised(*full)


def test_a_pod_with_more_devices_than_it_works_on() -> None:
    found = advised(gpu(active=0.8), gpu(active=0.0, uuid="GPU-2"))
    assert "nvidia.com/gpu: 1" in found["gpu_count"].words


def test_an_idle_slice_costs_its_part_of_the_device() -> None:
    found = advised(gpu(active=0.0, profile="1g.10gb", slice_id="1"))
    assert high(found["idle_gpu"]) == pytest.approx(Decimal("3.20") * 730 / 7)


@pytest.mark.parametrize(
    "usage",
    [
        gpu(hours=20, active=0.0),
        gpu(active=float("nan")),
        gpu(active=0.0, seen=np.zeros(72)),
        gpu(active=0.0, seen=np.full(72, 0.5)),
    ],
)
def test_what_is_unknown_is_not_idle(usage: GpuUsage) -> None:
    found = advised(usage)
    assert list(found) == ["none"]
    assert found["none"].saving is None
    assert "unknown, not idle" in found["none"].words


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.sampled_from([A100, L4, "Unheard X9"])),
        min_size=1,
        max_size=4,
    )
)
def test_no_saving_is_above_the_bill(told: list[tuple[float, float, bool, str]]) -> None:
    usages = [
        gpu(active=low * top, peak=top, uuid=f"GPU-{i}", pod=f"llm-{i}", model=model, workload=SERVE if held else None)
        for i, (low, top, held, model) in enumerate(told)
    ]
    billed = sum((price.amount for one in usages if (price := PRICES.of(one.model))), Decimal(0)) * 730
    found = [one for one in accelerators.advise(usages, PRICES, Settings()) if one.saving]
    assert all(0 <= one.saving.low.amount <= one.saving.high.amount <= billed for one in found if one.saving)


def volume(used: Callable[[int], float], capacity: float = 100, days: int = 14, **over: Any) -> VolumeUsage:
    hours = range(days * 24)
    amounts = np.array([used(hour) * GIB for hour in hours])
    told: dict[str, Any] = {
        "cluster": "shop",
        "namespace": "default",
        "claim": "data",
        "storage_class": "ssd",
        "workload": SERVE,
        "hours": tuple(START + timedelta(hours=hour) for hour in hours),
        "seen": np.ones(len(amounts)),
        "capacity_bytes": np.full(len(amounts), capacity * GIB),
        "used_bytes_avg": amounts,
        "used_bytes_max": amounts,
    }
    return VolumeUsage(**{**told, **over})


@pytest.mark.parametrize(
    ("usage", "kind", "words"),
    [
        (volume(lambda hour: 50), None, ""),
        (volume(lambda hour: 10), "volume_shrink", "13Gi would do; a claim cannot shrink"),
        (volume(lambda hour: 50 + hour / 10), "volume_grow", "full in about 7 days"),
        (volume(lambda hour: 10, workload=None), "volume_unused", "no pod mounts it"),
        (volume(lambda hour: 10, days=3), "none", "3 days, 7 are needed"),
        (volume(lambda hour: float("nan")), "none", "0 days"),
    ],
)
def test_volumes(usage: VolumeUsage, kind: str | None, words: str) -> None:
    prices = Prices(storage_gib_month={"ssd": Decimal("0.17")})
    found = volumes.advise([usage], prices, Settings())
    assert [one.kind for one in found] == ([kind] if kind else [])
    assert not found or words in found[0].words
    if kind == "volume_unused":
        assert high(found[0]) == Decimal("17.00")


def containers(cpu: float, pods: int = 2, days: int = 15, kind: str = "Deployment") -> ContainerUsage:
    hours = [hour for hour in range(days * 24) for _ in range(pods)]
    values = np.full(len(hours), cpu)
    return ContainerUsage(
        workload=Workload("shop", "default", kind, "web"),
        container="app",
        hours=tuple(START + timedelta(hours=hour) for hour in hours),
        pods=tuple(f"web-{i % pods}" for i in range(len(hours))),
        cpu_cores_avg=values,
        cpu_cores_max=values,
        memory_bytes_avg=values * 0 + 50 * MIB,
        memory_bytes_max=values * 0 + 50 * MIB,
        throttled_ratio=values * 0,
        restarts=0,
        oom_kills=0,
        cpu_request_cores=0.5,
        cpu_limit_cores=None,
        memory_request_bytes=float(GIB),
        memory_limit_bytes=None,
    )


def network(usage: ContainerUsage, per_hour: float) -> NetworkUsage:
    values = np.full(len(usage.hours), per_hour)
    return NetworkUsage(
        workload=usage.workload,
        hours=usage.hours,
        pods=usage.pods,
        seen=np.ones(len(values)),
        received_bytes=values,
        transmitted_bytes=values,
    )


@pytest.mark.parametrize(
    ("usage", "per_hour", "kind", "words"),
    [
        (containers(0.001), 1000.0, "abandoned", "no work and no traffic for 15 days"),
        (containers(0.001), None, "idle", "its traffic is unknown"),
        (containers(0.001, days=8), 1000.0, "idle", "no traffic for 8 days"),
        (containers(0.001), 1e9, None, ""),
        (containers(0.001), float("nan"), None, ""),
        (containers(0.001, kind="DaemonSet"), 1000.0, None, ""),
        (containers(0.001, days=3), 1000.0, None, ""),
        (containers(0.1, pods=6), None, "replicas", "2 replicas instead of 6"),
        (containers(0.1, pods=2), None, None, ""),
        (containers(0.4, pods=4), None, None, ""),
    ],
)
def test_idle_workloads_and_spare_replicas(
    usage: ContainerUsage, per_hour: float | None, kind: str | None, words: str
) -> None:
    networks = [] if per_hour is None else [network(usage, per_hour)]
    found = idle.advise([usage], networks, Prices(), Settings())
    assert [one.kind for one in found] == ([kind] if kind else [])
    assert not found or words in found[0].words
