"""Tables of what became of changes: the savings ledger, what was said of it, and where clusters differ from Git."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.ledger.tables import INSTANT
from finops_ai.ledger.usage_tables import metadata as metadata


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, primary_key=key)


def _amount(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Numeric, nullable=False)


# Every merge of a proposal, with the proposal as it was merged; the same branch may be merged again later.
merged = sa.Table(
    "merged",
    metadata,
    _text("key", key=True),
    sa.Column("known_at", INSTANT, primary_key=True),
    sa.Column("merged_on", sa.Date, nullable=False),
    sa.Column("body", pg.JSONB, nullable=False),
)

# One version for each day of knowledge: a restated bill changes a month's saving, and what was known stays readable.
saving = sa.Table(
    "saving",
    metadata,
    _text("key", key=True),
    sa.Column("merged_on", sa.Date, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("as_of_day", sa.Date, primary_key=True),
    sa.Column("as_of", INSTANT, nullable=False),
    _text("workload"),
    sa.Column("start_day", sa.Date, nullable=False),
    sa.Column("end_day", sa.Date, nullable=False),
    _text("currency"),
    *(_amount(name) for name in ("identified", "estimate", "low", "high", "fall", "booked")),
    _text("method"),
    sa.Column("proved_on", sa.Date),
    sa.Column("body", pg.JSONB, nullable=False),
)

# What is said on a pull request once; `said_at` is null until the forge has taken it.
saving_said = sa.Table(
    "saving_said",
    metadata,
    _text("key", key=True),
    sa.Column("merged_on", sa.Date, primary_key=True),
    _text("stage", key=True),
    sa.Column("as_of", INSTANT, nullable=False),
    _text("text"),
    sa.Column("said_at", INSTANT),
)

# What differed between Git and the clusters when it was last looked at: a whole list for each look.
drift = sa.Table(
    "drift",
    metadata,
    sa.Column("as_of", INSTANT, primary_key=True),
    sa.Column("body", pg.JSONB, nullable=False),
)
