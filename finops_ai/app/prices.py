"""List prices asked of a provider's catalogue, or read from its recorded answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from finops_ai.domain.errors import Unavailable, UsageError
from finops_ai.domain.list_price import ListPrice
from finops_ai.domain.money import plain
from finops_ai.world.secrets import Secrets

RATES = ("cpu_core_hour", "memory_gib_hour")


def list_prices(
    environ: Mapping[str, str], catalogue: str, service: str, currency: str, file: Path | None, endpoint_url: str | None
) -> list[ListPrice]:
    """List prices of one service. Raises UsageError for an unknown catalogue or service."""
    try:
        answer = file.read_bytes() if file else None
    except OSError as error:
        raise Unavailable(f"{file}: {error.strerror or error}") from None
    found: list[ListPrice] = _of(catalogue).list_prices(Secrets(environ), service, currency, answer, endpoint_url)
    return found


def machine_rates(catalogue: str, prices: Iterable[ListPrice], family: str, region: str) -> list[dict[str, Any]]:
    """The rates that `recommend.prices` may be set to. Raises UsageError when the catalogue does not tell both."""
    found: Mapping[str, ListPrice] = _of(catalogue).machine_rates(prices, family, region)
    if missing := [name for name in RATES if name not in found]:
        told = ", ".join(missing)
        raise UsageError(f"the catalogue does not tell one on-demand price of {told} for {family} in {region}")
    return [
        {
            "setting": f"recommend.prices.{name}",
            "value": plain(price.tiers[0].unit_price),
            "currency": price.currency,
            "sku_id": price.sku_id,
            "description": price.description,
        }
        for name, price in found.items()
    ]


def shown(prices: Iterable[ListPrice], region: str | None, text: str) -> Iterator[dict[str, Any]]:
    """One row per tier of the prices that hold in `region` and whose description has `text` in it."""
    for price in prices:
        if (region is None or price.holds_in(region)) and text.casefold() in price.description.casefold():
            for tier in price.tiers:
                yield {
                    "sku_id": price.sku_id,
                    "description": price.description,
                    "pricing_category": price.pricing_category,
                    "regions": " ".join(price.regions),
                    "unit": price.unit,
                    "from": _quantity(tier.start),
                    "unit_price": plain(tier.unit_price),
                    "currency": price.currency,
                    "added_up": price.added_up,
                    "effective_from": price.effective_from.isoformat() if price.effective_from else None,
                }


def _of(catalogue: str) -> ModuleType:
    from finops_ai.kinds import CATALOGUES

    if catalogue not in CATALOGUES:
        raise UsageError(f"there is no catalogue {catalogue!r}; known are {', '.join(sorted(CATALOGUES))}")
    return CATALOGUES[catalogue]


def _quantity(quantity: Decimal) -> str:
    return format(quantity.normalize(), "f")
