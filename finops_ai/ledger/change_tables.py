"""The table of what changed beside the bill."""

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
