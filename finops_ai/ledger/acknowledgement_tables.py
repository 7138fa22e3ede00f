"""The table of acknowledgements: who looks after which episode since when."""

from __future__ import annotations

import sqlalchemy as sa

from finops_ai.ledger.tables import INSTANT, metadata

acknowledgement = sa.Table(
    "acknowledgement",
    metadata,
    sa.Column("episode_key", sa.Text, primary_key=True),
    sa.Column("at", INSTANT, primary_key=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)
