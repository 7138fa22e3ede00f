"""The table of costs by the hour, of sources that are asked for hours: beside the cube, judged and never shown."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain import focus
from finops_ai.ledger.tables import FLOAT
from finops_ai.ledger.tables import metadata as metadata

# Of each charge of the cube the 24 hours of its day, as long as its version answers.
charge_hour = sa.Table(
    "charge_hour",
    metadata,
    sa.Column("delivery_id", sa.ForeignKey("delivery.id", ondelete="CASCADE"), nullable=False),
    sa.Column("dimension_id", sa.BigInteger, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    *(sa.Column(name, pg.ARRAY(FLOAT), nullable=False) for name in focus.BY_HOUR),
    sa.Index("charge_hour_delivery", "delivery_id", "day"),
)
