"""Where clusters differed from Git, look by look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.drift import Difference, Drift
from finops_ai.domain.money import Money
from finops_ai.domain.usage import Workload
from finops_ai.ledger.codecs import Json
from finops_ai.ledger.saving_tables import drift as drift_table


def keep(engine: sa.Engine, found: Sequence[Drift], as_of: datetime) -> None:
    """What a look found; a second look at the same instant replaces it."""
    body = [_json(one) for one in found]
    added = pg.insert(drift_table).values(as_of=as_of, body=body)
    with engine.begin() as connection:
        connection.execute(added.on_conflict_do_update(index_elements=["as_of"], set_={"body": added.excluded.body}))


def drifts(engine: sa.Engine, as_of: datetime) -> list[Drift]:
    """What the last look before `as_of` found."""
    table = drift_table
    chosen = sa.select(table.c.body).where(table.c.as_of <= as_of).order_by(table.c.as_of.desc()).limit(1)
    with engine.connect() as connection:
        return [_drift(value) for value in connection.scalar(chosen) or ()]


def prune(engine: sa.Engine, before: datetime) -> int:
    """Drop the looks before that instant; how many."""
    with engine.begin() as connection:
        return connection.execute(sa.delete(drift_table).where(drift_table.c.as_of < before)).rowcount


def _json(one: Drift) -> Json:
    workload = one.workload
    return {
        "kind": one.kind,
        "workload": [workload.cluster, workload.namespace, workload.kind, workload.name],
        "owner": one.owner,
        "differences": [[d.path, d.desired, d.live, d.by, d.at] for d in one.differences],
        "monthly": [str(one.monthly.amount), one.monthly.currency] if one.monthly else None,
        "heals": one.heals,
        "why": one.why,
    }


def _drift(value: Json) -> Drift:
    monthly = value["monthly"]
    return Drift(
        kind=value["kind"],
        workload=Workload(*value["workload"]),
        owner=value["owner"],
        differences=tuple(
            Difference(path=path, desired=desired, live=live, by=by, at=at)
            for path, desired, live, by, at in value["differences"]
        ),
        monthly=Money(Decimal(monthly[0]), monthly[1]) if monthly else None,
        heals=value["heals"],
        why=value["why"],
    )
