"""What deliverers know of receivers together: pauses, pace, health, what was told, what need not be told any more."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from finops_ai.domain.message import Message, Receipt
from finops_ai.ledger import outbox, receivers

NOW = datetime(2026, 4, 6, 8, tzinfo=UTC)
LEASE = 60.0
PATIENCE = timedelta(seconds=20)


def put(engine: sa.Engine, *kinds: str, key: str = "a", sink: str = "pager", state: str = "open") -> None:
    with engine.begin() as connection:
        told = [
            Message(key=key, kind=kind, sink=sink, body={"n": f"{number} {kind}", "state": state})
            for number, kind in enumerate(kinds)
        ]
        outbox.put(connection, told, NOW)


def claim(engine: sa.Engine, now: datetime = NOW, owner: str = "w", sink: str | None = None) -> list[Any]:
    return outbox.claim(engine, now, 1, LEASE, owner, sink=sink)


def send(engine: sa.Engine, remote_id: str = "r", *, at: datetime = NOW, certain: bool = True) -> int:
    """Send the next message; its number."""
    [claimed] = claim(engine, at)
    outbox.sent(engine, claimed.id, Receipt(key="a", sent_at=at, remote_id=remote_id, certain=certain))
    return int(claimed.id)


def states(engine: sa.Engine) -> list[tuple[str, str]]:
    return [(one.message.kind.partition("_")[2], one.state) for one in outbox.messages(engine)]


def test_a_claim_brings_what_was_told_of_its_key_before(ledger: sa.Engine) -> None:
    put(ledger, "episode_opened", "episode_updated", "episode_resolved")
    put(ledger, "episode_opened", key="b")
    [first] = claim(ledger)
    assert first.before is None
    outbox.sent(ledger, first.id, Receipt(key="a", sent_at=NOW, remote_id="C1/1"))
    [second] = claim(ledger)
    assert (second.before.message.kind, second.before.receipt.remote_id) == ("episode_opened", "C1/1")
    outbox.reject(ledger, second.id, "w", "400")
    [third] = claim(ledger)
    assert third.before == second.before
    [other] = claim(ledger)
    assert (other.message.key, other.before) == ("b", None)


def test_a_paused_receiver_is_left_alone_and_the_longer_pause_stands(ledger: sa.Engine) -> None:
    put(ledger, "episode_opened")
    put(ledger, "episode_opened", sink="mail")
    receivers.pause(ledger, "pager", NOW + timedelta(seconds=90))
    receivers.pause(ledger, "pager", NOW + timedelta(seconds=30))
    assert [one.message.sink for one in claim(ledger)] == ["mail"]
    assert claim(ledger, NOW + timedelta(seconds=89), sink="pager") == []
    assert claim(ledger, NOW + timedelta(seconds=90), sink="pager") != []


def test_all_deliverers_together_keep_the_pace(ledger: sa.Engine) -> None:
    turns: list[datetime | None] = []

    def work() -> None:
        for _ in range(10):
            turns.append(receivers.turn_of(ledger, "chat", NOW, 60, PATIENCE))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    granted = sorted(turn for turn in turns if turn is not None)
    assert granted == [NOW + timedelta(seconds=second) for second in range(21)]
    assert turns.count(None) == 9
    assert receivers.turn_of(ledger, "chat", NOW + timedelta(minutes=5), 60, PATIENCE) == NOW + timedelta(minutes=5)
    assert receivers.turn_of(ledger, "other", NOW, 60, PATIENCE) == NOW


def test_what_was_given_back_untried_counts_as_no_attempt(ledger: sa.Engine) -> None:
    put(ledger, "episode_opened")
    [claimed] = claim(ledger)
    outbox.release(ledger, claimed.id, "w", NOW + timedelta(seconds=5))
    assert claim(ledger) == []
    [again] = claim(ledger, NOW + timedelta(seconds=5))
    assert (again.attempts, again.unsure) == (1, 0)


def test_a_lease_is_renewed_for_its_owner_only(ledger: sa.Engine) -> None:
    put(ledger, "episode_opened")
    claim(ledger, owner="slow")
    outbox.renew(ledger, "another", NOW + timedelta(hours=1))
    outbox.renew(ledger, "slow", NOW + timedelta(seconds=2 * LEASE))
    assert claim(ledger, NOW + timedelta(seconds=LEASE)) == []
    [taken_over] = claim(ledger, NOW + timedelta(seconds=2 * LEASE))
    assert (taken_over.attempts, taken_over.unsure) == (2, 1)
    outbox.retry(ledger, taken_over.id, "slow", NOW, "the first owner comes back late")
    assert [one.state for one in outbox.messages(ledger)] == ["claimed"]


@pytest.mark.parametrize(("certain", "told"), [(False, 2), (True, 0)])
def test_possible_duplicates_are_attempts_of_unknown_end_at_receivers_without_a_key(
    ledger: sa.Engine, certain: bool, told: int
) -> None:
    put(ledger, "episode_opened")
    [first] = claim(ledger)
    outbox.retry(ledger, first.id, "w", NOW, "no answer", unsure=True)
    claim(ledger)
    assert receivers.possible_duplicates(ledger) == 0
    send(ledger, at=NOW + timedelta(seconds=LEASE), certain=certain)
    assert outbox.messages(ledger)[0].unsure == 2
    assert receivers.possible_duplicates(ledger) == told


def test_a_receiver_ails_from_its_first_failure_until_it_takes_something(ledger: sa.Engine) -> None:
    assert not receivers.ails(ledger, "pager")
    receivers.failed(ledger, "pager", NOW)
    receivers.failed(ledger, "pager", NOW)
    assert receivers.ails(ledger, "pager")
    receivers.well(ledger, "pager")
    assert not receivers.ails(ledger, "pager")


def test_after_an_outage_the_last_page_is_told_and_then_the_end(ledger: sa.Engine) -> None:
    put(ledger, "episode_opened", key="another that was told")
    send(ledger)
    put(ledger, "episode_opened", "episode_updated", "episode_updated", "episode_resolved")
    put(ledger, "storm_opened", "storm_updated", key="storm")
    put(ledger, "episode_opened", key="alone")
    assert receivers.supersede(ledger, "pager") == 3
    assert states(ledger) == [
        ("opened", "sent"),
        ("opened", "superseded"),
        ("updated", "superseded"),
        ("updated", "queued"),
        ("resolved", "queued"),
        ("opened", "superseded"),
        ("updated", "queued"),
        ("opened", "queued"),
    ]
    assert receivers.supersede(ledger, "pager") == 0


def test_an_end_replaces_what_came_before_it_where_the_beginning_was_told(ledger: sa.Engine) -> None:
    put(ledger, "episode_opened", "episode_updated", "episode_resolved")
    send(ledger)
    assert receivers.supersede(ledger, "pager") == 1
    assert states(ledger) == [("opened", "sent"), ("updated", "superseded"), ("resolved", "queued")]


@pytest.mark.parametrize(("kind", "state"), [("episode_acknowledged", "open"), ("episode_updated", "acknowledged")])
def test_an_acknowledgement_replaces_no_page_and_is_replaced_by_none(ledger: sa.Engine, kind: str, state: str) -> None:
    put(ledger, "episode_opened")
    put(ledger, kind, state=state)
    assert receivers.supersede(ledger, "pager") == 0
    put(ledger, "episode_updated")
    assert receivers.supersede(ledger, "pager") == 1
    assert [state for _, state in states(ledger)] == ["superseded", "queued", "queued"]


def test_what_is_on_its_way_and_what_others_wait_for_is_not_touched(ledger: sa.Engine) -> None:
    put(ledger, "episode_opened", "episode_updated")
    put(ledger, "episode_opened", "episode_updated", sink="mail")
    claim(ledger)
    assert receivers.supersede(ledger, "pager") == 0
    put(ledger, "digest", "change", key="d")
    assert receivers.supersede(ledger, "pager") == 0


def test_what_stands_is_the_newest_of_each_key(ledger: sa.Engine) -> None:
    put(ledger, "episode_opened", "episode_updated", "episode_resolved")
    put(ledger, "episode_opened", key="b")
    send(ledger)
    send(ledger, "second")
    send(ledger)
    standing = receivers.standing(ledger, "pager")
    assert {key: one.message.kind for key, one in standing.items()} == {"a": "episode_resolved"}
    assert receivers.standing(ledger, "mail") == {}
    assert receivers.waited_for(ledger) == ["pager"]


def test_others_were_taken_since_this_one_was_first_tried(ledger: sa.Engine) -> None:
    put(ledger, "episode_opened", key="poison")
    put(ledger, "episode_opened", "episode_updated", key="b")
    [poison] = claim(ledger, NOW + timedelta(seconds=1))
    send(ledger, at=NOW)
    soon, later = NOW, NOW + timedelta(seconds=1)
    assert not receivers.refuses_only(ledger, poison.id, later)
    send(ledger, at=NOW + timedelta(seconds=2))
    assert receivers.refuses_only(ledger, poison.id, later)
    assert not receivers.refuses_only(ledger, poison.id, soon)
