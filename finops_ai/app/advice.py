"""Advice from what the ledger knows: GPUs, volumes, idle workloads, dearer models than needed; most money first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops_ai.app.gpu_prices import gpu_prices
from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.ledger import usage
from finops_ai.rightsizing import accelerators, idle, predictive, volumes
from finops_ai.rightsizing.advice import NONE, Advice

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from finops_ai.rightsizing.settings import Prices, Settings

COLUMNS = ("kind", "about", "advice", "saving_low", "saving_high", "currency", "rate")
BILL_DAYS = 62


def advice(engine: Engine, prices: Prices, settings: Settings, as_of: datetime) -> list[dict[str, Any]]:
    """Rows of `COLUMNS` and `evidence`; the kind `none` tells of what too little is known."""
    gpus, containers = usage.gpus(engine, as_of), usage.usages(engine, as_of)
    found = [
        *accelerators.advise(gpus, _prices(engine, gpus, prices, as_of), settings),
        *volumes.advise(usage.volumes(engine, as_of), prices, settings),
        *idle.advise(containers, usage.networks(engine, as_of), prices, settings),
        *predictive.advise(containers, prices, settings),
    ]
    return [_row(one) for one in sorted(found, key=_rank)]


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
