"""How fast pages came and ended is told from the history of decisions, and what that avoided."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from finops_ai.detection.response import response
from finops_ai.domain.episode import EpisodeState, Feedback, FeedbackVerdict, Severity
from finops_ai.domain.money import Money
from finops_ai.domain.page_decision import PageDecision, Told
from tests.ledger.nouns import an_episode

OPENED = date(2026, 4, 10)
PAGED = datetime(2026, 4, 11, 6, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def usd(amount: int) -> Money:
    return Money(Decimal(amount), "USD")


def decided(
    key: str, told: Told, hours: float, *, projected: int = 900, state: EpisodeState = EpisodeState.OPEN
) -> PageDecision:
    return PageDecision(
        team="on-call",
        key=key,
        at=PAGED + timedelta(hours=hours),
        told=told,
        reason="",
        severity=Severity.ERROR,
        state=state,
        projected=usd(projected),
        page=told is Told.PAGED,
    )


def ended(key: str, excess: int = 300, **changes: object) -> object:
    return an_episode(
        key, opened_on=OPENED, state=EpisodeState.RESOLVED, excess=usd(excess), causes=(), feedback=None, **changes
    )


def test_hours_and_what_was_avoided() -> None:
    made = [
        decided("a", Told.PAGED, 0),
        decided("a", Told.PAGED, 2, state=EpisodeState.ACKNOWLEDGED),
        decided("a", Told.RESOLVED, 48),
        decided("b", Told.DIGEST, 0),
        decided("storm/2026-04-11", Told.PAGED, 0),
    ]
    found = response([ended("a"), an_episode("b", opened_on=OPENED)], made, [], LONG_AGO)
    assert (found.paged, found.ended) == (1, 1)
    assert (found.awareness, found.taken, found.over) == (30.0, 2.0, 48.0)
    assert found.avoided == (usd(600),)


def test_an_answer_is_taking_it_and_a_false_one_avoids_nothing() -> None:
    answer = Feedback(episode_key="a", verdict=FeedbackVerdict.FALSE_POSITIVE, at=PAGED + timedelta(hours=1))
    made = [decided("a", Told.PAGED, 0), decided("a", Told.RESOLVED, 5)]
    one = an_episode("a", opened_on=OPENED, state=EpisodeState.RESOLVED, excess=usd(300), causes=(), feedback=answer)
    found = response([one], made, [answer], LONG_AGO)
    assert (found.taken, found.avoided) == (1.0, ())


def test_what_stayed_or_cost_more_than_projected_avoids_nothing() -> None:
    made = [decided(key, told, 0) for key in ("a", "b", "c") for told in (Told.PAGED, Told.RESOLVED)]
    found = response([ended("a", accepted=True), ended("b", restated=True), ended("c", 5_000)], made, [], LONG_AGO)
    assert (found.ended, found.avoided) == (3, ())


def test_pages_of_before_are_not_told() -> None:
    found = response([ended("a")], [decided("a", Told.PAGED, 0)], [], PAGED + timedelta(hours=1))
    assert (found.paged, found.awareness, found.taken, found.over, found.avoided) == (0, None, None, None, ())
