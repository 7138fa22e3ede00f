"""Pages that wait for a receiver which takes nothing, what a second one was told of them, and what stands for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.message import Message
from finops_ai.ledger.outbox import UNSENT, row_of
from finops_ai.ledger.outbox_tables import receiver
from finops_ai.ledger.tables import message as table

OUTAGE = "finops/outage/"
"""Keys of the messages that stand for many begin so, and go on with the receiver's name."""

_PAGE = "^(episode|storm)_"
_END = "_resolved$"
_IS_OUTAGE = table.c.key.like(sa.literal_column(f"'{OUTAGE}%'"))
"""Spelt as the index has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A receiver that takes nothing: how often it failed in a row, since when, and until when it asked for quiet."""

    failures: int
    failing_since: datetime | None
    paused_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the outbox in the order of its id; `as_of` is what it knew."""

    id: int
    message: Message
    as_of: datetime
    state: str
    attempts: int
    tried_at: datetime | None


def health(connection: sa.Connection, name: str) -> Health:
    """Held for the rest of the transaction, so that no two processes settle one receiver's pages at once."""
    row = connection.execute(sa.select(receiver).where(receiver.c.name == name).with_for_update()).one_or_none()
    if row is None:
        return Health(failures=0, failing_since=None, paused_until=None)
    return Health(failures=row.failures, failing_since=row.failing_since, paused_until=row.paused_until)


def press(engine: sa.Engine, sink: str, since: datetime) -> None:
    """Try once more, now, what `sink` has not taken since and nobody was told in its place: it may be back."""
    other = table.alias()
    uncopied = ~sa.exists().where(other.c.copy_of == table.c.id)
    away = sa.exists().where(receiver.c.name == sink, receiver.c.failing_since <= since)
    news = table.c.kind.regexp_match("^(episode|storm)_(opened|updated)$") & ~_IS_OUTAGE
    late = (table.c.sink == sink) & (table.c.state == "queued") & (table.c.attempts > 0) & news & uncopied
    with engine.begin() as connection:
        due = sa.update(table).where(late, (table.c.tried_at <= since) | away)
        connection.execute(due.values(not_before=None))


def untaken(connection: sa.Connection, sink: str, refused_since: datetime) -> list[Page]:
    """Pages of `sink` that wait, and those that it refused since."""
    refused = (table.c.state == "rejected") & (table.c.tried_at >= refused_since)
    return _pages(connection, sink, table.c.state.in_(UNSENT) | refused)


def later(connection: sa.Connection, sink: str, copies: Collection[tuple[str, int]]) -> list[Page]:
    """Pages of `sink` whatever became of them: of each key those after the id of the one that was copied."""
    if not copies:
        return []
    after = sa.or_(*(sa.and_(table.c.key == key, table.c.id > id) for key, id in copies))
    return _pages(connection, sink, after & (table.c.state != "superseded"))


def _pages(connection: sa.Connection, sink: str, chosen: sa.ColumnElement[bool]) -> list[Page]:
    is_page = table.c.kind.regexp_match(_PAGE) & ~_IS_OUTAGE
    rows = connection.execute(sa.select(table).where(table.c.sink == sink, is_page, chosen).order_by(table.c.id))
    return [_page(row) for row in rows]


def copied(connection: sa.Connection, sink: str, to: str) -> dict[str, tuple[int, str]]:
    """The newest page of `sink` of each key that `to` was told in its place: its id and its kind."""
    origin = table.alias()
    newest = (
        sa.select(table.c.key, table.c.copy_of, table.c.kind)
        .join(origin, origin.c.id == table.c.copy_of)
        .where(table.c.sink == to, origin.c.sink == sink)
        .ext(pg.distinct_on(table.c.key))
        .order_by(table.c.key, table.c.copy_of.desc())
    )
    return {row.key: (row.copy_of, row.kind) for row in connection.execute(newest)}


