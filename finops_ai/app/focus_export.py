"""The ledger as FOCUS 1.2 at the finest grain there is: lines read again where they can be, else rows of the cube."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops_ai.allocation.rules import Rules
from finops_ai.app import focus_rows
from finops_ai.app.focus_file import writing
from finops_ai.domain.delivery import Delivery
from finops_ai.domain.errors import Leak, Unavailable
from finops_ai.domain.money import EXACT
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.jobs.run import Progress
from finops_ai.ledger.charges import KnownDelivery, known_all
from finops_ai.ledger.costs import CostQuery, costs, finest
from finops_ai.sources.base import ChargeSource, DetailSource

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Engine

PROVEN = {
    "BilledCost": "billed_cost",
    "EffectiveCost": "effective_cost",
    "ListCost": "list_cost",
    "ContractedCost": "contracted_cost",
}

Bill = tuple[str, BillingPeriod]
"""Name of a source and the period it tells."""

Sums = dict[str, tuple[Decimal, ...]]
"""Currency to the costs of PROVEN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reads lines again as the ledger has them; `progress` is told which bills it cannot."""

    sources: Sequence[ChargeSource]
    rules: Rules
    rules_version: str
    progress: Progress


def export(engine: Engine, reading: Reading, days: Days, as_of: datetime, file: Path) -> list[dict[str, Any]]:
    """Write `file` whole or not at all; one row per currency and grain with the number of rows and their costs.

    A bill whose files are as they were loaded is told line by line, any other by the rows of the cube. Sources that
    only attribute what others bill are left out. Raises UsageError for an ending that is none of .csv, .csv.gz and
    .parquet, Leak when a bill's sums differ from the ledger's, Unavailable when a part vanishes while it is read.
    """
    ledger = _ledger(engine, days, as_of)
    known = [one for one in known_all(engine, as_of) if one.counted and (one.source, one.billing_period) in ledger]
    deliveries = _readable(reading, known)
    written: dict[tuple[str, str], tuple[int, tuple[Decimal, ...]]] = {}
    with writing(file) as write:
        for bill, version in {(one.source, one.billing_period): one for one in known}.items():
            sums: Sums = {}
            for table in _tables(engine, reading, version, deliveries.get(bill), days, as_of):
                write(table)
                for currency, (rows, found) in focus_rows.summed(table, tuple(PROVEN)).items():
                    sums[currency] = _added(sums.get(currency), found)
                    key = (currency, table["x_Grain"][0].as_py())
                    before = written.get(key, (0, None))
                    written[key] = (before[0] + rows, _added(before[1], found))
            if sums != ledger[bill]:
                raise Leak(f"{bill[0]} {bill[1]}: the export adds up to {sums}, the ledger to {ledger[bill]}")
    return [
        {"file": str(file), "currency": currency, "grain": grain, "rows": rows, **dict(zip(PROVEN, found, strict=True))}
        for (currency, grain), (rows, found) in sorted(written.items())
    ]


def _ledger(engine: Engine, days: Days, as_of: datetime) -> dict[Bill, Sums]:
    query = CostQuery(days=days, group_by=("source", "billing_period"), where=(), currency=None, as_of=as_of)
    found: dict[Bill, Sums] = {}
    for row in costs(engine, query):
        bill = (row["source"], BillingPeriod.parse(row["billing_period"]))
        found.setdefault(bill, {})[row["currency"]] = tuple(row[name] for name in PROVEN.values())
    return found


def _readable(reading: Reading, known: Sequence[KnownDelivery]) -> dict[Bill, Delivery]:
    """Deliveries that are there as they were loaded; every other is told with the reason."""
    by_name = {source.name: source for source in reading.sources}
    found: dict[Bill, Delivery] = {}
    for name in dict.fromkeys(one.source for one in known):
        source = by_name.get(name)
        versions = [one for one in known if one.source == name]
        listed: dict[BillingPeriod, Delivery] = {}
        why = "no source of that name is configured" if source is None else "its kind has no line by line reading"
        if isinstance(source, DetailSource):
            why = "its files are not those that were loaded: run finops-ai ingest"
            try:
                of_source = source.deliveries(min(one.billing_period for one in versions))
                listed = {one.billing_period: one for one in of_source if isinstance(one, Delivery)}
            except Unavailable as error:
                why = str(error)
        for one in versions:
            delivery = listed.get(one.billing_period)
            is_same = delivery is not None and delivery.fingerprint == one.fingerprint
            if delivery is not None and is_same and one.rules_version == reading.rules_version:
                found[name, one.billing_period] = delivery
                continue
            # Other tags kept are another fingerprint too, so that rules are asked first.
            is_stale = delivery is not None and one.rules_version != reading.rules_version
            reason = "the rules changed since it was loaded: run finops-ai ingest" if is_stale else why
            reading.progress(f"{name} {one.billing_period} is told by day, not by line: {reason}")
    return found


def _tables(
    engine: Engine, reading: Reading, version: KnownDelivery, delivery: Delivery | None, days: Days, as_of: datetime
) -> Iterator[pa.Table]:
    """The charges of one bill in the columns of the export."""
    source = next((one for one in reading.sources if one.name == version.source), None)
    if delivery is not None and isinstance(source, DetailSource):
        reading.progress(f"{version.source} {version.billing_period}: reading {len(delivery.parts)} file(s)")
        for batch in source.rows(delivery, days):
            if batch.num_rows:
                yield focus_rows.of_lines(batch, version.source, reading.rules)
    else:
        rows = finest(engine, days, as_of, [version.id])
        while some := list(islice(rows, focus_rows.BATCH_ROWS)):
            yield focus_rows.of_cube(some, version.source)


def _added(before: tuple[Decimal, ...] | None, more: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
    return tuple(EXACT.add(one, other) for one, other in zip(before, more, strict=True)) if before else more
