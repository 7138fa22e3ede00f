"""The ledger's answer to "what did it cost": sums of the versions known at an instant, by any keys."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from finops_ai.domain import focus
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.ledger.charges import version_ids
from finops_ai.ledger.keys import BILLING_PERIOD, column, condition, cost_column, of_kind
from finops_ai.ledger.tables import COSTS, DIMENSION_COLUMNS, charge, delivery, dimension

EXPORT_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CostQuery:
    """`where` holds pairs of key and value: pairs of one key are alternatives, different keys must all hold."""

    days: Days
    group_by: tuple[str, ...]
    where: tuple[tuple[str, str], ...]
    currency: str | None
    as_of: datetime


def costs(engine: sa.Engine, query: CostQuery) -> list[dict[str, Any]]:
    """One mapping for each group, sorted by keys: the keys, `currency`, four costs and `consumed_quantity`.

    Costs are exact decimals in `currency`, which always separates groups. The quantity is None where the units of a
    group differ. Sources that only attribute what others bill answer where `where` names them. Raises UsageError for
    an unknown key.
    """
    names = list(dict.fromkeys((*query.group_by, "currency")))
    where = list(query.where) + ([("currency", query.currency)] if query.currency else [])
    measured = [*(sa.func.sum(charge.c[name]).label(name) for name in COSTS), _quantity()]
    with engine.connect() as connection:
        return _grouped(connection, query.as_of, query.days, names, measured, where)


def breakdown(
    engine: sa.Engine,
    *,
    scope: Scope,
    currency: str,
    cost_basis: str,
    days: Days,
    keys: tuple[str, ...],
    as_of: datetime,
    charges: str = "usage",
) -> list[dict[str, Any]]:
    """What a scope's cost is made of: one mapping for each day and `keys`, with its measures, sorted.

    They are `cost`, `list_cost` (what it would have been at list prices) and `quantity`.
    """
    measured = [
        sa.func.sum(cost_column(cost_basis)).label("cost"),
        sa.func.sum(charge.c.list_cost).label("list_cost"),
        _quantity("quantity"),
    ]
    where = [*scope.pairs, ("currency", currency)]
    with engine.connect() as connection:
        return _grouped(connection, as_of, days, ["day", *keys], measured, where, of_kind(charges))


def finest(
    engine: sa.Engine, days: Days, as_of: datetime, versions: Collection[int] | None = None
) -> Iterator[dict[str, Any]]:
    """Every row of the cube, streamed: all dimension columns (tags as mappings), `day`, `billing_period`, measures.

    `versions` asks for these alone of the versions that answer.
    """
    with engine.connect().execution_options(yield_per=EXPORT_ROWS) as connection:
        ids = [each for each in version_ids(connection, as_of) if versions is None or each in versions]
        rows = connection.execute(
            sa.select(
                column(BILLING_PERIOD).label(BILLING_PERIOD),
                charge.c.day,
                *(dimension.c[name] for name in DIMENSION_COLUMNS),
                *(charge.c[name] for name in focus.MEASURES),
            )
            .select_from(_charges(with_delivery=True))
            .where(_within(ids, days))
            .order_by(charge.c.day, charge.c.dimension_id)
        )
        for row in rows.mappings():
            yield dict(row)


def _grouped(
    connection: sa.Connection,
    as_of: datetime,
    days: Days,
    names: Sequence[str],
    measured: Sequence[sa.Label[Any]],
    where: Sequence[tuple[str, str]],
    *conditions: sa.ColumnElement[bool],
) -> list[dict[str, Any]]:
    """Groups by `names` of what is known at `as_of`, sorted by their values."""
    alternatives: dict[str, list[str]] = {}
    for name, value in where:
        alternatives.setdefault(name, []).append(value)
    columns = [column(name).label(f"key_{number}") for number, name in enumerate(names)]
    selected = sa.select(*columns, *measured).select_from(
        _charges(with_delivery=BILLING_PERIOD in {*names, *alternatives})
    )
    rows = connection.execute(
        selected.where(
            _within(version_ids(connection, as_of, alternatives.get("source", ())), days),
            *(condition(name, values) for name, values in alternatives.items()),
            *conditions,
        ).group_by(*columns)
    ).all()
    labels = [*names, *(each.name for each in measured)]
    return sorted((dict(zip(labels, row, strict=True)) for row in rows), key=lambda row: [row[name] for name in names])


def _charges(*, with_delivery: bool) -> sa.FromClause:
    joined = charge.join(dimension, dimension.c.id == charge.c.dimension_id)
    return joined.join(delivery, delivery.c.id == charge.c.delivery_id) if with_delivery else joined


def _within(versions: list[int], days: Days) -> sa.ColumnElement[bool]:
    chosen = sa.bindparam(None, versions, sa.ARRAY(sa.BigInteger))
    return sa.and_(charge.c.delivery_id == sa.any_(chosen), charge.c.day >= days.start, charge.c.day < days.end)


def _quantity(label: str = "consumed_quantity") -> sa.Label[Any]:
    """The sum where all quantities of the group are in one unit, else null: hours and tokens do not add up.

    A charge without a unit that counts 0 counts nothing.
    """
    unit = dimension.c.consumed_unit
    counted = sa.and_(charge.c.consumed_quantity.is_not(None), sa.or_(unit != "", charge.c.consumed_quantity != 0))
    one_unit = sa.func.min(unit).filter(counted) == sa.func.max(unit).filter(counted)
    return sa.case((one_unit, sa.func.sum(charge.c.consumed_quantity))).label(label)
