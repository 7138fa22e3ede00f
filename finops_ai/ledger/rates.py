"""Currency rates as they were known: a correction is a later row, never an overwritten one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.ledger.tables import currency_rate

Told = tuple[str, str, str, Decimal]
"""Currency, reporting currency, month or day, and units of the second for one of the first."""


def rates(engine: sa.Engine, as_of: datetime) -> list[Told]:
    """The rates known at `as_of`, sorted."""
    key = (currency_rate.c.currency, currency_rate.c.reporting_currency, currency_rate.c.period)
    chosen = (
        sa.select(*key, currency_rate.c.rate)
        .where(currency_rate.c.known_at <= as_of)
        .ext(pg.distinct_on(*key))
        .order_by(*key, currency_rate.c.known_at.desc())
    )
    with engine.connect() as connection:
        return [(row.currency, row.reporting_currency, row.period, row.rate) for row in connection.execute(chosen)]


def add(engine: sa.Engine, told: Iterable[Told], known_at: datetime) -> None:
    """Keep new and corrected rates: they answer from `known_at` on. One transaction; the same again changes nothing."""
    names = ("currency", "reporting_currency", "period", "rate")
    rows = [{**dict(zip(names, one, strict=True)), "known_at": known_at} for one in told]
    if not rows:
        return
    insert = pg.insert(currency_rate)
    upsert = insert.on_conflict_do_update(
        index_elements=["currency", "reporting_currency", "period", "known_at"],
        set_={"rate": insert.excluded.rate},
    )
    with engine.begin() as connection:
        connection.execute(upsert, rows)
