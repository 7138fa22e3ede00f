"""How the service does, in numbers a monitor can watch: runs, deliveries, messages, episodes and proposals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.ledger.tables import delivery, episode, job_run, message, proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """`ran` is the last run of each job that ended: its state and instant; `loaded` the last delivery by source."""

    ran: dict[str, tuple[str, datetime]]
    loaded: dict[str, datetime]
    refused: dict[str, int]
    messages: dict[tuple[str, str], int]
    episodes: dict[str, int]
    proposals: dict[str, int]


def gauges(engine: sa.Engine) -> Gauges:
    """One look; `messages` by sink and state, open `episodes` by severity, `proposals` by state."""
    ended = sa.select(job_run.c.job, job_run.c.state, job_run.c.ended_at).where(job_run.c.ended_at.is_not(None))
    ended = ended.ext(pg.distinct_on(job_run.c.job)).order_by(job_run.c.job, job_run.c.id.desc())
    by_source = sa.select(
        delivery.c.source,
        sa.func.max(delivery.c.loaded_at).filter(delivery.c.status == "loaded"),
        sa.func.count().filter(delivery.c.status == "refused"),
    ).group_by(delivery.c.source)
    waiting = sa.select(message.c.sink, message.c.state, sa.func.count()).group_by(message.c.sink, message.c.state)
    newest = (
        sa.select(episode.c.key, episode.c.state, episode.c.severity)
        .ext(pg.distinct_on(episode.c.key))
        .order_by(episode.c.key, episode.c.as_of_day.desc())
        .subquery()
    )
    unusual = (
        sa.select(newest.c.severity, sa.func.count()).where(newest.c.state != "resolved").group_by(newest.c.severity)
    )
    last = (
        sa.select(proposal.c.key, proposal.c.state)
        .ext(pg.distinct_on(proposal.c.key))
        .order_by(proposal.c.key, proposal.c.id.desc())
        .subquery()
    )
    proposed = sa.select(last.c.state, sa.func.count()).group_by(last.c.state)
    with engine.connect() as connection:
        sources = connection.execute(by_source).all()
        return Gauges(
            ran={job: (state, at) for job, state, at in connection.execute(ended)},
            loaded={source: at for source, at, _ in sources if at is not None},
            refused={source: count for source, _, count in sources},
            messages={(sink, state): count for sink, state, count in connection.execute(waiting)},
            episodes=dict(connection.execute(unusual).tuples().all()),
            proposals=dict(connection.execute(proposed).tuples().all()),
        )
