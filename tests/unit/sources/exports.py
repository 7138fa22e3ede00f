"""Small exports written as their providers write them, and sources opened over them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.money import total
from finops_ai.sources import aws_cur, focus_files
from finops_ai.sources.base import ChargeSource, Keep, Scan
from finops_ai.world.objects import FolderStore, local_path

Row = Mapping[str, str]

KEEP = Keep(tags=frozenset({"cost-center", "model", "env"}), cost_categories=frozenset())
ALL = Keep(tags=frozenset({"*"}), cost_categories=frozenset({"*"}))

WORLD: Any = SimpleNamespace(
    objects=SimpleNamespace(store=lambda uri, *, endpoint_url=None, region=None: FolderStore(local_path(uri))),
    spark=None,
)
"""A world with nothing but folders in it."""

HEADERS = {
    "bill_invoicing_entity": "bill/InvoicingEntity",
    "bill_payer_account_id": "bill/PayerAccountId",
    "line_item_usage_account_id": "lineItem/UsageAccountId",
    "line_item_line_item_type": "lineItem/LineItemType",
    "line_item_usage_start_date": "lineItem/UsageStartDate",
    "line_item_product_code": "lineItem/ProductCode",
    "line_item_usage_type": "lineItem/UsageType",
    "line_item_operation": "lineItem/Operation",
    "line_item_usage_amount": "lineItem/UsageAmount",
    "line_item_currency_code": "lineItem/CurrencyCode",
    "line_item_unblended_cost": "lineItem/UnblendedCost",
    "product_product_name": "product/ProductName",
    "product_region_code": "product/regionCode",
    "line_item_availability_zone": "lineItem/AvailabilityZone",
    "pricing_unit": "pricing/unit",
    "pricing_public_on_demand_cost": "pricing/publicOnDemandCost",
    "reservation_effective_cost": "reservation/EffectiveCost",
    "reservation_reservation_a_r_n": "reservation/ReservationARN",
    "reservation_unused_amortized_upfront_fee_for_billing_period": (
        "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod"
    ),
    "reservation_unused_recurring_fee": "reservation/UnusedRecurringFee",
    "savings_plan_savings_plan_effective_cost": "savingsPlan/SavingsPlanEffectiveCost",
    "savings_plan_total_commitment_to_date": "savingsPlan/TotalCommitmentToDate",
    "savings_plan_used_commitment": "savingsPlan/UsedCommitment",
    "split_line_item_parent_resource_id": "splitLineItem/ParentResourceId",
}

USAGE: Row = {
    "bill_invoicing_entity": "Amazon Web Services, Inc.",
    "bill_payer_account_id": "000000000001",
    "line_item_usage_account_id": "000000000002",
    "line_item_line_item_type": "Usage",
    "line_item_usage_start_date": "2026-04-01T00:00:00Z",
    "line_item_product_code": "AmazonEC2",
    "line_item_usage_type": "BoxUsage:g5.xlarge",
    "line_item_usage_amount": "1",
    "line_item_currency_code": "USD",
    "line_item_unblended_cost": "1.5",
    "product_product_name": "Amazon Elastic Compute Cloud",
    "product_region_code": "us-east-1",
    "pricing_unit": "Hrs",
}

CHARGE: Row = {
    "BilledCost": "1.5",
    "BillingAccountId": "000000000001",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-04-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargePeriodStart": "2026-04-01T00:00:00Z",
    "ConsumedQuantity": "2",
    "ConsumedUnit": "Hours",
    "ContractedCost": "1.75",
    "EffectiveCost": "1.25",
    "ListCost": "2",
    "ProviderName": "Example Cloud",
    "ServiceName": "Compute",
    "SubAccountId": "007",
    "Tags": '{"cost-center": "search"}',
}


def line(line_item_type: str = "Usage", cost: str = "1.5", **columns: str) -> Row:
    """A CUR line; columns named `tag_x` are the tag user:x."""
    return {**USAGE, "line_item_line_item_type": line_item_type, "line_item_unblended_cost": cost, **columns}


def charge(**columns: str) -> Row:
    return {**CHARGE, **columns}


def csv_text(rows: Sequence[Row], header: Sequence[str] | None = None) -> str:
    """Rows as CSV; the header is every column that some row has."""
    names = header or list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def legacy_csv(rows: Sequence[Row]) -> str:
    """Lines under the headers of a legacy report."""
    named = [{_header(name): value for name, value in row.items()} for row in rows]
    return csv_text(named)


def _header(name: str) -> str:
    return f"resourceTags/user:{name[4:]}" if name.startswith("tag_") else HEADERS.get(name, name)


def write_report(
    root: Path,
    parts: Mapping[str, bytes],
    *,
    period: str = "20260401-20260501",
    assembly: str = "assembly-1",
    report: str = "cur/acme",
    **manifest: Any,
) -> Path:
    """A legacy report of one billing period: chunks in the assembly's folder, the manifest in the period's."""
    folder = root / report / period
    keys = []
    for name, content in parts.items():
        path = folder / assembly / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        keys.append(f"original/prefix/{report}/{period}/{assembly}/{name}")
    name = report.rsplit("/", 1)[-1]
    told = {
        "assemblyId": assembly,
        "billingPeriod": {"start": f"{period[:8]}T000000.000Z", "end": f"{period[9:]}T000000.000Z"},
        "bucket": "example",
        "reportKeys": keys,
        **manifest,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-Manifest.json"
    path.write_text(json.dumps(told))
    return path


def write_lines(root: Path, rows: Sequence[Row], *, parts: int = 1, **report: Any) -> Path:
    """A legacy report whose lines are dealt out to `parts` gzip chunks."""
    chunks = {f"acme-{n + 1:05d}.csv.gz": packed(legacy_csv(rows[n::parts])) for n in range(parts)}
    return write_report(root, chunks, **report)


def packed(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def cur2_table(
    rows: Sequence[Row], cost: Callable[[str], Any] = float, cost_type: pa.DataType | None = None
) -> pa.Table:
    """Lines as a CUR 2.0 table: tags and product as maps, costs as doubles, times as timestamps."""
    columns: dict[str, Any] = {}
    for name in HEADERS:
        values = [row.get(name, "") or None for row in rows]
        if name == "line_item_usage_start_date":
            columns[name] = pa.array([value and datetime.fromisoformat(value).replace(tzinfo=None) for value in values])
        elif name.endswith(("_cost", "_amount", "_fee", "_period", "_to_date", "_commitment")):
            costs = [None if value is None else cost(value) for value in values]
            columns[name] = pa.array(costs, cost_type or pa.float64())
        elif name != "product_product_name":
            columns[name] = pa.array(values, pa.string())
    labels = pa.map_(pa.string(), pa.string())
    tags = [{f"user_{name[4:]}": value for name, value in row.items() if name.startswith("tag_")} for row in rows]
    columns["resource_tags"] = pa.array([list(tag.items()) for tag in tags], labels)
    columns["product"] = pa.array([[("product_name", row.get("product_product_name", ""))] for row in rows], labels)
    return pa.table(columns)


def write_export(
    root: Path,
    parts: Mapping[str, bytes | pa.Table],
    *,
    period: str = "2026-04",
    export: str = "data-exports/acme",
    run: str = "",
    **manifest: Any,
) -> Path:
    """One billing period in the Data Exports layout."""
    partition = f"BILLING_PERIOD={period}"
    names = []
    for name, content in parts.items():
        path = root / export / "data" / partition / run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            parquet.write_table(content, path)
        inside = "/".join(filter(None, ("data", partition, run, name)))
        names.append(f"s3://original-bucket/original/prefix/{export.rsplit('/', 1)[-1]}/{inside}")
    path = root / export / "metadata" / partition / run / f"{export.rsplit('/', 1)[-1]}-Manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"executionId": "e1", "billingPeriod": period, "dataFiles": names, **manifest}))
    return path


def source(module: ModuleType, uri: Path | str, keep: Keep = KEEP, **settings: Any) -> ChargeSource:
    made: ChargeSource = module.make(module.Settings(name="bill", uri=str(uri), **settings), WORLD, keep)
    return made


def cur(uri: Path, keep: Keep = KEEP, **settings: Any) -> ChargeSource:
    return source(aws_cur, uri, keep, **settings)


def focus(uri: Path, keep: Keep = KEEP, **settings: Any) -> ChargeSource:
    return source(focus_files, uri, keep, **settings)


def delivered(of: ChargeSource) -> list[Delivery]:
    """All deliveries; a refusal fails the test."""
    found = list(of.deliveries(None))
    assert not [item for item in found if isinstance(item, Refusal)], found
    return [item for item in found if isinstance(item, Delivery)]


def scanned(of: ChargeSource) -> Scan:
    """The only delivery of a source."""
    (delivery,) = delivered(of)
    return of.charges(delivery)


def facts(scans: Scan | Iterable[Scan]) -> list[dict[str, Any]]:
    """Facts with their dimensions, tags as mappings."""
    rows = []
    for scan in [scans] if isinstance(scans, Scan) else scans:
        dimensions = {row["dimension"]: row for row in scan.dimensions.to_pylist()}
        for fact in scan.facts.to_pylist():
            row = {**dimensions[fact["dimension"]], **fact}
            rows.append(
                {**row, "tags": json.loads(row["tags"]), "x_cost_categories": json.loads(row["x_cost_categories"])}
            )
    return rows


def sums(
    scans: Scan | Iterable[Scan], key: str | Callable[[dict[str, Any]], Any], measure: str = "billed_cost"
) -> dict[Any, Decimal]:
    """A measure by a dimension (or a function of the row), all of it exact."""
    grouped: dict[Any, list[Decimal]] = defaultdict(list)
    for row in facts(scans):
        grouped[key(row) if callable(key) else row[key]].append(row[measure])
    return {name: total(amounts) for name, amounts in grouped.items()}


def by_tag(name: str, missing: str = "(untagged)") -> Callable[[dict[str, Any]], str]:
    return lambda row: row["tags"].get(name, missing)
