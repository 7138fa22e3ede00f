"""OpenAI's organisation usage and costs reports: money as billed, tokens by direction, cache and modality."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.errors import Problem
from finops_ai.domain.period import Days
from finops_ai.sources import meters
from finops_ai.sources.base import Keep
from finops_ai.sources.meters import REQUEST, UNMETERED, Cost, Meter, Used, token_meter
from finops_ai.sources.pages import Bucket, Place, count, number, text
from finops_ai.sources.reports import COSTS, Answers, Api, Ask, Provider, Reports, seconds
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

TAGS = meters.TAGS


class Settings(BaseModel):
    """Asked for at `url` with an admin key, or recorded pages at `uri`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["openai_usage"] = "openai_usage"
    name: str
    uri: str | None = Field(default=None, description="folder of recorded pages; without it the API is asked")
    url: str = Field(default="https://api.openai.com/v1", description="base of the API")
    api_key: SecretRef = Field(default=SecretRef(env="OPENAI_ADMIN_KEY"), description="an admin key")
    months: int = Field(default=3, ge=1, le=60, description="months asked for on each run, the present one included")
    endpoint_url: str | None = None
    region: str | None = None
    settle_days: int = Field(default=1, ge=0, description="days after a UTC day's end until its bill is complete")


USAGE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "completions": ("completions", ("project_id", "api_key_id", "model", "batch", "service_tier")),
    "embeddings": ("embeddings", ("project_id", "api_key_id", "model")),
    "moderations": ("moderations", ("project_id", "api_key_id", "model")),
    "images": ("images", ("project_id", "api_key_id", "model", "size", "source")),
    "audio_speeches": ("audio_speeches", ("project_id", "api_key_id", "model")),
    "audio_transcriptions": ("audio_transcriptions", ("project_id", "api_key_id", "model")),
    "web_search_calls": ("web_searches", ("project_id", "api_key_id", "model")),
    "file_search_calls": ("file_searches", ("project_id", "api_key_id")),
    "code_interpreter_sessions": ("code_interpreter_sessions", ("project_id",)),
    "vector_stores": ("vector_stores", ("project_id",)),
}
"""Address of a usage report to what its results are called, and what they are grouped by."""

COUNTED: Mapping[str, tuple[str, Meter]] = {
    "images": ("images", Meter(name="images", unit="Images", modality="image")),
    "audio_speeches": ("characters", Meter(name="speech", unit="Characters", modality="audio")),
    "audio_transcriptions": ("seconds", Meter(name="transcription", unit="Seconds", modality="audio")),
    "web_searches": ("num_requests", Meter(name="web search", unit="Searches")),
    "file_searches": ("num_requests", Meter(name="file search", unit="Searches")),
    "code_interpreter_sessions": ("num_sessions", Meter(name="code interpreter", unit="Sessions")),
    "vector_stores": ("usage_bytes", Meter(name="vector store", unit="Byte-Days")),
}
"""Result to the field that is counted and its meter; results of the others are tokens."""

LABELS = {
    "api_key_id": "api-key",
    "user_id": "user",
    "service_tier": "service-tier",
    "batch": "batch",
    "size": "size",
    "source": "image-source",
}
OBJECT = re.compile(r"organization\.(?:usage\.)?(\w+)\.result")
TIERS = ("flex", "priority", "batch")
MODALITIES = ("text", "audio", "image", "video")


def make(settings: Settings, world: World, keep: Keep) -> Reports:
    if settings.uri is not None:
        store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
        return Reports(name=settings.name, provider=PROVIDER, keep=keep, world=world, store=store)
    base = settings.url.rstrip("/")
    api = Api(
        asks=lambda days: list(_asks(base, days)),
        headers=lambda: {"Authorization": f"Bearer {world.secrets.get(settings.api_key).get_secret_value()}"},
        months=settings.months,
    )
    return Reports(name=settings.name, provider=PROVIDER, keep=keep, world=world, api=api)


