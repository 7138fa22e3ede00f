"""Use of models and its cost, as a provider tells them apart: joined by meter, every cent and every token once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain.money import EXACT, split
from finops_ai.sources.mapping import Labels, LineMapping

if TYPE_CHECKING:
    import pyarrow as pa

TOKENS, REQUESTS = "Tokens", "Requests"

TAGS = (
    "model",
    "project",
    "workspace",
    "team",
    "api-key",
    "token-direction",
    "token-cache-action",
    "modality",
    "service-tier",
    "batch",
    "context-window",
    "request-status",
)
"""What the cube always keeps of a model's use. A tag for each user would burst it: name `user` in ledger.tags."""

VERSION = 1
TEXTS = (
    "billing_account_id",
    "sub_account_id",
    "sub_account_name",
    "meter",
    "provider",
    "consumed_unit",
    "billing_currency",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What is counted. Token meters of one request never overlap: each token is in exactly one of them.

    `direction` is Input or Output and `cache_action` Uncached, Read or Write, as FOCUS's drafts have them;
    `modality` is text, image, audio or video.
    """

    name: str
    unit: str
    direction: str = ""
    cache_action: str = ""
    modality: str = ""

    @property
    def labels(self) -> dict[str, str]:
        return {
            "token-direction": self.direction,
            "token-cache-action": self.cache_action,
            "modality": self.modality,
        }


def token_meter(direction: str, cache_action: str = "", modality: str = "text", lifetime: str = "") -> Meter:
    """`input`, `cached audio input`, `cache write 5m input`, `image output` and so on; text is not said."""
    cache = {"Read": "cached", "Write": "cache write"}.get(cache_action, "")
    words = (cache, lifetime, "" if modality == "text" else modality, direction.lower())
    if direction == "Input" and not cache_action:
        cache_action = "Uncached"
    name = " ".join(word for word in words if word)
    return Meter(name=name, unit=TOKENS, direction=direction, cache_action=cache_action, modality=modality)


REQUEST = Meter(name="requests", unit=REQUESTS)
UNMETERED = Meter(name="", unit="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A quantity on one day. `labels` tell it apart further (api-key, service-tier, batch …), '' where unknown."""

    day: date
    account: str
    model: str
    meter: Meter
    quantity: Decimal
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """An amount on one day. `sku` is the provider's own name of it, `labels` what it is limited to."""

    day: date
    account: str
    model: str
    meter: Meter
    sku: str
    amount: Decimal
    currency: str
    labels: Mapping[str, str] = field(default_factory=dict)
    billing_account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A charge: a cost, a quantity or both. An unknown quantity has no unit."""

    day: date
    billing_account: str
    account: str
    meter: str
    unit: str
    quantity: Decimal
    amount: Decimal
    currency: str
    labels: Mapping[str, str]


def joined(costs: Sequence[Cost], uses: Sequence[Used]) -> list[Line]:
    """Every cost and every quantity, once.

    A cost goes to the use with its day, account and meter, and with its model and labels where both tell them; where
    the use is told more finely, the cost is shared in proportion to the quantities, to the last digit. What finds no
    use keeps its cost and has no quantity; use without a cost has a cost of 0 on this bill.
    """
    by_meter: dict[tuple[date, str, str], list[int]] = {}
    for number, use in enumerate(uses):
        if use.quantity:
            by_meter.setdefault((use.day, use.account, use.meter.name), []).append(number)
    shares: dict[tuple[int, str, str], Decimal] = {}
    lines: list[Line] = []
    for cost in costs:
        alike = by_meter.get((cost.day, cost.account, cost.meter.name), [])
        taking = [number for number in alike if _fits(cost, uses[number])]
        if not taking:
            lines.append(_unmetered(cost))
            continue
        parts = split(cost.amount, [uses[number].quantity for number in taking])
        for number, part in zip(taking, parts, strict=True):
            key = (number, cost.currency, cost.billing_account)
            shares[key] = EXACT.add(shares.get(key, Decimal(0)), part)
    usual = (costs[0].currency, costs[0].billing_account) if costs else ("USD", "")
    paid = {number for number, _, _ in shares}
    shares.update({(number, *usual): Decimal(0) for number in range(len(uses)) if number not in paid})
    counted: set[int] = set()
    for (number, currency, billing_account), amount in sorted(shares.items()):
        # Paid in two currencies, a use is two charges; its quantity stands on the first.
        quantity = Decimal(0) if number in counted else uses[number].quantity
        counted.add(number)
        lines.append(_metered(uses[number], quantity, amount, currency, billing_account))
    return lines


def mapping(sql: Path, version: int) -> LineMapping:
    """How the lines of `table` are read by the SQL of a provider."""
    return LineMapping(
        sql=sql,
        version=version * 100 + VERSION,
        text=TEXTS,
        money=("billed_cost", "consumed_quantity"),
        days=("charge_period_start",),
        required=frozenset({"billing_currency", "billed_cost", "charge_period_start"}),
        filled=frozenset({"billing_currency", "billed_cost", "charge_period_start"}),
        billed="billed_cost",
        currency="billing_currency",
        account="sub_account_id",
        tags=Labels(column="tags"),
        cost_categories=Labels(column="x_cost_categories"),
    )


def table(lines: Iterable[Line]) -> pa.Table:
    """Lines as Arrow, with the columns that `mapping` asks for."""
    import pyarrow as pa

    rows = [
        {
            "charge_period_start": line.day,
            "billing_account_id": line.billing_account,
            "sub_account_id": line.account,
            "meter": line.meter,
            "consumed_unit": line.unit,
            "consumed_quantity": line.quantity,
            "billed_cost": line.amount,
            "billing_currency": line.currency,
            "tags": json.dumps({key: value for key, value in line.labels.items() if value}),
        }
        for line in lines
    ]
    amounts = pa.decimal128(38, 18)
    texts = {name: pa.string() for name in ("billing_account_id", "sub_account_id", "meter", "consumed_unit")}
    schema = {"charge_period_start": pa.date32(), **texts, "consumed_quantity": amounts, "billed_cost": amounts}
    return pa.Table.from_pylist(rows, pa.schema({**schema, "billing_currency": pa.string(), "tags": pa.string()}))


def _fits(cost: Cost, use: Used) -> bool:
    told = {**use.labels, "model": use.model}
    asked = {**cost.labels, "model": cost.model}
    return all(not value or not told.get(key) or told[key] == value for key, value in asked.items())


def _unmetered(cost: Cost) -> Line:
    return Line(
        day=cost.day,
        billing_account=cost.billing_account,
        account=cost.account,
        meter=cost.meter.name or cost.sku,
        unit="",
        quantity=Decimal(0),
        amount=cost.amount,
        currency=cost.currency,
        labels={"model": cost.model, **cost.meter.labels, **cost.labels},
    )


def _metered(use: Used, quantity: Decimal, amount: Decimal, currency: str, billing_account: str) -> Line:
    return Line(
        day=use.day,
        billing_account=billing_account,
        account=use.account,
        meter=use.meter.name,
        unit=use.meter.unit,
        quantity=quantity,
        amount=amount,
        currency=currency,
        labels={"model": use.model, **use.meter.labels, **use.labels},
    )
