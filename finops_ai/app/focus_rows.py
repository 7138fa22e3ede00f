"""Charges in the columns of the FOCUS 1.2 export, all as text: from lines read again or from rows of the cube."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops_ai.allocation.apply import allocate
from finops_ai.allocation.rules import Rules
from finops_ai.domain.conformance import focus_unit, issuer_name
from finops_ai.domain.focus import AMOUNTS, DIMENSIONS, FOCUS_1_2
from finops_ai.domain.period import BillingPeriod

if TYPE_CHECKING:
    import pyarrow as pa

ALLOCATED = {"x_CostCenter": "x_cost_center", "x_AiModel": "x_ai_model", "x_Environment": "x_environment"}
COLUMNS = (*FOCUS_1_2, "x_ServiceCode", *ALLOCATED, "x_Source", "x_InvoicingEntity", "x_Grain")
"""`x_InvoicingEntity` is the issuer as the bill names it; `x_Grain` says whether a row is a `line` or a `day`."""

UNITS = ("CommitmentDiscountUnit", "ConsumedUnit", "PricingUnit")
BATCH_ROWS = 20_000


def of_lines(batch: pa.RecordBatch, source: str, rules: Rules) -> pa.Table:
    """Charges of `DetailSource.rows` with their owner: the rules see what they saw when the bill was loaded."""
    import pyarrow as pa

    dimensions = pa.table(dict(zip(DIMENSIONS, batch["dimensions"].flatten(), strict=True)))
    dimensions = dimensions.append_column("dimension", pa.array(range(batch.num_rows), pa.int32()))
    placed = allocate(dimensions, rules)
    columns = {name: batch[name] for name in FOCUS_1_2}
    columns |= {name: placed[column] for name, column in ALLOCATED.items()}
    return _conforming({**columns, "x_ServiceCode": placed["x_service_code"]}, source, "line")


def of_cube(charges: Sequence[Mapping[str, Any]], source: str) -> pa.Table:
    """Rows of `ledger.costs.finest`; what a bill tells only per line is null."""
    import pyarrow as pa

    rows = [_row(charge) for charge in charges]
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in COLUMNS}
    return _conforming(columns, source, "day")


def summed(table: pa.Table, names: Sequence[str]) -> dict[str, tuple[int, tuple[Decimal, ...]]]:
    """Rows and sums of the amounts `names` by billing currency."""
    import pyarrow as pa

    amounts = {name: table[name].cast(pa.decimal128(38, 18)) for name in names}
    grouped = pa.table({"currency": table["BillingCurrency"], **amounts}).group_by("currency")
    found = grouped.aggregate([("currency", "count"), *((name, "sum") for name in names)]).to_pylist()
    return {row["currency"]: (row["currency_count"], tuple(row[f"{name}_sum"] for name in names)) for row in found}


def _row(charge: Mapping[str, Any]) -> dict[str, str | None]:
    period = BillingPeriod.parse(str(charge["billing_period"]))
    day = charge["day"]
    text = {name: value or None for name, value in charge.items() if isinstance(value, str)}
    tags = charge["tags"] or {}
    is_used = charge["charge_category"] == "Usage" and text["consumed_unit"] and charge["consumed_quantity"] is not None
    told = {
        "BilledCost": charge["billed_cost"],
        "EffectiveCost": charge["effective_cost"],
        "ListCost": charge["list_cost"],
        "ContractedCost": charge["contracted_cost"],
        "ConsumedQuantity": charge["consumed_quantity"] if is_used else None,
        "ConsumedUnit": text["consumed_unit"] if is_used else None,
        "PricingQuantity": charge["consumed_quantity"] if is_used else None,
        "PricingUnit": text["consumed_unit"] if is_used else None,
        "BillingAccountId": text["billing_account_id"],
        "BillingAccountName": text["billing_account_name"] or text["billing_account_id"],
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
        "ServiceSubcategory": f"Other ({text['service_category'] or 'Other'})",
        "SubAccountId": text["sub_account_id"],
        "SubAccountName": text["sub_account_name"] or text["sub_account_id"],
        "Tags": json.dumps(tags, ensure_ascii=False, sort_keys=True) if tags else None,
        "x_ServiceCode": text["x_service_code"],
        **{name: text[column] for name, column in ALLOCATED.items()},
    }
    return {name: _plain(value) if name in AMOUNTS and value is not None else value for name, value in told.items()}


def _conforming(columns: Mapping[str, Any], source: str, grain: str) -> pa.Table:
    """The columns in their order; units and issuers as FOCUS spells them, nothing said as null."""
    import pyarrow as pa

    table = dict(columns)
    rows = len(table["BilledCost"])
    issuers, providers = (table[name].to_pylist() for name in ("InvoiceIssuerName", "ProviderName"))
    told = zip(issuers, providers, strict=True)
    named = [issuer_name(issuer, provider) if issuer else provider for issuer, provider in told]
    table |= {name: _respelled(table[name], focus_unit) for name in UNITS}
    table["InvoiceIssuerName"] = pa.array(named, pa.string())
    table |= {"x_InvoicingEntity": pa.array(issuers, pa.string()), "x_Source": pa.repeat(source, rows)}
    table["x_Grain"] = pa.repeat(grain, rows)
    table["x_ServiceCode"] = _respelled(table["x_ServiceCode"], str)
    return pa.table({name: table[name] for name in COLUMNS})


def _respelled(column: Any, spell: Callable[[str], str]) -> pa.Array:
    """Each distinct text spelled once; '' becomes null."""
    import pyarrow as pa

    encoded = (column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column).dictionary_encode()
    spelled = pa.array([spell(text) or None for text in encoded.dictionary.to_pylist()], pa.string())
    return spelled.take(encoded.indices)


def _plain(amount: Decimal) -> str:
    """A decimal without an exponent and without zeros that say nothing."""
    text = format(amount, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) if amount else "0"
