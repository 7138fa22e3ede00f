"""Messages reach their receivers: who is away holds nobody up, who refuses is told, possible repeats are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.domain.message import Delivered, Message, Receipt
from finops_ai.domain.outcome import Outcome
from finops_ai.jobs import couriers
from finops_ai.jobs.couriers import Patience
from finops_ai.jobs.deliver import deliver
from finops_ai.jobs.run import Turn
from finops_ai.ledger import outbox, receivers
from tests.flow.conftest import Configure, Program
from tests.receivers import Peer, alertmanager, http_peer
from tests.unit.sinks.bodies import page

NOW = datetime(2026, 5, 24, 9, 0, tzinfo=UTC)
PATIENCE = Patience(first_wait_seconds=30, longest_wait_seconds=3600, lease_seconds=60)


@dataclass
class Clock:
    """Stands where it is set."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


@dataclass
class Receiver:
    """A sink of another make: does what it is told, once for each message, and then takes everything."""

    name: str = "pager"
    keyed: bool = True
    per_minute: int | None = None
    script: list[Exception] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)
    before: list[Delivered | None] = field(default_factory=list)
    begin: Callable[[], object] = lambda: None

    def send(self, message: Message, before: Delivered | None = None) -> Receipt:
        self.begin()
        if self.script:
            raise self.script.pop(0)
        self.taken.append((message.key, message.kind.partition("_")[2]))
        self.before.append(before)
        return Receipt(key=message.key, sent_at=NOW, remote_id=f"r{len(self.taken)}", certain=self.keyed)


@dataclass
class Forgetting(Receiver):
    reminded: list[list[str]] = field(default_factory=list)

    def remind(self, standing: Mapping[str, Delivered]) -> None:
        self.reminded.append(sorted(standing))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(ledger: sa.Engine, clock: Clock) -> Callable[..., Outcome]:
    def delivered(*sinks: Receiver) -> Outcome:
        turn = Turn(engine=ledger, as_of=NOW, now=clock.now)
        return deliver(turn, {one.name: one for one in sinks}, {}, "us", PATIENCE)

    return delivered


def put(engine: sa.Engine, *messages: Message, sink: str = "pager") -> None:
    with engine.begin() as connection:
        outbox.put(connection, [replace(one, sink=sink) for one in messages], NOW)


def episode(key: str, *acts: str) -> list[Message]:
    return [page(f"episode_{act}", key=key) for act in acts or ("opened",)]


def test_each_message_is_told_once_in_order_with_what_came_before(
    ledger: sa.Engine, run: Callable[..., Outcome]
) -> None:
    put(ledger, *episode("a", "opened", "updated", "resolved"))
    pager = Receiver()
    outcome = run(pager)
    assert pager.taken == [("a", "opened"), ("a", "updated"), ("a", "resolved")]
    assert [one and one.receipt.remote_id for one in pager.before] == [None, "r1", "r2"]
    assert outcome.counts == {"sent": 3, "retry": 0, "rejected": 0, "superseded": 0, "possible_duplicates": 0}
    assert run(pager).results == ()


def test_a_receiver_that_hangs_holds_nobody_up(ledger: sa.Engine, run: Callable[..., Outcome]) -> None:
    put(ledger, *episode("a"))
    put(ledger, *episode("a"), sink="mail")
    put(ledger, *episode("late"), sink="nobody")
    mail_is_told = threading.Event()
    slow = Receiver(begin=lambda: mail_is_told.wait(30) or pytest.fail("mail had to wait"))
    mail = Receiver(name="mail", begin=mail_is_told.set)
    assert run(slow, mail).counts["sent"] == 2


def test_who_is_away_is_tried_thrice_and_then_left_alone_until_later(
    ledger: sa.Engine, run: Callable[..., Outcome], clock: Clock
) -> None:
    put(ledger, *(message for n in range(9) for message in episode(f"k{n}")))
    away = Receiver(script=[Unavailable("503")] * 3)
    outcome = run(away)
    assert (outcome.counts["retry"], away.taken) == (3, [])
    assert [problem.severity for problem in outcome.problems] == ["warning"] * 3
    assert not outcome.refused
    assert run(away).counts["sent"] == 6
    clock.at += timedelta(seconds=31)
    assert run(away).counts["sent"] == 3


def test_waits_grow_to_the_longest_with_jitter() -> None:
    for attempts, longest in ((1, 30), (2, 60), (5, 480), (8, 3600), (5_000, 3600)):
        waits = {PATIENCE.wait(attempts).total_seconds() for _ in range(50)}
        assert all(longest / 2 <= wait <= longest for wait in waits)
        assert len(waits) > 1


