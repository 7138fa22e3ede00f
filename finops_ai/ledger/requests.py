"""Signed requests that were taken, kept until their signature is too old to be believed anyway."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.ledger import codecs
from finops_ai.ledger.change_tables import taken_request

KEPT = timedelta(hours=1)


def take(engine: sa.Engine, signature: str, now: datetime) -> bool:
    """Keep the request; False when it was kept before."""
    row = pg.insert(taken_request).values(digest=codecs.digest(signature), taken_at=now)
    with engine.begin() as connection:
        connection.execute(sa.delete(taken_request).where(taken_request.c.taken_at < now - KEPT))
        kept = connection.execute(row.on_conflict_do_nothing().returning(taken_request.c.taken_at))
        return kept.first() is not None
