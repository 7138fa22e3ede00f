"""Azure cost exports as Azure writes them: lines of EA and MCA files, and runs with their manifests."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finops_ai.domain.delivery import Refusal
from finops_ai.sources import azure_export
from finops_ai.sources.base import ChargeSource, Keep, Scan
from tests.unit.sources.exports import KEEP, delivered, source

Row = Mapping[str, str]

PROD, DEV = "11111111-0000-4000-8000-00000000000a", "22222222-0000-4000-8000-00000000000b"
BILLING_ACCOUNT = "/providers/Microsoft.Billing/billingAccounts/4711"
TAGS = '"cost-center": "search","env": "prod"'

EA: Row = {
    "BillingAccountId": "4711",
    "BillingAccountName": "Acme",
    "BillingPeriodStartDate": "04/01/2026",
    "SubscriptionId": PROD,
    "SubscriptionName": "prod",
    "Date": "04/01/2026",
    "Product": "D2s v5 - EU West",
    "ServiceFamily": "Compute",
    "MeterCategory": "Virtual Machines",
    "MeterSubCategory": "Dsv5 Series",
    "MeterName": "D2s v5",
    "Quantity": "24",
    "Cost": "2.4",
    "UnitPrice": "0.1",
    "PayGPrice": "0.125",
    "BillingCurrency": "USD",
    "ResourceLocation": "westeurope",
    "ConsumedService": "Microsoft.Compute",
    "Tags": TAGS,
    "UnitOfMeasure": "1 Hour",
    "ChargeType": "Usage",
    "Frequency": "UsageBased",
    "PublisherType": "Azure",
    "PricingModel": "OnDemand",
}

MCA: Row = {
    "billingAccountName": "Acme",
    "billingAccountId": "4711:4712_2019-05-31",
    "billingPeriodStartDate": "04/01/2026",
    "date": "04/01/2026",
    "serviceFamily": "Compute",
    "meterCategory": "Virtual Machines",
    "meterName": "D2s v5",
    "ProductName": "D2s v5",
    "SubscriptionId": PROD,
    "subscriptionName": "prod",
    "resourceLocation": "EU West",
    "unitPrice": "0.1",
    "quantity": "24",
    "unitOfMeasure": "1 Hour",
    "chargeType": "Usage",
    "billingCurrency": "EUR",
    "pricingCurrency": "USD",
    "costInBillingCurrency": "2.16",
    "costInPricingCurrency": "2.4",
    "paygCostInBillingCurrency": "",
    "PayGPrice": "0.125",
    "exchangeRatePricingToBilling": "0.9",
    "tags": '{"cost-center": "search"}',
    "frequency": "UsageBased",
    "pricingModel": "OnDemand",
}

COMMITTED: Row = {
    "PricingModel": "Reservation",
    "Quantity": "48",
    "UnitPrice": "0.5",
    "PayGPrice": "0.6",
    "MeterName": "E8s",
}
PURCHASE: Row = {
    "ChargeType": "Purchase",
    "Frequency": "Recurring",
    "PricingModel": "Reservation",
    "SubscriptionId": "",
    "Tags": "",
    "Quantity": "1",
}


def ea(**columns: str) -> Row:
    return {**EA, **columns}


def mca(**columns: str) -> Row:
    return {**MCA, **columns}


def both(days: Sequence[str] = ("04/01/2026", "04/02/2026")) -> tuple[list[Row], list[Row]]:
    """ActualCost and AmortizedCost of a small bill: usage, a reservation that is used and partly not, its purchase.

    Every day has 2.40 of usage and 12 of reservation used; the purchase of 30 comes on the first day, and what is
    unused of it on the last.
    """
    actual: list[Row] = [ea(**PURCHASE, Date=days[0], Cost="30", Product="Reserved VM fee")]
    amortized: list[Row] = []
    for day in days:
        actual += [ea(Date=day), ea(**COMMITTED, Date=day, Cost="0")]
        amortized += [ea(Date=day), ea(**COMMITTED, Date=day, Cost="12")]
    unused = {**PURCHASE, "ChargeType": "UnusedReservation", "Frequency": "UsageBased"}
    amortized.append(ea(**unused, Date=days[-1], Cost=f"{30 - 12 * len(days)}", Product="Reserved VM fee"))
    return actual, amortized


def text(rows: Sequence[Row], *, delimiter: str = ",", bom: bool = True, end: str = "\r\n") -> bytes:
    """Rows as CSV under the columns that any of them has, with a BOM and CRLF as Azure has it."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names, restval="", delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig" if bom else "utf-8")


def write_run(
    root: Path,
    rows: Sequence[Row],
    *,
    dataset: str = "ActualCost",
    export: str = "",
    run: str = "run-1",
    days: str = "20260401-20260430",
    submitted: str = "2026-04-30T09:00:00.0000000Z",
    until: str | None = None,
    scope: str = BILLING_ACCOUNT,
    parts: int = 1,
    **manifest: Any,
) -> Path:
    """One run in the layout of Exports v2: gzip parts and the manifest that names them."""
    name = export or f"acme-{dataset.removesuffix('Cost').lower()}"
    folder = root / name / days / run
    folder.mkdir(parents=True)
    blobs = []
    for number in range(parts):
        part = rows[number::parts]
        path = folder / f"part_{number}_0001.csv.gz"
        path.write_bytes(gzip.compress(text(part), mtime=0))
        blob = f"exports/{name}/{days}/{run}/{path.name}"
        blobs.append({"blobName": blob, "byteCount": path.stat().st_size, "dataRowCount": len(part)})
    start, end = (f"{day[:4]}-{day[4:6]}-{day[6:]}T00:00:00" for day in days.split("-"))
    told = {
        "manifestVersion": "2024-04-01",
        "blobCount": len(blobs),
        "dataRowCount": len(rows),
        "exportConfig": {
            "exportName": name,
            "resourceId": f"{scope}/providers/Microsoft.CostManagement/exports/{name}",
            "type": dataset,
        },
        "runInfo": {"submittedTime": submitted, "runId": run, "startDate": start, "endDate": until or end},
        "blobs": blobs,
        **manifest,
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(told))
    return path


def azure(uri: Path, keep: Keep = KEEP, **settings: Any) -> ChargeSource:
    return source(azure_export, uri, keep, **settings)


def read(uri: Path, keep: Keep = KEEP, **settings: Any) -> Scan:
    """The scan of the only month under `uri`."""
    made = azure(uri, keep, **settings)
    (delivery,) = delivered(made)
    return made.charges(delivery)


def refused(uri: Path) -> str:
    """What is said of the only month under `uri`, refused while listing."""
    (refusal,) = azure(uri).deliveries(None)
    assert isinstance(refusal, Refusal), refusal
    return "\n".join(str(problem) for problem in refusal.problems)


def messages(scan: Scan) -> str:
    return "\n".join(problem.message for problem in scan.problems)