def test_a_wait_that_was_asked_for_pauses_the_whole_receiver_and_no_other(
    ledger: sa.Engine, run: Callable[..., Outcome], clock: Clock
) -> None:
    put(ledger, *episode("a"), *episode("b"))
    put(ledger, *episode("a"), sink="mail")
    busy, mail = Receiver(script=[Unavailable("429", retry_after_seconds=120)]), Receiver(name="mail")
    assert run(busy, mail).counts | {"superseded": 0} == {
        **{"sent": 1, "retry": 1, "rejected": 0, "superseded": 0, "possible_duplicates": 0}
    }
    clock.at += timedelta(seconds=119)
    assert run(busy, mail).counts["sent"] == 0
    clock.at += timedelta(seconds=1)
    assert run(busy, mail).counts["sent"] == 2


def test_a_no_is_told_with_its_reason_and_what_comes_after_goes_on(
    ledger: sa.Engine, run: Callable[..., Outcome]
) -> None:
    put(ledger, *episode("a", "opened", "updated"))
    outcome = run(Receiver(script=[Rejected("400 Bad Request: severity")]))
    assert outcome.refused
    assert [(row["state"], row["reason"]) for row in outcome.results] == [
        ("rejected", "400 Bad Request: severity"),
        ("sent", ""),
    ]


@pytest.mark.parametrize("error", [KeyError("excess"), TypeError("no text"), ValueError("no day")])
def test_a_body_that_a_sink_cannot_read_stops_nothing(
    ledger: sa.Engine, run: Callable[..., Outcome], error: Exception
) -> None:
    put(ledger, *episode("a"), *episode("b"))
    outcome = run(Receiver(script=[error]))
    assert (outcome.counts["rejected"], outcome.counts["sent"]) == (1, 1)
    assert "cannot be put into this sink's form" in outcome.results[0]["reason"]


def test_a_secret_that_is_missing_is_told_and_waits_for_somebody_to_set_it(
    ledger: sa.Engine, run: Callable[..., Outcome], clock: Clock
) -> None:
    put(ledger, *episode("a"))
    pager = Receiver(script=[ConfigError("ROUTING_KEY is not set")])
    outcome = run(pager)
    assert outcome.refused
    assert outcome.results[0]["state"] == "queued"
    clock.at += timedelta(seconds=31)
    assert run(pager).counts["sent"] == 1


def test_a_message_that_is_refused_while_others_are_taken_is_given_up(
    ledger: sa.Engine, run: Callable[..., Outcome], clock: Clock
) -> None:
    put(ledger, *episode("poison"))
    for tries in range(1, couriers.POISON_ATTEMPTS + 1):
        alone = tries < couriers.POISON_ATTEMPTS
        outcome = run(Receiver(script=[Unavailable("500 for this one")]))
        assert outcome.counts["retry" if alone else "rejected"] == 1
        clock.at += timedelta(hours=2)
        put(ledger, *episode(f"other {tries}"))
        [other] = [one for one in outbox.messages(ledger) if one.message.key == f"other {tries}"]
        outbox.sent(ledger, other.id, Receipt(key="o", sent_at=clock.at, remote_id="r"))
    assert "given up after 20 tries, while others were taken: 500 for this one" in outcome.results[0]["reason"]


def test_a_receiver_that_was_away_for_days_loses_nothing(
    ledger: sa.Engine, run: Callable[..., Outcome], clock: Clock
) -> None:
    put(ledger, *episode("a"))
    for _ in range(2 * couriers.POISON_ATTEMPTS):
        assert run(Receiver(script=[Unavailable("503")])).counts["retry"] == 1
        clock.at += timedelta(hours=2)
    assert run(Receiver()).counts["sent"] == 1


def test_no_flood_after_an_outage(ledger: sa.Engine, run: Callable[..., Outcome], clock: Clock) -> None:
    put(
        ledger,
        *episode("a", *["opened"], *["updated"]),
        *[page("episode_updated", key="a", title=f"{n}") for n in range(9)],
    )
    pager = Receiver(script=[Unavailable("503")])
    run(pager)
    clock.at += timedelta(hours=1)
    outcome = run(pager)
    assert pager.taken == [("a", "updated")]
    assert outcome.counts["superseded"] == 10


def test_a_chat_without_a_key_is_told_everything(ledger: sa.Engine, run: Callable[..., Outcome], clock: Clock) -> None:
    put(ledger, *episode("a", "opened", "updated"))
    chat = Receiver(keyed=False, script=[Unavailable("503")])
    run(chat)
    clock.at += timedelta(hours=1)
    assert run(chat).counts["superseded"] == 0
    assert chat.taken == [("a", "opened"), ("a", "updated")]


