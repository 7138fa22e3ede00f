"""Approvals and commands as facts: written once, in the transaction of what they bring about."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.pull_command import Order
from finops_ai.domain.pull_fact import Approval, Obeyed
from finops_ai.ledger.pull_tables import approval as approval_table
from finops_ai.ledger.pull_tables import pull_command

STANDING = (Order.IGNORE, Order.REOPEN)


def approve(connection: sa.Connection, approval: Approval) -> bool:
    """Keep the first approval of that evidence; False when it was approved before."""
    columns = {name: getattr(approval, name) for name in approval.__dataclass_fields__}
    kept = pg.insert(approval_table).values(columns).on_conflict_do_nothing().returning(approval_table.c.id)
    return connection.scalar(kept) is not None


def approval_of(engine: sa.Engine, key: str, evidence: str) -> Approval | None:
    """Who let exactly these figures pass; None when nobody has yet."""
    table = approval_table
    with engine.connect() as connection:
        row = connection.execute(sa.select(table).where(table.c.key == key, table.c.evidence == evidence)).first()
    return None if row is None else Approval(**{name: getattr(row, name) for name in Approval.__dataclass_fields__})


def obey(connection: sa.Connection, done: Obeyed) -> bool:
    """Keep that a command was carried out; False when it was before, so that the caller undoes what it began."""
    columns = {name: getattr(done, name) for name in done.__dataclass_fields__ if name != "order"}
    kept = pg.insert(pull_command).values(command=done.order.value, **columns).on_conflict_do_nothing()
    return connection.scalar(kept.returning(pull_command.c.number)) is not None


def obeyed(engine: sa.Engine, key: str) -> list[Obeyed]:
    """Every command on one proposal, oldest first."""
    table = pull_command
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(table).where(table.c.key == key).order_by(table.c.at, table.c.comment, table.c.number)
        ).all()
    return [_obeyed(row) for row in rows]


def ignored(engine: sa.Engine, as_of: datetime) -> dict[str, Obeyed]:
    """Proposals that nobody wants to see on that day, by key; the newest word on each counts."""
    table = pull_command
    newest = (
        sa.select(table)
        .ext(pg.distinct_on(table.c.key))
        .where(table.c.allowed, table.c.command.in_([order.value for order in STANDING]))
        .order_by(table.c.key, table.c.at.desc(), table.c.number.desc())
    )
    with engine.connect() as connection:
        found = [_obeyed(row) for row in connection.execute(newest)]
    return {one.key: one for one in found if one.order is Order.IGNORE and _lasts(one.until, as_of)}


def _lasts(until: date | None, as_of: datetime) -> bool:
    return until is None or as_of.date() <= until


def _obeyed(row: sa.Row[tuple[object, ...]]) -> Obeyed:
    values = {name: getattr(row, name) for name in Obeyed.__dataclass_fields__ if name != "order"}
    return Obeyed(order=Order(row.command), **values)
