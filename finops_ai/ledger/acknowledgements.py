"""Acknowledgements of episodes: kept as given, and in force until the episode is resolved."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.episode import Acknowledgement, EpisodeState
from finops_ai.ledger.acknowledgement_tables import acknowledgement
from finops_ai.ledger.tables import episode


def keep(connection: sa.Connection, given: Acknowledgement) -> None:
    """Keep it in the caller's transaction; the same again changes nothing."""
    values = {"episode_key": given.episode_key, "at": given.at, "by": given.by, "note": given.note}
    connection.execute(pg.insert(acknowledgement).values(**values).on_conflict_do_nothing())


def in_force(engine: sa.Engine, as_of: datetime) -> Collection[str]:
    """Keys of the episodes acknowledged by `as_of` and not known as resolved after that."""
    given = sa.select(acknowledgement.c.episode_key, sa.func.max(acknowledgement.c.at).label("at")).where(
        acknowledgement.c.at <= as_of
    )
    last = given.group_by(acknowledgement.c.episode_key).subquery()
    ended = (
        sa.select(episode.c.key)
        .where(
            episode.c.key == last.c.episode_key,
            episode.c.state == EpisodeState.RESOLVED.value,
            episode.c.as_of > last.c.at,
            episode.c.as_of <= as_of,
        )
        .exists()
    )
    with engine.connect() as connection:
        return frozenset(connection.scalars(sa.select(last.c.episode_key).where(~ended)))
