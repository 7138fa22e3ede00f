"""Answers change the next page within bounds; no wrong one hides a large episode."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.detection.answers import LEAST, MOST, SURE, Answers, accepted_levels, learned
from finops_ai.detection.run import detect
from finops_ai.domain.episode import Episode, EpisodeState, Feedback, FeedbackVerdict, Severity
from finops_ai.domain.page_decision import Told
from finops_ai.domain.scope import Scope
from tests.unit.detection.told import DETECT, MONDAY, Team, an_episode, feedback
from tests.unit.forecasting.bills import START, one_series

DAY = timedelta(days=1)
REAL, FALSE, EXPECTED = FeedbackVerdict.REAL, FeedbackVerdict.FALSE_POSITIVE, FeedbackVerdict.EXPECTED
PLACE = Scope((("x_cost_center", "search"),))


def at_search(key: str, **changes: object) -> Episode:
    return an_episode(key, **changes).with_(scope=PLACE)  # type: ignore[arg-type]


def after(*answers: Feedback, of: list[Episode], days: int = 1) -> Answers:
    return learned(answers, [], of, MONDAY + days * DAY)


def told(episode: Episode, answers: Answers, days: int = 1) -> Told:
    us = Team()
    us.hears(episode, at=MONDAY + days * DAY, answers=answers)
    return us.last(episode.key).told


def test_an_answer_silences_its_own_episode_until_that_outgrows_it() -> None:
    one = an_episode(dollars=2000)
    for verdict in (FALSE, EXPECTED):
        answers = after(feedback(one, verdict), of=[one])
        assert told(one, answers) is Told.SILENCED
        assert told(an_episode(dollars=6000), answers) is Told.SILENCED
        assert told(an_episode(dollars=6001), answers) is Told.PAGED
    assert told(one, after(feedback(one, REAL), of=[one])) is Told.PAGED


def test_expected_ends_with_its_last_day() -> None:
    one = an_episode()
    answers = after(feedback(one, EXPECTED, until=MONDAY.date() + 3 * DAY), of=[one])
    assert told(one, answers, days=3) is Told.SILENCED
    assert told(one, answers, days=4) is Told.PAGED


def test_no_answer_keeps_a_large_one_from_its_first_page() -> None:
    one = an_episode(dollars=20_000)
    for verdict in (FALSE, EXPECTED):
        answers = after(feedback(one, verdict), of=[one])
        assert told(one, answers) is Told.PAGED
        us = Team()
        us.hears(one, at=MONDAY)
        us.hears(one, at=MONDAY + DAY, answers=answers)
        assert len([row for row in us.history if row.page]) == 1
        named = after(feedback(one, verdict, until=MONDAY.date() + 3 * DAY), of=[one])
        assert told(one, named) is Told.SILENCED


def test_the_last_answer_counts() -> None:
    one = an_episode()
    answers = after(feedback(one, FALSE), feedback(one, REAL, at=MONDAY + timedelta(hours=1)), of=[one])
    assert told(one, answers) is Told.PAGED


def test_one_wrong_answer_asks_the_scope_for_more_and_does_not_silence_it() -> None:
    before = at_search("before", dollars=150, p_value=1e-4)
    answers = after(feedback(before, FALSE), of=[before])
    assert told(at_search("next", dollars=150, p_value=1e-4), answers) is Told.SILENCED
    assert told(at_search("next", dollars=250, p_value=1e-4), answers) is Told.PAGED
    assert told(an_episode("elsewhere", dollars=150, p_value=1e-4), answers) is Told.PAGED


def test_real_answers_let_smaller_ones_page() -> None:
    before = [at_search(f"e{n}") for n in range(2)]
    answers = after(*(feedback(one, REAL) for one in before), of=before)
    assert told(at_search("next", dollars=60), answers) is Told.PAGED
    assert told(at_search("next", dollars=40), answers) is Told.DIGEST
    assert told(an_episode("elsewhere", dollars=60), answers) is Told.DIGEST


def test_many_false_ones_as_unsure_ask_for_surer_ones_everywhere_but_never_hide_what_is_large_or_beyond_doubt() -> None:
    before = [an_episode(f"e{n}", p_value=1e-3, dollars=5000) for n in range(8)]
    answers = after(*(feedback(one, FALSE) for one in before), of=before)
    assert told(an_episode("next", p_value=1e-3, dollars=5000), answers) is Told.SILENCED
    assert told(an_episode("next", p_value=1e-5, dollars=5000), answers) is Told.PAGED
    assert told(an_episode("large", p_value=1e-3, dollars=50_000), answers) is Told.PAGED
    assert told(an_episode("sure", p_value=SURE, dollars=5000), answers) is Told.PAGED


@pytest.mark.parametrize(("count", "expected"), [(1, Told.PAGED), (3, Told.PAGED), (5, Told.SILENCED)])
def test_a_few_answers_about_others_are_not_enough(count: int, expected: Told) -> None:
    before = [an_episode(f"e{n}", p_value=1e-3, dollars=5000) for n in range(count)]
    answers = after(*(feedback(one, FALSE) for one in before), of=before)
    assert told(an_episode("next", p_value=1e-3, dollars=5000), answers) is expected


def test_answers_fade() -> None:
    before = [at_search(f"e{n}", dollars=500, p_value=1e-4) for n in range(3)]
    given_then = [feedback(one, FALSE) for one in before]
    fresh, old = (after(*given_then, of=before, days=days) for days in (1, 400))
    assert fresh.asks(before[0]) > 7
    assert 1 < old.asks(before[0]) < 1.2
    assert fresh.doubts(before[0])
    assert not old.doubts(before[0])


@given(
    verdicts=st.lists(st.sampled_from([FALSE, REAL]), max_size=60),
    dollars=st.integers(1, 10**7),
    power=st.integers(2, 12),
)
def test_no_answers_hide_a_large_one(verdicts: list[FeedbackVerdict], dollars: int, power: int) -> None:
    before = [at_search(f"e{n}", dollars=900) for n in range(len(verdicts))]
    answers = after(*(feedback(one, said) for one, said in zip(before, verdicts, strict=True)), of=before)
    assert LEAST <= answers.asks(at_search("next")) <= MOST
    now = at_search("next", dollars=dollars, p_value=10.0**-power)
    untouched = told(now, Answers())
    if now.severity is Severity.CRITICAL or (now.severity is Severity.ERROR and now.p_value <= SURE):
        assert told(now, answers) is untouched is Told.PAGED


@pytest.mark.parametrize(
    ("verdict", "until", "taught"), [(EXPECTED, None, 1), (EXPECTED, MONDAY.date(), 0), (FALSE, None, 0)]
)
def test_expected_without_an_end_teaches_the_level(verdict: FeedbackVerdict, until: object, taught: int) -> None:
    one = an_episode(days=3)
    found = accepted_levels([feedback(one, verdict, at=MONDAY + 2 * DAY, until=until)], [one], MONDAY + 3 * DAY)  # type: ignore[arg-type]
    assert len(found) == taught
    for event in found:
        assert event.scope == one.scope
        assert (event.days.start, event.days.end) == (one.opened_on, one.opened_on + 3 * DAY)


@pytest.mark.parametrize("error", [0.005, 0.02, 0.05])
def test_a_level_that_was_expected_is_normal_from_then_on_and_a_further_rise_is_not(error: float) -> None:
    noise = np.exp(np.random.default_rng(8).normal(0, error, (9, 130)))
    costs = np.repeat([100.0, 180.0, 400.0], [120, 8, 2]) * noise[0]
    calm = [one_series(50.0 * noise[k], scope=_scope(k)) for k in range(1, 9)]
    every = [one_series(costs, scope=PLACE), *calm]

    def on(day: int, before: Sequence[Episode], given: Sequence[Feedback]) -> tuple[Episode, ...]:
        as_of = datetime.combine(START + day * DAY, time(6), UTC)
        announced = accepted_levels(given, before, as_of)
        return detect(every, before, as_of=as_of, settings=DETECT, announced=announced).episodes

    (risen,) = on(121, (), ())
    assert risen.scope == PLACE
    said = feedback(risen, EXPECTED, at=datetime.combine(START + 121 * DAY, time(9), UTC))
    (settled,) = on(125, [risen], [said])
    assert settled.state is EpisodeState.RESOLVED
    again = on(130, [settled], [said])
    assert {one.key: one.state for one in again} == {
        risen.key: EpisodeState.RESOLVED,
        **{one.key: EpisodeState.OPEN for one in again if one.key != risen.key},
    }
    assert len(again) == 2


def _scope(number: int) -> Scope:
    return Scope((("x_cost_center", f"calm {number}"),))
