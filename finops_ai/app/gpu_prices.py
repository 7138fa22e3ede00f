"""What an hour of a GPU costs: as configured, else as the bill charged it, else unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops_ai.domain.gpu import HOURS_OF_UNIT, is_model, words
from finops_ai.domain.money import EXACT
from finops_ai.domain.period import Days

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from finops_ai.rightsizing.settings import Prices

_CHIP = re.compile(r"[a-z]{1,2}\d{1,4}[a-z]?")
_FORM = re.compile(r"sxm\d|(\d+)gb|nvl\d*|pg\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of one hour of a whole device. `basis` tells where it is from."""

    amount: Decimal
    currency: str
    basis: str


def gpu_prices(
    engine: Engine, models: Iterable[str], configured: Prices, days: Days, as_of: datetime
) -> dict[str, Price]:
    """Prices by model, those that are known. `days`: what of the bill is asked where none is configured."""
    found: dict[str, Price] = {}
    charged: list[Mapping[str, Any]] | None = None
    for model in models:
        names = [name for name in configured.gpu_hour if is_model(name, model)]
        if names:
            name = max(names, key=len)
            amount = configured.gpu_hour[name]
            found[model] = Price(amount=amount, currency=configured.currency, basis=f"recommend.prices.gpu_hour.{name}")
            continue
        if charged is None:
            charged = _charged(engine, days, as_of)
        if price := _of_bill(model, charged):
            found[model] = price
    return found


def _charged(engine: Engine, days: Days, as_of: datetime) -> list[Mapping[str, Any]]:
    """Charges of GPUs alone, by the hour or second."""
    from finops_ai.ledger.costs import CostQuery, costs

    query = CostQuery(
        days=days,
        group_by=("x_sku_group", "consumed_unit"),
        where=(("charge_category", "Usage"),),
        currency=None,
        as_of=as_of,
    )
    return [
        row
        for row in costs(engine, query)
        if " gpu " in words(row["x_sku_group"])
        and str(row["consumed_unit"]).lower() in HOURS_OF_UNIT
        and (row["consumed_quantity"] or 0) > 0
        and row["effective_cost"] > 0
    ]


def _of_bill(model: str, charged: Iterable[Mapping[str, Any]]) -> Price | None:
    """What the bill took on average for this chip; None where it names none, or took two currencies.

    A name with another memory size is another device.
    """
    chip, size = _chip(model)
    mine = [row for row in charged if chip and _fits(chip, size, *_chip(row["x_sku_group"]))]
    currencies = {row["currency"] for row in mine}
    if len(currencies) != 1:
        return None
    cost = sum((row["effective_cost"] for row in mine), Decimal(0))
    hours = sum((row["consumed_quantity"] / HOURS_OF_UNIT[row["consumed_unit"].lower()] for row in mine), Decimal(0))
    names = ", ".join(sorted({str(row["x_sku_group"]) for row in mine}))
    return Price(amount=EXACT.divide(cost, hours), currency=currencies.pop(), basis=f"bill: {names}")


def _fits(chip: str, size: str | None, other_chip: str | None, other_size: str | None) -> bool:
    return chip == other_chip and (size == other_size or None in (size, other_size))


def _chip(name: str) -> tuple[str | None, str | None]:
    """The chip (`a100`) and the memory size (`80`) that a name tells."""
    told = words(name).split()
    size = next((found[1] for word in told if (found := _FORM.fullmatch(word)) and found[1]), None)
    return next((word for word in told if _CHIP.fullmatch(word) and not _FORM.fullmatch(word)), None), size