def has(connection: sa.Connection, page: Page, sink: str) -> bool:
    """Whether `sink` is told the same of the same run anyway, or was told it for another receiver."""
    of_run = (table.c.sink == sink, table.c.key == page.message.key, table.c.as_of == page.as_of)
    same = sa.select(sa.literal(1)).where(*of_run, table.c.kind == page.message.kind)
    return connection.scalar(same.limit(1)) is not None


def copy(connection: sa.Connection, page: Page, sink: str, body: Mapping[str, Any]) -> bool:
    """Queue `page` for `sink` too, with this body; whether that is new."""
    row = row_of(Message(key=page.message.key, kind=page.message.kind, sink=sink, body=body), page.as_of)
    put = pg.insert(table).values(**row, state="queued", copy_of=page.id).on_conflict_do_nothing()
    return connection.scalar(put.returning(table.c.id)) is not None


def untold(connection: sa.Connection, sink: str) -> list[Page]:
    """Pages that wait for `sink` and of whose episode it knows nothing, or only that an earlier one ended."""
    told = table.alias()
    known = (
        sa.select(told.c.kind)
        .where(told.c.sink == table.c.sink, told.c.key == table.c.key, told.c.state == "sent")
        .order_by(told.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    held = table.alias()
    on_the_way = sa.exists().where(held.c.sink == table.c.sink, held.c.key == table.c.key, held.c.state == "claimed")
    unknown = sa.func.coalesce(known, "episode_resolved").regexp_match(_END)
    return _pages(connection, sink, (table.c.state == "queued") & unknown & ~on_the_way)


def stand_in(connection: sa.Connection, sink: str) -> Page | None:
    """The message that waits for `sink` in place of many."""
    mine = (*_outage(sink), table.c.state.in_(UNSENT))
    row = connection.execute(sa.select(table).where(*mine).order_by(table.c.id.desc()).limit(1)).one_or_none()
    return _page(row) if row else None


def stand_for(
    connection: sa.Connection, said: Message, as_of: datetime, pages: Sequence[Page], before: Page | None
) -> None:
    """Queue `said` in place of `pages`, or let what waits already (`before`) say it."""
    ids = sa.bindparam(None, [page.id for page in pages], sa.ARRAY(sa.BigInteger))
    connection.execute(sa.update(table).where(table.c.id == sa.any_(ids)).values(state="superseded"))
    row = row_of(said, as_of)
    if before is None:
        connection.execute(pg.insert(table).values(**row, state="queued").on_conflict_do_nothing())
    else:
        connection.execute(sa.update(table).where(table.c.id == before.id).values(**row))


def hurry(engine: sa.Engine, sink: str) -> None:
    """What stands for many is due at once: its receiver is back."""
    mine = (*_outage(sink), table.c.state == "queued")
    with engine.begin() as connection:
        connection.execute(sa.update(table).where(*mine).values(not_before=None))


def outages_told(connection: sa.Connection, sink: str) -> list[Page]:
    """What `sink` was told in place of many and has not been told the end of."""
    end = table.alias()
    ended = sa.exists().where(end.c.sink == table.c.sink, end.c.key == table.c.key, end.c.kind == "storm_resolved")
    mine = (*_outage(sink), table.c.state == "sent")
    rows = connection.execute(sa.select(table).where(*mine, table.c.kind == "storm_opened", ~ended))
    return [_page(row) for row in rows]


def ended(connection: sa.Connection, sink: str, keys: Collection[str], after: int) -> set[str]:
    """Those of `keys` of which an end was put out for `sink` after the message `after`."""
    ends = sa.select(table.c.key).where(table.c.sink == sink, table.c.id > after, table.c.key.in_(keys))
    return set(connection.scalars(ends.where(table.c.kind.regexp_match(_END))))


def _outage(sink: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _IS_OUTAGE, table.c.sink == sink


def _page(row: sa.Row[Any]) -> Page:
    return Page(
        id=row.id,
        message=Message(key=row.key, kind=row.kind, sink=row.sink, body=row.body),
        as_of=row.as_of,
        state=row.state,
        attempts=row.attempts,
        tried_at=row.tried_at,
    )