@pytest.mark.parametrize(("keyed", "doubts"), [(False, 1), (True, 0)])
def test_a_lost_answer_is_a_possible_duplicate_only_without_a_key(
    ledger: sa.Engine, run: Callable[..., Outcome], clock: Clock, keyed: bool, doubts: int
) -> None:
    put(ledger, *episode("a"))
    chat = Receiver(keyed=keyed, script=[Unavailable("no answer", unsure=True)])
    run(chat)
    clock.at += timedelta(hours=1)
    outcome = run(chat)
    assert outcome.counts["possible_duplicates"] == doubts == receivers.possible_duplicates(ledger)
    assert ["may have been told more than once" in problem.message for problem in outcome.problems] == [True] * doubts
    assert not outcome.refused


def test_a_pace_is_kept_and_what_would_wait_long_is_left_to_a_later_run(
    ledger: sa.Engine, run: Callable[..., Outcome], clock: Clock
) -> None:
    put(ledger, *(message for n in range(4) for message in episode(f"k{n}")))
    slow = Receiver(per_minute=2)
    assert run(slow).counts["sent"] == 1
    assert run(slow).counts["sent"] == 0
    clock.at += timedelta(seconds=30)
    assert run(slow).counts["sent"] == 1
    assert {one.attempts for one in outbox.messages(ledger)} == {0, 1}


def test_a_forgetful_receiver_is_reminded_at_every_run(ledger: sa.Engine, run: Callable[..., Outcome]) -> None:
    put(ledger, *episode("a"), *episode("b"))
    forgetting = Forgetting()
    run(forgetting)
    run(forgetting)
    assert forgetting.reminded == [[], ["a", "b"]]


@pytest.fixture
def peer() -> Iterator[Peer]:
    with http_peer() as known:
        yield known


SINKS = """
sinks:
  - {{name: pager, kind: pagerduty, routing_key: {{env: KEY}}, url: "{url}/v2/enqueue"}}
  - {{name: hook, kind: webhook, secret: {{env: HOOK}}, url: "{url}/hook", per_minute: 6000}}
"""


def told(program: Program, *arguments: str, code: int = 0) -> Any:
    environ = {**program.environ, "KEY": "R0123456789abcdef", "HOOK": "a secret of the hook"}
    ran = program.finops("deliver", *arguments, "--output", "json", env=environ)
    assert ran.exit_code == code, ran.stderr
    return ran


def test_the_command_tells_what_was_refused_and_ends_6(configure: Configure, ledger: sa.Engine, peer: Peer) -> None:
    program = configure(SINKS.format(url=peer.base))
    put(ledger, *episode("a"))
    put(ledger, *episode("a"), sink="hook")
    put(ledger, *episode("a"), sink="gone")
    peer.will(400, {"message": "Event object is invalid"})
    ran = told(program, code=6)
    rows = {row["sink"]: row for row in ran.json}
    assert rows["gone"]["reason"] == "no sink named 'gone' is configured"
    refused = [row for row in ran.json if row["state"] == "rejected"]
    assert len(refused) == 2
    assert "Event object is invalid" in ran.stdout
    assert "Event object is invalid" in ran.stderr
    with ledger.connect() as connection:
        view = connection.execute(sa.text("SELECT sink, state, attempts FROM v_message ORDER BY sink")).all()
    assert {row.sink: row.attempts for row in view} == {"gone": 1, "hook": 1, "pager": 1}
    assert told(program).json == []


def test_two_commands_deliver_at_once(configure: Configure, ledger: sa.Engine, peer: Peer) -> None:
    program = configure(SINKS.format(url=peer.base))
    for sink in ("pager", "hook"):
        put(ledger, *(message for n in range(40) for message in episode(f"k{n}")), sink=sink)
    environ = program.finops.environ({**program.environ, "KEY": "R0123456789abcdef", "HOOK": "a secret of the hook"})
    command = [sys.executable, "-m", "finops_ai", "deliver", "--output", "json"]
    running = [
        subprocess.Popen(
            command, cwd=program.finops.folder, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    rows = [row for one in running for row in json.loads(one.communicate(timeout=100)[0])]
    assert [one.returncode for one in running] == [0, 0]
    assert {row["state"] for row in rows} == {"sent"}
    assert len(rows) == len(peer.requests) == 80


@pytest.mark.server
def test_an_alert_outlives_a_restart_of_the_alertmanager(
    configure: Configure, ledger: sa.Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    put(ledger, *episode("finops/a"), *episode("finops/b", "opened", "resolved"), sink="am")
    for _ in range(2):
        with alertmanager(tmp_path_factory.mktemp("am")) as fresh:
            told(configure(f"sinks: [{{name: am, kind: alertmanager, url: '{fresh.url}'}}]"))
            assert [one["labels"]["finops_key"] for one in fresh.alerts()] == ["finops/a"]
