"""Detection as it is lived: morning after morning over simulated bills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest

from finops_ai.detection.run import Detection, detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode, EpisodeState, Severity
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from tests.unit.forecasting.bills import LEAVES, START, Bill, Incident, one_series

DETECT = DetectSettings()
FIRST = START + timedelta(days=402)
AT = (FIRST - START).days


def morning(
    series: Sequence[CostSeries], previous: Sequence[Episode] = (), *, settings: DetectSettings = DETECT
) -> Detection:
    """What is known on the day after the last complete one, when nothing of that day is on the bill yet."""
    today = max(one.complete_through for one in series) + timedelta(days=1)
    return detect(
        [replace(one, days=one.complete_days, values=one.complete_values) for one in series],
        previous,
        as_of=datetime.combine(today, time(6), tzinfo=UTC),
        settings=settings,
    )


def mornings(bill: Bill, days: range, *, settings: DetectSettings = DETECT) -> list[tuple[Episode, ...]]:
    """Episodes known on each morning; the morning of day t knows the days before t."""
    costs, found = bill.costs(), []
    previous: tuple[Episode, ...] = ()
    for t in days:
        previous = morning(bill.series(through=t, costs=costs), previous, settings=settings).episodes
        found.append(previous)
    return found


def _leaf_scope(leaf: tuple[str, str, str]) -> Scope:
    return Scope((("x_cost_center", leaf[0]), ("service_name", leaf[1])))


KINDS = {"spike": (1, 1.0), "level shift": (8, 0.6), "runaway": (5, 2.0)}


@pytest.mark.parametrize("leaf", [LEAVES[0], LEAVES[4]], ids=lambda leaf: leaf[1])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [3, 4])
def test_planted_incidents_are_found_in_two_days_once_and_in_their_scope(
    kind: str, leaf: tuple[str, str, str], seed: int
) -> None:
    days, factor = KINDS[kind]
    incident = Incident(leaf=leaf, first=FIRST, days=days, factor=factor)
    found = mornings(Bill(days=430, seed=seed, incidents=[incident]), range(AT - 1, AT + 3))
    assert not [one for one in found[1] if one.last_day >= FIRST]  # its first day is not complete yet
    (episode,) = [one for one in found[3] if one.last_day >= FIRST]
    assert episode.scope == _leaf_scope(leaf)
    assert episode.opened_on == FIRST
    assert episode.kind == "rise"
    assert episode.key in {one.key for one in found[2]}
    assert episode.severity.rank >= Severity.WARNING.rank
    assert episode.excess.amount == episode.observed.amount - episode.expected.amount


def test_a_slow_leak_is_found_by_its_drift() -> None:
    leak = Incident(leaf=LEAVES[0], first=FIRST, days=40, factor=0.8, ramp=30)
    found = mornings(Bill(days=460, seed=4, incidents=[leak]), range(AT, AT + 16))[-1]
    (episode,) = [one for one in found if one.last_day >= FIRST]
    assert episode.scope == _leaf_scope(LEAVES[0])
    assert FIRST <= episode.opened_on <= FIRST + timedelta(days=12)


def test_a_clean_year_opens_far_fewer_episodes_than_the_accepted_rate() -> None:
    opened, series = 0, 0
    for seed in range(4):
        bill = Bill(days=520, seed=seed)  # fees, month starts, weekends, growth
        opened += len(mornings(bill, range(155, 521, 35))[-1])
        series += len(bill.series())
    assert opened / series < 0.3 * DETECT.false_per_series_year


def test_the_same_morning_twice_is_the_same() -> None:
    incident = Incident(leaf=LEAVES[0], first=FIRST, days=5, factor=1.0)
    series = Bill(days=420, incidents=[incident]).series(through=AT + 3)
    once = morning(series)
    again = morning(series, once.episodes)
    assert again.episodes == once.episodes
    assert once.episodes
    assert morning(series).scores == once.scores


def test_incomplete_days_and_the_future_change_nothing() -> None:
    calm = Bill(days=420).series(through=AT)
    today = AT + 2  # two days are not complete, and it is not said how far they are
    known = [replace(one, values=np.r_[one.values[:AT], np.zeros(420 - AT)]) for one in calm]
    scrambled = [replace(one, values=np.r_[one.values[:AT], 1e7, 1e7, 0.0, np.full(417 - AT, 1e7)]) for one in calm]
    as_of = datetime.combine(START + timedelta(days=today), time(6), tzinfo=UTC)
    assert detect(known, (), as_of=as_of, settings=DETECT) == detect(scrambled, (), as_of=as_of, settings=DETECT)


def test_a_restated_day_changes_figures_but_not_keys() -> None:
    incident = Incident(leaf=LEAVES[0], first=FIRST, days=6, factor=1.0)
    costs = Bill(days=420, incidents=[incident]).costs()
    before = morning(Bill(days=420).series(through=AT + 3, costs=costs)).episodes
    restated = {leaf: values.copy() for leaf, values in costs.items()}
    restated[LEAVES[0]][AT] *= 1.3
    restated[LEAVES[0]][AT - 1] *= 2.0  # the day before turns out to be part of it
    after = morning(Bill(days=420).series(through=AT + 4, costs=restated), before).episodes
    (old,), (new,) = ([one for one in found if one.last_day >= FIRST] for found in (before, after))
    assert (new.key, new.opened_on) == (old.key, old.opened_on)
    assert new.excess.amount > old.excess.amount
    assert new.last_day == FIRST + timedelta(days=3)


def test_an_episode_restated_away_is_resolved_not_lost() -> None:
    costs = Bill(days=430, incidents=[Incident(leaf=LEAVES[0], first=FIRST, days=2, factor=1.0)]).costs()
    before = morning(Bill(days=430).series(through=AT + 1, costs=costs)).episodes
    (key,) = [one.key for one in before if one.last_day >= FIRST]
    clean = Bill(days=430).costs()
    states = {}
    previous = before
    for t in (AT + 2, AT + 4):
        previous = morning(Bill(days=430).series(through=t, costs=clean), previous).episodes
        states[t] = next(one for one in previous if one.key == key).state
    assert states == {AT + 2: EpisodeState.OPEN, AT + 4: EpisodeState.RESOLVED}


def test_resolved_after_three_normal_days_and_reopened_within_a_week() -> None:
    leaf = LEAVES[4]
    twice = [Incident(leaf=leaf, first=FIRST + timedelta(days=n), days=2, factor=1.5) for n in (0, 6)]
    found = mornings(Bill(days=430, seed=4, incidents=twice), range(AT + 1, AT + 9))
    history = [[one for one in each if one.last_day >= FIRST] for each in found]
    assert all(len(each) == 1 for each in history)
    assert len({each[0].key for each in history}) == 1
    states = [each[0].state for each in history]
    assert states == [EpisodeState.OPEN] * 4 + [EpisodeState.RESOLVED] * 2 + [EpisodeState.OPEN] * 2
    assert history[4][0].resolved_on == FIRST + timedelta(days=4)


def test_acknowledged_and_judged_episodes_keep_what_people_said() -> None:
    bill = Bill(days=420, incidents=[Incident(leaf=LEAVES[0], first=FIRST, days=6, factor=1.0)])
    opened = morning(bill.series(through=AT + 1)).episodes
    said = tuple(one.with_(state=EpisodeState.ACKNOWLEDGED) for one in opened)
    grown = morning(bill.series(through=AT + 2), said).episodes
    assert [one.state for one in grown if one.last_day >= FIRST] == [EpisodeState.ACKNOWLEDGED]


def test_a_level_that_stays_becomes_normal() -> None:
    bill = Bill(days=450, incidents=[Incident(leaf=LEAVES[0], first=FIRST, days=60, factor=1.0)])
    found = mornings(bill, range(AT + 1, AT + 22, 2))[-1]
    (episode,) = [one for one in found if one.last_day >= FIRST]
    assert episode.state is EpisodeState.RESOLVED
    assert (episode.last_day - FIRST).days <= 14


def test_a_fall_is_told_as_a_drop_and_never_more_than_info() -> None:
    costs = Bill(days=420).costs()
    costs[LEAVES[0]][AT : AT + 3] *= 0.02
    found = morning(Bill(days=420).series(through=AT + 2, costs=costs)).episodes
    drops = [one for one in found if one.last_day >= FIRST]
    assert {one.kind for one in drops} == {"drop"}
    assert {one.severity for one in drops} == {Severity.INFO}
    assert _leaf_scope(LEAVES[0]) in {one.scope for one in drops}


def test_cheap_excess_is_not_worth_an_episode() -> None:
    random = np.random.default_rng(2)
    values = 0.5 * np.exp(random.normal(0, 0.05, 300))
    values[-2] = 5.0
    (series,) = [one_series(values)]
    assert morning([series]).episodes == ()
    (told,) = morning([series], settings=replace(DETECT, floors={"USD": 1.0})).episodes
    assert told.opened_on == START + timedelta(days=298)


def test_currencies_are_judged_apart() -> None:
    values = 100 * np.exp(np.random.default_rng(2).normal(0, 0.05, 300))
    strange = values.copy()
    strange[-2:] *= 3
    found = morning([one_series(values, currency="USD"), one_series(strange, currency="EUR")]).episodes
    assert [one.excess.currency for one in found] == ["EUR"]


def test_one_incident_in_all_parts_of_a_whole_is_told_once_for_the_whole() -> None:
    day = date(2026, 2, 7)
    everywhere = [Incident(leaf=leaf, first=day, days=4, factor=0.8) for leaf in LEAVES if leaf[0] == "search"]
    base = Bill(days=430, incidents=everywhere)
    costs = base.costs()
    size = np.mean([costs[leaf][:300].mean() for leaf in costs])
    costs = {leaf: values * size / values[:300].mean() for leaf, values in costs.items()}  # no part dominates
    found = morning(base.series(through=(day - START).days + 2, costs=costs)).episodes
    (episode,) = [one for one in found if one.last_day >= day]
    assert episode.scope == Scope((("x_cost_center", "search"),))
    assert {_leaf_scope(leaf) for leaf in LEAVES if leaf[0] == "search"} <= set(episode.seen_in)
