"""The outbox: nothing is lost, nothing is queued twice, no two workers send the same, order per key is kept."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from finops_ai.domain.message import Message, Receipt
from finops_ai.ledger import outbox

NOW = datetime(2026, 4, 6, 8, tzinfo=UTC)
LEASE = 60.0


def message(key: str, body: Any = 1, sink: str = "pager", kind: str = "episode_opened") -> Message:
    return Message(key=key, kind=kind, sink=sink, body={"n": body})


def put(engine: sa.Engine, *messages: Message, as_of: datetime = NOW) -> int:
    with engine.begin() as connection:
        return outbox.put(connection, messages, as_of)


def claim(engine: sa.Engine, now: datetime = NOW, limit: int = 100, owner: str = "w1") -> list[tuple[str, Any]]:
    return [(c.message.key, c.message.body["n"]) for c in outbox.claim(engine, now, limit, LEASE, owner)]


def receipt(key: str, remote_id: str = "r1") -> Receipt:
    return Receipt(key=key, sent_at=NOW, remote_id=remote_id)


def test_a_repeat_changes_nothing_even_after_it_was_sent(ledger: sa.Engine) -> None:
    same = Message(key="a", kind="episode_opened", sink="pager", body={"n": Decimal("1.0"), "m": 2})
    assert put(ledger, same, same) == 1
    [claimed] = outbox.claim(ledger, NOW, 10, LEASE, "w1")
    outbox.sent(ledger, claimed.id, receipt("a"))
    reordered = Message(key="a", kind="episode_opened", sink="pager", body={"m": 2, "n": "1.0"})
    assert put(ledger, reordered, as_of=NOW + timedelta(days=1)) == 0
    [stored] = outbox.messages(ledger)
    assert (stored.state, stored.attempts, stored.receipt) == ("sent", 1, receipt("a"))
    others = (message("b"), message("a", sink="mail"), message("a", kind="episode_resolved"), message("a", 2))
    assert put(ledger, *others) == 4
    assert put(ledger) == 0


def test_messages_are_read_as_of_an_instant(ledger: sa.Engine) -> None:
    put(ledger, message("a"))
    put(ledger, message("b"), as_of=NOW + timedelta(days=1))
    assert [stored.message for stored in outbox.messages(ledger, NOW)] == [message("a")]
    assert [stored.message.key for stored in outbox.messages(ledger, None)] == ["a", "b"]


def test_later_messages_of_a_key_wait_for_the_earlier(ledger: sa.Engine) -> None:
    put(ledger, message("a", 1), message("a", 2), message("b", 1), message("a", 1, sink="mail"))
    first = outbox.claim(ledger, NOW, 100, LEASE, "w1")
    assert [(c.message.sink, c.message.key, c.message.body["n"]) for c in first] == [
        ("pager", "a", 1),
        ("pager", "b", 1),
        ("mail", "a", 1),
    ]
    assert claim(ledger) == []
    outbox.retry(ledger, first[0].id, "w1", NOW + timedelta(seconds=30), "503")
    assert claim(ledger) == []
    [retried] = outbox.claim(ledger, NOW + timedelta(seconds=30), 100, LEASE, "w1")
    assert retried.message == message("a", 1)
    outbox.reject(ledger, retried.id, "w1", "400")
    assert claim(ledger) == [("a", 2)]


def test_a_lease_that_ended_is_claimed_again_and_counted(ledger: sa.Engine) -> None:
    put(ledger, message("a"))
    assert claim(ledger) == [("a", 1)]
    assert claim(ledger, NOW + timedelta(seconds=LEASE - 1), owner="w2") == []
    [again] = outbox.claim(ledger, NOW + timedelta(seconds=LEASE), 10, LEASE, "w2")
    assert again.attempts == 2


def test_the_first_receipt_stands_and_a_late_owner_cannot_undo_it(ledger: sa.Engine) -> None:
    put(ledger, message("a"))
    [claimed] = outbox.claim(ledger, NOW, 10, LEASE, "w1")
    outbox.claim(ledger, NOW + timedelta(seconds=LEASE), 10, LEASE, "w2")
    outbox.sent(ledger, claimed.id, receipt("a", "first"))
    outbox.sent(ledger, claimed.id, receipt("a", "second"))
    outbox.retry(ledger, claimed.id, "w2", NOW, "late")
    outbox.reject(ledger, claimed.id, "w2", "later")
    [stored] = outbox.messages(ledger)
    assert (stored.state, stored.receipt) == ("sent", receipt("a", "first"))
    assert claim(ledger, NOW + timedelta(days=1)) == []


def test_two_workers_never_share_and_leave_nothing(ledger: sa.Engine) -> None:
    put(ledger, *(message(f"k{number}") for number in range(300)))
    taken: dict[str, list[int]] = {"w1": [], "w2": [], "w3": []}
    barrier = threading.Barrier(len(taken))

    def work(owner: str) -> None:
        barrier.wait()
        while claimed := outbox.claim(ledger, NOW, 7, LEASE, owner):
            taken[owner] += [each.id for each in claimed]

    workers = [threading.Thread(target=work, args=(owner,)) for owner in taken]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ids = [id for each in taken.values() for id in each]
    assert len(ids) == len(set(ids))
    # A worker that finds all due rows locked stops early; what it left is there for the next claim.
    assert len(ids) + len(outbox.claim(ledger, NOW, 300, LEASE, "last")) == 300
    assert {stored.attempts for stored in outbox.messages(ledger)} == {1}


def test_a_claim_does_not_wait_for_another_one(ledger: sa.Engine) -> None:
    put(ledger, message("a"), message("b"))
    with ledger.begin() as slow:
        slow.execute(sa.text("SELECT id FROM message WHERE key = 'a' FOR UPDATE"))
        assert claim(ledger) == [("b", 1)]


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_than_asked_for(ledger: sa.Engine, limit: int) -> None:
    put(ledger, *(message(f"k{number}") for number in range(5)))
    assert len(claim(ledger, limit=limit)) == limit