def _asks(base: str, days: Days) -> Iterator[Ask]:
    ends: Mapping[str, str | int] = {
        "start_time": seconds(days.start),
        "end_time": seconds(days.end),
        "bucket_width": "1d",
        "limit": 31,
    }
    groups = ("project_id", "line_item", "api_key_id")
    yield Ask(report=COSTS, url=f"{base}/organization/costs", query={**ends, "group_by": groups})
    for name, (report, grouped) in USAGE.items():
        yield Ask(report=report, url=f"{base}/organization/usage/{name}", query={**ends, "group_by": grouped})


def _report(result: Mapping[str, Any], _file: str) -> str:
    found = OBJECT.fullmatch(str(result.get("object", "")))
    return found[1] if found else ""


def _answers(reports: Mapping[str, Sequence[Bucket]]) -> Answers:
    uses: list[Used] = []
    problems: list[Problem] = []
    for report, buckets in reports.items():
        if report == COSTS:
            continue
        for bucket in buckets:
            for result, place in bucket.each():
                if report in COUNTED or "input_tokens" in result:
                    uses.extend(_uses(report, bucket, result, place))
                else:
                    message = f"results of {report or 'an unknown report'} are not understood and left out"
                    problems.append(Problem(file=place.file, column=place.key, message=message, severity="warning"))
    models = {use.model for use in uses if use.model}
    only = _only_meters(uses)
    costs = [
        _cost(bucket, result, place, models, only)
        for bucket in reports.get(COSTS, ())
        for result, place in bucket.each()
    ]
    return Answers(costs=costs, uses=uses, problems=problems[:1])


def _uses(report: str, bucket: Bucket, result: Mapping[str, Any], place: Place) -> Iterator[Used]:
    account, model = text(result, "project_id", place), text(result, "model", place)
    labels = {label: text(result, key, place) for key, label in LABELS.items() if result.get(key) is not None}
    labels |= {"project": account}
    if report in COUNTED:
        field, meter = COUNTED[report]
        amounts = [(meter, count(result, field, place, required=True))]
    else:
        amounts = list(_tokens(result, place))
    if report not in ("web_searches", "file_searches"):
        amounts.append((REQUEST, count(result, "num_model_requests", place)))
    for meter, quantity in amounts:
        if quantity:
            yield Used(day=bucket.day, account=account, model=model, meter=meter, quantity=quantity, labels=labels)


def _tokens(result: Mapping[str, Any], place: Place) -> Iterator[tuple[Meter, Decimal]]:
    """Disjoint buckets of tokens.

    `input_tokens` always include the cached ones. Older answers count text alone there and audio beside it; newer
    ones count every modality in it and tell each apart, uncached and cached.
    """

    def told(key: str) -> Decimal:
        return count(result, key, place)

    whole, output = (
        count(result, key, place, required=key == "input_tokens") for key in ("input_tokens", "output_tokens")
    )
    cached, written = told("input_cached_tokens"), told("input_cache_write_tokens")
    if cached + written > whole:
        place.inside("input_cached_tokens").wrong("is more than input_tokens, which include it", cached)
    yield token_meter("Input", "Write"), written
    if "input_text_tokens" not in result:
        yield token_meter("Input"), whole - cached - written
        yield token_meter("Input", "Read"), cached
        yield token_meter("Input", "", "audio"), told("input_audio_tokens")
        yield token_meter("Output"), output
        yield token_meter("Output", "", "audio"), told("output_audio_tokens")
        return
    reads = {modality: told(f"input_cached_{modality}_tokens") for modality in MODALITIES}
    fresh = {modality: told(f"input_{modality}_tokens") for modality in MODALITIES}
    if sum(fresh.values()) == whole and cached:  # told with the cached ones in them
        fresh = {modality: amount - reads[modality] for modality, amount in fresh.items()}
        fresh["text"] -= written
    reads["text"] += cached - sum(reads.values())
    fresh["text"] += whole - cached - written - sum(fresh.values())
    outputs = {modality: told(f"output_{modality}_tokens") for modality in MODALITIES}
    outputs["text"] += output - sum(outputs.values())
    for modality in MODALITIES:
        for meter, quantity in (
            (token_meter("Input", "", modality), fresh[modality]),
            (token_meter("Input", "Read", modality), reads[modality]),
            (token_meter("Output", "", modality), outputs[modality]),
        ):
            if quantity < 0:
                place.wrong(f"tells more tokens by kind than altogether ({meter.name})", quantity)
            yield meter, quantity


