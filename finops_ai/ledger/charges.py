"""Versions of billing periods: load one whole, say which is known, refuse."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.delivery import ControlTotal
from finops_ai.domain.errors import Problem
from finops_ai.domain.period import BillingPeriod
from finops_ai.ledger import codecs, cube, hour_rows
from finops_ai.ledger.connect import driver_errors
from finops_ai.ledger.tables import delivery, delivery_account, delivery_total

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDelivery:
    """A version that answers: `rows` are the bill's own rows, costs are sums by currency."""

    id: int
    source: str
    billing_period: BillingPeriod
    fingerprint: str
    rules_version: str
    known_at: datetime
    rows: int
    rows_rejected: int
    last_usage_day: date | None
    counted: bool
    billed_cost: Mapping[str, Decimal]
    effective_cost: Mapping[str, Decimal]
    problems: tuple[Problem, ...]


def load(
    engine: sa.Engine,
    *,
    source: str,
    billing_period: BillingPeriod,
    fingerprint: str,
    rules_version: str,
    known_at: datetime,
    dimensions: pa.Table,
    facts: pa.Table,
    control: ControlTotal,
    rows_rejected: int,
    problems: Sequence[Problem],
    counted: bool = True,
    loaded_at: datetime | None = None,
    by_hour: pa.Table | None = None,
) -> KnownDelivery:
    """Load a version of (source, billing period) beside the one that answers; at commit it answers instead.

    `dimensions` and `facts` are a Scan's, with the columns of focus.ALLOCATED added, `by_hour` its hours. One
    transaction: a crash at any instant leaves the old version answering, and readers never wait. One load of a source
    at a time; others queue. `known_at` is the instant from which the version answers, `loaded_at` the clock's (default:
    the same). What is not `counted` repeats cost that others bill: it answers where its source is asked for by name.

    Raises Leak when the sums of facts, control and the loaded rows differ, Malformed when the tables refuse a value,
    Unavailable when the server is lost. Nothing of the version remains then.
    """
    sums = cube.sums(dimensions, facts)
    said = {currency: {"billed_cost": cost} for currency, cost in control.billed_cost.items()}
    cube.settle(sums, said, "the control total", ("billed_cost",))
    with engine.begin() as connection, driver_errors(engine):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"load:{source}", 0))))
        version = _insert(
            connection,
            source=source,
            billing_period=billing_period.start,
            fingerprint=fingerprint,
            rules_version=rules_version,
            status="loaded",
            rows=control.rows,
            rows_rejected=rows_rejected,
            last_usage_day=cube.last_usage_day(dimensions, facts),
            counted=counted,
            known_at=known_at,
            loaded_at=loaded_at or known_at,
            problems=codecs.problems_to_json(problems),
        )
        ids = cube.dimension_ids(connection, source, dimensions)
        loaded = cube.load_partition(connection, version, ids, dimensions, facts)
        cube.settle(sums, loaded, "PostgreSQL")
        if by_hour is not None:
            hour_rows.keep(connection, version, ids, by_hour, facts, known_at.date())
        _tell(connection, version, loaded, control)
        # Last, because other loads wait for this lock; readers do not.
        connection.execute(sa.text(f"ALTER TABLE charge ATTACH PARTITION charge_{version} FOR VALUES IN ({version})"))
        return _read(connection, delivery.c.id == version)[0]


def known(engine: sa.Engine, source: str, billing_period: BillingPeriod, as_of: datetime) -> KnownDelivery | None:
    """The version of one period that answers at `as_of`."""
    with engine.connect() as connection:
        chosen = _versions(as_of).where(delivery.c.source == source, delivery.c.billing_period == billing_period.start)
        found = _read(connection, delivery.c.id.in_(chosen))
    return found[0] if found else None


def known_all(engine: sa.Engine, as_of: datetime, source: str | None = None) -> list[KnownDelivery]:
    """The versions that answer at `as_of`, by source and period."""
    with engine.connect() as connection:
        return known_in(connection, as_of, source)


def known_in(connection: sa.Connection, as_of: datetime, source: str | None = None) -> list[KnownDelivery]:
    """`known_all` inside the caller's transaction."""
    chosen = _versions(as_of)
    if source is not None:
        chosen = chosen.where(delivery.c.source == source)
    return _read(connection, delivery.c.id.in_(chosen))


def telling(connection: sa.Connection, as_of: datetime, of: Collection[str] | None) -> list[KnownDelivery]:
    """The versions that count; or those `of` some sources alone, also where they only attribute what others bill."""
    return [one for one in known_in(connection, as_of) if (one.counted if of is None else one.source in of)]


def version_ids(connection: sa.Connection, as_of: datetime, named: Sequence[str] = ()) -> list[int]:
    """Ids of the versions that answer at `as_of`: given as values, they let PostgreSQL open only their partitions.

    Those of sources that only attribute what others bill answer where their source is `named`.
    """
    chosen = sa.select(delivery.c.id).where(
        delivery.c.id.in_(_versions(as_of)), sa.or_(delivery.c.counted, delivery.c.source.in_(named))
    )
    return list(connection.scalars(chosen))


def uncounted(engine: sa.Engine, as_of: datetime) -> list[str]:
    """Sources that only attribute what others bill, sorted."""
    chosen = sa.select(delivery.c.source).where(delivery.c.id.in_(_versions(as_of)), ~delivery.c.counted).distinct()
    with engine.connect() as connection:
        return sorted(connection.scalars(chosen))


