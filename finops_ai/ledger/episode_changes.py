"""Episodes as every run knew them: a row for each change, so that each run of a day can be played again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.episode import Episode
from finops_ai.ledger import codecs
from finops_ai.ledger.alert_tables import episode_change, page_decision
from finops_ai.ledger.tables import job_run

_AT_ONCE = 1000


def put(connection: sa.Connection, episodes: Sequence[Episode], as_of: datetime) -> None:
    """Write those that are not as they were before `as_of`, in the caller's transaction."""
    table = episode_change
    latest = sa.select(table.c.key, table.c.digest).where(table.c.at < as_of).ext(pg.distinct_on(table.c.key))
    known = {row.key: row.digest for row in connection.execute(latest.order_by(table.c.key, table.c.at.desc()))}
    rows = []
    for episode in episodes:
        body = codecs.episode_to_json(episode.with_(causes=()))
        digest = codecs.digest(codecs.canonical(body))
        if known.get(episode.key) != digest:
            rows.append({"key": episode.key, "at": as_of, "digest": digest, "body": body})
    new = pg.insert(table)
    write = new.on_conflict_do_update(
        index_elements=["key", "at"], set_={name: new.excluded[name] for name in ("digest", "body")}
    )
    for at in range(0, len(rows), _AT_ONCE):
        connection.execute(write, rows[at : at + _AT_ONCE])


def prune(connection: sa.Connection, before: datetime) -> int:
    """Drop what another change had replaced by then: runs since can be played again as before. How many."""
    table, newer = episode_change, episode_change.alias()
    replaced = sa.exists().where(newer.c.key == table.c.key, newer.c.at > table.c.at, newer.c.at <= before)
    gone = connection.execute(sa.delete(table).where(table.c.at < before, replaced).returning(table.c.key))
    return len(gone.all())


def runs_of(engine: sa.Engine, start: datetime, as_of: datetime) -> Iterator[tuple[datetime, list[Episode]]]:
    """Every run of the detector from `start` to `as_of` with the episodes it knew, without their causes; by instant."""
    table = episode_change
    with engine.connect() as connection:
        rows = connection.execute(sa.select(table).where(table.c.at <= as_of).order_by(table.c.at, table.c.key)).all()
        ran = sa.select(job_run.c.as_of).where(job_run.c.job == "detect", job_run.c.counts.has_key("series"))
        instants = {*connection.scalars(ran), *connection.scalars(sa.select(page_decision.c.at))}
    instants |= {row.at for row in rows}
    known: dict[str, Episode] = {}
    changes = iter(rows)
    change = next(changes, None)
    for instant in sorted(one for one in instants if one <= as_of):
        while change is not None and change.at <= instant:
            known[change.key] = codecs.episode_from_json(change.body)
            change = next(changes, None)
        if instant >= start:
            yield instant, list(known.values())
