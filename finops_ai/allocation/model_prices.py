"""Dated prices of AI models: what use would cost by the published price of its day, always an estimate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.money import EXACT, QUANTUM

MILLION = Decimal(1_000_000)
TOKENS, GPU_HOURS = "Tokens", "GPU-Hours"
PER = {TOKENS: MILLION, "Characters": MILLION, "Seconds": Decimal(60)}
"""Units of consumption in one unit of price: a million tokens, a million characters, a minute; else 1."""

PRICED_AS = {TOKENS: "1M tokens", "Characters": "1M characters", "Seconds": "minute", "Requests": "request"} | {
    "Images": "image",
    GPU_HOURS: "GPU hour",
    "Searches": "search",
    "Sessions": "session",
}
_DATED = re.compile(r"(?:-\d{4}-\d{2}-\d{2}|-\d{8})$")

Amount = Annotated[Decimal, Field(ge=0, max_digits=38, decimal_places=18)]


class ModelPrice(BaseModel):
    """What a model costs from a day on, by meter: per million tokens, per minute, per image, per request.

    `meters` are named as the ledger's x_sku_group has them: input, cached input, cache write 5m input, output, audio
    input, images, transcription and so on. A price holds until the next one of its model; history is never priced
    anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1)]
    names: tuple[str, ...] = ()
    provider: str = ""
    valid_from: date
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    meters: Annotated[dict[str, Amount], Field(min_length=1)]
    batch_factor: Annotated[Decimal, Field(ge=0, le=1)] | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The price of one meter on one day: `amount` for each `PER[unit]`."""

    amount: Decimal
    currency: str
    valid_from: date

    def of(self, quantity: Decimal, unit: str) -> Decimal:
        """What `quantity` comes to, to 18 decimals."""
        per = PER.get(unit, Decimal(1))
        return EXACT.divide(EXACT.multiply(quantity, self.amount), per).quantize(QUANTUM, context=EXACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """Prices by name; `aliases` say which model a gateway's own name means."""

    prices: Mapping[str, tuple[ModelPrice, ...]]
    aliases: Mapping[str, str]

    @classmethod
    def of(cls, told: Iterable[ModelPrice], aliases: Mapping[str, str]) -> PriceTable:
        """Later prices in `told` come before earlier ones of the same model and day."""
        found: dict[str, dict[date, ModelPrice]] = {}
        for price in told:
            for name in (price.model, *price.names):
                found.setdefault(_key(name), {})[price.valid_from] = price
        return cls(
            prices={name: tuple(by_day[day] for day in sorted(by_day)) for name, by_day in found.items()},
            aliases={_key(name): model for name, model in aliases.items()},
        )

    def canonical(self, model: str) -> str:
        """One name for a model: aliases followed; provider prefix and date of release taken off."""
        key = _key(model)
        bare = key.rpartition("/")[2]
        key = _key(self.aliases.get(key) or self.aliases.get(bare) or bare)
        undated = _DATED.sub("", key)
        found = self.prices.get(key) or self.prices.get(undated)
        return _key(found[0].model) if found else undated

    def price(self, model: str, meter: str, day: date, *, batch: bool = False) -> Priced | None:
        """The price of a meter on a day; None where no price is known: it is unknown, not 0."""
        dated = [price for price in self.prices.get(self.canonical(model), ()) if price.valid_from <= day]
        amount = dated[-1].meters.get(meter) if dated else None
        if amount is None or (batch and dated[-1].batch_factor is None):
            return None
        if batch:
            amount = EXACT.multiply(amount, dated[-1].batch_factor or Decimal(1))
        return Priced(amount=amount, currency=dated[-1].currency, valid_from=dated[-1].valid_from)


def _key(name: str) -> str:
    return name.strip().lower()
