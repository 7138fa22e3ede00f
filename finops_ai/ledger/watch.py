"""Counts and ages by which the program is watched."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from finops_ai.ledger.outbox import UNSENT
from finops_ai.ledger.tables import delivery, job_run, message


def runs(engine: sa.Engine) -> dict[tuple[str, str], int]:
    """Runs by job and state, those that have ended."""
    rows = _grouped(engine, sa.func.count(), job_run.c.job, job_run.c.state, where=job_run.c.ended_at.is_not(None))
    return {(job, state): count for job, state, count in rows}


def last_success(engine: sa.Engine) -> dict[str, datetime]:
    """When each job last ended as it should."""
    return dict(_grouped(engine, sa.func.max(job_run.c.ended_at), job_run.c.job, where=job_run.c.state == "done"))


def outbox(engine: sa.Engine) -> dict[tuple[str, str], int]:
    """Messages by sink and state."""
    rows = _grouped(engine, sa.func.count(), message.c.sink, message.c.state, where=sa.true())
    return {(sink, state): count for sink, state, count in rows}


def oldest_unsent(engine: sa.Engine) -> dict[str, datetime]:
    """The instant of knowledge of the oldest message that waits, by sink."""
    return dict(_grouped(engine, sa.func.min(message.c.as_of), message.c.sink, where=message.c.state.in_(UNSENT)))


def newest_deliveries(engine: sa.Engine) -> dict[str, datetime]:
    """When the newest delivery of each source was loaded."""
    newest = sa.func.max(delivery.c.loaded_at)
    return dict(_grouped(engine, newest, delivery.c.source, where=delivery.c.status == "loaded"))


def _grouped(engine: sa.Engine, figure: Any, *keys: sa.Column[str], where: sa.ColumnElement[bool]) -> list[Any]:
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(sa.select(*keys, figure).where(where).group_by(*keys).order_by(*keys))
        ]
