"""Cost of usage by the hour, of the sources that are asked for hours, as series to be judged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np
import sqlalchemy as sa

from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray, HourlySeries
from finops_ai.ledger import bulk
from finops_ai.ledger.charges import telling
from finops_ai.ledger.connect import driver_errors, psycopg_connection
from finops_ai.ledger.hour_rows import READ_DAYS
from finops_ai.ledger.keys import cost_column
from finops_ai.ledger.series import POSTGRES_EPOCH, IntArray, Tuples, read_tuples

_DAY = 24
_FACTS = """
SELECT array_agg(dimension_id), array_agg(day), array_agg(hour), array_agg(cost)
FROM charge_hour, unnest({cost}) WITH ORDINALITY AS each (cost, hour)
WHERE delivery_id = ANY(%(versions)s) AND day >= %(since)s AND cost <> 0
GROUP BY day
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """Costs by position of the tuple and number of the hour since `start`."""

    start: datetime
    hours: int
    tuples: IntArray
    at: IntArray
    cost: FloatArray


def hourly(
    engine: sa.Engine,
    *,
    levels: Sequence[tuple[str, ...]],
    cost_basis: str,
    as_of: datetime,
    of: Collection[str] | None = None,
) -> list[HourlySeries]:
    """Cost of usage by the hour of every scope of every level as known at `as_of`: level by level, then by scope.

    Only of sources that are asked for hours: a scope to which others bring cost too costs more than this. `of` is as in
    `series.series`. A series runs from its first hour with a cost, at most READ_DAYS before `as_of`, to the last hour
    known of any. Raises UsageError for an unknown key.
    """
    names = list(dict.fromkeys(name for level in levels for name in level))
    since = as_of.date() - timedelta(days=READ_DAYS)
    with engine.connect() as connection:
        versions = [one.id for one in telling(connection, as_of, of)]
        query = _FACTS.format(cost=cost_column(cost_basis).name)
        with driver_errors(engine):
            parts = bulk.read_arrays(psycopg_connection(connection), query, {"versions": versions, "since": since})
        if not parts:
            return []
        ids, day, hour, cost = (np.concatenate(part) for part in zip(*parts, strict=True))
        tuples = read_tuples(connection, names, "usage", np.unique(ids))
    at = (day.astype(np.int64) - (since - POSTGRES_EPOCH).days) * _DAY + hour - 1
    used = np.isin(ids, tuples.ids)
    facts = _Facts(
        start=datetime.combine(since, time(), UTC),
        hours=int(at.max()) + 1,
        tuples=np.searchsorted(tuples.ids, ids[used]),
        at=at[used],
        cost=cost[used],
    )
    return [one for level in levels for one in _level(level, tuples, facts, cost_basis)]


def _level(level: tuple[str, ...], tuples: Tuples, facts: _Facts, cost_basis: str) -> list[HourlySeries]:
    """One series for each combination of currency and values that has a cost."""
    numbers, number_of_tuple = tuples.numbered(level)
    cell = number_of_tuple[facts.tuples] * facts.hours + facts.at
    size = len(numbers) * facts.hours
    sums = np.bincount(cell, weights=facts.cost, minlength=size).astype(np.float64).reshape(-1, facts.hours)
    first = (sums != 0).argmax(axis=1).tolist()
    made = [
        HourlySeries(
            scope=Scope(tuple(zip(level, values, strict=True))),
            cost_basis=cost_basis,
            currency=currency,
            start=facts.start + timedelta(hours=first[number]),
            values=sums[number, first[number] :],
        )
        for (currency, *values), number in numbers.items()
    ]
    return sorted(made, key=lambda one: (one.scope, one.currency))