def said_by_account(engine: sa.Engine, as_of: datetime) -> list[dict[str, Any]]:
    """Billed cost by sub account as the exports known at `as_of` say; billing_period is written YYYY-MM."""
    chosen = (
        sa.select(
            delivery.c.source,
            sa.func.to_char(delivery.c.billing_period, "YYYY-MM").label("billing_period"),
            delivery_account.c.currency,
            delivery_account.c.sub_account_id,
            delivery_account.c.billed_cost,
        )
        .join(delivery_account, delivery_account.c.delivery_id == delivery.c.id)
        .where(delivery.c.id.in_(_versions(as_of)))
        .order_by(delivery.c.source, delivery.c.billing_period, delivery_account.c.currency)
        .order_by(delivery_account.c.sub_account_id)
    )
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(chosen).mappings()]


def refusals(engine: sa.Engine, as_of: datetime) -> list[tuple[str, BillingPeriod | None, tuple[Problem, ...]]]:
    """Deliveries refused by `as_of` that nothing loaded since has replaced: source, period and problems."""
    newer = delivery.alias()
    replaced = sa.exists().where(
        newer.c.source == delivery.c.source,
        newer.c.billing_period.is_not_distinct_from(delivery.c.billing_period),
        newer.c.known_at <= as_of,
        sa.tuple_(newer.c.known_at, newer.c.id) > sa.tuple_(delivery.c.known_at, delivery.c.id),
    )
    chosen = sa.select(delivery.c.source, delivery.c.billing_period, delivery.c.problems).where(
        delivery.c.status == "refused", delivery.c.known_at <= as_of, ~replaced
    )
    with engine.connect() as connection:
        rows = connection.execute(chosen.order_by(delivery.c.source, delivery.c.billing_period)).all()
    return [
        (
            row.source,
            BillingPeriod.of(row.billing_period) if row.billing_period else None,
            codecs.problems_from_json(row.problems),
        )
        for row in rows
    ]


def refuse(
    engine: sa.Engine,
    *,
    source: str,
    billing_period: BillingPeriod | None,
    fingerprint: str,
    known_at: datetime,
    rows: int,
    rows_rejected: int,
    problems: Sequence[Problem],
    rules_version: str = "",
    loaded_at: datetime | None = None,
) -> int:
    """Record that a delivery was refused and why; it never answers. The same refusal again is recorded once."""
    values: dict[str, Any] = {
        "source": source,
        "billing_period": billing_period.start if billing_period else None,
        "fingerprint": fingerprint,
        "rules_version": rules_version,
        "status": "refused",
        "rows": rows,
        "rows_rejected": rows_rejected,
        "problems": codecs.problems_to_json(problems),
    }
    same = [delivery.c[name].is_not_distinct_from(value) for name, value in values.items()]
    with engine.begin() as connection:
        earlier = connection.scalar(sa.select(delivery.c.id).where(*same, delivery.c.known_at <= known_at).limit(1))
        return earlier or _insert(connection, **values, known_at=known_at, loaded_at=loaded_at or known_at)


def _tell(connection: sa.Connection, version: int, loaded: cube.Sums, control: ControlTotal) -> None:
    """What the version comes to, and what its export says of each account."""
    if loaded:
        totals = [{"delivery_id": version, "currency": currency, **costs} for currency, costs in loaded.items()]
        connection.execute(sa.insert(delivery_total), totals)
    if accounts := [
        {"delivery_id": version, "currency": currency, "sub_account_id": account, "billed_cost": cost}
        for (currency, account), cost in control.by_account.items()
    ]:
        connection.execute(sa.insert(delivery_account), accounts)


def _insert(connection: sa.Connection, **values: object) -> int:
    made: int = connection.execute(sa.insert(delivery).values(**values).returning(delivery.c.id)).scalar_one()
    return made


def _versions(as_of: datetime) -> sa.Select[tuple[int]]:
    by_period = (delivery.c.source, delivery.c.billing_period)
    return (
        sa.select(delivery.c.id)
        .where(delivery.c.status == "loaded", delivery.c.known_at <= as_of)
        .ext(pg.distinct_on(*by_period))
        .order_by(*by_period, delivery.c.known_at.desc(), delivery.c.id.desc())
    )


def _read(connection: sa.Connection, chosen: sa.ColumnElement[bool]) -> list[KnownDelivery]:
    order = (delivery.c.source, delivery.c.billing_period)
    rows = connection.execute(sa.select(delivery).where(chosen).order_by(*order)).all()
    totals = sa.select(delivery_total).where(delivery_total.c.delivery_id.in_([row.id for row in rows]))
    costs: dict[int, list[Any]] = {row.id: [] for row in rows}
    for total in connection.execute(totals.order_by(delivery_total.c.currency)):
        costs[total.delivery_id].append(total)
    return [
        KnownDelivery(
            id=row.id,
            source=row.source,
            billing_period=BillingPeriod.of(row.billing_period),
            fingerprint=row.fingerprint,
            rules_version=row.rules_version,
            known_at=row.known_at,
            rows=row.rows,
            rows_rejected=row.rows_rejected,
            last_usage_day=row.last_usage_day,
            counted=row.counted,
            billed_cost={total.currency: total.billed_cost for total in costs[row.id]},
            effective_cost={total.currency: total.effective_cost for total in costs[row.id]},
            problems=codecs.problems_from_json(row.problems),
        )
        for row in rows
    ]
