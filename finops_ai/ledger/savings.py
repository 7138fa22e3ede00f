"""Merges, what they really saved as known on each day, and what was said of it on their pull requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import Proposal
from finops_ai.domain.realised import Realised
from finops_ai.domain.usage import Workload
from finops_ai.ledger import codecs
from finops_ai.ledger.saving_tables import merged as merged_table
from finops_ai.ledger.saving_tables import saving as saving_table
from finops_ai.ledger.saving_tables import saving_said as said_table
from finops_ai.ledger.tables import delivery as delivery_table
from finops_ai.ledger.tables import proposal as proposal_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A proposal as it was merged on `on`; `known_at` is when that was first heard."""

    key: str
    known_at: datetime
    on: date
    proposal: Proposal


def keep_merge(target: sa.Engine, one: Merged) -> None:
    """Keep a merge; the same again changes nothing."""
    values = {"key": one.key, "known_at": one.known_at, "merged_on": one.on}
    body = codecs.proposal_to_json(one.proposal)
    with target.begin() as connection:
        connection.execute(pg.insert(merged_table).values(**values, body=body).on_conflict_do_nothing())


def merges(engine: sa.Engine, as_of: datetime) -> list[Merged]:
    """Every merge known at `as_of`, oldest first."""
    table = merged_table
    chosen = sa.select(table).where(table.c.known_at <= as_of).order_by(table.c.merged_on, table.c.key)
    with engine.connect() as connection:
        return [
            Merged(key=row.key, known_at=row.known_at, on=row.merged_on, proposal=codecs.proposal_from_json(row.body))
            for row in connection.execute(chosen)
        ]


def unkept(engine: sa.Engine, as_of: datetime) -> list[tuple[str, datetime, Proposal]]:
    """Key, instant and proposal of every merge that the ledger of proposals tells of and that was not kept yet."""
    before = sa.func.lag(proposal_table.c.state).over(partition_by=proposal_table.c.key, order_by=proposal_table.c.id)
    versions = sa.select(proposal_table, before.label("before")).where(proposal_table.c.as_of <= as_of).subquery()
    is_kept = sa.exists().where(merged_table.c.key == versions.c.key, merged_table.c.known_at == versions.c.as_of)
    chosen = (
        sa.select(versions.c.key, versions.c.as_of, versions.c.body)
        .where(versions.c.state == "merged", versions.c.before.is_distinct_from("merged"), ~is_kept)
        .order_by(versions.c.key, versions.c.id)
    )
    with engine.connect() as connection:
        return [(row.key, row.as_of, codecs.proposal_from_json(row.body)) for row in connection.execute(chosen)]


def keep(engine: sa.Engine, rows: Sequence[Realised], as_of: datetime) -> None:
    """The day's version of every month; an earlier one of the same day is replaced. One transaction."""
    if not rows:
        return
    values = [_row(row) | {"as_of": as_of, "as_of_day": as_of.date()} for row in rows]
    added = pg.insert(saving_table)
    fresh = {name: added.excluded[name] for name in values[0]}
    with engine.begin() as connection:
        connection.execute(added.on_conflict_do_update(index_elements=saving_table.primary_key, set_=fresh), values)


def is_measured(engine: sa.Engine, as_of: datetime) -> bool:
    """Whether what is known at `as_of` was measured after the newest delivery and the newest merge were known."""
    known = [
        sa.select(sa.func.max(column)).where(column <= as_of).scalar_subquery()
        for column in (saving_table.c.as_of, delivery_table.c.known_at, merged_table.c.known_at)
    ]
    with engine.connect() as connection:
        measured, *others = connection.execute(sa.select(*known)).one()
    return measured is not None and all(other is None or other < measured for other in others)


def savings(engine: sa.Engine, as_of: datetime | None = None) -> list[Realised]:
    """The newest version (known at `as_of`) of every month of every merge, by key, merge and month."""
    table = saving_table
    latest = (table.c.key, table.c.merged_on, table.c.number)
    chosen = sa.select(table.c.body).ext(pg.distinct_on(*latest))
    if as_of is not None:
        chosen = chosen.where(table.c.as_of <= as_of)
    with engine.connect() as connection:
        rows = connection.scalars(chosen.order_by(*latest, table.c.as_of_day.desc())).all()
    return [_realised(row) for row in rows]


def to_say(engine: sa.Engine, key: str, merged_on: date, stage: str, text: str, as_of: datetime) -> str | None:
    """What is to be said now: `text`, or what was once written and may not have been heard; None when it was."""
    values = {"key": key, "merged_on": merged_on, "stage": stage, "as_of": as_of, "text": text}
    with engine.begin() as connection:
        connection.execute(pg.insert(said_table).values(**values).on_conflict_do_nothing())
        chosen = sa.select(said_table.c.text, said_table.c.said_at).where(*_stage(key, merged_on, stage))
        row = connection.execute(chosen).one()
    return row.text if row.said_at is None else None


def is_said(engine: sa.Engine, key: str, merged_on: date, stage: str) -> bool:
    said = sa.select(said_table.c.said_at).where(*_stage(key, merged_on, stage))
    with engine.connect() as connection:
        return connection.scalar(said) is not None


def was_said(engine: sa.Engine, key: str, merged_on: date, stage: str, at: datetime) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(said_table).where(*_stage(key, merged_on, stage)).values(said_at=at))


def _stage(key: str, merged_on: date, stage: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (said_table.c.key == key, said_table.c.merged_on == merged_on, said_table.c.stage == stage)


def _row(one: Realised) -> dict[str, Any]:
    return {
        "key": one.key,
        "merged_on": one.merged_on,
        "number": one.number,
        "workload": one.workload.key,
        "start_day": one.days.start,
        "end_day": one.days.end,
        "currency": one.estimate.currency,
        **{name: getattr(one, name).amount for name in ("identified", "estimate", "low", "high", "fall", "booked")},
        "method": one.method,
        "proved_on": one.proved_on,
        "body": _json(one),
    }


AMOUNTS = ("estimate", "low", "high", "counterfactual", "actual", "fall", "booked")


def _json(one: Realised) -> codecs.Json:
    workload = one.workload
    return {
        "key": one.key,
        "merged_on": one.merged_on.isoformat(),
        "number": one.number,
        "start": one.days.start.isoformat(),
        "end": one.days.end.isoformat(),
        "workload": [workload.cluster, workload.namespace, workload.kind, workload.name],
        "identified": [str(one.identified.amount), one.identified.currency],
        "currency": one.estimate.currency,
        **{name: str(getattr(one, name).amount) for name in AMOUNTS},
        "controls": one.controls,
        "method": one.method,
        "proved_on": one.proved_on.isoformat() if one.proved_on else None,
        "utilisation": dict(one.utilisation),
    }


def _realised(value: codecs.Json) -> Realised:
    identified, currency = value["identified"]
    return Realised(
        key=value["key"],
        merged_on=date.fromisoformat(value["merged_on"]),
        number=value["number"],
        days=Days(date.fromisoformat(value["start"]), date.fromisoformat(value["end"])),
        workload=Workload(*value["workload"]),
        identified=Money(Decimal(identified), currency),
        **{name: Money(Decimal(value[name]), value["currency"]) for name in AMOUNTS},
        controls=value["controls"],
        method=value["method"],
        proved_on=date.fromisoformat(value["proved_on"]) if value["proved_on"] else None,
        utilisation=value["utilisation"],
    )
