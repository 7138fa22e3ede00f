"""The life of an episode: whatever order mornings, restatements and late days come in, one cause is told once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from finops_ai.detection.news import OPENED, news
from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings, ScopeFloor
from finops_ai.domain.episode import Episode, EpisodeState, Feedback, FeedbackVerdict, Severity
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from tests.unit.forecasting.bills import START, one_series

DAYS, AT = 150, 120
FIRST = START + timedelta(days=AT)
SCOPES = [
    Scope(()),
    Scope((("x_cost_center", "search"),)),
    Scope((("x_cost_center", "search"), ("service_name", "ec2"))),
    Scope((("x_cost_center", "search"), ("service_name", "s3"))),
    Scope((("x_cost_center", "vision"), ("service_name", "ec2"))),
]
SETTINGS = DetectSettings(second_opinions=0, floor=60.0)
Costs = dict[Scope, np.ndarray]


def calm(seed: int = 1) -> Costs:
    """Three leaves of one size and their sums."""
    random = np.random.default_rng(seed)
    leaves = {scope: 100 * np.exp(random.normal(0, 0.03, DAYS)) for scope in SCOPES[2:]}
    search = leaves[SCOPES[2]] + leaves[SCOPES[3]]
    return {SCOPES[0]: search + leaves[SCOPES[4]], SCOPES[1]: search, **leaves}


def add(costs: Costs, scope: Scope, days: range, by: float) -> Costs:
    """`by` more on `days` in `scope` and everything that contains it."""
    made = {key: values.copy() for key, values in costs.items()}
    for key, values in made.items():
        if key.contains(scope):
            values[days.start : days.stop] += by
    return made


def look(
    costs: Costs, today: int, previous: tuple[Episode, ...] = (), *, complete: int | None = None
) -> tuple[Episode, ...]:
    """Episodes on the morning of day `today`; days from `complete` on are not whole."""
    series = [
        CostSeries(
            scope=scope,
            cost_basis="effective",
            currency="USD",
            days=one_series(values).days,
            values=values,
            complete_through=START + timedelta(days=(complete or today) - 1),
        )
        for scope, values in costs.items()
    ]
    as_of = datetime.combine(START + timedelta(days=today), time(6), tzinfo=UTC)
    return detect(series, previous, as_of=as_of, settings=SETTINGS).episodes


MORNINGS = st.lists(
    st.tuples(
        st.sampled_from(["next day", "again", "late", "partial", "restated"]),
        st.floats(0.7, 1.4),
    ),
    min_size=4,
    max_size=9,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(mornings=MORNINGS, seed=st.integers(0, 3))
@example(mornings=[("late", 1.0)] * 7, seed=0)
@example(mornings=[("late", 1.0)] * 10, seed=1)
def test_no_order_of_late_partial_and_restated_days_makes_a_second_episode(
    mornings: list[tuple[str, float]], seed: int
) -> None:
    costs = add(calm(seed), SCOPES[2], range(AT, AT + 20), 200.0)
    today, complete, opened, excess = AT + 1, AT + 1, 0, set()
    told: tuple[Episode, ...] = ()
    for what, factor in [("next day", 1.0), *mornings]:
        known = costs
        if what == "next day":
            today, complete = today + 1, today + 1
        elif what == "late":
            today += 1
        elif what == "partial":
            known = {scope: np.r_[v[:today], v[today] * factor / 2, v[today + 1 :]] for scope, v in costs.items()}
            today += 1
        elif what == "restated":
            costs = add(costs, SCOPES[2], range(AT, today), 200.0 * (factor - 1) / 4)
            known = costs
        before = {one.key: one for one in told}
        told = look(known, today, told, complete=min(complete, today))
        opened += sum(news(one, before.get(one.key), Severity.INFO) == OPENED for one in told if one.last_day >= FIRST)
        mine = [one for one in told if one.last_day >= FIRST]
        assert len(mine) == 1, [(str(one.scope), one.kind, one.opened_on, one.state) for one in mine]
        excess.add(mine[0].key)
    assert len(excess) == 1
    assert opened == 1


def test_a_bill_corrected_resolves_the_episode_and_says_so() -> None:
    costs = calm()
    told = look(add(costs, SCOPES[2], range(AT, AT + 2), 200.0), AT + 2)
    (opened,) = told
    history = []
    for today in range(AT + 3, AT + 7):
        told = look(costs, today, told)
        history.append(told[0])
    assert {one.key for one in history} == {opened.key}
    assert [one.state for one in history] == [EpisodeState.OPEN] * 2 + [EpisodeState.RESOLVED] * 2
    assert all(one.restated for one in history)
    assert abs(history[-1].excess.amount) < 20 < opened.excess.amount
    assert history[-1].excess == history[-1].observed - history[-1].expected


def test_a_charge_whose_tags_come_late_stays_the_same_episode() -> None:
    untagged, tagged = SCOPES[2], SCOPES[4]
    told = look(add(calm(), untagged, range(AT, AT + 2), 300.0), AT + 2)
    (opened,) = told
    assert opened.scope == untagged
    moved = look(add(calm(), tagged, range(AT, AT + 3), 300.0), AT + 3, told)
    assert [(one.key, one.scope, one.opened_on) for one in moved] == [(opened.key, tagged, opened.opened_on)]


def answered(one: Episode, verdict: FeedbackVerdict, **more: object) -> Episode:
    at = datetime.combine(FIRST + timedelta(days=2), time(9), tzinfo=UTC)
    return one.with_(feedback=Feedback(episode_key=one.key, verdict=verdict, at=at, **more))  # type: ignore[arg-type]


def test_expected_makes_the_level_the_normal_one_at_once_and_only_as_long_as_it_was_said() -> None:
    costs = add(calm(), SCOPES[2], range(AT, DAYS), 200.0)
    (opened,) = look(costs, AT + 2)
    until = FIRST + timedelta(days=4)
    (over,) = look(costs, AT + 3, (answered(opened, FeedbackVerdict.EXPECTED, until=until),))
    assert (over.state, over.accepted, over.key) == (EpisodeState.RESOLVED, True, opened.key)
    (back,) = look(costs, AT + 5, (over,))
    assert (back.state, back.key) == (EpisodeState.OPEN, opened.key)


def test_what_a_person_called_real_stays_open_as_long_as_it_costs() -> None:
    costs = add(calm(), SCOPES[2], range(AT, AT + 25), 200.0)
    told = look(costs, AT + 2)
    left, real = told, tuple(answered(one, FeedbackVerdict.REAL) for one in told)
    for today in range(AT + 3, AT + 29):
        left, real = look(costs, today, left), look(costs, today, real)
        if today == AT + 24:
            assert [one.state for one in left] == [EpisodeState.RESOLVED]  # taken as the new normal
            (one,) = real
            assert one.state is EpisodeState.OPEN
            assert (one.last_day - FIRST).days == 23
            assert float(one.excess.amount) == pytest.approx(24 * 200, rel=0.1)
    (one,) = (each for each in real if each.opened_on == FIRST)
    assert one.state is EpisodeState.RESOLVED
    assert one.last_day == FIRST + timedelta(days=24)


def test_a_scope_that_never_cost_anything_is_new_spend() -> None:
    costs = calm()
    fresh = Scope((("x_cost_center", "audio"), ("service_name", "bedrock")))
    costs[fresh] = np.zeros(DAYS)
    told = look(add(costs, fresh, range(AT, DAYS), 40.0), AT + 3)
    series = one_series(np.full(3, 40.0), scope=fresh, start=FIRST)
    as_of = datetime.combine(FIRST + timedelta(days=3), time(6), tzinfo=UTC)
    old = one_series(calm()[SCOPES[4]][: AT + 3], scope=SCOPES[4])
    young = detect([old, series], (), as_of=as_of, settings=SETTINGS).episodes
    for found in (told, young):
        (one,) = [each for each in found if each.scope == fresh]
        assert (one.kind, one.opened_on, one.severity) == ("new_spend", FIRST, Severity.ERROR)
    cheap = replace(series, values=np.full(3, 0.5))
    assert detect([old, cheap], (), as_of=as_of, settings=SETTINGS).episodes == ()


def test_the_floor_of_a_cost_center_keeps_its_small_change_quiet() -> None:
    floors = (
        ScopeFloor(where={"x_cost_center": "sea*"}, amount=50_000.0),
        ScopeFloor(where={"x_cost_center": "search", "service_name": "s3"}, amount=1.0, currency="EUR"),
    )
    told = replace(SETTINGS, scope_floors=floors)
    assert told.floor_of("USD", SCOPES[3]) == 50_000.0
    assert told.floor_of("EUR", SCOPES[3]) == 1.0
    assert told.floor_of("USD", SCOPES[4]) == told.floor
