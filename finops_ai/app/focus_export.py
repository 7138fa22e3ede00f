"""The cube as FOCUS 1.2 rows: every column of the specification, our own with x_, sums proven against the ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops_ai.domain.errors import Leak, UsageError
from finops_ai.domain.focus import FOCUS_1_2
from finops_ai.domain.money import EXACT, plain
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.ledger.costs import CostQuery, costs, finest
from finops_ai.reporting.tables import defused

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Engine

COLUMNS = (*FOCUS_1_2, "x_ServiceCode", "x_CostCenter", "x_AiModel", "x_Environment", "x_Source")
AMOUNTS = frozenset(name for name in COLUMNS if name.endswith(("Cost", "Quantity", "UnitPrice")))
INSTANTS = frozenset({"BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"})
PROVEN = ("BilledCost", "EffectiveCost")
BATCH_ROWS = 20_000


def export(engine: Engine, days: Days, as_of: datetime, file: Path) -> list[dict[str, Any]]:
    """Write `file` whole or not at all; one row per currency with its sums.

    The grain is the cube's: one row per day and dimension tuple; what a bill tells only per resource is null.
    Raises UsageError for an ending that is none of .csv, .csv.gz and .parquet, Leak when the sums differ.
    """
    if not file.name.endswith((".csv", ".csv.gz", ".parquet")):
        raise UsageError(f"{file.name}: end the name with .csv, .csv.gz or .parquet")
    new = file.with_name(f".{os.getpid()}.{file.name}")
    sums: dict[str, dict[str, Any]] = {}
    try:
        with ExitStack() as stack:
            write = _writer(new, stack)
            rows = (_row(charge) for charge in finest(engine, days, as_of))
            while batch := list(islice(rows, BATCH_ROWS)):
                for row in batch:
                    _count(sums, row)
                write(batch)
            if not sums:
                write([])
        _prove(engine, days, as_of, sums)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    return [{"file": str(file), "currency": currency, **found} for currency, found in sorted(sums.items())]


def _row(charge: Mapping[str, Any]) -> dict[str, Any]:
    period = BillingPeriod.parse(str(charge["billing_period"]))
    day = charge["day"]
    text = {name: value or None for name, value in charge.items() if isinstance(value, str)}
    tags = charge["tags"] or {}
    known = {
        "BilledCost": charge["billed_cost"],
        "EffectiveCost": charge["effective_cost"],
        "ListCost": charge["list_cost"],
        "ContractedCost": charge["contracted_cost"],
        "ConsumedQuantity": charge["consumed_quantity"],
        "ConsumedUnit": text["consumed_unit"] if charge["consumed_quantity"] is not None else None,
        "PricingQuantity": charge["consumed_quantity"],
        "PricingUnit": text["consumed_unit"] if charge["consumed_quantity"] is not None else None,
        "BillingAccountId": text["billing_account_id"],
        "BillingAccountName": text["billing_account_name"],
        "BillingCurrency": text["billing_currency"],
        "PricingCurrency": text["billing_currency"],
        "PricingCurrencyEffectiveCost": charge["effective_cost"],
        "BillingPeriodStart": f"{period.start}T00:00:00Z",
        "BillingPeriodEnd": f"{period.end}T00:00:00Z",
        "ChargePeriodStart": f"{day}T00:00:00Z",
        "ChargePeriodEnd": f"{day + timedelta(days=1)}T00:00:00Z",
        "ChargeCategory": text["charge_category"],
        "ChargeClass": text["charge_class"],
        "ChargeDescription": text["x_sku_group"] or text["service_name"],
        "ChargeFrequency": text["charge_frequency"],
        "PricingCategory": text["pricing_category"],
        "InvoiceIssuerName": text["invoice_issuer_name"],
        "ProviderName": text["provider_name"],
        "PublisherName": text["provider_name"],
        "RegionId": text["region_id"],
        "RegionName": text["region_id"],
        "ServiceCategory": text["service_category"],
        "ServiceName": text["service_name"],
        "SkuMeter": text["x_sku_group"],
        "SubAccountId": text["sub_account_id"],
        "SubAccountName": text["sub_account_name"],
        "Tags": json.dumps(tags, ensure_ascii=False, sort_keys=True) if tags else None,
        "x_ServiceCode": text["x_service_code"],
        "x_CostCenter": text["x_cost_center"],
        "x_AiModel": text["x_ai_model"],
        "x_Environment": text["x_environment"],
        "x_Source": text["source"],
    }
    return {name: known.get(name) for name in COLUMNS}


def _count(sums: dict[str, dict[str, Any]], row: Mapping[str, Any]) -> None:
    known = sums.setdefault(row["BillingCurrency"], {"rows": 0, **dict.fromkeys(PROVEN, Decimal(0))})
    known["rows"] += 1
    for name in PROVEN:
        known[name] = EXACT.add(known[name], row[name])


def _prove(engine: Engine, days: Days, as_of: datetime, sums: Mapping[str, Mapping[str, Any]]) -> None:
    query = CostQuery(days=days, group_by=(), where=(), currency=None, as_of=as_of)
    ledger = {row["currency"]: (row["billed_cost"], row["effective_cost"]) for row in costs(engine, query)}
    written = {currency: tuple(found[name] for name in PROVEN) for currency, found in sums.items()}
    if ledger != written:
        raise Leak(f"the export adds up to {written}, the ledger to {ledger}")


def _writer(file: Path, stack: ExitStack) -> Any:
    if file.name.endswith(".parquet"):
        return _parquet(file, stack)
    return _csv(file, stack)


def _csv(file: Path, stack: ExitStack) -> Any:
    import csv
    import gzip
    import io

    raw: Any = stack.enter_context(file.open("wb"))
    if file.name.endswith(".gz"):
        # No name and no time in the header: the same ledger gives the same bytes.
        raw = stack.enter_context(gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0))
    text = stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)

    def cells(row: Mapping[str, Any]) -> Iterator[str]:
        for name in COLUMNS:
            value = row[name]
            yield "" if value is None else plain(value) if name in AMOUNTS else defused(str(value))

    return lambda rows: writer.writerows(cells(row) for row in rows)


def _parquet(file: Path, stack: ExitStack) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [(name, pa.decimal128(38, 18) if name in AMOUNTS else _type(name)) for name in COLUMNS]
    schema = pa.schema(fields)
    writer = stack.enter_context(pq.ParquetWriter(file, schema))

    def write(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for name in INSTANTS:
                row[name] = datetime.fromisoformat(row[name])
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))

    return write


def _type(name: str) -> pa.DataType:
    import pyarrow as pa

    return pa.timestamp("us", tz="UTC") if name in INSTANTS else pa.string()
