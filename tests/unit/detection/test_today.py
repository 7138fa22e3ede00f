"""The day that is not over: told once it has cost more than all of it should, and otherwise as if it were not there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.detection.panel import Filling
from finops_ai.detection.run import Detection, detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from tests.unit.forecasting.bills import START, one_series

DETECT = DetectSettings()
KNOWN = 200
TODAY = START + timedelta(days=KNOWN)
USUAL = 500 * np.exp(np.random.default_rng(3).normal(0, 0.03, (6, KNOWN + 30)))
NAMES = [Scope((("x_cost_center", name),)) for name in "abcdef"]


def bill(days: int = KNOWN, *, today: float | None = None) -> list[CostSeries]:
    """Six calm cost centers known for so many days; the first has cost `today` so far."""
    found = []
    for number, (values, scope) in enumerate(zip(USUAL, NAMES, strict=True)):
        known = values[:days].copy()
        if number == 0 and today is not None:
            known = np.append(known, today)
        found.append(one_series(known, scope=scope, complete=days))
    return found


def at(hour: int, day: int = KNOWN) -> datetime:
    return datetime.combine(START + timedelta(days=day), time(hour), tzinfo=UTC)


def judged(
    series: Sequence[CostSeries], hour: int = 14, previous: Sequence[Episode] = (), day: int = KNOWN
) -> Detection:
    return detect(series, previous, as_of=at(hour, day), settings=DETECT)


def test_a_day_is_told_while_it_lasts_once_it_cost_more_than_a_whole_one_should() -> None:
    (episode,) = judged(bill(today=900.0)).episodes
    assert (episode.scope, episode.kind, episode.state) == (NAMES[0], "rise", EpisodeState.OPEN)
    assert (episode.opened_on, episode.last_day) == (TODAY, TODAY)
    assert float(episode.observed.amount) == 900.0
    assert float(episode.expected.amount) == pytest.approx(500, rel=0.05)  # of the whole day
    assert f"on {TODAY}, which is not over" in episode.threshold


def test_what_a_day_usually_costs_is_no_news_at_any_hour() -> None:
    """Also of a job that ran earlier than usual: the day is held against all of it."""
    for hour in (0, 1, 12, 23):
        assert judged(bill(today=510.0), hour).episodes == ()


def test_one_episode_through_the_day_and_the_days_after() -> None:
    known: tuple[Episode, ...] = ()
    keys, excess = [], []
    for hour, cost in ((6, 150.0), (10, 700.0), (14, 1200.0), (18, 1700.0), (22, 2200.0)):
        known = judged(bill(today=cost), hour, known).episodes
        keys.append([one.key for one in known])
        excess += [float(one.excess.amount) for one in known]
    assert keys[0] == []
    assert all(len(each) == 1 and each == keys[1] for each in keys[1:])
    assert excess == sorted(excess)
    states = []
    for day in range(KNOWN + 1, KNOWN + 6):  # it went on for two days
        values = bill(day)
        first = values[0].values
        first[KNOWN : KNOWN + 2] += 1900.0
        known = judged(values, 1, known, day).episodes
        assert [one.key for one in known] == keys[1]
        states.append(known[0].state)
    assert states == [EpisodeState.OPEN] * 4 + [EpisodeState.RESOLVED]
    assert known[0].last_day == TODAY + timedelta(days=1)


def test_a_day_that_has_hardly_begun_ends_no_episode() -> None:
    """Three normal days resolve: the third is not one before it is over."""
    known = judged(bill(today=900.0)).episodes
    for day in (KNOWN + 1, KNOWN + 2, KNOWN + 3):
        values = bill(day)
        values[0].values[KNOWN] = 900.0
        series = [one_series(np.append(one.values, 5.0), scope=one.scope, complete=day) for one in values]
        known = judged(series, 1, known, day).episodes
        assert [one.state for one in known] == [EpisodeState.OPEN]


@given(cost=st.floats(-1e6, 1e6), hour=st.integers(0, 23))
@settings(max_examples=40)
def test_it_changes_no_judgement_of_the_days_before(cost: float, hour: int) -> None:
    spike = bill()
    spike[0].values[-3] *= 2
    begun = [one_series(np.append(one.values, cost), scope=one.scope, complete=KNOWN) for one in spike]
    without, with_today = judged(spike, hour).scores, judged(begun, hour).scores
    assert without
    assert [one for one in with_today if one.day < TODAY] == list(without)
    assert all(one.observed > one.expected for one in with_today if one.day == TODAY)


def test_a_credit_a_day_ahead_and_an_announced_change_are_no_rise() -> None:
    assert judged(bill(today=-900.0)).episodes == ()
    ahead = [one_series(np.append(one.values, [0.0, 9_000.0]), scope=one.scope, complete=KNOWN) for one in bill()]
    assert judged(ahead).episodes == ()
    launch = KnownEvent(scope=NAMES[0], days=Days(TODAY, TODAY + timedelta(days=1)), note="launch")
    assert detect(bill(today=900.0), (), as_of=at(14), settings=DETECT, announced=[launch]).episodes == ()


def test_days_before_it_that_are_not_whole_are_taken_for_what_is_known_of_them() -> None:
    """A day half on the bill is no level: neither where it is known how far it is, nor where it is not."""
    values = USUAL[0, :KNOWN].copy()
    values[-1] *= 0.5
    series = [one_series(np.append(values, cost), scope=NAMES[0], complete=KNOWN - 1) for cost in (520.0, 900.0)]
    half = Filling(share=np.array([0.5, 1.0]), spread=np.array([0.02, 0.0]))
    for filling in (None, half):
        calm, dear = (detect([one], (), as_of=at(14), settings=DETECT, filling=[filling]).episodes for one in series)
        assert calm == ()
        assert [one.opened_on for one in dear] == [TODAY]


def test_a_young_series_is_not_judged_by_it() -> None:
    young = one_series([*USUAL[0, :10], 2000.0], scope=NAMES[0], start=TODAY - timedelta(days=10), complete=10)
    assert [one.opened_on for one in judged([*bill()[1:], young]).episodes] == [young.days.start]  # its first charge
