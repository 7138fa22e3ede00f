"""Google Cloud's catalogue of SKUs as list prices, and the rates of a core and of memory that it tells of a machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from finops_ai.domain.errors import Malformed, Problem, UsageError
from finops_ai.domain.list_price import ListPrice, Tier
from finops_ai.domain.money import EXACT
from finops_ai.world.cloud_billing import CloudBilling
from finops_ai.world.secrets import Secrets

CATEGORIES = {"OnDemand": "Standard", "Preemptible": "Dynamic"}
"""FOCUS pricing categories; every other usage type is a commitment's."""

NANOS = Decimal(1).scaleb(-9)
PARTS = {"Core": "cpu_core_hour", "Ram": "memory_gib_hour"}
UNITS = {"cpu_core_hour": "h", "memory_gib_hour": "GiBy.h"}


def list_prices(
    secrets: Secrets, service: str, currency: str, recorded_answer: bytes | None, endpoint_url: str | None
) -> list[ListPrice]:
    """List prices of one service, asked of Google or read from a recorded answer.

    Raises UsageError when the catalogue has no such service, Malformed and Unavailable.
    """
    if recorded_answer is not None:
        return list(prices(recorded(recorded_answer, "recorded answer")))
    billing = CloudBilling(secrets, endpoint_url=endpoint_url)
    names = {str(found.get("displayName")): str(found["name"]) for found in billing.services()}
    wanted = {name.casefold(): path for name, path in names.items()}.get(service.casefold())
    if wanted is None:
        near = [name for name in sorted(names) if service.casefold() in name.casefold()][:5]
        raise UsageError(f"the catalogue has no service {service!r}" + (f"; it has {', '.join(near)}" if near else ""))
    return list(prices(billing.skus(wanted, currency)))


def prices(skus: Iterable[Mapping[str, Any]]) -> Iterator[ListPrice]:
    """The newest price of each SKU as the catalogue's REST API writes them; a SKU that tells no price is left out.

    Raises Malformed when a price is told that is none.
    """
    for sku in skus:
        told = [info for info in sku.get("pricingInfo", ()) if info.get("pricingExpression", {}).get("tieredRates")]
        if told:
            newest = max(told, key=lambda info: str(info.get("effectiveTime", "")))
            try:
                yield _price(sku, newest)
            except (KeyError, TypeError, ValueError, InvalidOperation, AttributeError) as error:
                message = f"the catalogue tells no usable price: {type(error).__name__}: {error}"
                raise Malformed([Problem(file=str(sku.get("name", "catalogue")), message=message)]) from error


def recorded(text: bytes, name: str) -> list[Mapping[str, Any]]:
    """The SKUs of a recorded answer of `services/ID/skus`. Raises Malformed."""
    try:
        skus = json.loads(text)["skus"]
        if not all(isinstance(sku, dict) for sku in skus):
            raise TypeError("not every SKU is an object")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"is no answer of the catalogue (a JSON object with `skus`): {type(error).__name__}: {error}"
        raise Malformed([Problem(file=name, message=message)]) from error
    return list(skus)


def machine_rates(found: Iterable[ListPrice], family: str, region: str) -> dict[str, ListPrice]:
    """On-demand price of a core hour and of a GiB hour of memory of a machine family such as n2, by the names that
    `recommend.prices` has for them; only those that the catalogue tells once.
    """
    pattern = re.compile(rf"{re.escape(family)} (?:.* )?Instance (Core|Ram) running in ", re.IGNORECASE)
    rates: dict[str, list[ListPrice]] = {}
    for price in found:
        part = pattern.match(price.description)
        if part and price.pricing_category == "Standard" and price.holds_in(region):
            name = PARTS[part[1].capitalize()]
            if price.unit == UNITS[name] and "Custom" not in price.description:
                rates.setdefault(name, []).append(price)
    return {name: prices[0] for name, prices in sorted(rates.items()) if len(prices) == 1}


def _price(sku: Mapping[str, Any], info: Mapping[str, Any]) -> ListPrice:
    expression, category = info["pricingExpression"], sku.get("category", {})
    rates = expression["tieredRates"]
    currencies = {rate["unitPrice"]["currencyCode"] for rate in rates}
    if len(currencies) != 1:
        raise ValueError(f"one price in {len(currencies)} currencies")
    since = info.get("effectiveTime")
    added = info.get("aggregationInfo", {})
    usage_type = str(category.get("usageType", ""))
    return ListPrice(
        provider_name="Google Cloud",
        service_name=str(category.get("serviceDisplayName", "")),
        sku_id=str(sku["skuId"]),
        description=str(sku.get("description", "")),
        sku_group=str(category.get("resourceGroup", "")),
        pricing_category=CATEGORIES.get(usage_type, "Committed") if usage_type else "Standard",
        regions=tuple(str(region) for region in sku.get("serviceRegions", ())),
        unit=str(expression["usageUnit"]),
        currency=currencies.pop(),
        tiers=tuple(_tier(rate) for rate in rates),
        added_up=f"{added['aggregationLevel']}, {added['aggregationInterval']}".lower() if len(added) > 1 else "",
        effective_from=datetime.fromisoformat(str(since)) if since else None,
    )


def _tier(rate: Mapping[str, Any]) -> Tier:
    price = rate["unitPrice"]
    nanos = EXACT.multiply(Decimal(int(price.get("nanos", 0))), NANOS)
    return Tier(
        start=Decimal(str(rate.get("startUsageAmount", 0))),
        unit_price=EXACT.add(Decimal(int(price.get("units", 0))), nanos),
    )
