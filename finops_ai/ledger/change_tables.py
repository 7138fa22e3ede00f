"""Tables of what changed beside the bill, and of signed requests that were taken."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.ledger.tables import INSTANT
from finops_ai.ledger.tables import metadata as metadata

nearby_change = sa.Table(
    "nearby_change",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("known_at", INSTANT, nullable=False),
    sa.Column("body", pg.JSONB, nullable=False),
    sa.Index("nearby_change_at", "at"),
)

taken_request = sa.Table(
    "taken_request",
    metadata,
    sa.Column("digest", pg.BYTEA, primary_key=True),
    sa.Column("taken_at", INSTANT, nullable=False),
)
