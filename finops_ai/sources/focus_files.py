"""FOCUS 1.0 to 1.4 files of any provider: one file, a folder of parts, or the AWS Data Exports layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.delivery import Delivery, Part, Refusal
from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources import exports
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.fetch import fingerprint, read
from finops_ai.sources.mapping import Labels, LineMapping, fingerprint_keep
from finops_ai.world.world import ObjectInfo, ObjectStore, World

SUFFIXES = (".csv", ".csv.gz", ".csv.zip", ".parquet")

PARTITION = re.compile(r"(?:^|/)billing_period=(\d{4}-\d{2})/", re.IGNORECASE)
"""Folder of one billing period in the Data Exports layout."""


class Settings(BaseModel):
    """`uri` is a file, a folder whose files are parts of one export, or an export in the Data Exports layout."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["focus_files"] = "focus_files"
    name: str
    uri: str
    endpoint_url: str | None = None
    region: str | None = None
    settle_days: int = Field(default=1, ge=0, description="days after a UTC day's end until its bill is complete")
    max_rejected_rows: int = Field(default=0, ge=0, description="lines that may be left out before all is refused")


def _pascal(name: str) -> str:
    return re.sub(r"(?:^|_)([a-z])", lambda found: found[1].upper(), name)


MAPPING = LineMapping(
    sql=Path(__file__).with_suffix(".sql"),
    version=1,
    text=(
        "billing_account_id",
        "billing_account_name",
        "billing_currency",
        "charge_category",
        "charge_class",
        "charge_frequency",
        "consumed_unit",
        "invoice_issuer_name",
        "pricing_category",
        "provider_name",
        "region_id",
        "service_category",
        "service_name",
        "sku_meter",
        "sub_account_id",
        "sub_account_name",
        "x_service_code",
        "x_usage_type",
    ),
    money=("billed_cost", "consumed_quantity", "contracted_cost", "effective_cost", "list_cost"),
    null_money=frozenset({"contracted_cost", "list_cost"}),
    days=("billing_period_start", "charge_period_start"),
    required=frozenset(
        {
            "billed_cost",
            "billing_currency",
            "billing_period_start",
            "charge_category",
            "charge_period_start",
            "effective_cost",
            "provider_name",
            "service_name",
        }
    ),
    filled=frozenset(
        {"billed_cost", "billing_currency", "billing_period_start", "charge_period_start", "effective_cost"}
    ),
    billed="billed_cost",
    currency="billing_currency",
    account="coalesce(sub_account_id, billing_account_id)",
    period="billing_period_start",
    aliases={"provider_name": ("service_provider_name", "host_provider_name")},
    null_words=("NULL", "null"),
    tags=Labels(column="tags"),
    cost_categories=Labels(column="x_cost_categories"),
    spelling=_pascal,
)


def make(settings: Settings, world: World, keep: Keep) -> FocusFiles:
    store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
    return FocusFiles(name=settings.name, settings=settings, store=store, keep=keep)


@dataclass(frozen=True, kw_only=True)
class FocusFiles:
    """One export in FOCUS, by whomever."""

    name: str
    settings: Settings
    store: ObjectStore = field(repr=False)
    keep: Keep = field(repr=False)
    _listed: dict[str, ObjectInfo] = field(default_factory=dict, repr=False, compare=False)

    def deliveries(self, since: BillingPeriod | None) -> Iterator[Delivery | Refusal]:
        listed = self.store.list()
        self._listed.update({info.uri: info for info in listed})
        manifests = exports.manifests(listed, reports=False)
        if manifests:
            by_key = {info.key: info for info in listed}
            yield from exports.deliveries(self.name, manifests, self.store, by_key, self._salt, since)
            return
        periods: dict[BillingPeriod, list[ObjectInfo]] = {}
        problems: list[Problem] = []
        for info in listed:
            if info.key.lower().endswith(SUFFIXES):
                try:
                    for period in self._periods(info):
                        periods.setdefault(period, []).append(info)
                except Malformed as error:
                    problems.extend(error.problems)
        if not periods and not problems:
            problems = [Problem(file=self.store.root, message=f"holds no FOCUS files ({', '.join(SUFFIXES)})")]
        if problems:  # an unreadable part belongs to an unknown period: any of them may be incomplete
            yield Refusal(source=self.name, billing_period=None, problems=tuple(problems))
            return
        yield from (
            self._delivery(period, periods[period]) for period in sorted(periods) if not since or period >= since
        )

    def charges(self, delivery: Delivery) -> Scan:
        by_folder = all(PARTITION.search(part.uri.removeprefix(self.store.root)) for part in delivery.parts)
        return read(
            delivery,
            self.store,
            self._listed,
            MAPPING,
            self.keep,
            period=None if by_folder else delivery.billing_period.start,
            max_rejected_rows=self.settings.max_rejected_rows,
        )

    @property
    def _salt(self) -> str:
        return f"focus_files {MAPPING.version} {fingerprint_keep(self.keep)}"

    def _periods(self, info: ObjectInfo) -> Sequence[BillingPeriod]:
        """Billing periods of one file: that of its folder, else those that its lines name."""
        from finops_ai.sources.scan import months

        if found := PARTITION.search(info.key):
            return [BillingPeriod.parse(found[1])]
        return [BillingPeriod.of(month) for month in months(info.key, self.store.fetch(info), MAPPING)]

    def _delivery(self, period: BillingPeriod, parts: Sequence[ObjectInfo]) -> Delivery:
        told = [(info.key, info.size_bytes, info.etag) for info in parts]
        times = [info.modified_at for info in parts if info.modified_at]
        return Delivery(
            source=self.name,
            billing_period=period,
            fingerprint=fingerprint(self._salt, str(period), told),
            parts=tuple(Part(uri=info.uri, size_bytes=info.size_bytes, etag=info.etag) for info in parts),
            published_at=max(times, default=None),
        )
