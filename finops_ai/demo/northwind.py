"""The demo company's other bill: Northwind GPU Cloud tells it in FOCUS 1.2 and in nothing else."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from hashlib import sha256

from finops_ai.demo.billing import Charge
from finops_ai.demo.meters import NORTHWIND_BILLING, NORTHWIND_PROJECT
from finops_ai.domain.focus import FOCUS_1_2
from finops_ai.domain.money import plain
from finops_ai.domain.period import BillingPeriod

PROVIDER = "Northwind GPU Cloud"


def focus_files(period: BillingPeriod, charges: Sequence[Charge], *, invoiced: bool) -> dict[str, bytes]:
    """One billing period as one gzipped CSV with the 57 columns of FOCUS 1.2."""
    rows = [_row(period, charge, invoiced=invoiced) for charge in charges]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return {f"northwind-focus-{period}.csv.gz": gzip.compress(text.getvalue().encode(), mtime=0)}


def _row(period: BillingPeriod, charge: Charge, *, invoiced: bool) -> dict[str, str]:
    """Null is the empty field; costs are exact."""
    meter, service = charge.meter, charge.meter.service
    metered = meter.terms != "fee"
    sku = f"NW-{sha256(meter.usage_type.encode()).hexdigest()[:8].upper()}"
    resource = f"{service.code}/{meter.name}" if metered else ""
    rate, list_rate, quantity = (plain(value) for value in (meter.rate, meter.list_rate, charge.quantity))
    effective = plain(charge.effective_cost)
    known = {
        "BilledCost": plain(charge.billed_cost),
        "BillingAccountId": NORTHWIND_BILLING.number,
        "BillingAccountName": NORTHWIND_BILLING.name,
        "BillingAccountType": "Organization",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": f"{period.end}T00:00:00Z",
        "BillingPeriodStart": f"{period.start}T00:00:00Z",
        "ChargeCategory": charge.kind,
        "ChargeDescription": f"{service.name}: {meter.usage_type}",
        "ChargeFrequency": "Usage-Based" if metered else "Recurring",
        "ChargePeriodEnd": f"{charge.end:%Y-%m-%dT%H:%M:%SZ}",
        "ChargePeriodStart": f"{charge.start:%Y-%m-%dT%H:%M:%SZ}",
        "ConsumedQuantity": quantity,
        "ConsumedUnit": meter.unit,
        "ContractedCost": plain(charge.billed_cost),
        "ContractedUnitPrice": rate,
        "EffectiveCost": effective,
        "InvoiceId": f"NW-{period}-00417" if invoiced else "",
        "InvoiceIssuerName": PROVIDER,
        "ListCost": plain(charge.list_cost),
        "ListUnitPrice": list_rate,
        "PricingCategory": "Standard",
        "PricingCurrency": "USD",
        "PricingCurrencyContractedUnitPrice": rate,
        "PricingCurrencyEffectiveCost": effective,
        "PricingCurrencyListUnitPrice": list_rate,
        "PricingQuantity": quantity,
        "PricingUnit": meter.unit,
        "ProviderName": PROVIDER,
        "PublisherName": PROVIDER,
        "RegionId": meter.region if metered else "",
        "RegionName": "Frankfurt" if metered else "",
        "ResourceId": resource,
        "ResourceName": meter.name if metered else "",
        "ResourceType": service.product_family if metered else "",
        "ServiceCategory": service.category,
        "ServiceName": service.name,
        "ServiceSubcategory": service.subcategory,
        "SkuId": sku,
        "SkuMeter": meter.usage_type,
        "SkuPriceDetails": json.dumps({"InstanceType": meter.instance_type}) if meter.instance_type else "",
        "SkuPriceId": f"{sku}.1",
        "SubAccountId": NORTHWIND_PROJECT.number,
        "SubAccountName": NORTHWIND_PROJECT.name,
        "SubAccountType": "Project",
        "Tags": json.dumps({key.replace("-", "_"): value for key, value in charge.tags.items()}),  # its own spelling
    }
    return {name: known.get(name, "") for name in FOCUS_1_2}
