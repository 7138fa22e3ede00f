"""LiteLLM's spend log: what each request through the gateway used and is thought to cost, by team and tag."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Leak, Malformed, Problem, Rejected, Unavailable
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources import gateway_rows, meters
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.fetch import delivery_of
from finops_ai.sources.mapping import fingerprint_keep
from finops_ai.world.recordings import Recording, recording
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import ObjectInfo, ObjectStore, World

BILLED_BY = ("openai_usage", "anthropic_usage", "aws_cur", "gcp_billing", "azure_export", "focus_files")
"""The models' providers bill what a gateway only estimates."""

GATEWAY = True
"""Requests are logged here on their way to a provider, whose bill they can be held against."""

TAGS = meters.TAGS
SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz", ".parquet")
PAGE_ROWS = 1000
MOST_PAGES = 5_000
OPEN_DAYS = 3
"""A recorded day older than this is not asked for again: the log only grows at its end."""


class Settings(BaseModel):
    """Files of the table LiteLLM_SpendLogs at `uri`, or a gateway at `url` that is asked for its log day by day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["litellm"] = "litellm"
    name: str
    uri: str | None = Field(default=None, description="folder of JSON lines or Parquet; without it `url` is asked")
    url: str = Field(default="http://localhost:4000", description="base of the gateway")
    api_key: SecretRef = Field(default=SecretRef(env="LITELLM_MASTER_KEY"), description="a key that may read the log")
    days: int = Field(default=31, ge=1, le=400, description="days asked for, today included; recorded ones are kept")
    currency: str = Field(default="USD", pattern="^[A-Z]{3}$", description="what the gateway's prices are in")
    counts: Literal["auto", "always", "never"] = Field(
        default="auto", description="auto: beside a source that bills the models, the log attributes and does not count"
    )
    endpoint_url: str | None = None
    region: str | None = None
    settle_days: int = Field(default=1, ge=0, description="days after a UTC day's end until its log is complete")


MAPPING = meters.mapping(Path(__file__).with_suffix(".sql"), 1)


def make(settings: Settings, world: World, keep: Keep) -> LiteLlm:
    if settings.uri is not None:
        store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
        return LiteLlm(name=settings.name, settings=settings, store=store, keep=keep, gateway=None)
    recorded = recording(world.recordings, settings.name)
    gateway = _Gateway(settings=settings, world=world, recorded=recorded)
    return LiteLlm(name=settings.name, settings=settings, store=recorded, keep=keep, gateway=gateway)


@dataclass(frozen=True, kw_only=True)
class LiteLlm:
    """One gateway's log."""

    name: str
    settings: Settings
    store: ObjectStore = field(repr=False)
    keep: Keep = field(repr=False)
    gateway: _Gateway | None = field(repr=False)

    def deliveries(self, since: BillingPeriod | None) -> Iterator[Delivery | Refusal]:
        from finops_ai.sources.staging import engine

        problems: list[Problem] = []
        periods: dict[BillingPeriod, list[ObjectInfo]] = {}
        infos: list[ObjectInfo] = []
        try:
            if self.gateway:
                self.gateway.record()
            infos = self._infos()
        except Rejected as error:
            problems.append(Problem(file=self.name, message=str(error)))
        except Malformed as error:
            problems.extend(error.problems)
        for info in infos:
            try:
                with engine() as duck:
                    for month in gateway_rows.months(info.key, self.store.fetch(info), duck):
                        periods.setdefault(BillingPeriod.of(month), []).append(info)
            except Malformed as error:
                problems.extend(error.problems)
        if not periods and not problems and not self.gateway:
            message = f"holds no rows of a spend log ({', '.join(SUFFIXES)})"
            problems.append(Problem(file=self.store.root, message=message))
        if problems:  # rows that cannot be read may belong to any period
            yield Refusal(source=self.name, billing_period=None, problems=tuple(problems))
            return
        for period, parts in sorted(periods.items()):
            if not since or period >= since:
                yield self._delivery(period, parts)

    def charges(self, delivery: Delivery) -> Scan:
        from finops_ai.sources.scan import scan
        from finops_ai.sources.staging import engine

        listed = {info.uri: info for info in self._infos()}
        for part in delivery.parts:
            if part.uri not in listed or listed[part.uri].etag != part.etag:
                raise Unavailable(f"{part.uri} changed or vanished since {delivery.billing_period} was listed")
        parts = [(listed[part.uri].key, self.store.fetch(listed[part.uri])) for part in delivery.parts]
        name = parts[0][0] if len(parts) == 1 else f"{len(parts)} files"
        with engine() as duck:
            gateway_rows.stage(parts, duck, by_hour=self.keep.hours)
            log = gateway_rows.log(duck, delivery.billing_period.start, self.settings.currency, name)
            found = scan([(name, log.lines)], MAPPING, self.keep)
        if found.control.billed_cost.get(self.settings.currency, 0) != log.spend:
            raise Leak(f"the requests come to {log.spend}, their lines to {dict(found.control.billed_cost)}")
        control = replace(found.control, rows=log.requests)
        return replace(found, control=control, problems=(*found.problems, *log.problems))

    def _infos(self) -> list[ObjectInfo]:
        return [info for info in self.store.list() if info.key.lower().endswith(SUFFIXES)]

    def _delivery(self, period: BillingPeriod, infos: list[ObjectInfo]) -> Delivery:
        salt = f"litellm {MAPPING.version} {self.settings.currency} {fingerprint_keep(self.keep)}"
        return delivery_of(self.name, period, infos, salt=salt)


