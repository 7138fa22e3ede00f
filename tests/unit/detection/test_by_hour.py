"""Bursts of hours: told on their day, of series that tell their hours, and not when they were seen or announced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.detection.by_hour import SCORER, bursts
from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray, HourlySeries
from tests.unit.forecasting.bills import one_series

DETECT = DetectSettings()
KNOWN = 70  # whole days of hours before today
FIRST = date(2026, 1, 5)
TODAY = FIRST + timedelta(days=KNOWN)
NAMES = [Scope((("x_cost_center", name),)) for name in "abcdef"]
BURST = (13, 14)


def usual() -> FloatArray:
    """Six cost centers of 480 a day, whose days differ by a seventh; shape (series, days, 24), today included."""
    random = np.random.default_rng(3)
    course = 20 * (1 + 0.6 * np.sin((np.arange(24) - 8) / 24 * 2 * np.pi))
    busy = np.exp(random.normal(0, 0.13, (len(NAMES), KNOWN + 1, 1)))
    return np.asarray(course * busy * np.exp(random.normal(0, 0.05, (len(NAMES), KNOWN + 1, 24))))


USUAL = usual()


def with_burst(extra: float = 120.0, day: int = KNOWN, hours: Sequence[int] = BURST) -> FloatArray:
    costs = USUAL.copy()
    costs[0, day, list(hours)] += extra
    return costs


def at(hour: int) -> datetime:
    return datetime.combine(TODAY, time(hour), UTC)


def by_hour(costs: FloatArray, known: int = 16) -> list[HourlySeries]:
    """As known after so many hours of today."""
    start = datetime.combine(FIRST, time(), UTC)
    return [
        HourlySeries(
            scope=scope, cost_basis="effective", currency="USD", start=start, values=cost.ravel()[: KNOWN * 24 + known]
        )
        for scope, cost in zip(NAMES, costs, strict=True)
    ]


def by_day(costs: FloatArray, known: int = 16) -> list[CostSeries]:
    return [
        replace(
            one_series(np.append(cost[:-1].sum(axis=1), cost[-1, :known].sum()), scope=scope, complete=KNOWN),
            days=Days(FIRST, TODAY + timedelta(days=1)),
            complete_through=TODAY - timedelta(days=1),
        )
        for scope, cost in zip(NAMES, costs, strict=True)
    ]


def found(costs: FloatArray, *announced: KnownEvent, hour: int = 16) -> dict[date, float]:
    """Excess of each day with a burst, of the first cost center; the others have none."""
    told = bursts(by_hour(costs, hour), announced, as_of=at(hour), settings=DETECT)
    assert set(told) <= {(NAMES[0], "USD")}
    return {day: burst.excess for days in told.values() for day, burst in days.items()}


def test_a_burst_is_told_with_its_first_hour_and_what_it_cost_too_much() -> None:
    ((_, days),) = bursts(by_hour(with_burst()), (), as_of=at(16), settings=DETECT).items()
    burst = days[TODAY]
    assert burst.since == at(BURST[0])
    assert burst.excess == pytest.approx(240, rel=0.1)
    assert burst.p_value <= DETECT.threshold
    assert burst.errors > 5


def test_usual_hours_are_no_news() -> None:
    assert all(found(USUAL, hour=hour) == {} for hour in (0, 1, 13, 23))


def test_an_episode_opens_that_the_day_alone_does_not_show() -> None:
    costs = with_burst()
    series = by_day(costs)
    assert detect(series, (), as_of=at(16), settings=DETECT).episodes == ()
    (episode,) = detect(series, (), as_of=at(16), settings=DETECT, hours=by_hour(costs)).episodes
    assert (episode.scope, episode.kind, episode.opened_on, episode.forecaster) == (
        NAMES[0],
        "rise",
        TODAY,
        SCORER.split("@")[1],
    )
    assert float(episode.excess.amount) == pytest.approx(240, rel=0.1)
    assert f"on {TODAY}, from 13:00 UTC on" in episode.threshold


def test_a_day_that_is_strange_by_itself_keeps_its_own_excess_and_says_since_when() -> None:
    day = KNOWN - 2
    costs = with_burst(2000.0, day)
    alone, together = (
        detect(by_day(costs), (), as_of=at(16), settings=DETECT, hours=hours).episodes[0]
        for hours in ((), by_hour(costs))
    )
    assert together.excess == alone.excess
    assert "UTC on" not in alone.threshold
    assert "from 13:00 UTC on" in together.threshold


def test_what_was_announced_raises_no_alarm() -> None:
    told = KnownEvent(scope=NAMES[0], days=Days(TODAY, TODAY + timedelta(days=2)), note="backfill")
    assert found(with_burst(), told) == {}
    elsewhere = replace(told, scope=NAMES[1])
    assert list(found(with_burst(), elsewhere)) == [TODAY]


def test_what_the_same_day_of_last_month_did_is_no_news() -> None:
    """A month's invoice run on the 16th: it was news in February, and is none in March."""
    last_month = KNOWN - 28  # 16 February, of 16 March
    assert (FIRST + timedelta(days=last_month)).day == TODAY.day
    again = with_burst(day=last_month)
    again[0, KNOWN, list(BURST)] += 125.0
    assert found(again) == {}
    much_more = with_burst(day=last_month)
    much_more[0, KNOWN, list(BURST)] += 400.0
    assert list(found(much_more)) == [TODAY]


