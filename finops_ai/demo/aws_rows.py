"""What AWS writes about a charge, under the column names of CUR 2.0."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from finops_ai.demo.billing import Charge, at
from finops_ai.demo.meters import PAYER
from finops_ai.domain.period import BillingPeriod

Row = Mapping[str, Any]

_SELLER = "Amazon Web Services, Inc."
_PLAN_ARN = f"arn:aws:savingsplans::{PAYER.number}:savingsplan/5b0c2f7d81aa4e36"
_RESERVATION_ARN = f"arn:aws:rds:us-east-1:{PAYER.number}:ri:pelican-risk-2025-11"
_LOCATIONS = {"us-east-1": "US East (N. Virginia)", "us-west-2": "US West (Oregon)"}


def row(period: BillingPeriod, charge: Charge, *, invoiced: bool) -> dict[str, Any]:
    """A charge under CUR 2.0's column names; what is not in it is null."""
    meter, service = charge.meter, charge.meter.service
    identity = sha256(f"{meter.name}|{charge.kind}|{charge.start.isoformat()}".encode()).hexdigest()
    return {
        "bill_bill_type": "Refund" if charge.kind == "Refund" else "Anniversary",
        "bill_billing_entity": "AWS",
        "bill_billing_period_end_date": at(period.end),
        "bill_billing_period_start_date": at(period.start),
        "bill_invoice_id": f"2{period.start:%y%m}70417" if invoiced else None,
        "bill_invoicing_entity": _SELLER,
        "bill_payer_account_id": PAYER.number,
        "bill_payer_account_name": PAYER.name,
        "identity_line_item_id": identity[:40],
        "identity_time_interval": f"{iso(charge.start)}/{iso(charge.end)}",
        "line_item_blended_cost": charge.billed_cost,
        "line_item_currency_code": "USD",
        "line_item_legal_entity": _SELLER,
        "line_item_line_item_description": f"{charge.kind} {meter.usage_type}".strip(),
        "line_item_line_item_type": charge.kind,
        "line_item_operation": meter.operation or None,
        "line_item_product_code": service.code,
        "line_item_unblended_cost": charge.billed_cost,
        "line_item_usage_account_id": meter.account.number,
        "line_item_usage_account_name": meter.account.name,
        "line_item_usage_amount": charge.quantity,
        "line_item_usage_end_date": charge.end,
        "line_item_usage_start_date": charge.start,
        "line_item_usage_type": meter.usage_type or None,
        "pricing_currency": "USD",
        "product": {"product_name": service.name, "region": meter.region},
        "resource_tags": {f"user_{key.replace('-', '_')}": value for key, value in charge.tags.items()},
        "cost_category": {},
        "discount": {},
        **_terms(charge),
    }


def _terms(charge: Charge) -> dict[str, Any]:
    """Columns that only some kinds of line fill."""
    plan = {"savings_plan_savings_plan_a_r_n": _PLAN_ARN, "savings_plan_region": charge.meter.region}
    reservation = {"reservation_reservation_a_r_n": _RESERVATION_ARN}
    match charge.kind:
        case "Usage":
            return _product(charge)
        case "SavingsPlanCoveredUsage":
            return {
                **_product(charge),
                **plan,
                "savings_plan_offering_type": "ComputeSavingsPlans",
                "savings_plan_payment_option": "No Upfront",
                "savings_plan_purchase_term": "1yr",
                "savings_plan_savings_plan_rate": number(charge.meter.rate),
                "savings_plan_savings_plan_effective_cost": charge.effective_cost,
            }
        case "SavingsPlanNegation":
            return {**_product(charge), **plan, "line_item_resource_id": None, "pricing_public_on_demand_cost": None}
        case "SavingsPlanRecurringFee":
            return {
                **plan,
                "savings_plan_recurring_commitment_for_billing_period": charge.billed_cost,
                "savings_plan_total_commitment_to_date": charge.billed_cost,
                "savings_plan_used_commitment": charge.used,
            }
        case "DiscountedUsage":
            return {
                **_product(charge),
                **reservation,
                "pricing_term": "Reserved",
                "reservation_amortized_upfront_cost_for_usage": Decimal(0),
                "reservation_effective_cost": charge.effective_cost,
                "reservation_recurring_fee_for_usage": charge.effective_cost,
            }
        case "RIFee":
            return {
                **reservation,
                "reservation_amortized_upfront_fee_for_billing_period": Decimal(0),
                "reservation_unused_amortized_upfront_fee_for_billing_period": Decimal(0),
                "reservation_unused_recurring_fee": charge.effective_cost,
                "reservation_unused_quantity": "0",
            }
        case "Tax":
            return {"line_item_tax_type": "USSalesTax"}
    return {}


def _product(charge: Charge) -> dict[str, Any]:
    meter, service = charge.meter, charge.meter.service
    sku = sha256(meter.usage_type.encode()).hexdigest()[:12].upper()
    rate = number(charge.billed_cost / charge.quantity)
    return {
        "line_item_availability_zone": f"{meter.region}a" if meter.instance_type else None,
        "line_item_blended_rate": rate,
        "line_item_resource_id": _resource_id(charge),
        "line_item_unblended_rate": rate,
        "pricing_public_on_demand_cost": charge.list_cost,
        "pricing_public_on_demand_rate": number(meter.list_rate),
        "pricing_rate_code": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
        "pricing_term": "OnDemand",
        "pricing_unit": meter.unit,
        "product_instance_type": meter.instance_type or None,
        "product_location": _LOCATIONS[meter.region],
        "product_operation": meter.operation or None,
        "product_product_family": service.product_family,
        "product_region_code": meter.region,
        "product_servicecode": service.code,
        "product_sku": sku,
        "product_usagetype": meter.usage_type,
    }


def _resource_id(charge: Charge) -> str:
    meter = charge.meter
    if meter.operation.startswith("RunInstances"):
        return f"i-0{sha256(meter.name.encode()).hexdigest()[:16]}"
    product = meter.service.code.removeprefix("Amazon").lower()
    return f"arn:aws:{product}:{meter.region}:{meter.account.number}:{meter.name}"


def number(value: Decimal) -> str:
    return f"{value.normalize():f}"


def iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
