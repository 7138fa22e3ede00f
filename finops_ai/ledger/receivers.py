"""What is known of each receiver, across deliverers: its pauses and pace, whether it is well, what it was told."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.message import Delivered
from finops_ai.ledger.outbox import UNSENT, delivered
from finops_ai.ledger.outbox_tables import receiver
from finops_ai.ledger.tables import message as message_table


def pause(engine: sa.Engine, name: str, until: datetime) -> None:
    """Nothing more is claimed for it before `until`; a longer pause stands."""
    longest = sa.func.greatest(receiver.c.paused_until, until)
    _upsert(engine, {"name": name, "paused_until": until}, paused_until=longest)


def turn_of(engine: sa.Engine, name: str, now: datetime, per_minute: int, patience: timedelta) -> datetime | None:
    """Reserve the next moment at which it may be told something, so that all deliverers together keep its pace.

    None, and nothing reserved, when that moment is further away than `patience`.
    """
    step = timedelta(minutes=1) / per_minute
    free_at = sa.func.coalesce(receiver.c.free_at, now)
    taken = (
        pg.insert(receiver)
        .values(name=name, free_at=now + step)
        .on_conflict_do_update(
            index_elements=[receiver.c.name],
            set_={"free_at": sa.func.greatest(free_at, now) + step},
            where=free_at <= now + patience,
        )
        .returning(receiver.c.free_at)
    )
    with engine.begin() as connection:
        after: datetime | None = connection.scalar(taken)
    return None if after is None else after - step


def failed(engine: sa.Engine, name: str, now: datetime) -> None:
    """It could not be told something for now."""
    since = sa.func.coalesce(receiver.c.failing_since, now)
    row = {"name": name, "failures": 1, "failing_since": now}
    _upsert(engine, row, failures=receiver.c.failures + 1, failing_since=since)


def well(engine: sa.Engine, name: str) -> bool:
    """It took something; whether it had failed before that."""
    failing = sa.update(receiver).where(receiver.c.name == name, receiver.c.failures > 0)
    with engine.begin() as connection:
        ended = connection.execute(failing.values(failures=0, failing_since=None).returning(receiver.c.name))
        return ended.first() is not None


def ails(engine: sa.Engine, name: str) -> bool:
    """Whether the last that was heard of it was a failure."""
    with engine.connect() as connection:
        return bool(connection.scalar(sa.select(receiver.c.failures > 0).where(receiver.c.name == name)))


def supersede(engine: sa.Engine, sink: str) -> int:
    """Leave out what a later message of the same key, waiting as well, says better; how many were left out.

    A page is replaced by the next page of its key. An end replaces the pages before it where the receiver was told
    of their beginning; otherwise the last of them is still told, so that what happened is seen.
    """
    table = message_table
    later, end, told = table.alias(), table.alias(), table.alias()
    of_key = [sa.and_(one.c.sink == table.c.sink, one.c.key == table.c.key) for one in (later, end, told)]
    later_page = sa.exists().where(of_key[0], later.c.id > table.c.id, later.c.state.in_(UNSENT), _is_page(later))
    is_end = end.c.kind.regexp_match("_resolved$")
    later_end = sa.exists().where(of_key[1], end.c.id > table.c.id, end.c.state.in_(UNSENT), is_end)
    known = sa.exists().where(of_key[2], told.c.id < table.c.id, told.c.state == "sent")
    better = later_page | (later_end & known)
    page = _is_page(table)
    replaced = sa.update(table).where(table.c.sink == sink, table.c.state == "queued", page, better)
    with engine.begin() as connection:
        ended = connection.execute(replaced.values(state="superseded").returning(table.c.id))
        return len(ended.all())


def _is_page(one: sa.FromClause) -> sa.ColumnElement[bool]:
    """Tells of an episode or storm that is open; acknowledging one tells nothing of it."""
    acknowledged = sa.func.coalesce(one.c.body["state"].astext == "acknowledged", False)
    return one.c.kind.regexp_match("^(episode|storm)_(opened|updated)$") & ~acknowledged


def refuses_only(engine: sa.Engine, id: int, tried_by: datetime) -> bool:
    """Whether the receiver of a message first tried by `tried_by` took others since: it lives, and refuses this one."""
    this, other = message_table, message_table.alias()
    taken = sa.exists().where(other.c.sink == this.c.sink, other.c.id != this.c.id, other.c.sent_at > this.c.tried_at)
    with engine.connect() as connection:
        return bool(connection.scalar(sa.select(taken & (this.c.tried_at <= tried_by)).where(this.c.id == id)))


def waited_for(engine: sa.Engine) -> list[str]:
    """Receivers for which something waits, by name."""
    unsent = sa.select(message_table.c.sink).where(message_table.c.state.in_(UNSENT)).distinct()
    with engine.connect() as connection:
        return sorted(connection.scalars(unsent))


def standing(engine: sa.Engine, sink: str) -> dict[str, Delivered]:
    """The newest message of each key that `sink` has taken, by key."""
    newest = (
        sa.select(message_table)
        .where(message_table.c.sink == sink, message_table.c.state == "sent")
        .ext(pg.distinct_on(message_table.c.key))
        .order_by(message_table.c.key, message_table.c.id.desc())
    )
    with engine.connect() as connection:
        return {row.key: delivered(row) for row in connection.execute(newest)}


def possible_duplicates(engine: sa.Engine) -> int:
    """How many repeats receivers without a key may have seen: attempts whose end nobody knows, of what was sent."""
    told = message_table.c.state == "sent", message_table.c.certain.is_(False)
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.sum(message_table.c.unsure)).where(*told)) or 0


def _upsert(engine: sa.Engine, row: dict[str, object], **changes: object) -> None:
    known = pg.insert(receiver).values(row)
    with engine.begin() as connection:
        connection.execute(known.on_conflict_do_update(index_elements=[receiver.c.name], set_=changes))
