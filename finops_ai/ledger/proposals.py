"""Proposals and every state they have been in."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.proposal import Proposal
from finops_ai.ledger import codecs
from finops_ai.ledger.connect import transaction
from finops_ai.ledger.tables import proposal as proposal_table


def save(target: sa.Engine | sa.Connection, proposal: Proposal, as_of: datetime) -> bool:
    """Keep a proposal as a new version of its key; False when nothing about it changed.

    Given a connection, it is written in the caller's transaction, with the message that goes with it.
    """
    body = codecs.proposal_to_json(proposal)
    saving = proposal.recommendation.saving.middle
    lock = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"proposal:{proposal.key}", 0))
    with transaction(target) as connection:
        connection.execute(sa.select(lock))
        if _latest(connection, proposal.key) == body:
            return False
        connection.execute(
            sa.insert(proposal_table).values(
                key=proposal.key,
                as_of=as_of,
                state=proposal.state.value,
                workload=proposal.recommendation.workload.key,
                saving=saving.amount,
                currency=saving.currency,
                body=body,
            )
        )
        return True


def proposals(engine: sa.Engine, as_of: datetime | None = None) -> list[Proposal]:
    """The latest version of every proposal, or the one known at `as_of`; by key."""
    table = proposal_table
    latest = sa.select(table.c.body).ext(pg.distinct_on(table.c.key)).order_by(table.c.key, table.c.id.desc())
    if as_of is not None:
        latest = latest.where(table.c.as_of <= as_of)
    with engine.connect() as connection:
        made = [codecs.proposal_from_json(body) for body in connection.scalars(latest)]
    return sorted(made, key=lambda each: each.key)


def proposal(engine: sa.Engine, key: str) -> Proposal | None:
    """The latest version of one proposal."""
    with engine.connect() as connection:
        body = _latest(connection, key)
    return codecs.proposal_from_json(body) if body else None


def history(engine: sa.Engine, key: str) -> list[tuple[datetime, Proposal]]:
    """Every version of one proposal and when it was known, oldest first."""
    table = proposal_table
    chosen = sa.select(table.c.as_of, table.c.body).where(table.c.key == key).order_by(table.c.id)
    with engine.connect() as connection:
        return [(row.as_of, codecs.proposal_from_json(row.body)) for row in connection.execute(chosen)]


def _latest(connection: sa.Connection, key: str) -> codecs.Json | None:
    chosen = sa.select(proposal_table.c.body).where(proposal_table.c.key == key).order_by(proposal_table.c.id.desc())
    body: codecs.Json | None = connection.scalar(chosen.limit(1))
    return body
