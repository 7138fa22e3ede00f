"""How the forecasts of past months turned out, kept scope by scope as it was known when it was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.promise import Promise
from finops_ai.domain.scope import Scope
from finops_ai.ledger import bulk, codecs
from finops_ai.ledger.connect import driver_errors, psycopg_connection, transaction
from finops_ai.ledger.tables import forecast_accuracy

_FIGURES = ("expected", "actual", "wape", "naive_wape", "bias", "coverage_80", "coverage_95")


def keep(target: sa.Engine | sa.Connection, found: Sequence[Promise], as_of: datetime) -> None:
    """Write them; the same again on one UTC day overwrites."""
    if not found:
        return
    table = forecast_accuracy
    rows = [_row(one) | {"as_of_day": as_of.astimezone(UTC).date(), "as_of": as_of} for one in found]
    key = [column.name for column in table.primary_key]
    with transaction(target) as connection, driver_errors(connection.engine):
        bulk.upsert(
            psycopg_connection(connection), table.name, key, list(rows[0]), (tuple(row.values()) for row in rows)
        )


def promises(engine: sa.Engine, as_of: datetime, month: BillingPeriod | None = None) -> list[Promise]:
    """The latest look at each promise that was taken by `as_of`; by month (newest first), scope and currency."""
    table = forecast_accuracy
    latest = (table.c.scope_digest, table.c.cost_basis, table.c.currency, table.c.month)
    chosen = sa.select(table).where(table.c.as_of <= as_of).ext(pg.distinct_on(*latest))
    if month is not None:
        chosen = chosen.where(table.c.month == month.start)
    with engine.connect() as connection:
        rows = connection.execute(chosen.order_by(*latest, table.c.as_of_day.desc())).all()
    made = [
        Promise(
            scope=Scope.from_key(row.scope),
            cost_basis=row.cost_basis,
            currency=row.currency,
            month=BillingPeriod.of(row.month),
            issued_on=row.issued_on,
            forecaster=row.forecaster,
            days=row.days,
            **{name: getattr(row, name) for name in _FIGURES},
        )
        for row in rows
    ]
    return sorted(made, key=lambda one: (-one.month.start.toordinal(), one.scope, one.currency, one.cost_basis))


def _row(one: Promise) -> dict[str, Any]:
    return {
        "scope_digest": codecs.digest(one.scope.key),
        "cost_basis": one.cost_basis,
        "currency": one.currency,
        "month": one.month.start,
        "scope": one.scope.key,
        "issued_on": one.issued_on,
        "forecaster": one.forecaster,
        "days": one.days,
        **{name: getattr(one, name) for name in _FIGURES},
    }
