"""Profile `steady` and its guard: what is recommended, what is refused, and what never happens."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain.proposal import Recommendation
from finops_ai.domain.quantity import parse
from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.rightsizing.guard import guard
from finops_ai.rightsizing.observed import Resources, observe, percentile, resources_of
from finops_ai.rightsizing.profiles import steady
from finops_ai.rightsizing.saving import request_cost
from finops_ai.rightsizing.settings import MIB, Prices, Settings
from finops_ai.rightsizing.strategies import NotNow, recommend

START = datetime(2026, 4, 1, tzinfo=UTC)
WEB = Workload("shop", "default", "Deployment", "web")


def usage(
    *,
    days: float = 14,
    pods: int = 2,
    cpu: Callable[[int], float] = lambda hour: 0.050,
    memory_mib: Callable[[int], float] = lambda hour: 100,
    throttled: float = 0.0,
    restarts: int = 0,
    oom_kills: int = 0,
    cpu_request: float | None = 0.5,
    cpu_limit: float | None = 1.0,
    memory_request_mib: float | None = 512,
    memory_limit_mib: float | None = 1024,
    container: str = "app",
) -> ContainerUsage:
    hours = [hour for hour in range(int(days * 24)) for _ in range(pods)]
    cpu_max = np.array([cpu(hour) for hour in hours], dtype=np.float64)
    memory_max = np.array([memory_mib(hour) * MIB for hour in hours], dtype=np.float64)
    return ContainerUsage(
        workload=WEB,
        container=container,
        hours=tuple(START + timedelta(hours=hour) for hour in hours),
        pods=tuple(f"web-{i % pods}" for i in range(len(hours))),
        cpu_cores_avg=cpu_max / 2,
        cpu_cores_max=cpu_max,
        memory_bytes_avg=memory_max,
        memory_bytes_max=memory_max,
        throttled_ratio=np.full(len(hours), throttled),
        restarts=restarts,
        oom_kills=oom_kills,
        cpu_request_cores=cpu_request,
        cpu_limit_cores=cpu_limit,
        memory_request_bytes=None if memory_request_mib is None else memory_request_mib * MIB,
        memory_limit_bytes=None if memory_limit_mib is None else memory_limit_mib * MIB,
    )


def answer(one: ContainerUsage, **changed: object) -> Recommendation | NotNow:
    (only,) = recommend([one], prices=Prices(), settings=Settings(**changed))  # type: ignore[arg-type]
    return only


def changes(one: ContainerUsage, **changed: object) -> dict[str, str]:
    found = answer(one, **changed)
    return {change.path: change.proposed for change in found.changes} if isinstance(found, Recommendation) else {}


def from_file(path: Path) -> dict[str, ContainerUsage]:
    rows: dict[tuple[str, ...], list[dict[str, str]]] = {}
    with gzip.open(path, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            key = tuple(row[name] for name in ("cluster", "namespace", "kind", "workload", "container"))
            rows.setdefault(key, []).append(row)

    def column(of: list[dict[str, str]], name: str, scale: float) -> np.ndarray:
        return np.array([float(row[name]) * scale for row in of])

    return {
        key[3]: ContainerUsage(
            workload=Workload(*key[:4]),
            container=key[4],
            hours=tuple(datetime.fromisoformat(row["timestamp"]) for row in of),
            pods=tuple(row["pod"] for row in of),
            cpu_cores_avg=column(of, "cpu_avg_m", 0.001),
            cpu_cores_max=column(of, "cpu_max_m", 0.001),
            memory_bytes_avg=column(of, "mem_avg_mib", MIB),
            memory_bytes_max=column(of, "mem_max_mib", MIB),
            throttled_ratio=column(of, "cpu_throttled_ratio", 1),
            restarts=sum(int(row["restarts"]) for row in of),
            oom_kills=sum(int(row["oom_kills"]) for row in of),
            cpu_request_cores=float(of[-1]["cpu_request_m"]) / 1000,
            cpu_limit_cores=float(of[-1]["cpu_limit_m"]) / 1000,
            memory_request_bytes=float(of[-1]["mem_request_mib"]) * MIB,
            memory_limit_bytes=float(of[-1]["mem_limit_mib"]) * MIB,
        )
        for key, of in rows.items()
    }


@pytest.mark.shared
def test_every_workload_of_the_shared_usage_agrees_with_its_facts(shared: Path) -> None:
    folder = shared / "data" / "k8s-usage"
    usages = from_file(folder / "container_usage_hourly.csv.gz")
    facts = {fact["workload"]: fact for fact in json.loads((folder / "facts.json").read_bytes())}
    answers = {
        found.workload.name: found
        for found in recommend(list(usages.values()), prices=Prices(), settings=Settings())
    }  # fmt: skip
    assert set(answers) == set(facts)
    for name, fact in facts.items():
        seen = observe(usages[name], Settings())
        assert float(percentile(seen.cpu, Decimal("0.99"))) * 1000 == pytest.approx(fact["cpu_p99_of_hourly_max_m"])
        assert float(seen.memory_max) / MIB == pytest.approx(fact["mem_max_mib"])
        found = answers[name]
        proposed = {one.path: parse(one.proposed) for one in getattr(found, "changes", ())}
        cpu, memory = proposed.get("requests.cpu"), proposed.get("requests.memory")
        now_cpu, now_memory = Decimal(fact["cpu_request_m"]) / 1000, Decimal(fact["mem_request_mib"]) * MIB
        peak = Decimal(str(fact["mem_max_mib"])) * MIB
        said = " ".join(found.reasons)
        assert memory is None or memory >= peak
        match fact["profile"]:
            case "over":
                assert cpu is not None
                assert memory is not None
                assert cpu < now_cpu
                assert memory < now_memory
            case "oom":
                assert memory is not None
                assert memory > max(now_memory, peak)
                assert proposed["limits.memory"] >= memory
                assert "OOM" in said
            case "ok":
                assert cpu is None or abs(cpu / now_cpu - 1) < Decimal("0.2")
                assert memory is None
            case "bursty":
                assert cpu is not None
                assert cpu > Decimal(str(fact["cpu_p99_of_hourly_max_m"])) / 1000
                assert "bursty" in said
            case "leak":
                assert memory is None
                assert "grows" in said
            case "idle":
                assert cpu is not None
                assert Decimal("0.010") <= cpu < now_cpu
                assert memory is not None
                assert Decimal(20 * MIB) <= memory < now_memory
                assert "idle" in said
            case "new":
                assert isinstance(found, NotNow)
                assert "not enough data" in said
            case "weekly":
                assert cpu is None or cpu >= Decimal(str(fact["cpu_p99_of_hourly_max_m"])) / 1000
                week = usages[name]
                short = [hour < week.hours[0] + timedelta(days=3) for hour in week.hours]
                assert sum(short) < len(short)
            case other:
                raise AssertionError(f"no expectation for {other}")


@pytest.mark.parametrize(
    ("share", "rank"), [("0", 1), ("0.5", 50), ("0.95", 95), ("0.99", 99), ("0.995", 100), ("1", 100)]
)
def test_percentile_is_the_nearest_rank(share: str, rank: int) -> None:
    assert percentile([Decimal(i) for i in range(1, 101)], Decimal(share)) == rank


def test_cpu_is_the_percentile_of_hourly_maxima_plus_headroom_rounded_up() -> None:
    one = usage(pods=1, cpu=lambda hour: 0.9 if hour in (7, 9) else 0.2997 if hour % 3 else 0.1, memory_request_mib=110)
    assert changes(one) == {"requests.cpu": "345m"}


def test_memory_is_the_maximum_plus_margin_and_the_limit_stays() -> None:
    one = usage(cpu_request=0.0575, memory_mib=lambda hour: 300.5 if hour == 40 else 20)
    assert changes(one) == {"requests.memory": "346Mi"}


def test_a_memory_request_that_equals_its_limit_stays_equal() -> None:
    one = usage(cpu_request=0.0575, memory_mib=lambda hour: 300.5, memory_limit_mib=512)
    assert changes(one) == {"requests.memory": "346Mi", "limits.memory": "346Mi"}


def test_guaranteed_stays_guaranteed_and_its_limit_covers_the_peak() -> None:
    one = usage(cpu=lambda hour: 0.8 if hour == 9 else 0.3, cpu_request=1.5, cpu_limit=1.5, memory_limit_mib=512)
    assert changes(one) == {
        "requests.cpu": "920m",
        "limits.cpu": "920m",
        "requests.memory": "256Mi",
        "limits.memory": "256Mi",
    }


def test_the_limit_moves_when_it_would_be_below_the_request() -> None:
    one = usage(cpu=lambda hour: 0.49, cpu_request=0.1, cpu_limit=0.5, memory_request_mib=110)
    assert changes(one) == {"requests.cpu": "564m", "limits.cpu": "564m"}


def test_a_limit_moves_by_little_when_the_request_needs_it() -> None:
    one = usage(cpu=lambda hour: 0.45, cpu_request=0.1, cpu_limit=0.5, memory_request_mib=110)
    assert changes(one) == {"requests.cpu": "518m", "limits.cpu": "518m"}


def test_throttling_raises_the_limit_and_never_lowers_the_request() -> None:
    one = usage(cpu=lambda hour: 0.1, throttled=0.3, cpu_request=0.4, cpu_limit=0.4, memory_request_mib=110)
    assert changes(one) == {"requests.cpu": "600m", "limits.cpu": "600m"}
    apart = usage(cpu=lambda hour: 0.1, throttled=0.3, cpu_request=0.2, cpu_limit=0.4, memory_request_mib=110)
    assert changes(apart) == {"limits.cpu": "600m"}


def test_unset_requests_are_proposed() -> None:
    one = usage(cpu_request=None, cpu_limit=None, memory_request_mib=None, memory_limit_mib=None)
    assert changes(one) == {"requests.cpu": "58m", "requests.memory": "115Mi"}
    found = answer(one)
    assert isinstance(found, Recommendation)
    assert found.saving.high.amount < 0


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (usage(days=6.9), "not enough data: 6.9 days"),
        (usage(days=0), "not enough data: 0.0 days"),
        (usage(cpu=lambda hour: float("nan") if hour % 2 else 0.05), "50% of the hours"),
        (usage(cpu_request=0.0600, memory_request_mib=120), "requests fit"),
        (usage(restarts=40), "keeps restarting"),
    ],
)
def test_not_now(one: ContainerUsage, reason: str) -> None:
    found = answer(one)
    assert isinstance(found, NotNow)
    assert reason in " ".join(found.reasons)


def test_at_most_half_in_one_change_and_the_reason_is_told() -> None:
    found = answer(usage())
    assert isinstance(found, Recommendation)
    assert {one.path: one.proposed for one in found.changes} == {"requests.cpu": "250m", "requests.memory": "256Mi"}
    assert "at most -50% in one change" in " ".join(found.reasons)


def test_after_oom_memory_is_raised_from_whichever_is_higher() -> None:
    one = usage(
        cpu_request=0.0575, memory_mib=lambda hour: 256, memory_request_mib=256, memory_limit_mib=256, oom_kills=1
    )
    assert changes(one) == {"requests.memory": "320Mi", "limits.memory": "320Mi"}


@pytest.mark.parametrize("per_hour", [0.2, 1.0])
def test_a_leak_is_not_lowered(per_hour: float) -> None:
    one = usage(cpu_request=0.0575, memory_mib=lambda hour: 60 + per_hour * (hour % 168))
    assert changes(one) == {}


def test_a_daily_rhythm_is_no_leak() -> None:
    one = usage(cpu_request=0.0575, memory_mib=lambda hour: 200 + 50 * np.sin(hour / 24 * 2 * np.pi))
    assert "requests.memory" in changes(one)


def test_several_containers_make_one_recommendation() -> None:
    pair = [usage(container="b"), usage(container="a", days=1)]
    (found,) = recommend(pair, prices=Prices(), settings=Settings())
    assert isinstance(found, Recommendation)
    assert {one.container for one in found.changes} == {"b"}
    assert any(reason.startswith("a: not enough data") for reason in found.reasons)


def test_saving_is_a_range_over_the_replicas_at_the_named_rate() -> None:
    small, large = usage(pods=2), usage(pods=6, days=7)
    both = ContainerUsage(
        **{
            name: (getattr(small, name) + tuple(getattr(large, name)))
            if isinstance(getattr(small, name), tuple)
            else np.concatenate([getattr(small, name), getattr(large, name)])
            if isinstance(getattr(small, name), np.ndarray)
            else getattr(small, name)
            for name in ContainerUsage.__slots__
        }
    )
    found = answer(both)
    assert isinstance(found, Recommendation)
    per_pod = Decimal(730) * (Decimal("0.25") * Decimal("0.031611") + Decimal("0.25") * Decimal("0.004237"))
    assert found.saving.low.amount == per_pod * 2
    assert found.saving.high.amount == per_pod * 8
    assert found.saving.rate == "illustrative on-demand"


@pytest.mark.parametrize(
    ("profile", "cpu", "memory"),
    [
        # 12 hours of 0.2 to 0.4 cores, 12 of 0.1 at most, every day; 300 MiB at most.
        ("steady", "460m", "345Mi"),
        ("lean", "200m", "345Mi"),
        ("krr", "363m", "345Mi"),
        ("kubecost", "572m", "429Mi"),
        ("vpa", "352m", "363Mi"),
    ],
)
def test_profiles_by_hand(profile: str, cpu: str, memory: str) -> None:
    one = usage(
        cpu=lambda hour: 0.4 if hour % 24 < 12 else 0.1,
        memory_mib=lambda hour: 300 if hour % 24 == 5 else 200,
        cpu_request=1.0,
        cpu_limit=None,
        memory_request_mib=600,
        memory_limit_mib=None,
    )
    assert changes(one, profile=profile, max_decrease="0.9") == {"requests.cpu": cpu, "requests.memory": memory}


def test_a_job_is_sized_by_its_runs_and_priced_by_the_hours_it_runs() -> None:
    one = usage(days=14, pods=1, cpu=lambda hour: 0.05, memory_mib=lambda hour: 100)
    nightly = [i for i, hour in enumerate(one.hours) if hour.hour == 3]
    job = dataclasses.replace(
        one,
        workload=dataclasses.replace(WEB, kind="CronJob"),
        hours=tuple(one.hours[i] for i in nightly),
        pods=tuple(f"web-{i}" for i in nightly),
        **{
            name: getattr(one, name)[nightly]
            for name in ("cpu_cores_avg", "cpu_cores_max", "memory_bytes_avg", "memory_bytes_max", "throttled_ratio")
        },
    )
    found = answer(job)
    assert isinstance(found, Recommendation)
    per_pod = Decimal(730) * (Decimal("0.25") * Decimal("0.031611") + Decimal("0.25") * Decimal("0.004237"))
    assert 0 < found.saving.high.amount < per_pod / 20
    few = dataclasses.replace(job, pods=tuple(f"web-{i % 4}" for i in range(len(nightly))))
    assert "4 runs, 5 are needed" in " ".join(answer(few).reasons)


def test_the_window_is_replayed_with_the_new_values() -> None:
    found = answer(usage(cpu=lambda hour: 0.4, memory_mib=lambda hour: 300 if hour == 40 else 100, cpu_limit=None))
    assert isinstance(found, Recommendation)
    told = found.evidence["app"]
    assert told["confidence"] == "76%"
    assert told["replay_throttled"] == "no CPU limit: nothing throttles it"
    assert told["replay_cpu_minutes"] == "0 of 40,320 pod-minutes, in 0 pod-hours"
    assert told["worst_memory"] == "300.0Mi, 87% of the proposed request, pod web-0, hour 2026-04-02 16:00 UTC"


def test_what_was_killed_or_throttled_comes_first() -> None:
    calm = usage(container="a")
    killed = dataclasses.replace(
        usage(oom_kills=2, memory_limit_mib=512), workload=dataclasses.replace(WEB, name="zebra")
    )
    answers = recommend([calm, killed], prices=Prices(), settings=Settings())
    assert [one.workload.name for one in answers] == ["zebra", "web"]


def test_a_tier_takes_smaller_steps_and_a_freeze_none() -> None:
    careful = {"tiers": [{"match": "shop/default/*", "max_decrease": "0.2"}]}
    assert changes(usage(), **careful)["requests.cpu"] == "400m"
    frozen = Settings(freezes=[{"start": START, "end": START + timedelta(days=1), "note": "year's end"}])
    for hours, expected in ((1, NotNow), (24, Recommendation)):
        (found,) = recommend([usage()], prices=Prices(), settings=frozen, as_of=START + timedelta(hours=hours))
        assert isinstance(found, expected)
    with pytest.raises(ValueError, match="end lies before start"):
        Settings(freezes=[{"start": START, "end": START, "note": "x"}])


def test_start_up_needs_more_than_the_rest_of_the_time() -> None:
    """Source: robusta-dev/krr#110, OOM at start. The hours of a start are hours: memory covers them, limits stay."""
    one = usage(
        cpu=lambda hour: 0.9 if hour in (0, 200) else 0.05,
        memory_mib=lambda hour: 500 if hour in (0, 200) else 100,
        memory_request_mib=900,
    )
    found = changes(one)
    assert parse(found["requests.memory"]) >= 500 * MIB * Decimal("1.15")
    assert "limits.cpu" not in found


