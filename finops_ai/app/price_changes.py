"""Dated prices of AI models that begin on a day: what may change a cost though nobody changed a workload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time

from finops_ai.allocation.model_prices import ModelPrice
from finops_ai.domain.change import NearbyChange
from finops_ai.domain.period import Days


class PriceChanges:
    """A price that follows an earlier one of its model; the first of a model changes nothing."""

    name = "price-lists"

    def __init__(self, prices: Sequence[ModelPrice]) -> None:
        self._prices = prices

    def changes(self, days: Days) -> Iterator[NearbyChange]:
        for price in self._prices:
            earlier = [one for one in self._prices if one.model == price.model and one.valid_from < price.valid_from]
            if not earlier or price.valid_from not in days:
                continue
            before = max(earlier, key=lambda one: one.valid_from)
            moved = sorted(name for name in price.meters if price.meters[name] != before.meters.get(name))
            if not moved:
                continue
            told = ", ".join(f"{name} {before.meters.get(name, 'new')} → {price.meters[name]}" for name in moved)
            yield NearbyChange(
                source=self.name,
                key=f"{price.model}@{price.valid_from.isoformat()}",
                kind="price",
                what=f"list price of {price.model}: {told} {price.currency}",
                who=price.provider,
                at=datetime.combine(price.valid_from, time(), UTC),
                places=tuple({"x_ai_model": name} for name in dict.fromkeys((price.model, *price.names))),
            )
