"""Pages in the ledger: decided and said in one transaction, never twice, shown with the reason, and played again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from finops_ai.detection.alert_budget import AlertBudget
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.episode import Episode, FeedbackVerdict
from finops_ai.domain.message import Message
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.page_decision import PageDecision, Told
from finops_ai.domain.period import Days
from finops_ai.jobs.paging import notes
from finops_ai.jobs.replay import play
from finops_ai.jobs.run import Turn, run, silent
from finops_ai.jobs.voice import Voice, told
from finops_ai.ledger import connect, decisions, findings, outbox
from finops_ai.reporting.page import PageContext, page_body
from tests.flow.conftest import Configure, Program
from tests.unit.detection.told import MONDAY, TOP, an_episode, feedback

DAY = timedelta(days=1)
DETECT = DetectSettings()
LIVE = AlertSettings(top=TOP, budget=AlertBudget(pages=2), storm=5, digest_at=time(6))
CONFIG = """
    sinks:
      - {name: pager, kind: folder, path: told/pager}
      - {name: mail, kind: folder, path: told/mail}
    alerts: {digest: [mail], digest_at: "06:00", budget: {pages: 2}, storm: {episodes: 5}}
"""


def morning(engine: sa.Engine, at: datetime, episodes: Sequence[Episode], settings: AlertSettings = LIVE) -> int:
    """What `detect` does once it knows the episodes; how many messages it made."""
    turn = Turn(engine=engine, as_of=at, now=lambda: at)

    def work(turn: Turn) -> Outcome:
        scopes = dict.fromkeys(range(40))
        made, messages = told(turn, episodes, scopes, {}, voice=Voice(settings=settings), detect=DETECT)  # type: ignore[arg-type]
        findings.record(turn.engine, as_of=at, episodes=episodes, decisions=made, messages=messages)
        return Outcome(job="detect", as_of=at, counts={"series": len(scopes), "messages": len(messages)})

    return run("detect", turn, work).counts["messages"]


def history(days: int = 24) -> list[tuple[datetime, list[Episode]]]:
    """Mornings on which episodes open, grow, end and return, more of them than a budget of two a week holds."""
    mornings = []
    for n in range(days):
        known = []
        for first in range(0, n + 1, 2):
            age, dollars = n - first, 150 * (1 + (first * 7) % 11) ** 2
            opened = MONDAY.date() + first * DAY
            grown = dollars * (3 if age > 3 and first % 3 == 0 else 1)
            known.append(
                an_episode(
                    f"e{first:02}",
                    dollars=grown,
                    opened_on=opened,
                    days=min(age, 6) + 1,
                    over=age > 8,
                    p_value=10.0 ** -(3 + first % 5),
                )
            )
        mornings.append((MONDAY + n * DAY, known))
    return mornings


def pages(made: Sequence[PageDecision]) -> list[tuple[str, str, datetime]]:
    return sorted((one.team, one.key, one.at) for one in made if one.page)


def test_findings_decisions_and_messages_are_one_transaction(ledger: sa.Engine) -> None:
    morning(ledger, MONDAY, [an_episode()])
    broken = Message(key="x", kind="episode_opened", sink="pager", body={"x": object()})
    page = decisions.decisions(ledger)[0]
    with pytest.raises(TypeError):
        findings.record(ledger, as_of=MONDAY, decisions=[replace(page, key="other")], messages=[broken])
    assert decisions.decisions(ledger) == [page]


def test_a_run_again_and_a_restated_day_page_nobody_twice(ledger: sa.Engine) -> None:
    assert morning(ledger, MONDAY, [an_episode()]) == 2
    assert morning(ledger, MONDAY, [an_episode()]) == 2
    assert len(outbox.messages(ledger)) == 2
    assert morning(ledger, MONDAY + DAY, [an_episode(dollars=2500)]) == 0
    assert morning(ledger, MONDAY - DAY, [an_episode(dollars=2500)]) == 0
    assert [item.message.kind for item in outbox.messages(ledger)] == ["episode_opened"] * 2


def test_playing_again_at_the_same_settings_is_the_live_run(ledger: sa.Engine) -> None:
    mornings = history()
    for n, (at, episodes) in enumerate(mornings):
        morning(ledger, at - timedelta(hours=8), episodes[:-1])  # the newest and dearest comes later in the day
        morning(ledger, at - timedelta(hours=7), episodes[:-1])
        morning(ledger, at, episodes)
        if n == 9:
            for key, verdict in (("e02", FeedbackVerdict.FALSE_POSITIVE), ("e06", FeedbackVerdict.EXPECTED)):
                answered = next(one for one in episodes if one.key == key)
                findings.feedback(ledger, feedback(answered, verdict, at=at + timedelta(hours=2)))
    end = mornings[-1][0]
    live = decisions.decisions(ledger)
    start = datetime.combine(MONDAY.date() + 5 * DAY, time(), UTC)
    for since in (MONDAY - DAY, start):
        again = play(ledger, since, end, settings=LIVE, detect=DETECT, without_feedback=False, progress=silent)
        assert again == [one for one in live if one.at >= since]
    assert 4 <= len(pages(live)) <= 8
    assert {one.at.hour for one in live} == {1, 9}
    more = replace(LIVE, budget=AlertBudget(pages=5))
    again = play(ledger, MONDAY - DAY, end, settings=more, detect=DETECT, without_feedback=False, progress=silent)
    assert len(pages(again)) > len(pages(live))


def test_what_is_forgotten_changes_no_decision_and_no_replay_since(ledger: sa.Engine) -> None:
    mornings = history()
    for at, episodes in mornings:
        morning(ledger, at, episodes)
    live, (end, episodes) = decisions.decisions(ledger), mornings[-1]
    before = MONDAY + 12 * DAY
    with ledger.begin() as connection:
        rows = connection.execute(sa.text("SELECT count(*) FROM episode_change")).scalar_one()
        findings.forget(connection, before)
        left = connection.execute(sa.text("SELECT count(*) FROM episode_change")).scalar_one()
    kept = decisions.decisions(ledger)
    assert left < rows
    assert len(kept) < len(live)
    assert [one for one in kept if one.at >= before] == [one for one in live if one.at >= before]
    again = play(ledger, before + DAY, end, settings=LIVE, detect=DETECT, without_feedback=False, progress=silent)
    assert again == [one for one in live if one.at >= before + DAY]
    queued = len(outbox.messages(ledger))
    morning(ledger, end, episodes)
    assert decisions.decisions(ledger) == kept
    assert len(outbox.messages(ledger)) == queued


def test_the_report_tells_what_answers_changed_as_measured(ledger: sa.Engine) -> None:
    week = Days(MONDAY.date() + 21 * DAY, MONDAY.date() + 28 * DAY)
    for n in range(26):
        one = an_episode(f"e{n:02}", dollars=900, p_value=1e-3, opened_on=MONDAY.date() + n * DAY)
        known = [*(an_episode(f"e{m:02}", over=True, dollars=900) for m in range(n)), one]
        at = MONDAY + n * DAY
        morning(ledger, at, known, replace(LIVE, budget=None))
        if n < 8:
            verdict = FeedbackVerdict.REAL if n == 0 else FeedbackVerdict.FALSE_POSITIVE
            findings.feedback(ledger, feedback(one, verdict, at=at + timedelta(hours=3)))
    turn = Turn(engine=ledger, as_of=MONDAY + 26 * DAY, now=lambda: MONDAY)
    said = [note.text for note in notes(turn, week, replace(LIVE, budget=None), DETECT)]
    paged = len(pages(decisions.decisions(ledger)))
    assert paged < 26
    cut = f"{(26 - paged) / 26:.0%}"
    span = "in the last 28 days, played again with and without"
    assert f"Your 8 answers cut pages by {cut}: {paged} instead of 26 {span}." in said
    assert any(text.startswith(f"Of {min(paged, 8)} pages answered in 90 days 1 were real (95 % ") for text in said)
    assert any(text.startswith("Did not page on-call: e25") for text in said)


def test_the_commands_show_both_histories_and_why(ledger_url: str, configure: Configure) -> None:
    program = configure(CONFIG)
    engine = connect.open_engine(ledger_url)
    mornings = history(12)
    for at, episodes in mornings:
        morning(engine, at, episodes)
    live = pages(decisions.decisions(engine))
    engine.dispose()
    known = ("--as-of", "2026-03-13", "--output", "json")
    (both,) = program("replay", "--since", "2026-03-01", "--threshold", "1900", *known).json
    assert both["was"]["pages"] == len([row for row in both["pages"] if row["was"]]) == len(live)
    assert 0 < both["would"]["pages"] == len([row for row in both["pages"] if row["would"]])
    assert {Decimal(row["excess"]) < 190 for row in both["pages"] if row["would"]} == {False}
    shown(program, live, known)


def shown(program: Program, live: list[tuple[str, str, datetime]], known: tuple[str, ...]) -> None:
    listed = {row["key"]: row["told"] for row in program("episodes", "list", *known).json}
    paged = next(key for _, key, _ in live if listed[key].startswith("paged"))
    waiting = next(key for key, said in listed.items() if said.startswith("digest"))
    assert "budget" in listed[waiting]
    row = program("episodes", "snooze", waiting, "--until", "2026-03-20", "--note", "known", *known).json[0]
    assert row["snoozed_until"] == "2026-03-20"
    (row,) = program("episodes", "show", paged, *known).json
    assert "paged" in [one["told"] for one in row["decisions"]]


def test_what_was_paged_before_decisions_were_kept_is_not_paged_again(empty_url: str) -> None:
    engine = connect.open_engine(empty_url)
    connect.upgrade(engine)
    while sa.inspect(engine).has_table("page_decision"):
        connect.downgrade_one(engine)
    one, over = an_episode(), an_episode("e2", over=True)
    body = page_body(one, context=PageContext(as_of=MONDAY, complete_through=None))
    closed = page_body(over, context=PageContext(as_of=MONDAY, complete_through=None))
    with engine.begin() as connection:
        sent = [Message(key="finops/e1", kind="episode_opened", sink=sink, body=body) for sink in ("pager", "mail")]
        outbox.put(connection, sent, MONDAY)
        outbox.put(connection, [Message(key="finops/e2", kind="episode_opened", sink="mail", body=closed)], MONDAY)
        ended = [Message(key="finops/e2", kind="episode_resolved", sink="mail", body=closed)]
        outbox.put(connection, ended, MONDAY + DAY)
    connect.upgrade(engine)
    assert [(one.key, one.told, one.sinks, one.page) for one in decisions.decisions(engine)] == [
        ("e1", Told.PAGED, ("mail", "pager"), True),
        ("e2", Told.PAGED, ("mail",), True),
        ("e2", Told.RESOLVED, ("mail",), False),
    ]
    assert morning(engine, MONDAY + 2 * DAY, [one, over]) == 0
    engine.dispose()
