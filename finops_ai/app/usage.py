"""Usage as the ledger knows it, with its gaps told, and what unused GPU hours cost: priced or unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops_ai.app.gpu_prices import Price, gpu_prices
from finops_ai.domain.period import Days
from finops_ai.ledger.usage_sums import FIGURES, UsageQuery, sums

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from finops_ai.rightsizing.settings import Prices

BY_DEFAULT = ("cluster", "namespace", "kind", "workload", "gpu_model", "gpu", "gpu_profile", "volume")
SHOWN = ("unit", "hours", "hours_asked", "coverage", *FIGURES, "unused_cost", "currency", "price", "gaps")
LEFT_OUT_OF_TABLES = frozenset({"cluster", "kind", "gpu", "hours_asked", "used", "reserved", "currency"})
MODEL = "gpu_model"
BILL_DAYS = 62


def usage(engine: Engine, prices: Prices, query: UsageQuery) -> list[dict[str, Any]]:
    """Rows of `ledger.usage_sums.sums`, each with `unused_cost` in `currency` and the `price` that made it.

    Of GPUs that nobody held, `unused_cost` is None and `price` says why where a price is unknown, or one currency does
    not do. Raises UsageError.
    """
    rows = sums(engine, query)
    found = [row for row in rows if row["resource"] == "gpu"]
    if not any(row["unused"] != 0 for row in found):
        return rows
    by_model = UsageQuery(
        days=query.days,
        group_by=tuple(dict.fromkeys((*query.group_by, MODEL))),
        resources=("gpu",),
        as_of=query.as_of,
    )
    models = [row for row in sums(engine, by_model) if row["unused"] != 0]
    today = query.as_of.date()
    days = query.days or Days(today - timedelta(days=BILL_DAYS), today + timedelta(days=1))
    known = gpu_prices(engine, sorted({row[MODEL] for row in models}), prices, days, query.as_of)
    for row in found:
        mine = [one for one in models if all(one[key] == row[key] for key in query.group_by)]
        row |= _cost(mine, known)
    return rows


def columns(rows: Sequence[Mapping[str, Any]], group_by: Sequence[str], *, narrow: bool) -> list[str]:
    """What is worth a column: keys asked for, of the default ones those that have values; a `narrow` table fewer."""
    by_default = tuple(group_by) == BY_DEFAULT
    keys = [key for key in group_by if not by_default or any(row[key] for row in rows)]
    wanted = ["resource", *keys, *SHOWN]
    return [name for name in wanted if not (narrow and by_default and name in LEFT_OUT_OF_TABLES)]


def _cost(unused: Sequence[Mapping[str, Any]], known: Mapping[str, Price]) -> dict[str, Any]:
    """The cost of unused hours by model; unknown as soon as a part of it is."""
    if not unused:
        return {}
    priced = [(one, known.get(one[MODEL])) for one in unused]
    missing = sorted({one[MODEL] for one, price in priced if price is None})
    parts = sorted({one[MODEL] for one in unused if one["unused"] is None})
    currencies = {price.currency for _, price in priced if price}
    if parts:
        return {"price": f"unknown: how much of {', '.join(parts)} its slices are"}
    if missing:
        return {"price": f"unknown: no price of {', '.join(missing)} is configured or on the bill"}
    if len(currencies) > 1:
        return {"price": f"unknown in one currency: {', '.join(sorted(currencies))}"}
    cost = sum((_hours(one["unused"]) * price.amount for one, price in priced if price), Decimal(0))
    basis = "; ".join(sorted({price.basis for _, price in priced if price}))
    return {"unused_cost": cost, "currency": currencies.pop(), "price": basis}


def _hours(unit_hours: float) -> Decimal:
    return Decimal(repr(round(unit_hours, 9)))


def why_nothing(engine: Engine, as_of: datetime) -> str:
    """Why there are no rows, and what to do."""
    from finops_ai.ledger.usage import in_force

    with engine.connect() as connection:
        known = in_force(connection, as_of)
    return "no usage on these days" if known else "no usage is known: configure a source under `usage`, then ingest"
