"""Every version that arrived, also those that newer ones superseded: what sources usually deliver, and when."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from finops_ai.domain.arrival import Arrival
from finops_ai.domain.period import BillingPeriod
from finops_ai.ledger.tables import delivery, delivery_total


def arrivals(engine: sa.Engine, since: datetime, as_of: datetime) -> list[Arrival]:
    """Versions that count and became known in that time, oldest first."""
    billed = sa.func.jsonb_object_agg(delivery_total.c.currency, sa.cast(delivery_total.c.billed_cost, sa.Text))
    chosen = (
        sa.select(
            delivery.c.source,
            delivery.c.billing_period,
            delivery.c.fingerprint,
            delivery.c.known_at,
            delivery.c.rows,
            delivery.c.last_usage_day,
            billed.filter(delivery_total.c.currency.is_not(None)).label("billed"),
        )
        .outerjoin(delivery_total, delivery_total.c.delivery_id == delivery.c.id)
        .where(delivery.c.status == "loaded", delivery.c.counted)
        .where(delivery.c.known_at > since, delivery.c.known_at <= as_of)
        .group_by(delivery.c.id)
        .order_by(delivery.c.known_at, delivery.c.id)
    )
    with engine.connect() as connection:
        return [
            Arrival(
                source=row.source,
                billing_period=BillingPeriod.of(row.billing_period),
                fingerprint=row.fingerprint,
                known_at=row.known_at,
                rows=row.rows,
                last_usage_day=row.last_usage_day,
                billed_cost={currency: Decimal(cost) for currency, cost in (row.billed or {}).items()},
            )
            for row in connection.execute(chosen)
        ]
