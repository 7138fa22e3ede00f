"""What teams were told of episodes and when, and what they put off: facts, never changed by a later instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.episode import EpisodeState, Severity
from finops_ai.domain.money import Money
from finops_ai.domain.page_decision import PageDecision, Snooze, Told
from finops_ai.ledger.alert_tables import page_decision, snooze

_AT_ONCE = 1000


def put(connection: sa.Connection, made: Sequence[PageDecision]) -> None:
    """Write decisions in the caller's transaction; the same instant's again overwrites."""
    rows = [
        {
            "team": one.team,
            "key": one.key,
            "at": one.at,
            "told": one.told.value,
            "reason": one.reason,
            "severity": one.severity.value,
            "state": one.state.value,
            "projected": one.projected.amount,
            "currency": one.projected.currency,
            "sinks": list(one.sinks),
            "page": one.page,
            "storm": one.storm,
        }
        for one in made
    ]
    new = pg.insert(page_decision)
    key = [column.name for column in page_decision.primary_key]
    changed = {column.name: new.excluded[column.name] for column in page_decision.columns if column.name not in key}
    for at in range(0, len(rows), _AT_ONCE):
        connection.execute(new.on_conflict_do_update(index_elements=key, set_=changed), rows[at : at + _AT_ONCE])


def decisions(engine: sa.Engine, as_of: datetime | None = None, *, key: str | None = None) -> list[PageDecision]:
    """Every decision made by `as_of` (None: ever), of one episode or of all; in order of time."""
    table = page_decision
    chosen = sa.select(table).order_by(table.c.at, table.c.team, table.c.key)
    if as_of is not None:
        chosen = chosen.where(table.c.at <= as_of)
    if key is not None:
        chosen = chosen.where(table.c.key == key)
    with engine.connect() as connection:
        rows = connection.execute(chosen).all()
    return [
        PageDecision(
            team=row.team,
            key=row.key,
            at=row.at,
            told=Told(row.told),
            reason=row.reason,
            severity=Severity(row.severity),
            state=EpisodeState(row.state),
            projected=Money(row.projected, row.currency),
            sinks=tuple(row.sinks),
            page=row.page,
            storm=row.storm,
        )
        for row in rows
    ]


def prune(connection: sa.Connection, before: datetime) -> int:
    """Drop what later decisions by then had replaced: of an episode, a storm, or a team's digests. How many."""
    table, newer = page_decision, page_decision.alias()
    both_digests = table.c.key.startswith("digest/") & newer.c.key.startswith("digest/")
    same = (newer.c.key == table.c.key) | both_digests
    replaced = sa.exists().where(newer.c.team == table.c.team, same, newer.c.at > table.c.at, newer.c.at <= before)
    old = sa.delete(table).where(table.c.at < before, replaced)
    return len(connection.execute(old.returning(table.c.key)).all())


def put_off(engine: sa.Engine, given: Snooze) -> None:
    """Keep one snooze; the same again changes nothing."""
    values = {
        "episode_key": given.episode_key,
        "at": given.at,
        "until": given.until,
        "projected": given.projected.amount,
        "currency": given.projected.currency,
        "note": given.note,
        "by": given.by,
    }
    with engine.begin() as connection:
        connection.execute(pg.insert(snooze).values(**values).on_conflict_do_nothing())


def snoozes(engine: sa.Engine, as_of: datetime) -> list[Snooze]:
    """All snoozes given by `as_of`, oldest first."""
    chosen = sa.select(snooze).where(snooze.c.at <= as_of).order_by(snooze.c.at, snooze.c.episode_key)
    with engine.connect() as connection:
        rows = connection.execute(chosen).all()
    return [
        Snooze(
            episode_key=row.episode_key,
            at=row.at,
            until=row.until,
            projected=Money(row.projected, row.currency),
            note=row.note,
            by=row.by,
        )
        for row in rows
    ]
