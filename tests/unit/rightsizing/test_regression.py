"""Signs that a merge made a workload worse: real ones are seen, what was there before is not blamed on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from finops_ai.domain.usage import ContainerUsage
from finops_ai.rightsizing.regression import Burn, regressions
from tests.unit.rightsizing.test_body import usage

MERGED = datetime(2026, 3, 9, tzinfo=UTC)


def signs(before: ContainerUsage | None, now: ContainerUsage | None, *burns: Burn) -> list[str]:
    found = regressions([before] if before else [], [now] if now else [], MERGED, throttled_ratio=0.05, burns=burns)
    return [one.what for one in found]


def counted(oom_kills: int | None, restarts: int | None) -> ContainerUsage:
    return replace(usage(), oom_kills=oom_kills, restarts=restarts)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((0, 0), (0, 0), []),
        ((0, 0), (1, 1), ["OOM kills"]),
        ((0, 0), (0, 12), ["restarts"]),
        ((0, 0), (0, 2), []),
        ((5, 5), (5, 5), []),
        ((5, 5), (7, 7), []),
        ((2, 2), (30, 30), ["OOM kills", "restarts"]),
        ((None, None), (None, None), []),
        ((0, 0), (None, None), []),
    ],
)
def test_more_events_than_before_are_a_sign(
    before: tuple[int | None, int | None], now: tuple[int | None, int | None], expected: list[str]
) -> None:
    """Readings of everything: what the older one told already is taken off the newer one."""
    assert signs(counted(*before), counted(*now)) == expected


def test_a_workload_without_usage_gives_no_sign() -> None:
    assert signs(counted(9, 9), None) == []


def throttled(share_before: float, share_after: float) -> ContainerUsage:
    one = usage()
    random = np.random.default_rng(1)
    shares = np.array([share_after if hour >= MERGED else share_before for hour in one.hours])
    return replace(one, throttled_ratio=np.where(random.random(len(one.hours)) < shares, 0.4, 0.0))


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [(0.0, 0.0, False), (0.0, 0.3, True), (0.3, 0.3, False), (0.3, 0.0, False), (0.1, 0.6, True)],
)
def test_throttling_counts_where_it_rose(before: float, after: float, seen: bool) -> None:
    one = throttled(before, after)
    assert signs(one, one) == (["throttling"] if seen else [])


def test_hours_before_the_merge_may_come_from_the_older_reading() -> None:
    whole = throttled(0.0, 0.5)
    at = np.array([hour >= MERGED for hour in whole.hours])
    arrays = ("cpu_cores_avg", "cpu_cores_max", "memory_bytes_avg", "memory_bytes_max", "throttled_ratio")
    later = replace(
        whole,
        hours=tuple(hour for hour in whole.hours if hour >= MERGED),
        pods=whole.pods[: int(at.sum())],
        **{name: getattr(whole, name)[at] for name in arrays},
    )
    assert signs(throttled(0.0, 0.0), later) == ["throttling"]
    assert signs(throttled(0.5, 0.5), later) == []


@pytest.mark.parametrize(
    ("before", "now", "seen"),
    [(0.1, 20.0, True), (None, 15.0, True), (12.0, 15.0, False), (0.1, 3.0, False), (0.1, None, False)],
)
def test_a_budget_burns_when_it_burns_fast_and_faster_than_before(
    before: float | None, now: float | None, seen: bool
) -> None:
    burn = Burn(name="errors", before=before, now=now, at=14.4)
    assert signs(usage(), usage(), burn) == (["error budget"] if seen else [])


def test_an_hour_of_the_day_of_the_merge_is_on_neither_side() -> None:
    one = usage()
    first = MERGED + timedelta(hours=1)
    ratio = np.array([0.9 if MERGED <= hour < first else 0.0 for hour in one.hours])
    assert signs(one, replace(one, throttled_ratio=ratio)) == []
