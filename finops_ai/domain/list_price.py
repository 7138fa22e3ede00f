"""A provider's list price: what an amount of use costs, tier by tier, from an instant on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from finops_ai.domain.money import EXACT, Money, total


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """From `start` units on, each further unit costs `unit_price`."""

    start: Decimal
    unit_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPrice:
    """What a SKU costs per `unit`, in `currency`, from `effective_from` on, in the regions named (none: everywhere).

    `tiers` begin at 0 and rise. Where use is added up before the tiers apply, `added_up` says over whom and how long,
    such as "account, monthly".
    """

    provider_name: str
    service_name: str
    sku_id: str
    description: str
    sku_group: str
    pricing_category: str
    regions: tuple[str, ...]
    unit: str
    currency: str
    tiers: tuple[Tier, ...]
    added_up: str = ""
    effective_from: datetime | None = None

    def __post_init__(self) -> None:
        starts = [tier.start for tier in self.tiers]
        if not starts or starts[0] != 0 or any(start >= after for start, after in pairwise(starts)):
            raise ValueError(f"tiers begin at 0 and rise, not {[str(start) for start in starts]}")

    def cost(self, quantity: Decimal) -> Money:
        """Cost of `quantity` units that are used within one span over which use is added up.

        Raises ValueError for less than nothing.
        """
        if quantity < 0:
            raise ValueError(f"nobody uses {quantity} {self.unit}")
        ends: Sequence[Decimal] = [*(tier.start for tier in self.tiers[1:]), max(quantity, self.tiers[-1].start)]
        parts = (
            EXACT.multiply(EXACT.subtract(min(quantity, end), tier.start), tier.unit_price)
            for tier, end in zip(self.tiers, ends, strict=True)
            if quantity > tier.start
        )
        return Money(total(parts), self.currency)

    def holds_in(self, region: str) -> bool:
        return not self.regions or region in self.regions or "global" in self.regions
