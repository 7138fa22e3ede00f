"""Tables of the outbox beside its messages: what is known of each receiver."""

from __future__ import annotations

import sqlalchemy as sa

from finops_ai.ledger.tables import INSTANT
from finops_ai.ledger.tables import metadata as metadata

# One row for each receiver that was ever slow: until when it asked to be left alone, when its pace allows the next
# message, how often in a row it failed, and since when.
receiver = sa.Table(
    "receiver",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("paused_until", INSTANT),
    sa.Column("free_at", INSTANT),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failing_since", INSTANT),
)
