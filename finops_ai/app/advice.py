"""Advice from what the ledger knows: GPUs, volumes, idle workloads, dearer models than needed; most money first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops_ai.allocation.model_prices import PRICED_AS, TOKENS
from finops_ai.app.gpu_prices import gpu_prices
from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.ledger import usage
from finops_ai.rightsizing import accelerators, idle, model_advice, predictive, volumes
from finops_ai.rightsizing.advice import NONE, Advice

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from finops_ai.app.models import Models
    from finops_ai.rightsizing.settings import Prices, Settings

COLUMNS = ("kind", "about", "advice", "saving_low", "saving_high", "currency", "rate")
BILL_DAYS = 62


def advice(engine: Engine, prices: Prices, settings: Settings, models: Models) -> list[dict[str, Any]]:
    """Rows of `COLUMNS` and `evidence`; the kind `none` tells of what too little is known.

    `models` tells of the days and the instant that are asked for.
    """
    as_of = models.as_of
    gpus, containers = usage.gpus(engine, as_of), usage.usages(engine, as_of)
    found = [
        *accelerators.advise(gpus, _prices(engine, gpus, prices, as_of), settings),
        *volumes.advise(usage.volumes(engine, as_of), prices, settings),
        *idle.advise(containers, usage.networks(engine, as_of), prices, settings),
        *predictive.advise(containers, prices, settings),
        *model_advice.advise(_mixes(models), _listed(models)),
    ]
    return [_row(one) for one in sorted(found, key=_rank)]


def _mixes(models: Models) -> Iterator[model_advice.Mix]:
    """Tokens and their effective cost by model and currency, as far as the bill prices them."""
    rows = models.unit_costs(("x_ai_model",), (), cost_basis="effective")
    tokens: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["per"] == PRICED_AS[TOKENS] and row["token_direction"] in ("Input", "Output") and row["x_ai_model"]:
            tokens.setdefault((row["x_ai_model"], row["currency"]), []).append(row)
    table = models.prices
    for (model, currency), meters in sorted(tokens.items()):
        mine = table.prices.get(table.canonical(model), ())
        others = {
            one.model for told in table.prices.values() for one in told if mine and one.provider == mine[0].provider
        }
        yield model_advice.Mix(
            model=model,
            currency=currency,
            tokens={row["meter"]: row["quantity"] for row in meters},
            cost=sum((row["usage_cost"] or Decimal(0) for row in meters), Decimal(0)),
            days=len(models.days),
            others=sorted(others),
        )


def _listed(models: Models) -> model_advice.Price:
    day = models.as_of.date()

    def price(model: str, meter: str, batch: bool) -> Decimal | None:
        found = models.prices.price(model, meter, day, batch=batch)
        return found.amount if found else None

    return price


def _prices(engine: Engine, gpus: Sequence[Any], prices: Prices, as_of: datetime) -> accelerators.GpuPrices:
    today = as_of.date()
    days = Days(today - timedelta(days=BILL_DAYS), today + timedelta(days=1))
    charged = gpu_prices(engine, sorted({one.model for one in gpus}), prices, days, as_of)
    hourly = {name: Money(amount, prices.currency) for name, amount in prices.gpu_hour.items()}
    hourly |= {model: Money(price.amount, price.currency) for model, price in charged.items()}
    bases = sorted({price.basis for price in charged.values()})
    return accelerators.GpuPrices(hourly=hourly, rate="; ".join(bases) or prices.rate)


def _rank(one: Advice) -> tuple[bool, Decimal, str, str]:
    worth = one.saving.high.amount if one.saving else Decimal(0)
    return one.kind == NONE, -worth, one.kind, one.about


def _row(one: Advice) -> dict[str, Any]:
    saving = one.saving
    return {
        "kind": one.kind,
        "about": one.about,
        "advice": one.words,
        "saving_low": saving.low.amount if saving else None,
        "saving_high": saving.high.amount if saving else None,
        "currency": saving.low.currency if saving else "",
        "rate": saving.rate if saving else "unknown price",
        "evidence": dict(one.evidence),
    }
