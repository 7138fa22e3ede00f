"""The columns of a charge: FOCUS 1.2 names in snake_case, our own with the prefix x_."""

from __future__ import annotations

UNTAGGED = "(untagged)"
"""Cost center of a charge that no rule could place: a value like any other, never a dropped row."""

NONE = "(none)"
"""AI model or environment of a charge that has none."""

DIMENSIONS: tuple[str, ...] = (
    "provider_name",
    "invoice_issuer_name",
    "billing_account_id",
    "billing_account_name",
    "sub_account_id",
    "sub_account_name",
    "service_category",
    "service_name",
    "x_service_code",
    "x_sku_group",
    "region_id",
    "charge_category",
    "charge_class",
    "charge_frequency",
    "pricing_category",
    "billing_currency",
    "consumed_unit",
    "tags",
    "x_cost_categories",
)
"""What a source tells of a charge at the grain of the cube. All text; '' stands for null.

`x_sku_group` is the provider's usage type or meter; `tags` and `x_cost_categories` are JSON objects
with sorted canonical keys (see `canonical_tag`) that hold only the keys kept by configuration.
"""

ALLOCATED: tuple[str, ...] = ("x_cost_center", "x_ai_model", "x_environment", "x_allocation_rule")
"""What allocation adds to a dimension tuple."""

MEASURES: tuple[str, ...] = (
    "billed_cost",
    "effective_cost",
    "list_cost",
    "contracted_cost",
    "consumed_quantity",
)
"""What is summed: four costs in `billing_currency`, one quantity in `consumed_unit`."""

BY_HOUR: tuple[str, ...] = ("billed_cost", "effective_cost")
"""Costs that are also kept by the hour, where a source is asked for hours: floats, to be judged and never shown."""

FOCUS_1_2: tuple[str, ...] = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
)
"""The 57 columns of FOCUS 1.2, in the order of the specification's column library."""

AMOUNTS = frozenset(name for name in FOCUS_1_2 if name.endswith(("Cost", "Quantity", "UnitPrice")))

INSTANTS = frozenset({"BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"})

CHARGE_CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")

COST_BASES = ("billed", "effective")


def canonical_tag(key: str) -> str:
    """One spelling of a tag key for all providers: lower case, `-` for `_`, no provider prefix.

    `resourceTags/user:Cost_Center`, `user_cost_center`, `user:cost-center` and `cost-center` are one key.
    """
    text = key.strip()
    for prefix in ("resourceTags/", "costCategory/"):
        text = text.removeprefix(prefix)
    text = text.lower().replace("_", "-")
    for prefix in ("user:", "user-", "aws:user:", "label/", "labels/"):
        if text.startswith(prefix) and len(text) > len(prefix):
            text = text[len(prefix) :]
            break
    return text
