"""Anthropic's usage and cost reports: money in cents as billed, tokens by direction and cache."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.money import EXACT, QUANTUM
from finops_ai.domain.period import Days
from finops_ai.sources import meters
from finops_ai.sources.base import Keep
from finops_ai.sources.meters import UNMETERED, Cost, Meter, Used, token_meter
from finops_ai.sources.pages import Bucket, Place, count, number, text
from finops_ai.sources.reports import COSTS, Answers, Api, Ask, Provider, Reports
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

TAGS = meters.TAGS
VERSION_HEADER = "2023-06-01"
DEFAULT_WORKSPACE = "default"
"""Sub account of what the reports tell without a workspace: that is the organisation's default one."""


class Settings(BaseModel):
    """Asked for at `url` with an admin key, or recorded pages at `uri`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["anthropic_usage"] = "anthropic_usage"
    name: str
    uri: str | None = Field(default=None, description="folder of recorded pages; without it the API is asked")
    url: str = Field(default="https://api.anthropic.com", description="base of the API")
    api_key: SecretRef = Field(default=SecretRef(env="ANTHROPIC_ADMIN_KEY"), description="an admin key")
    months: int = Field(default=3, ge=1, le=60, description="months asked for on each run, the present one included")
    endpoint_url: str | None = None
    region: str | None = None
    settle_days: int = Field(default=1, ge=0, description="days after a UTC day's end until its bill is complete")


METERS: Mapping[str, Meter] = {
    "uncached_input_tokens": token_meter("Input"),
    "cache_read_input_tokens": token_meter("Input", "Read"),
    "cache_creation.ephemeral_5m_input_tokens": token_meter("Input", "Write", lifetime="5m"),
    "cache_creation.ephemeral_1h_input_tokens": token_meter("Input", "Write", lifetime="1h"),
    "output_tokens": token_meter("Output"),
}
"""What the usage report counts, under the names that the cost report gives the same (`token_type`). Disjoint."""

WEB_SEARCH = Meter(name="web search", unit="Searches")
LABELS = {
    "api_key_id": "api-key",
    "service_tier": "service-tier",
    "context_window": "context-window",
    "inference_geo": "inference-geo",
    "speed": "speed",
}


def make(settings: Settings, world: World, keep: Keep) -> Reports:
    if settings.uri is not None:
        store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
        return Reports(name=settings.name, provider=PROVIDER, keep=keep, world=world, store=store)
    base = settings.url.rstrip("/").removesuffix("/v1")
    api = Api(
        asks=lambda days: list(_asks(base, days)),
        headers=lambda: {
            "x-api-key": world.secrets.get(settings.api_key).get_secret_value(),
            "anthropic-version": VERSION_HEADER,
        },
        months=settings.months,
    )
    return Reports(name=settings.name, provider=PROVIDER, keep=keep, world=world, api=api)


def _asks(base: str, days: Days) -> Iterator[Ask]:
    ends = {"starting_at": f"{days.start}T00:00:00Z", "ending_at": f"{days.end}T00:00:00Z", "bucket_width": "1d"}
    yield Ask(
        report=COSTS,
        url=f"{base}/v1/organizations/cost_report",
        query={**ends, "limit": 31, "group_by[]": ("workspace_id", "description")},
    )
    yield Ask(
        report="messages",
        url=f"{base}/v1/organizations/usage_report/messages",
        query={
            **ends,
            "limit": 31,
            "group_by[]": ("workspace_id", "api_key_id", "model", "service_tier", "context_window"),
        },
    )


def _report(result: Mapping[str, Any], file: str) -> str:
    if not result:
        return COSTS if "cost" in file.lower() else "messages" if "usage" in file.lower() else ""
    return COSTS if {"amount", "cost_type"} & result.keys() else "messages" if "output_tokens" in result else "unknown"


def _answers(reports: Mapping[str, Sequence[Bucket]]) -> Answers:
    for bucket in reports.get("unknown", ()):
        bucket.place.wrong("holds results of neither the cost report nor the messages usage report")
    uses = [
        use
        for bucket in reports.get("messages", ())
        for result, place in bucket.each()
        for use in _uses(bucket, result, place)
    ]
    costs = [_cost(bucket, result, place) for bucket in reports.get(COSTS, ()) for result, place in bucket.each()]
    return Answers(costs=costs, uses=uses, problems=())


def _uses(bucket: Bucket, result: Mapping[str, Any], place: Place) -> Iterator[Used]:
    account = text(result, "workspace_id", place) or DEFAULT_WORKSPACE
    model = text(result, "model", place)
    labels = {label: text(result, key, place) for key, label in LABELS.items()} | {"workspace": account}
    for name, meter in METERS.items():
        quantity = _count(result, name, place)
        if quantity:
            yield Used(day=bucket.day, account=account, model=model, meter=meter, quantity=quantity, labels=labels)
    searches = _count(result, "server_tool_use.web_search_requests", place)
    if searches:
        # The bill names no model for a search: its cost goes to the models that searched.
        yield Used(day=bucket.day, account=account, model=model, meter=WEB_SEARCH, quantity=searches, labels=labels)


def _count(result: Mapping[str, Any], path: str, place: Place) -> Decimal:
    outer, dot, inner = path.partition(".")
    if not dot:
        return count(result, path, place, required=True)
    held = result.get(outer) or {}
    if not isinstance(held, dict):
        place.inside(outer).wrong("is not an object", held)
    return count(held, inner, place.inside(outer))


def _cost(bucket: Bucket, result: Mapping[str, Any], place: Place) -> Cost:
    currency, amount = _money(result, place)
    account = text(result, "workspace_id", place) or DEFAULT_WORKSPACE
    token_type, cost_type = text(result, "token_type", place), text(result, "cost_type", place)
    meter = METERS.get(token_type, UNMETERED)
    if cost_type == "web_search":
        meter = WEB_SEARCH
    labels = {label: text(result, key, place) for key, label in LABELS.items()}
    return Cost(
        day=bucket.day,
        account=account,
        model=text(result, "model", place),
        meter=meter,
        sku=text(result, "description", place) or token_type or cost_type,
        amount=amount,
        currency=currency,
        labels=labels | {"workspace": account},
    )


def _money(result: Mapping[str, Any], place: Place) -> tuple[str, Decimal]:
    """`amount` is in the lowest unit of the currency: "123.45" are 1.2345 USD."""
    currency = text(result, "currency", place).upper()
    if not re.fullmatch("[A-Z]{3}", currency):
        place.inside("currency").wrong("is not a currency code of three letters", currency)
    cents = number(result.get("amount"), place.inside("amount"))
    return currency, cents.scaleb(-2).quantize(QUANTUM, context=EXACT)


PROVIDER = Provider(
    kind="anthropic_usage",
    mapping=meters.mapping(Path(__file__).with_suffix(".sql"), 1),
    report_of=_report,
    answers=_answers,
    amounts=lambda result: _money(result, Place(file="costs", key="")),
)
