"""The demo company's AWS bill in AWS's two layouts: CUR 2.0 (Data Exports) and the legacy Cost and Usage Report."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from uuid import UUID

from finops_ai.demo.aws_rows import Row, iso, number, row
from finops_ai.demo.billing import Charge
from finops_ai.demo.meters import PAYER
from finops_ai.domain.period import BillingPeriod

EXPORT = "pelican-cur2"
REPORT = "pelican-cur"
BUCKET = "pelican-billing"
PARTS = 2


def cur2_files(period: BillingPeriod, charges: Sequence[Charge], *, invoiced: bool) -> dict[str, bytes]:
    """One billing period by path under the bucket: Parquet parts and the manifest that names them."""
    rows = [row(period, charge, invoiced=invoiced) for charge in charges]
    data = f"data-exports/{EXPORT}/data/BILLING_PERIOD={period}"
    parts = {
        f"{data}/{EXPORT}-{number:05d}.snappy.parquet": _parquet(part) for number, part in enumerate(_parts(rows), 1)
    }
    manifest = {
        "executionId": _digest(parts)[:32],
        "billingPeriod": str(period),
        "exportArn": f"arn:aws:bcm-data-exports:us-east-1:{PAYER.number}:export/{EXPORT}",
        "dataFiles": [f"s3://{BUCKET}/{path}" for path in parts],
        "format": "PARQUET",
        "compression": "PARQUET",
    }
    path = f"data-exports/{EXPORT}/metadata/BILLING_PERIOD={period}/{EXPORT}-Manifest.json"
    return parts | {path: json.dumps(manifest, indent=2).encode()}


def legacy_files(period: BillingPeriod, charges: Sequence[Charge], *, invoiced: bool) -> dict[str, bytes]:
    """One billing period by path under the bucket: gzipped CSV parts of one assembly and its two manifests.

    An assembly's name follows from its content: a restatement lies beside the version before it.
    """
    rows = [row(period, charge, invoiced=invoiced) for charge in charges]
    contents = [_gzipped_csv(part) for part in _parts(rows)]
    assembly = str(UUID(_digest({str(number): part for number, part in enumerate(contents)})[:32]))
    month = f"cur/{REPORT}/{period.start:%Y%m%d}-{period.end:%Y%m%d}"
    parts = {f"{month}/{assembly}/{REPORT}-{number:05d}.csv.gz": part for number, part in enumerate(contents, 1)}
    manifest = {
        "assemblyId": assembly,
        "account": PAYER.number,
        "columns": [
            dict(zip(("category", "name"), column["legacy"].split("/"), strict=True))
            for column in _columns()
            if column["legacy"]
        ],
        "charset": "UTF-8",
        "compression": "GZIP",
        "contentType": "text/csv",
        "reportId": sha256(REPORT.encode()).hexdigest(),
        "reportName": REPORT,
        "billingPeriod": {
            "start": f"{period.start:%Y%m%d}T000000.000Z",
            "end": f"{period.end:%Y%m%d}T000000.000Z",
        },
        "bucket": BUCKET,
        "reportKeys": list(parts),
        "additionalArtifactKeys": [],
    }
    text = json.dumps(manifest, indent=2).encode()
    return parts | {f"{folder}/{REPORT}-Manifest.json": text for folder in (f"{month}/{assembly}", month)}


def _parts(rows: Sequence[Row]) -> list[Sequence[Row]]:
    size = -(-len(rows) // PARTS)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _digest(files: Mapping[str, bytes]) -> str:
    return sha256(b"".join(name.encode() + sha256(content).digest() for name, content in files.items())).hexdigest()


@cache
def _columns() -> tuple[dict[str, str], ...]:
    """CUR 2.0's columns: name, what it holds, and the legacy header; `map.key` is a header that became a map's key."""
    return tuple(csv.DictReader((files(__package__) / "aws_columns.csv").read_text(encoding="utf-8").splitlines()))


def _parquet(rows: Sequence[Row]) -> bytes:
    """Costs are doubles here, as AWS writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "text": pa.string(),
        "number": pa.float64(),
        "time": pa.timestamp("ms"),
        "texts": pa.map_(pa.string(), pa.string()),
        "numbers": pa.map_(pa.string(), pa.float64()),
    }
    kept = {column["cur2"]: types[column["holds"]] for column in _columns() if column["holds"] != "key"}
    columns = {name: pa.array([_arrow(line.get(name)) for line in rows], holds) for name, holds in kept.items()}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="snappy")
    return sink.getvalue()


def _arrow(value: Any) -> Any:
    match value:
        case Decimal():
            return float(value)
        case datetime():
            return value.replace(tzinfo=None)  # AWS writes UTC without saying so
        case dict():
            return list(value.items())
    return value


def _gzipped_csv(rows: Sequence[Row]) -> bytes:
    headers = {column["legacy"]: column["cur2"].split(".") for column in _columns() if column["legacy"]}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows([[_text(line, *place) for place in headers.values()] for line in rows])
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _text(line: Row, name: str, key: str | None = None) -> str:
    value = line.get(name) if key is None else line[name].get(key)
    match value:
        case None:
            return ""
        case Decimal():
            return number(value)
        case datetime():
            return iso(value)
    return str(value)
