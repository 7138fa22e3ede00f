"""What nobody can ask for any more: superseded versions of billing periods, and hours that are too old to be judged."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from finops_ai.ledger.connect import exclusive
from finops_ai.ledger.hour_rows import READ_DAYS
from finops_ai.ledger.hour_tables import charge_hour
from finops_ai.ledger.tables import delivery

# Tables named charge_<version> without a version: what a prune that was cut off has left.
ORPHANS = """
SELECT c.relname, i.inhrelid IS NOT NULL, coalesce(i.inhdetachpending, false)
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'charge'::regclass)
    AND c.relkind = 'r' AND c.relname ~ '^charge_[0-9]+$'
    AND NOT EXISTS (SELECT FROM delivery d WHERE 'charge_' || d.id = c.relname)
"""


def prune(engine: sa.Engine, before: datetime) -> int:
    """Drop the versions that were superseded before that instant, how many, and hours that were too old by then.

    Reads with `as_of` >= `before` stay as they were. Readers do not wait; a prune that was cut off is finished by the
    next.
    """
    newer = delivery.alias()
    superseded = sa.exists().where(*_supersedes(newer), newer.c.known_at <= before)
    unread = charge_hour.c.day < before.date() - timedelta(days=READ_DAYS)
    with engine.begin() as connection:
        pruned = connection.execute(sa.delete(delivery).where(delivery.c.status == "loaded", superseded)).rowcount
        connection.execute(sa.delete(charge_hour).where(unread))
    # DETACH CONCURRENTLY lets readers go on, and for that refuses to run inside a transaction.
    with (
        exclusive(engine, "prune", patience_seconds=60),
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        for partition, attached, half_detached in connection.execute(sa.text(ORPHANS)).all():
            if attached:
                how = "FINALIZE" if half_detached else "CONCURRENTLY"
                connection.execute(sa.text(f"ALTER TABLE charge DETACH PARTITION {partition} {how}"))
            connection.execute(sa.text(f"DROP TABLE {partition}"))
    return pruned


def thin_hours(engine: sa.Engine, before: datetime) -> None:
    """Of a period's versions of one UTC day only the last keeps its hours, once they were loaded before `before`.

    A bill that is read with every hour tells all its hours again each time; what was known at the end of every day can
    still be judged again.
    """
    newer = delivery.alias()
    same_day = sa.cast(newer.c.known_at, sa.Date) == sa.cast(delivery.c.known_at, sa.Date)
    again = sa.select(delivery.c.id).where(
        delivery.c.loaded_at < before, sa.exists().where(*_supersedes(newer), same_day)
    )
    with engine.begin() as connection:
        connection.execute(sa.delete(charge_hour).where(charge_hour.c.delivery_id.in_(again)))


def _supersedes(newer: sa.FromClause) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        newer.c.source == delivery.c.source,
        newer.c.billing_period == delivery.c.billing_period,
        newer.c.status == "loaded",
        sa.tuple_(newer.c.known_at, newer.c.id) > sa.tuple_(delivery.c.known_at, delivery.c.id),
    )