sizes = st.floats(0.001, 8, allow_nan=False)
mebibytes = st.floats(1, 4096, allow_nan=False)


@st.composite
def usages(draw: st.DrawFn) -> ContainerUsage:
    base, peak = draw(sizes), draw(sizes)
    low, high = draw(mebibytes), draw(mebibytes)
    spike = draw(st.integers(1, 400))
    cpu_limit, memory_limit = draw(st.none() | sizes), draw(st.none() | mebibytes)
    cpu_request, memory_request = draw(st.none() | sizes), draw(st.none() | mebibytes)
    tied = draw(st.booleans())
    return usage(
        days=draw(st.sampled_from([3, 7, 8])),
        pods=draw(st.integers(1, 3)),
        cpu=lambda hour: peak if hour % spike == 0 else base,
        memory_mib=lambda hour: high if hour % spike == 0 else low,
        throttled=draw(st.sampled_from([0.0, 0.04, 0.5])),
        restarts=draw(st.sampled_from([0, 3, 100])),
        oom_kills=draw(st.sampled_from([0, 0, 2])),
        cpu_request=cpu_request,
        cpu_limit=cpu_request if tied else cpu_limit,
        memory_request_mib=memory_request,
        memory_limit_mib=memory_request if tied else memory_limit,
    )


