"""The outbox: what is to be said waits here until a receipt proves that it was taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.message import Message, Receipt
from finops_ai.ledger import codecs
from finops_ai.ledger.tables import message as message_table

UNSENT = ("queued", "claimed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """A message that one worker may send until its lease ends; `attempts` counts this one."""

    id: int
    message: Message
    attempts: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message and what became of it: `state` is queued, claimed, sent or rejected."""

    id: int
    message: Message
    as_of: datetime
    state: str
    attempts: int
    not_before: datetime | None
    error: str | None
    receipt: Receipt | None


def put(connection: sa.Connection, messages: Sequence[Message], as_of: datetime) -> int:
    """Queue messages in the caller's transaction; how many are new.

    A message of the same sink, key, kind and body is queued once, whatever became of it. Raises TypeError when a
    body is not plain data (text, numbers, decimals, days, lists, mappings).
    """
    rows = [
        {
            "key": message.key,
            "kind": message.kind,
            "sink": message.sink,
            "body": json.loads(body := codecs.canonical(message.body)),
            "digest": codecs.digest(f"{message.kind}\n{body}"),
            "as_of": as_of,
            "state": "queued",
        }
        for message in messages
    ]
    if not rows:
        return 0
    queued = pg.insert(message_table).values(rows).on_conflict_do_nothing().returning(message_table.c.id)
    return len(connection.scalars(queued).all())


def claim(engine: sa.Engine, now: datetime, limit: int, lease_seconds: float, owner: str) -> list[ClaimedMessage]:
    """Take up to `limit` messages that are due, oldest first, for `lease_seconds`; no two workers get the same one.

    A later message of one sink and key waits until the earlier one is sent or rejected. A claim whose lease ended is
    free again: its owner may have died after sending, so a receiver can see a message twice, never none.
    """
    table = message_table
    earlier = table.alias()
    waits = sa.exists().where(
        earlier.c.sink == table.c.sink,
        earlier.c.key == table.c.key,
        earlier.c.id < table.c.id,
        earlier.c.state.in_(UNSENT),
    )
    due = sa.or_(
        sa.and_(table.c.state == "queued", sa.func.coalesce(table.c.not_before, now) <= now),
        sa.and_(table.c.state == "claimed", table.c.lease_until <= now),
    )
    chosen = sa.select(table.c.id).where(due, ~waits).order_by(table.c.id).limit(limit)
    claimed = (
        sa.update(table)
        .where(table.c.id.in_(chosen.with_for_update(skip_locked=True).scalar_subquery()))
        .values(
            state="claimed",
            owner=owner,
            lease_until=now + timedelta(seconds=lease_seconds),
            attempts=table.c.attempts + 1,
        )
        .returning(*table.c)
    )
    with engine.begin() as connection:
        rows = connection.execute(claimed).all()
    return [
        ClaimedMessage(id=row.id, message=_message(row), attempts=row.attempts, as_of=row.as_of)
        for row in sorted(rows, key=lambda row: row.id)
    ]


def sent(engine: sa.Engine, id: int, receipt: Receipt) -> None:
    """Keep the receipt: a fact, whoever holds the lease by now. The first receipt stands."""
    _settle(
        engine,
        id,
        state="sent",
        remote_id=receipt.remote_id,
        sent_at=receipt.sent_at,
        certain=receipt.certain,
        error=None,
    )


def retry(engine: sa.Engine, id: int, not_before: datetime, error: str) -> None:
    """Give a message back to be sent at `not_before` at the earliest."""
    _settle(engine, id, state="queued", not_before=not_before, error=error)


def reject(engine: sa.Engine, id: int, error: str) -> None:
    """The receiver will never take it; later messages of its key go on."""
    _settle(engine, id, state="rejected", error=error)


def messages(engine: sa.Engine, as_of: datetime | None = None) -> list[StoredMessage]:
    """Every message queued by `as_of` (None: all), in order, with what has become of it since."""
    chosen = sa.select(message_table).order_by(message_table.c.id)
    if as_of is not None:
        chosen = chosen.where(message_table.c.as_of <= as_of)
    with engine.connect() as connection:
        rows = connection.execute(chosen).all()
    return [
        StoredMessage(
            id=row.id,
            message=_message(row),
            as_of=row.as_of,
            state=row.state,
            attempts=row.attempts,
            not_before=row.not_before,
            error=row.error,
            receipt=Receipt(key=row.key, sent_at=row.sent_at, remote_id=row.remote_id, certain=row.certain)
            if row.sent_at
            else None,
        )
        for row in rows
    ]


def _settle(engine: sa.Engine, id: int, **values: object) -> None:
    unsettled = (message_table.c.id == id, message_table.c.state.in_(UNSENT))
    with engine.begin() as connection:
        connection.execute(sa.update(message_table).where(*unsettled).values(owner=None, lease_until=None, **values))


def _message(row: sa.Row[tuple[object, ...]]) -> Message:
    return Message(key=row.key, kind=row.kind, sink=row.sink, body=row.body)
