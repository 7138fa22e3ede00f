"""Rows of Google Cloud's billing export as BigQuery writes them, in every format that an extract comes in."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from finops_ai.sources import gcp_billing
from finops_ai.sources.base import ChargeSource, Keep
from tests.unit.sources.exports import KEEP, source

Row = Mapping[str, Any]
TABLE = "gcp_billing_export_resource_v1_0A1B2C_3D4E5F_607182"
STANDARD = "gcp_billing_export_v1_0A1B2C_3D4E5F_607182"

USAGE: Row = {
    "billing_account_id": "0A1B2C-3D4E5F-607182",
    "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
    "sku": {"id": "CF4E-A0C7-E3BF", "description": "N2 Instance Core running in Americas"},
    "usage_start_time": "2026-04-10 05:00:00 UTC",
    "usage_end_time": "2026-04-10 06:00:00 UTC",
    "project": {"id": "shop-prod", "number": "1234", "name": "Shop", "labels": [{"key": "env", "value": "prod"}]},
    "labels": [{"key": "cost-center", "value": "search"}],
    "system_labels": [{"key": "compute.googleapis.com/machine_spec", "value": "n2-standard-4"}],
    "location": {"location": "us-central1-a", "country": "US", "region": "us-central1", "zone": "us-central1-a"},
    "tags": [],
    "resource": {"name": "shop-1", "global_name": "//compute.googleapis.com/shop-1"},
    "export_time": "2026-04-10 11:17:00.477613 UTC",
    "cost": 2.5,
    "currency": "USD",
    "currency_conversion_rate": 1.0,
    "usage": {"amount": 14400.0, "unit": "seconds", "amount_in_pricing_units": 4.0, "pricing_unit": "hour"},
    "credits": [],
    "invoice": {"month": "202604", "publisher_type": "GOOGLE"},
    "cost_type": "regular",
    "adjustment_info": None,
    "transaction_type": "GOOGLE",
    "seller_name": None,
    "cost_at_list": 2.5,
}

KV = pa.struct([("key", pa.string()), ("value", pa.string())])
STAMP = pa.timestamp("us", tz="UTC")
TYPES = {
    "billing_account_id": pa.string(),
    "service": pa.struct([("id", pa.string()), ("description", pa.string())]),
    "sku": pa.struct([("id", pa.string()), ("description", pa.string())]),
    "usage_start_time": STAMP,
    "usage_end_time": STAMP,
    "project": pa.struct(
        [("id", pa.string()), ("number", pa.string()), ("name", pa.string()), ("labels", pa.list_(KV))]
    ),
    "labels": pa.list_(KV),
    "system_labels": pa.list_(KV),
    "location": pa.struct([(name, pa.string()) for name in ("location", "country", "region", "zone")]),
    "tags": pa.list_(
        pa.struct([("key", pa.string()), ("value", pa.string()), ("inherited", pa.bool_()), ("namespace", pa.string())])
    ),
    "resource": pa.struct([("name", pa.string()), ("global_name", pa.string())]),
    "export_time": STAMP,
    "cost": pa.float64(),
    "currency": pa.string(),
    "currency_conversion_rate": pa.float64(),
    "usage": pa.struct(
        [
            ("amount", pa.float64()),
            ("unit", pa.string()),
            ("amount_in_pricing_units", pa.float64()),
            ("pricing_unit", pa.string()),
        ]
    ),
    "credits": pa.list_(
        pa.struct([("name", pa.string()), ("amount", pa.float64()), ("type", pa.string()), ("id", pa.string())])
    ),
    "invoice": pa.struct([("month", pa.string()), ("publisher_type", pa.string())]),
    "cost_type": pa.string(),
    "adjustment_info": pa.struct([(name, pa.string()) for name in ("id", "description", "type", "mode")]),
    "consumption_model": pa.struct([("id", pa.string()), ("description", pa.string())]),
    "cost_at_list": pa.float64(),
    "cost_at_effective_price_default": pa.float64(),
}


def row(**told: Any) -> Row:
    """A row of the detailed export; a dictionary changes the fields of a record, any other value replaces."""
    merged = dict(USAGE)
    for name, value in told.items():
        merged[name] = {**(USAGE[name] or {}), **value} if isinstance(value, dict) and name in USAGE else value
    return merged


def credit(amount: float | str, kind: str | None = "SUSTAINED_USAGE_DISCOUNT") -> Row:
    return {"name": "a credit", "amount": amount, "type": kind, "id": "c"}


def labels(**values: str) -> list[Row]:
    return [{"key": key.replace("_", "-"), "value": value} for key, value in values.items()]


def jsonl(rows: Iterable[Row | str]) -> bytes:
    """JSON lines; a text is a line as it stands."""
    return "".join(
        (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in rows
    ).encode()


def arrow(rows: Sequence[Row], drop: Sequence[str] = ()) -> pa.Table:
    columns = {}
    for name, kind in TYPES.items():
        values = [line.get(name) for line in rows]
        if kind == STAMP:
            values = [value and datetime.fromisoformat(value.replace(" UTC", "+00:00")) for value in values]
        if name not in drop:
            columns[name] = pa.array(values, kind)
    return pa.table(columns)


def parquet_bytes(rows: Sequence[Row], drop: Sequence[str] = ()) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(arrow(rows, drop), sink)
    return sink.getvalue()


def csv_bytes(rows: Sequence[Row]) -> bytes:
    """As tools flatten it: `service.id`, and repeated records as JSON text."""
    flat = []
    for line in rows:
        cells: dict[str, str] = {}
        for name, value in line.items():
            for inner, found in value.items() if isinstance(value, dict) else [("", value)]:
                text = json.dumps(found) if isinstance(found, (list, dict)) else found
                cells[f"{name}.{inner}" if inner else name] = "" if text is None else str(text)
        flat.append(cells)
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, list(dict.fromkeys(name for cells in flat for name in cells)), restval="")
    writer.writeheader()
    writer.writerows(flat)
    return sink.getvalue().encode()


FORMATS: Mapping[str, Callable[[Sequence[Row]], bytes]] = {"jsonl": jsonl, "parquet": parquet_bytes, "csv": csv_bytes}


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Files by name; those that end in .gz are packed."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return folder


def gcp(uri: Path, keep: Keep = KEEP, **settings: Any) -> ChargeSource:
    return source(gcp_billing, uri, keep, **settings)
