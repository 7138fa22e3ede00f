"""Forecasts, scores, episodes and feedback are kept as they were known on each day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_ai.domain.episode import Episode, EpisodeState, Feedback, FeedbackVerdict
from finops_ai.domain.errors import UsageError
from finops_ai.domain.forecast import Forecast
from finops_ai.domain.message import Message
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.ledger import findings, outbox
from tests.ledger.bills import ALWAYS
from tests.ledger.nouns import EPISODES, a_forecast, a_score, an_episode, forecasts, same_forecast, usd

MONDAY, TUESDAY, WEDNESDAY = (datetime(2026, 4, day, 23, 59, 59, tzinfo=UTC) for day in (6, 7, 8))
PAGE = Message(key="e1", kind="episode_opened", sink="pager", body={"excess": "20"})


def verdict(at: datetime, verdict: FeedbackVerdict = FeedbackVerdict.EXPECTED, key: str = "e1") -> Feedback:
    return Feedback(episode_key=key, verdict=verdict, at=at, until=date(2026, 5, 1), note="launch", by="ann")


def everything(engine: sa.Engine) -> list[Any]:
    with engine.connect() as connection:
        return [
            [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4"))]
            for table in ("forecast", "score", "episode", "message")
        ]


def test_recording_the_same_run_again_changes_nothing(ledger: sa.Engine) -> None:
    for _ in range(2):
        findings.record(
            ledger,
            as_of=MONDAY,
            forecasts=[a_forecast()],
            scores=[a_score()],
            episodes=[an_episode()],
            messages=[PAGE],
        )
        rows = everything(ledger)
    assert [len(table) for table in rows] == [1, 1, 1, 1]
    assert everything(ledger) == rows


def test_each_day_is_read_as_it_was_known(ledger: sa.Engine) -> None:
    grown = an_episode(excess=usd(50), state=EpisodeState.RESOLVED, resolved_on=date(2026, 4, 7))
    findings.record(ledger, as_of=MONDAY, episodes=[an_episode()], forecasts=[a_forecast(level=1)], scores=[a_score()])
    findings.record(
        ledger, as_of=TUESDAY, episodes=[grown], forecasts=[a_forecast(level=2)], scores=[a_score(p_value=0.5)]
    )
    early = MONDAY - timedelta(seconds=1)
    assert [findings.episodes(ledger, at) for at in (early, MONDAY, TUESDAY)] == [[], [an_episode()], [grown]]
    assert [f.median[0] for at in (early, MONDAY, TUESDAY) for f in findings.forecasts(ledger, at)] == [1, 2]
    assert [s.p_value for at in (early, MONDAY, TUESDAY) for s in findings.scores(ledger, ALWAYS, at)] == [0.01, 0.5]


def test_a_later_run_of_a_day_counts_and_an_earlier_one_cannot_undo_it(ledger: sa.Engine) -> None:
    morning = MONDAY - timedelta(hours=12)
    for as_of, excess in ((morning, 1), (MONDAY, 2), (morning, 3)):
        findings.record(ledger, as_of=as_of, episodes=[an_episode(excess=usd(excess))])
    assert [each.excess for each in findings.episodes(ledger, MONDAY)] == [usd(2)]


def test_findings_and_messages_are_written_together_or_not_at_all(ledger: sa.Engine) -> None:
    broken = Message(key="e1", kind="k", sink="pager", body={"what": object()})
    with pytest.raises(TypeError):
        findings.record(ledger, as_of=MONDAY, episodes=[an_episode()], messages=[broken])
    assert findings.episodes(ledger, MONDAY) == []
    with ledger.connect() as connection:
        findings.record(connection, as_of=MONDAY, episodes=[an_episode()], messages=[PAGE])
        connection.rollback()
    assert everything(ledger) == [[], [], [], []]
    with ledger.begin() as connection:
        findings.record(connection, as_of=MONDAY, episodes=[an_episode()], messages=[PAGE])
    assert len(findings.episodes(ledger, MONDAY)) == len(outbox.messages(ledger)) == 1


def test_feedback_hangs_on_its_episode_from_its_instant(ledger: sa.Engine) -> None:
    findings.record(ledger, as_of=MONDAY, episodes=[an_episode(), an_episode("e2")])
    first, second = verdict(TUESDAY), verdict(WEDNESDAY, FeedbackVerdict.REAL)
    for given_feedback in (second, first, first):
        findings.feedback(ledger, given_feedback)
    then = {"projected": an_episode().projected, "p_value": an_episode().p_value}
    first, second = replace(first, **then), replace(second, **then)
    assert findings.feedbacks(ledger, WEDNESDAY) == [first, second]
    seen = [findings.episode(ledger, "e1", at).feedback for at in (MONDAY, TUESDAY, WEDNESDAY)]
    assert seen == [None, first, second]
    assert findings.episode(ledger, "e2", WEDNESDAY).feedback is None


def test_feedback_needs_an_episode(ledger: sa.Engine) -> None:
    with pytest.raises(UsageError, match="no episode 'e1'"):
        findings.feedback(ledger, verdict(MONDAY))


def test_an_episode_is_found_by_a_prefix_that_fits_only_one(ledger: sa.Engine) -> None:
    findings.record(ledger, as_of=MONDAY, episodes=[an_episode(key) for key in ("ab1", "ab2", "ab", "c_1", "cx1")])
    assert findings.episode(ledger, "ab1", MONDAY).key == "ab1"
    assert findings.episode(ledger, "ab", MONDAY).key == "ab"
    assert findings.episode(ledger, "c_", MONDAY).key == "c_1"
    for key, words in (("a", "ab1"), ("zz", "there is no episode 'zz'")):
        with pytest.raises(UsageError, match=words):
            findings.episode(ledger, key, MONDAY)


def test_scopes_may_be_longer_than_an_index_entry(ledger: sa.Engine) -> None:
    noise = "".join(chr(0x4E00 + (i * 7919) % 20000) for i in range(4000))
    scopes = [Scope((("x_cost_center", noise + end),)) for end in "ab"]
    findings.record(ledger, as_of=MONDAY, forecasts=[a_forecast(scope=scope) for scope in scopes])
    assert [each.scope for each in findings.forecasts(ledger, MONDAY)] == scopes


def test_scores_of_some_days(ledger: sa.Engine) -> None:
    findings.record(ledger, as_of=MONDAY, scores=[a_score(date(2026, 4, day)) for day in (1, 2, 3)])
    days = Days(date(2026, 4, 2), date(2026, 4, 3))
    assert findings.scores(ledger, days, MONDAY) == [a_score(date(2026, 4, 2))]


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(episode=EPISODES, forecast=forecasts(), day=st.integers(1, 28))
def test_anything_comes_back_as_it_was_recorded(
    ledger_of_module: sa.Engine, episode: Episode, forecast: Forecast, day: int
) -> None:
    as_of = datetime(2026, 5, day, tzinfo=UTC)
    findings.record(ledger_of_module, as_of=as_of, episodes=[episode], forecasts=[forecast])
    assert episode in findings.episodes(ledger_of_module, as_of)
    assert any(same_forecast(forecast, each) for each in findings.forecasts(ledger_of_module, as_of))
    with ledger_of_module.begin() as connection:
        connection.execute(sa.text("TRUNCATE episode, forecast"))
