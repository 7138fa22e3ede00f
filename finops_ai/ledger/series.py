"""From charges to daily series: many scopes at once, each with the last day whose bill is whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from finops_ai.ledger import bulk
from finops_ai.ledger.charges import KnownDelivery, telling
from finops_ai.ledger.connect import driver_errors, psycopg_connection
from finops_ai.ledger.keys import column, cost_column, of_kind
from finops_ai.ledger.tables import charge, dimension

RECENT_DAYS = 45
"""A source that brought a scope nothing for so long no longer holds its completeness back."""

CLOSED_AFTER_DAYS = 7
"""A billing period that ended longer ago is taken as whole."""

SETTLE_DAYS = 1
"""Days until a source's bill of a day is whole, where nothing else is known of the source."""

NOT_OF_A_DAY = ("day", "billing_period", "currency")
POSTGRES_EPOCH = date(2000, 1, 1)

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuples:
    """The dimension tuples of one kind of charges, by position: `keys` has one column of values for each key."""

    ids: IntArray
    sources: Sequence[str]
    currencies: Sequence[str]
    keys: Mapping[str, Sequence[str]]

    def numbered(self, level: tuple[str, ...]) -> tuple[dict[tuple[str, ...], int], IntArray]:
        """Currency and values of each scope of `level`, numbered as they come; and the number of each tuple's."""
        numbers: dict[tuple[str, ...], int] = {}
        places = zip(self.currencies, *(self.keys[name] for name in level), strict=True)
        return numbers, np.array([numbers.setdefault(each, len(numbers)) for each in places], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """Costs by position of the tuple and number of the day since `start`."""

    start: date
    days: int
    tuples: IntArray
    day: IntArray
    cost: NDArray[np.float64]


def series(
    engine: sa.Engine,
    *,
    levels: Sequence[tuple[str, ...]],
    cost_basis: str,
    as_of: datetime,
    settle_days: Mapping[str, int],
    charges: str = "usage",
    of: Collection[str] | None = None,
) -> list[CostSeries]:
    """Daily cost of every scope of every level as known at `as_of`: level by level, then by scope and currency.

    Cost that counts or, where they are given, that `of` some sources, also where they tell whose the cost of others is.
    A level is the keys of its scopes; () is the total. A series runs from its scope's first charge to the last day
    known of any; `charges` is "usage" or "other" (fees, taxes, credits, corrections).

    `complete_through` is the earliest over the sources that brought the scope anything in its last 45 days. A source
    is complete through its last day of usage, `settle_days` (by source; default 1) before today at the latest, and
    through every billing period that ended more than 7 days ago. Raises UsageError for an unknown key.
    """
    names = list(dict.fromkeys(name for level in levels for name in level))
    if timeless := [name for name in names if name in NOT_OF_A_DAY]:
        raise UsageError(f"a series has no level {timeless[0]!r}")
    with engine.connect() as connection:
        known = telling(connection, as_of, of)
        tuples = read_tuples(connection, names, charges)
        with driver_errors(engine):
            facts = _read_facts(connection, tuples, known, cost_basis, charges)
    if facts is None:
        return []
    complete = {source: _complete_through(source, known, as_of.date(), settle_days) for source in set(tuples.sources)}
    return [each for level in levels for each in _level(level, tuples, facts, complete, cost_basis)]


def read_tuples(connection: sa.Connection, names: Sequence[str], charges: str, among: IntArray | None = None) -> Tuples:
    """The tuples of "usage" or "other" charges, all or `among` some ids, by id, with the values of keys in `names`."""
    selected = sa.select(
        dimension.c.id, dimension.c.source, dimension.c.billing_currency, *(column(name) for name in names)
    )
    if among is not None:
        selected = selected.where(dimension.c.id.in_(among.tolist()))
    rows = connection.execute(selected.where(of_kind(charges)).order_by(dimension.c.id)).all()
    ids, sources, currencies, *keys = zip(*rows, strict=True) if rows else [()] * (3 + len(names))
    return Tuples(
        ids=np.array(ids, dtype=np.int64),
        sources=sources,
        currencies=currencies,
        keys=dict(zip(names, keys, strict=True)),
    )


def _read_facts(
    connection: sa.Connection, tuples: Tuples, known: Sequence[KnownDelivery], cost_basis: str, charges: str
) -> _Facts | None:
    connection.execute(sa.text("SET LOCAL work_mem = '128MB'"))
    wanted = sa.select(dimension.c.id).where(of_kind(charges))
    query = (
        sa.select(
            sa.func.array_agg(charge.c.dimension_id),
            sa.func.array_agg(charge.c.day),
            sa.func.array_agg(sa.cast(cost_column(cost_basis), sa.Double)),
        )
        .where(
            charge.c.delivery_id
            == sa.any_(sa.bindparam("versions", [each.id for each in known], sa.ARRAY(sa.BigInteger)))
        )
        .where(charge.c.dimension_id.in_(wanted))
        .group_by(charge.c.day)
        .compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    )
    parts = bulk.read_arrays(psycopg_connection(connection), str(query), query.params)
    if not parts:
        return None
    ids, day, cost = (np.concatenate(part) for part in zip(*parts, strict=True))
    first, last = int(day.min()), int(day.max())
    usage = max((each.last_usage_day for each in known if each.last_usage_day), default=None)
    if usage is not None:
        last = max(last, (usage - POSTGRES_EPOCH).days)
    position = np.zeros(int(tuples.ids[-1]) + 1, dtype=np.int64)
    position[tuples.ids] = np.arange(len(tuples.ids))
    return _Facts(
        start=POSTGRES_EPOCH + timedelta(days=first),
        days=last - first + 1,
        tuples=position[ids],
        day=day.astype(np.int64) - first,
        cost=cost,
    )


def _complete_through(source: str, known: Sequence[KnownDelivery], today: date, settle_days: Mapping[str, int]) -> date:
    mine = [each for each in known if each.source == source]
    settled = today - timedelta(days=1 + settle_days.get(source, SETTLE_DAYS))
    used = max((each.last_usage_day for each in mine if each.last_usage_day), default=settled)
    closed_before = today - timedelta(days=CLOSED_AFTER_DAYS)
    closed = [each.billing_period.end - timedelta(days=1) for each in mine if each.billing_period.end < closed_before]
    return max([min(used, settled), *closed])


def _level(
    level: tuple[str, ...], tuples: Tuples, facts: _Facts, complete: Mapping[str, date], cost_basis: str
) -> list[CostSeries]:
    """One series for each combination of currency and values that has a charge."""
    numbers, number_of_tuple = tuples.numbered(level)
    cell = number_of_tuple[facts.tuples] * facts.days + facts.day
    shape = (len(numbers), facts.days)
    values = np.bincount(cell, weights=facts.cost, minlength=len(numbers) * facts.days).reshape(shape)
    charged = np.bincount(cell, minlength=len(numbers) * facts.days).reshape(shape) > 0
    first_charge = charged.argmax(axis=1)
    through = _completeness(number_of_tuple, tuples, facts, complete)
    end = facts.start + timedelta(days=facts.days)
    made = [
        CostSeries(
            scope=Scope(tuple(zip(level, scope_values, strict=True))),
            cost_basis=cost_basis,
            currency=currency,
            days=Days(facts.start + timedelta(days=int(first_charge[number])), end),
            values=np.asarray(values[number, first_charge[number] :], dtype=np.float64),
            complete_through=min(through[number], end - timedelta(days=1)),
        )
        for (currency, *scope_values), number in numbers.items()
        if number in through
    ]
    return sorted(made, key=lambda each: (each.scope, each.currency))


def _completeness(
    number_of_tuple: IntArray, tuples: Tuples, facts: _Facts, complete: Mapping[str, date]
) -> dict[int, date]:
    """For each series that has a charge the earliest day of its recent sources; of all where none is recent."""
    recent = facts.day >= facts.days - RECENT_DAYS
    found: dict[int, date] = {}
    for charged in (facts.tuples, facts.tuples[recent]):
        earliest: dict[int, date] = {}
        for position in np.flatnonzero(np.bincount(charged)).tolist():
            number, day = int(number_of_tuple[position]), complete[tuples.sources[position]]
            earliest[number] = min(day, earliest.get(number, day))
        found |= earliest
    return found
