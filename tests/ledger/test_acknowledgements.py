"""An episode that somebody looks after: said once to those who were told of it, and over when the episode is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from finops_ai.domain.episode import EpisodeState
from finops_ai.domain.errors import UsageError
from finops_ai.domain.page_decision import PageDecision, Told
from finops_ai.jobs.acknowledge import acknowledge
from finops_ai.ledger import decisions, findings, outbox
from tests.ledger.nouns import an_episode

MORNING = datetime(2026, 4, 4, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def record(engine: sa.Engine, as_of: datetime, *, state: EpisodeState = EpisodeState.OPEN, sinks: str = "") -> None:
    one = an_episode(state=state)
    paged = PageDecision(
        team="on-call",
        key=one.key,
        at=as_of,
        told=Told.PAGED,
        reason="",
        severity=one.severity,
        state=state,
        projected=one.projected,
        sinks=tuple(sinks),
        page=True,
    )
    findings.record(engine, as_of=as_of, episodes=[one], decisions=[paged] if sinks else [])


def states(engine: sa.Engine, as_of: datetime) -> list[EpisodeState]:
    return [one.state for one in findings.episodes(engine, as_of)]


def test_it_is_told_once_to_everyone_who_was_told_of_the_episode(ledger: sa.Engine) -> None:
    record(ledger, MORNING, sinks="ab")
    for hours in (1, 2):
        acknowledge(ledger, "e1", by="ada", note="looking", as_of=MORNING + hours * HOUR)
    told = [one.message for one in outbox.messages(ledger)]
    assert [(one.kind, one.sink, one.body["state"], one.body["acknowledged_by"]) for one in told] == [
        ("episode_acknowledged", sink, "acknowledged", "ada") for sink in "ab"
    ]
    (_, last) = decisions.decisions(ledger, key="e1")
    assert (last.state, last.page) == (EpisodeState.ACKNOWLEDGED, False)  # detection has nothing to add
    assert states(ledger, MORNING) == [EpisodeState.OPEN]
    assert states(ledger, MORNING + HOUR) == [EpisodeState.ACKNOWLEDGED]


def test_an_episode_that_reopens_is_nobodys_again(ledger: sa.Engine) -> None:
    record(ledger, MORNING)
    acknowledge(ledger, "e1", by="ada", note="", as_of=MORNING + HOUR)
    record(ledger, MORNING + 24 * HOUR, state=EpisodeState.RESOLVED)
    with pytest.raises(UsageError, match="resolved"):
        acknowledge(ledger, "e1", by="ada", note="", as_of=MORNING + 25 * HOUR)
    record(ledger, MORNING + 48 * HOUR)
    assert states(ledger, MORNING + 48 * HOUR) == [EpisodeState.OPEN]
    assert states(ledger, MORNING + 2 * HOUR) == [EpisodeState.ACKNOWLEDGED]


def test_there_must_be_such_an_episode(ledger: sa.Engine) -> None:
    with pytest.raises(UsageError, match="there is no episode"):
        acknowledge(ledger, "e1", by="ada", note="", as_of=MORNING)
