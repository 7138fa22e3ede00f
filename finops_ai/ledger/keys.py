"""What costs can be grouped and filtered by: the names of DESIGN's public surface and their SQL."""

from __future__ import annotations

import difflib
from datetime import date

import sqlalchemy as sa

from finops_ai.domain import focus
from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import BillingPeriod
from finops_ai.ledger.tables import DIMENSION_COLUMNS, JSON_DIMENSIONS, charge, delivery, dimension

TAG = "tag:"
BILLING_PERIOD = "billing_period"

COLUMNS: dict[str, sa.ColumnElement[object]] = {
    "day": charge.c.day,
    BILLING_PERIOD: sa.func.to_char(delivery.c.billing_period, "YYYY-MM"),
    "currency": dimension.c.billing_currency,
    **{name: dimension.c[name] for name in DIMENSION_COLUMNS if name not in (*JSON_DIMENSIONS, "billing_currency")},
}

CORRECTION = "Correction"
FLAT_RATES = ("Recurring", "One-Time")
"""Frequencies of charges that follow the calendar, not what was consumed."""


def column(key: str) -> sa.ColumnElement[object]:
    """SQL of a key; a charge without the tag has the value (untagged). Raises UsageError for an unknown key."""
    if key.startswith(TAG) and len(key) > len(TAG):
        tag = focus.canonical_tag(key.removeprefix(TAG))
        return sa.func.coalesce(dimension.c.tags[tag].astext, focus.UNTAGGED)
    if key not in COLUMNS:
        near = difflib.get_close_matches(key, COLUMNS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"cannot group or filter by {key!r}{hint} Known keys: {', '.join(COLUMNS)}, tag:NAME")
    return COLUMNS[key]


def condition(key: str, values: list[str]) -> sa.ColumnElement[bool]:
    """SQL that holds where `key` has one of `values`. Raises UsageError for an unknown key or a day that is none."""
    wanted: list[object] = list(values)
    if key == "day":
        try:
            wanted = [date.fromisoformat(value) for value in values]
        except ValueError as error:
            raise UsageError(f"day: {error}; write YYYY-MM-DD") from None
    if key == BILLING_PERIOD:
        try:
            wanted = [str(BillingPeriod.parse(value)) for value in values]
        except ValueError as error:
            raise UsageError(f"billing_period: {error}") from None
    return column(key).in_(wanted)


def of_kind(kind: str) -> sa.ColumnElement[bool]:
    """SQL that holds for "usage" (what was consumed) or "other": fees, taxes, corrections, usage at a flat rate."""
    usage = sa.and_(
        dimension.c.charge_category == "Usage",
        dimension.c.charge_class != CORRECTION,
        *(dimension.c.charge_frequency != flat for flat in FLAT_RATES),
    )
    if kind not in ("usage", "other"):
        raise UsageError(f"charges are 'usage' or 'other', not {kind!r}")
    return usage if kind == "usage" else sa.not_(usage)


def cost_column(basis: str) -> sa.Column[object]:
    """The cost column of a basis. Raises UsageError for an unknown one."""
    if basis not in focus.COST_BASES:
        raise UsageError(f"the cost basis is {' or '.join(focus.COST_BASES)}, not {basis!r}")
    return charge.c[f"{basis}_cost"]
