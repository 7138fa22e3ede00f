"""Tables of what teams were told and what they put off."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.ledger.tables import INSTANT
from finops_ai.ledger.tables import metadata as metadata

page_decision = sa.Table(
    "page_decision",
    metadata,
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("at", INSTANT, primary_key=True),
    sa.Column("told", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("projected", sa.Numeric, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("sinks", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("page", sa.Boolean, nullable=False),
    sa.Column("storm", sa.Text, nullable=False),
    sa.Index("page_decision_key", "key"),
)

snooze = sa.Table(
    "snooze",
    metadata,
    sa.Column("episode_key", sa.Text, primary_key=True),
    sa.Column("at", INSTANT, primary_key=True),
    sa.Column("until", sa.Date, nullable=False),
    sa.Column("projected", sa.Numeric, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
)
