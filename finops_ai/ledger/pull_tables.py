"""Tables of what people did to proposals on their forge: approvals and commands."""

from __future__ import annotations

import sqlalchemy as sa

from finops_ai.ledger.tables import INSTANT
from finops_ai.ledger.tables import metadata as metadata

approval = sa.Table(
    "approval",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("commit", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.UniqueConstraint("key", "evidence", name="approval_once"),
)

pull_command = sa.Table(
    "pull_command",
    metadata,
    sa.Column("forge", sa.Text, primary_key=True),
    sa.Column("comment", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("allowed", sa.Boolean, nullable=False),
    sa.Column("until", sa.Date),
    sa.Index("pull_command_key", "key", "at"),
)
