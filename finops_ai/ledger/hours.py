"""Cost of usage by the hour, of the sources that are asked for hours, as series to be judged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import sqlalchemy as sa

from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray, HourlySeries
from finops_ai.ledger import bulk
from finops_ai.ledger.charges import known_in
from finops_ai.ledger.connect import driver_errors, psycopg_connection
from finops_ai.ledger.hour_rows import READ_DAYS
from finops_ai.ledger.keys import column, cost_column, of_kind
from finops_ai.ledger.tables import dimension

Place = tuple[str, ...]
"""A currency and the values of a level's keys."""

_DAY = 24
_EPOCH = date(2000, 1, 1)
_FACTS = """
SELECT array_agg(dimension_id), array_agg(day), array_agg(hour), array_agg(cost)
FROM charge_hour, unnest({cost}) WITH ORDINALITY AS each (cost, hour)
WHERE delivery_id = ANY(%(versions)s) AND day >= %(since)s AND cost <> 0
GROUP BY day
"""


def hourly(
    engine: sa.Engine,
    *,
    levels: Sequence[tuple[str, ...]],
    cost_basis: str,
    as_of: datetime,
    of: Collection[str] = (),
) -> list[HourlySeries]:
    """Cost of usage by the hour of every scope of every level as known at `as_of`: level by level, then by scope.

    Only of sources that are asked for hours: a scope to which others bring cost too costs more than this. `of` is as in
    `series.series`. A series runs from its first hour with a cost, at most READ_DAYS before `as_of`, to the last hour
    known of any. Raises UsageError for an unknown key.
    """
    names = list(dict.fromkeys(name for level in levels for name in level))
    since = as_of.date() - timedelta(days=READ_DAYS)
    with engine.connect() as connection:
        versions = [one.id for one in known_in(connection, as_of) if (one.source in of if of else one.counted)]
        query = _FACTS.format(cost=cost_column(cost_basis).name)
        with driver_errors(engine):
            parts = bulk.read_arrays(psycopg_connection(connection), query, {"versions": versions, "since": since})
        if not parts:
            return []
        ids, day, hour, cost = (np.concatenate(part) for part in zip(*parts, strict=True))
        selected = sa.select(dimension.c.id, dimension.c.billing_currency, *(column(name) for name in names))
        of_usage = selected.where(of_kind("usage"), dimension.c.id.in_(np.unique(ids).tolist()))
        tuples = connection.execute(of_usage.order_by(dimension.c.id)).all()
    used = np.isin(ids, [row[0] for row in tuples])
    if not used.any():
        return []
    at = (day.astype(np.int64) - (since - _EPOCH).days) * _DAY + hour - 1
    tuple_at = np.searchsorted([row[0] for row in tuples], ids[used])
    costs = np.zeros((len(tuples), int(at.max()) + 1))
    np.add.at(costs, (tuple_at, at[used]), cost[used])
    start = datetime.combine(since, time(), UTC)
    found = []
    for level in levels:
        keys = [1, *(2 + names.index(name) for name in level)]
        found += _level(level, [tuple(row[key] for key in keys) for row in tuples], costs, start, cost_basis)
    return found


def _level(
    level: tuple[str, ...], places: Sequence[Place], costs: FloatArray, start: datetime, cost_basis: str
) -> list[HourlySeries]:
    """One series for each of `places`, which say of each row of `costs` (tuples, hours) where it belongs."""
    numbers: dict[Place, int] = {}
    rows = np.array([numbers.setdefault(place, len(numbers)) for place in places])
    sums = np.zeros((len(numbers), costs.shape[1]))
    np.add.at(sums, rows, costs)
    first = (sums != 0).argmax(axis=1).tolist()
    made = [
        HourlySeries(
            scope=Scope(tuple(zip(level, values, strict=True))),
            cost_basis=cost_basis,
            currency=currency,
            start=start + timedelta(hours=first[number]),
            values=sums[number, first[number] :],
        )
        for (currency, *values), number in numbers.items()
    ]
    return sorted(made, key=lambda one: (one.scope, one.currency))
