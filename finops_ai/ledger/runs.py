"""The record of job runs: what was started, how it ended, what it counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from finops_ai.domain.errors import Problem
from finops_ai.ledger import codecs
from finops_ai.ledger.tables import job_run

RUNNING = "running"
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """`state` is running, interrupted (its process died) or what `finish` was told."""

    id: int
    job: str
    as_of: datetime
    state: str
    started_at: datetime
    ended_at: datetime | None
    counts: Mapping[str, int]
    problems: tuple[Problem, ...]


def start(engine: sa.Engine, job: str, as_of: datetime, now: datetime) -> int:
    """Record that a job runs; its id. The caller holds the job's lock, so an earlier run still open has died."""
    died = sa.update(job_run).where(job_run.c.job == job, job_run.c.state == RUNNING)
    started = sa.insert(job_run).values(job=job, as_of=as_of, state=RUNNING, started_at=now, counts={}, problems=[])
    with engine.begin() as connection:
        connection.execute(died.values(state=INTERRUPTED, ended_at=now))
        id: int = connection.execute(started.returning(job_run.c.id)).scalar_one()
    return id


def finish(
    engine: sa.Engine, id: int, state: str, now: datetime, counts: Mapping[str, int], problems: Sequence[Problem]
) -> None:
    """Record how a run ended."""
    values = {"counts": dict(counts), "problems": codecs.problems_to_json(problems)}
    ended = sa.update(job_run).where(job_run.c.id == id).values(state=state, ended_at=now, **values)
    with engine.begin() as connection:
        connection.execute(ended)


def last_done(engine: sa.Engine, job: str) -> datetime | None:
    """When the newest run of a job that ended well began."""
    started = sa.select(sa.func.max(job_run.c.started_at)).where(job_run.c.job == job, job_run.c.state == "done")
    with engine.connect() as connection:
        moment: datetime | None = connection.scalar(started)
    return moment


def latest(engine: sa.Engine, limit: int = 20) -> list[JobRun]:
    """The newest runs, newest first."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(job_run).order_by(job_run.c.id.desc()).limit(limit)).all()
    return [
        JobRun(
            id=row.id,
            job=row.job,
            as_of=row.as_of,
            state=row.state,
            started_at=row.started_at,
            ended_at=row.ended_at,
            counts=row.counts,
            problems=codecs.problems_from_json(row.problems),
        )
        for row in rows
    ]


def counted(engine: sa.Engine, job: str, name: str) -> dict[datetime, int]:
    """What the runs of a job counted as `name`, by the instant they ran for; the last one of an instant counts."""
    chosen = sa.select(job_run.c.as_of, job_run.c.counts).where(job_run.c.job == job).order_by(job_run.c.id)
    with engine.connect() as connection:
        rows = connection.execute(chosen).all()
    return {row.as_of: int(row.counts[name]) for row in rows if name in row.counts}