@dataclass(frozen=True, kw_only=True)
class _Gateway:
    """A gateway's log by HTTP (`/spend/logs/v2`), kept as one file of JSON lines for each UTC day."""

    settings: Settings
    world: World = field(repr=False)
    recorded: Recording = field(repr=False)

    def record(self) -> None:
        """Ask for the days that are open or were never recorded. Raises Unavailable, Rejected or Malformed."""
        today = self.world.clock.now().astimezone(UTC).date()
        known = {info.key for info in self.recorded.list()}
        for age in range(self.settings.days - 1, -1, -1):
            day = today - timedelta(days=age)
            key = f"{day:%Y-%m}/{day}.jsonl"
            if age < OPEN_DAYS or key not in known:
                rows = self._day(day)
                if rows or key in known:
                    self.recorded.put(key, "".join(f"{row}\n" for row in rows).encode())

    def _day(self, day: date) -> list[str]:
        """Rows of a day as JSON, each request once, in order of their ids."""
        rows: dict[str, str] = {}
        total, page, pages = None, 1, 1
        while page <= pages:
            answer = self._page(day, page)
            if total is not None and answer["total"] != total:
                raise Unavailable(f"{self.settings.name}: the log of {day} grew while it was read; it is asked again")
            total, pages = answer["total"], answer["total_pages"]
            for row in answer["data"]:
                kept = {key: row.get(key) for key in gateway_rows.KEYS if key in row}
                rows[str(row.get("request_id"))] = json.dumps(kept, sort_keys=True)
            page += 1
        if len(rows) != total:
            raise Unavailable(f"{self.settings.name}: the log of {day} tells {total} requests and holds {len(rows)}")
        return [rows[request] for request in sorted(rows)]

    def _page(self, day: date, page: int) -> Mapping[str, Any]:
        query = {
            "start_date": f"{day} 00:00:00",
            "end_date": f"{day} 23:59:59",
            "page": page,
            "page_size": PAGE_ROWS,
        }
        url = f"{self.settings.url.rstrip('/')}/spend/logs/v2"
        key = self.world.secrets.get(self.settings.api_key).get_secret_value()
        headers = {"Authorization": f"Bearer {key}"}
        answer = self.world.http.request("GET", f"{url}?{urlencode(query)}", idempotent=True, headers=headers).json()
        shape = {"data": list, "total": int, "total_pages": int}
        wrong = [
            name
            for name, kind in shape.items()
            if not isinstance(answer, dict) or not isinstance(answer.get(name), kind)
        ]
        if wrong or not all(isinstance(row, dict) for row in answer["data"]) or answer["total_pages"] > MOST_PAGES:
            message = f"{wrong[0] if wrong else 'data'} of page {page} is not what a page of the log holds"
            raise Malformed([Problem(file=url, column=wrong[0] if wrong else "data", message=message)])
        return dict(answer)
