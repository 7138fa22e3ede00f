"""Small bills in the shape of a Scan, and how tests load them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from finops_ai.domain import focus
from finops_ai.domain.delivery import ControlTotal
from finops_ai.domain.errors import Problem
from finops_ai.domain.money import total
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.ledger import charges, connect, costs

COST = pa.decimal128(38, 18)
ALWAYS = Days(date(2000, 1, 1), date(2100, 1, 1))
LATER = datetime(2030, 1, 1, tzinfo=UTC)
USAGE = {
    "provider_name": "Cloud",
    "charge_category": "Usage",
    "billing_currency": "USD",
    "x_cost_center": "search",
    "x_ai_model": focus.NONE,
    "x_environment": focus.NONE,
    "x_allocation_rule": "tag",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    dimensions: pa.Table
    facts: pa.Table
    control: ControlTotal


def charge(day: date | str, billed: Decimal | str | int, **other: Any) -> dict[str, Any]:
    """One charge; `effective` and the other costs follow `billed` unless given, `quantity` is null."""
    return {"day": date.fromisoformat(day) if isinstance(day, str) else day, "billed": Decimal(billed), **other}


def bill(*rows: Mapping[str, Any]) -> Bill:
    numbers: dict[tuple[str, ...], int] = {}
    facts = []
    names = (*focus.DIMENSIONS, *focus.ALLOCATED)
    for row in rows:
        key = tuple({**USAGE, **row}.get(name, "") for name in names)
        billed = row["billed"]
        rest = [row.get(name, billed) for name in ("effective", "list", "contracted")]
        facts.append((numbers.setdefault(key, len(numbers)), row["day"], billed, *rest, row.get("quantity")))
    columns = list(zip(*facts, strict=True)) or [()] * 7
    control: dict[str, list[Decimal]] = {}
    for row in rows:
        control.setdefault({**USAGE, **row}["billing_currency"], []).append(row["billed"])
    return Bill(
        dimensions=pa.table(
            {
                "dimension": pa.array(range(len(numbers)), pa.int32()),
                **{name: pa.array([key[i] for key in numbers], pa.string()) for i, name in enumerate(names)},
            }
        ),
        facts=pa.table(
            {
                "dimension": pa.array(columns[0], pa.int32()),
                "day": pa.array(columns[1], pa.date32()),
                **{m: pa.array(column, COST) for m, column in zip(focus.MEASURES, columns[2:], strict=True)},
            }
        ),
        control=ControlTotal(rows=len(rows), billed_cost={currency: total(each) for currency, each in control.items()}),
    )


def load(
    engine: sa.Engine,
    what: Bill,
    *,
    source: str = "acme",
    period: str = "2026-03",
    known_at: datetime = datetime(2026, 4, 1, tzinfo=UTC),
    fingerprint: str = "f1",
    problems: tuple[Problem, ...] = (),
    by_hour: pa.Table | None = None,
) -> charges.KnownDelivery:
    return charges.load(
        engine,
        source=source,
        billing_period=BillingPeriod.parse(period),
        fingerprint=fingerprint,
        rules_version="r1",
        known_at=known_at,
        dimensions=what.dimensions,
        facts=what.facts,
        control=what.control,
        rows_rejected=0,
        problems=problems,
        by_hour=by_hour,
    )


def large_bill(seed: int, rows: int = 20_000) -> Bill:
    """Different figures, a few dimension tuples and the same number of rows for each seed."""
    first = date(2026, 3, 1)
    return bill(
        *(
            charge(first + timedelta(days=i % 30), Decimal(i % 97 + seed), x_sku_group=f"sku-{seed}-{i // 30}")
            for i in range(rows)
        )
    )


def dump(engine: sa.Engine, as_of: datetime = LATER) -> str:
    """Digest of every row that answers, whatever its ids."""
    rows = sorted(repr(sorted(row.items())) for row in costs.finest(engine, ALWAYS, as_of))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def billed(engine: sa.Engine, as_of: datetime = LATER, currency: str = "USD") -> Decimal:
    query = costs.CostQuery(days=ALWAYS, group_by=(), where=(), currency=currency, as_of=as_of)
    return total(row["billed_cost"] for row in costs.costs(engine, query))


def load_when_told(url: str, seed: int, known_at: datetime, go: Connection) -> None:
    """A process that says when it is ready, loads one bill when told to, and may be killed at any moment."""
    engine = connect.open_engine(url)
    what = large_bill(seed)
    charges.known_all(engine, LATER)
    go.send("ready")
    go.recv()
    load(engine, what, known_at=known_at, fingerprint=f"f{seed}")
    go.send("done")