def _only_meters(uses: Sequence[Used]) -> dict[tuple[str, str], Meter]:
    """(account, model) to the meter of the models that have but one."""
    found: dict[tuple[str, str], set[Meter]] = {}
    for use in uses:
        if use.meter != REQUEST:
            found.setdefault((use.account, use.model), set()).add(use.meter)
    return {key: next(iter(several)) for key, several in found.items() if len(several) == 1}


def _cost(
    bucket: Bucket,
    result: Mapping[str, Any],
    place: Place,
    models: set[str],
    only: Mapping[tuple[str, str], Meter],
) -> Cost:
    """A cost result; its line item reads "MODEL, METER", or names a model or a tool alone."""
    amount = result.get("amount")
    if not isinstance(amount, dict):
        place.inside("amount").wrong("is missing: money must be told", amount)
    currency = text(amount, "currency", place.inside("amount")).upper()
    if not re.fullmatch("[A-Z]{3}", currency):
        place.inside("amount.currency").wrong("is not a currency code of three letters", currency)
    account, item = text(result, "project_id", place), text(result, "line_item", place)
    model, labels = "", {"api-key": text(result, "api_key_id", place), "project": account}
    meter = UNMETERED
    head, comma, tail = item.rpartition(", ")
    if comma:
        meter, tier = _meter(tail)
        labels |= tier
    if meter != UNMETERED or head in models:
        model = head
    elif item in models:
        model = item
    if meter == UNMETERED:
        meter = only.get((account, model), meter) if model else _tool(item)
    return Cost(
        day=bucket.day,
        account=account,
        model=model,
        meter=meter,
        sku=item,
        amount=number(amount.get("value"), place.inside("amount.value")),
        currency=currency,
        labels=labels,
        billing_account=text(result, "organization_id", place),
    )


def _meter(said: str) -> tuple[Meter, dict[str, str]]:
    """The token meter that words such as "cached audio input" name, and the tier they are limited to."""
    words = said.lower().replace("-", " ").split()
    tiers = [word for word in words if word in TIERS]
    labels = {"batch": "true"} if "batch" in tiers else {"service-tier": tiers[0]} if tiers else {}
    rest = [word for word in words if word not in (*TIERS, "tokens", "token")]
    modality = next((word for word in rest if word in MODALITIES), "text")
    direction = rest[-1].capitalize() if rest and rest[-1] in ("input", "output") else ""
    cache = " ".join(word for word in rest[:-1] if word not in MODALITIES)
    action = {"": "", "cached": "Read", "cache read": "Read", "cache write": "Write"}.get(cache)
    if not direction or action is None:
        return UNMETERED, labels
    return token_meter(direction, action, modality), labels


def _tool(item: str) -> Meter:
    return next((meter for _, meter in COUNTED.values() if meter.name in item.lower().replace("_", " ")), UNMETERED)


def _amount(result: Mapping[str, Any]) -> tuple[str, Decimal]:
    money = result["amount"]
    place = Place(file="costs", key="amount")
    return str(money["currency"]).upper(), number(money["value"], place)


PROVIDER = Provider(
    kind="openai_usage",
    mapping=meters.mapping(Path(__file__).with_suffix(".sql"), 1),
    report_of=_report,
    answers=_answers,
    amounts=_amount,
)