PROFILE_NAMES = ("steady", "lean", "krr", "kubecost", "vpa")


@settings(max_examples=150)
@given(usages(), st.sampled_from(PROFILE_NAMES))
def test_no_recommendation_is_ever_unsafe(one: ContainerUsage, profile: str) -> None:
    chosen, prices = Settings(), Prices()
    now, seen = resources_of(one), observe(one, chosen)
    found = answer(one, profile=profile)
    if isinstance(found, NotNow):
        assert found.reasons
        return
    assert seen.days >= 7
    after = {change.path: parse(change.proposed) for change in found.changes}
    for path, value in after.items():
        before = getattr(now, "_".join(reversed(path.split("."))).removesuffix("s"))
        assert value > 0
        assert "memory" not in path or value >= seen.memory_max
        if before is not None and value < before:
            assert value >= before / 2
            assert not one.oom_kills or "memory" not in path
            assert "memory" not in path or value >= seen.memory_max * Decimal("1.15")
    for resource in ("cpu", "memory"):
        limit = after.get(f"limits.{resource}", getattr(now, f"{resource}_limit"))
        request = after.get(f"requests.{resource}", getattr(now, f"{resource}_request"))
        was_broken = (getattr(now, f"{resource}_request") or 0) > (
            getattr(now, f"{resource}_limit") or Decimal("Infinity")
        )
        assert was_broken or limit is None or request is None or request <= limit
    assert found.saving.low.amount <= found.saving.high.amount <= request_cost(now, prices) * seen.pods_high


@settings(max_examples=150)
@given(usages(), usages())
def test_the_guard_only_refuses_or_softens(one: ContainerUsage, other: ContainerUsage) -> None:
    chosen = Settings()
    now = resources_of(one)
    wanted, _ = steady(observe(other, chosen), now, chosen)
    judged, said = guard(observe(one, chosen), now, wanted, chosen)
    for name in Resources.__slots__:
        before, asked, given_ = (getattr(which, name) for which in (now, wanted, judged))
        if before is None or asked is None:
            assert given_ in (before, asked)
        else:
            assert min(before, asked) <= given_ <= max(before, asked)
        assert given_ == asked or said
