"""Scheduled minimums: learned from the weeks before, cheaper and never shorter than reacting on a held-back week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.rightsizing.autoscaling import replay
from finops_ai.rightsizing.demand import WEEK, Demand, forecast, replicas
from finops_ai.rightsizing.predictive import advise, tried
from finops_ai.rightsizing.schedule import MOST_WINDOWS, minimum, scaled_object, windows
from finops_ai.rightsizing.settings import Prices, Settings

MONDAY = datetime(2026, 4, 6, tzinfo=UTC)
WEB = Workload("shop", "default", "Deployment", "web")


def office(hour: int) -> float:
    """Eight cores in office hours, one otherwise."""
    return 8.0 if hour // 24 % 7 < 5 and 8 <= hour % 24 < 18 else 1.0


def usage(load: object = office, weeks: int = 4, pods: int = 10, start: datetime = MONDAY) -> ContainerUsage:
    hours = [hour for hour in range(weeks * WEEK) for _ in range(pods)]
    cores = np.array([load(hour) / pods for hour in hours])  # type: ignore[operator]
    return ContainerUsage(
        workload=WEB,
        container="app",
        hours=tuple(start + timedelta(hours=hour) for hour in hours),
        pods=tuple(f"web-{i % pods}" for i in range(len(hours))),
        cpu_cores_avg=cores,
        cpu_cores_max=cores,
        memory_bytes_avg=cores * 0 + 1e8,
        memory_bytes_max=cores * 0 + 1e8,
        throttled_ratio=cores * 0,
        restarts=0,
        oom_kills=0,
        cpu_request_cores=1.0,
        cpu_limit_cores=None,
        memory_request_bytes=1e9,
        memory_limit_bytes=None,
    )


def test_office_hours_are_scheduled_and_replayed_against_reacting() -> None:
    (found,) = advise([usage()], Prices(), Settings(pod_start_minutes=10))
    assert found.kind == "scheduled_replicas"
    made = yaml.safe_load(found.evidence["scaled_object"])
    crons = [trigger["metadata"] for trigger in made["spec"]["triggers"] if trigger["type"] == "cron"]
    # The load rises in the hour before: pods are there ten minutes before it does, and until it has fallen.
    assert "50 6 * * 1,2,3,4,5" in {cron["start"] for cron in crons}
    assert "59 18 * * 1,2,3,4,5" in {cron["end"] for cron in crons}
    assert max(int(cron["desiredReplicas"]) for cron in crons) >= 9
    assert made["spec"]["minReplicaCount"] == 2
    assert made["spec"]["triggers"][0]["type"] == "cpu"
    assert found.saving is not None
    assert 0 < found.saving.low.amount < found.saving.high.amount


def test_the_schedule_is_ready_where_reacting_is_late() -> None:
    told = Demand(start=MONDAY, cores=np.array([office(hour) for hour in range(4 * WEEK)]))
    trial = tried(told, 0.0, Decimal(1), Settings(pod_start_minutes=10))
    assert trial is not None
    assert trial.is_better
    assert trial.scheduled.short_minutes < trial.reactive.short_minutes
    assert trial.scheduled.replica_hours < trial.reactive.replica_hours


@pytest.mark.parametrize(
    "one",
    [
        usage(weeks=2),
        usage(load=lambda hour: 8.0),
        usage(load=lambda hour: float(np.random.default_rng(hour).uniform(1, 8))),
        usage(load=lambda hour: office(hour) / 20),
    ],
)
def test_without_weeks_or_a_rhythm_or_load_nothing_is_scheduled(one: ContainerUsage) -> None:
    assert advise([one], Prices(), Settings()) == []


def test_the_forecast_follows_the_level_of_the_last_week() -> None:
    cores = np.array([office(hour) * (1.2 if hour >= WEEK else 1.0) for hour in range(2 * WEEK)])
    expected = forecast(Demand(start=MONDAY, cores=cores))
    assert expected is not None
    assert expected[9] == pytest.approx(9.6, rel=0.02)
    assert replicas(expected[9:10], Decimal(1), Decimal("0.8")) == [12]


@settings(max_examples=60)
@given(st.lists(st.integers(1, 40), min_size=24, max_size=24), st.lists(st.integers(1, 40), min_size=24, max_size=24))
def test_no_hour_gets_fewer_pods_than_it_needs_and_windows_stay_few(weekday: list[int], weekend: list[int]) -> None:
    by_hour = weekday * 5 + weekend * 2
    least, found = windows(by_hour)
    assert len(found) <= MOST_WINDOWS
    assert all(minimum((least, found), hour) >= need for hour, need in enumerate(by_hour))
    text = scaled_object(WEB, least, max(by_hour), found, target=80, lead_minutes=10)
    assert len(yaml.safe_load(text)["spec"]["triggers"]) == len(found) + 1


def test_a_window_that_begins_at_midnight_starts_the_evening_before() -> None:
    least, found = windows(([5] * 6 + [1] * 18) * 7)
    assert "start: 50 23 * * *" in scaled_object(WEB, least, 9, found, target=80, lead_minutes=10)
    least, found = windows(([5] * 6 + [1] * 18) + [1] * 144)
    assert "start: 50 23 * * 0" in scaled_object(WEB, least, 9, found, target=80, lead_minutes=10)


def test_an_autoscaler_by_hand() -> None:
    """One pod at 0.7; the load of 2.1 is met by three pods once they are ready, five minutes after it is seen."""
    cores = np.array([0.7] * 10 + [2.1] * 30)
    done = replay(cores, request=1.0, target=0.7, start_minutes=5, least=lambda minute: 1, most=10)
    assert done.short_minutes == 5
    assert done.replica_hours == pytest.approx((11 * 1 + 29 * 3) / 60)