def test_what_comes_every_fortnight_is_no_news_the_third_time() -> None:
    costs = with_burst(day=KNOWN - 28)
    costs[0, [KNOWN - 14, KNOWN], BURST[0]] += 240.0
    assert found(costs) == {}
    once = with_burst(day=KNOWN - 14)
    once[0, KNOWN, list(BURST)] += 120.0
    assert list(found(once)) == [TODAY]


def test_a_bill_of_days_is_not_judged_by_the_hour() -> None:
    """All that a day cost stands on its first hour: the days have their own judge."""
    costs = np.zeros(USUAL.shape)
    costs[:, :, 0] = USUAL.sum(axis=2)
    costs[0, KNOWN, 0] *= 20
    assert bursts(by_hour(costs), (), as_of=at(16), settings=DETECT) == {}


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_hours_after_the_instant_change_nothing(seed: int) -> None:
    scrambled = with_burst()
    scrambled[:, -1, 16:] *= np.random.default_rng(seed).uniform(0, 100, (len(NAMES), 8))
    later = bursts(by_hour(scrambled, 24), (), as_of=at(16) - timedelta(days=1), settings=DETECT)
    assert later == bursts(by_hour(USUAL, 0), (), as_of=at(16) - timedelta(days=1), settings=DETECT)


@settings(max_examples=15)
@given(
    hours=st.lists(st.sampled_from([0.0, 1e-9, 0.3, 20.0, -5.0, 1e12]), min_size=1, max_size=400),
    times=st.integers(1, 5),
    late=st.integers(0, 40),
)
def test_odd_hours_are_judged_or_left_out(hours: list[float], times: int, late: int) -> None:
    """Nothing but zeros, one hour, negative costs, jumps to a trillion, series that begin or end anywhere."""
    odd = HourlySeries(
        scope=NAMES[0],
        cost_basis="effective",
        currency="USD",
        start=datetime.combine(FIRST, time(), UTC) + timedelta(hours=late),
        values=np.tile(np.array(hours), times),
    )
    for days in bursts([odd, *by_hour(USUAL)[1:]], (), as_of=at(16), settings=DETECT).values():
        for burst in days.values():
            assert 0 < burst.excess < np.inf
            assert 0 <= burst.p_value <= 1
            assert 0 < burst.errors < np.inf


def test_hours_as_usual_make_no_difference() -> None:
    series = by_day(with_burst(2000.0, KNOWN - 2))
    plain = detect(series, (), as_of=at(16), settings=DETECT)
    assert detect(series, (), as_of=at(16), settings=DETECT, hours=by_hour(USUAL)) == plain
