"""The outbox: what is to be said waits here until a receipt proves that it was taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.message import Delivered, Message, Receipt
from finops_ai.ledger import codecs
from finops_ai.ledger.outbox_tables import receiver
from finops_ai.ledger.tables import message as message_table

UNSENT = ("queued", "claimed")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """A message that one worker may send until its lease ends; `attempts` counts this one.

    `unsure` counts the earlier attempts of which nobody knows whether the receiver took them; `before` is the newest
    earlier message of its sink and key that was taken.
    """

    id: int
    message: Message
    attempts: int
    unsure: int
    as_of: datetime
    before: Delivered | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message and what became of it: `state` is queued, claimed, sent, rejected or superseded.

    `unsure` counts the attempts of which nobody knows whether the receiver took them.
    """

    id: int
    message: Message
    as_of: datetime
    state: str
    attempts: int
    unsure: int
    not_before: datetime | None
    error: str | None
    receipt: Receipt | None


def put(connection: sa.Connection, messages: Sequence[Message], as_of: datetime) -> int:
    """Queue messages in the caller's transaction; how many are new.

    A message of the same sink, key, kind and body is queued once, whatever became of it. Raises TypeError when a
    body is not plain data (text, numbers, decimals, days, lists, mappings).
    """
    rows = [{**row_of(message, as_of), "state": "queued"} for message in messages]
    if not rows:
        return 0
    queued = pg.insert(message_table).values(rows).on_conflict_do_nothing().returning(message_table.c.id)
    return len(connection.scalars(queued).all())


def row_of(message: Message, as_of: datetime) -> dict[str, Any]:
    """What the table has of a message, whatever becomes of it. Raises TypeError as `put` does."""
    body = codecs.canonical(message.body)
    return {
        "key": message.key,
        "kind": message.kind,
        "sink": message.sink,
        "body": json.loads(body),
        "digest": codecs.digest(f"{message.kind}\n{body}"),
        "as_of": as_of,
    }


def claim(
    engine: sa.Engine, now: datetime, limit: int, lease_seconds: float, owner: str, *, sink: str | None = None
) -> list[ClaimedMessage]:
    """Take up to `limit` messages that are due, oldest first, for `lease_seconds`; no two workers get the same one.

    A later message of one sink and key waits until the earlier one is sent or rejected; those of a paused receiver
    wait until the pause ends. A claim whose lease ended is free again: its owner may have died after sending, so a
    receiver can see a message twice, never none.
    """
    table = message_table
    earlier = table.alias()
    waits = sa.exists().where(
        earlier.c.sink == table.c.sink,
        earlier.c.key == table.c.key,
        earlier.c.id < table.c.id,
        earlier.c.state.in_(UNSENT),
    )
    paused = sa.exists().where(receiver.c.name == table.c.sink, receiver.c.paused_until > now)
    due = sa.or_(
        sa.and_(table.c.state == "queued", sa.func.coalesce(table.c.not_before, now) <= now),
        sa.and_(table.c.state == "claimed", table.c.lease_until <= now),
    )
    chosen = sa.select(table.c.id).where(due, ~waits, ~paused).order_by(table.c.id).limit(limit)
    if sink is not None:
        chosen = chosen.where(table.c.sink == sink)
    claimed = (
        sa.update(table)
        .where(table.c.id.in_(chosen.with_for_update(skip_locked=True, of=table).scalar_subquery()))
        .values(
            state="claimed",
            owner=owner,
            lease_until=now + timedelta(seconds=lease_seconds),
            attempts=table.c.attempts + 1,
            unsure=table.c.unsure + sa.case((table.c.state == "claimed", 1), else_=0),
            tried_at=sa.func.coalesce(table.c.tried_at, now),
        )
        .returning(*table.c)
    )
    with engine.begin() as connection:
        rows = connection.execute(claimed).all()
        known = _latest_sent(connection, [row.id for row in rows])
    return [
        ClaimedMessage(
            id=row.id,
            message=_message(row),
            attempts=row.attempts,
            unsure=row.unsure,
            as_of=row.as_of,
            before=known.get(row.id),
        )
        for row in sorted(rows, key=lambda row: row.id)
    ]


def _latest_sent(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Delivered]:
    """For each message the newest earlier one of its sink and key that was taken."""
    if not ids:
        return {}
    earlier = message_table.alias()
    newest = (
        sa.select(message_table.c.id.label("of"), *earlier.c)
        .join(earlier, sa.and_(earlier.c.sink == message_table.c.sink, earlier.c.key == message_table.c.key))
        .where(message_table.c.id.in_(ids), earlier.c.id < message_table.c.id, earlier.c.state == "sent")
        .ext(pg.distinct_on(message_table.c.id))
        .order_by(message_table.c.id, earlier.c.id.desc())
    )
    return {row.of: delivered(row) for row in connection.execute(newest)}


def renew(engine: sa.Engine, owner: str, lease_until: datetime) -> None:
    """Keep what `owner` claimed for longer: its receiver is slow, its process alive."""
    mine = sa.and_(message_table.c.state == "claimed", message_table.c.owner == owner)
    with engine.begin() as connection:
        connection.execute(sa.update(message_table).where(mine).values(lease_until=lease_until))


def release(engine: sa.Engine, id: int, owner: str, not_before: datetime) -> None:
    """Give back what was claimed and not tried."""
    _settle(engine, id, owner, state="queued", not_before=not_before, attempts=message_table.c.attempts - 1)


def sent(engine: sa.Engine, id: int, receipt: Receipt) -> None:
    """Keep the receipt: a fact, whoever holds the lease by now. The first receipt stands."""
    _settle(
        engine,
        id,
        None,
        state="sent",
        remote_id=receipt.remote_id,
        sent_at=receipt.sent_at,
        certain=receipt.certain,
        error=None,
    )


def retry(engine: sa.Engine, id: int, owner: str, not_before: datetime, error: str, *, unsure: bool = False) -> None:
    """Give a message back to be sent at `not_before` at the earliest; `unsure` when it may have been taken."""
    doubt = message_table.c.unsure + int(unsure)
    _settle(engine, id, owner, state="queued", not_before=not_before, error=error, unsure=doubt)


def reject(engine: sa.Engine, id: int, owner: str, error: str) -> None:
    """The receiver will never take it; later messages of its key go on."""
    _settle(engine, id, owner, state="rejected", error=error)


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
            unsure=row.unsure,
            not_before=row.not_before,
            error=row.error,
            receipt=delivered(row).receipt if row.sent_at else None,
        )
        for row in rows
    ]


def _settle(engine: sa.Engine, id: int, owner: str | None, **values: object) -> None:
    """What became of a message that is not settled yet, if `owner` still holds it (None: whoever does)."""
    unsettled = [message_table.c.id == id, message_table.c.state.in_(UNSENT)]
    if owner is not None:
        unsettled.append(message_table.c.owner == owner)
    with engine.begin() as connection:
        connection.execute(sa.update(message_table).where(*unsettled).values(owner=None, lease_until=None, **values))


def delivered(row: sa.Row[tuple[object, ...]]) -> Delivered:
    """The message of a row with its receipt."""
    receipt = Receipt(key=row.key, sent_at=row.sent_at, remote_id=row.remote_id, certain=row.certain)
    return Delivered(message=_message(row), receipt=receipt)


def _message(row: sa.Row[tuple[object, ...]]) -> Message:
    return Message(key=row.key, kind=row.kind, sink=row.sink, body=row.body)
