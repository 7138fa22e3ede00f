"""FOCUS 1.0 to 1.4 files of any provider: one file, a folder of parts, or the AWS Data Exports layout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.sources import exports, fetch, focus_datasets
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.focus_datasets import Handling
from finops_ai.sources.mapping import Detail, Labels, LineMapping, fingerprint_keep
from finops_ai.world.spark import Spark
from finops_ai.world.world import ObjectInfo, ObjectStore, World

if TYPE_CHECKING:
    import pyarrow as pa

    from finops_ai.sources.base import Dialect

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
    delivery_handling: Handling = Field(
        default="append",
        description="whether the files of a billing period add up or the folder or file written last replaces the rest",
    )
    written: Literal["focus", "us"] = Field(
        default="focus", description="us: dates may be 4/30/25 and amounts $1,234.50, as spreadsheets write them"
    )
    defaults: dict[str, str] = Field(
        default={}, description="values of FOCUS columns that the files do not have, such as BillingCurrency: USD"
    )

    @field_validator("defaults")
    @classmethod
    def _of_focus(cls, defaults: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(defaults) - {_pascal(name) for name in MAPPING.text}):
            raise ValueError(f"{unknown[0]} is no text column of FOCUS that charges are read from")
        return defaults


def _pascal(name: str) -> str:
    return re.sub(r"(?:^|_)([a-z])", lambda found: found[1].upper(), name)


MAPPING = LineMapping(
    sql=Path(__file__).with_suffix(".sql"),
    version=2,
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
    reads=("allocated_tags",),
    aliases={"provider_name": ("service_provider_name", "host_provider_name")},
    null_words=("NULL", "null"),
    tags=Labels(column="tags", also="allocated_tags"),
    cost_categories=Labels(column="x_cost_categories"),
    spelling=_pascal,
    detail=Detail(
        sql=Path(__file__).with_name("focus_files_lines.sql"),
        reads=(
            "availability_zone",
            "billing_account_type",
            "billing_period_end",
            "capacity_reservation_id",
            "capacity_reservation_status",
            "charge_description",
            "charge_period_end",
            "commitment_discount_category",
            "commitment_discount_id",
            "commitment_discount_name",
            "commitment_discount_quantity",
            "commitment_discount_status",
            "commitment_discount_type",
            "commitment_discount_unit",
            "contracted_unit_price",
            "invoice_id",
            "list_unit_price",
            "pricing_currency",
            "pricing_currency_contracted_unit_price",
            "pricing_currency_effective_cost",
            "pricing_currency_list_unit_price",
            "pricing_quantity",
            "pricing_unit",
            "publisher_name",
            "region_name",
            "resource_id",
            "resource_name",
            "resource_type",
            "service_subcategory",
            "sku_id",
            "sku_price_details",
            "sku_price_id",
            "sub_account_type",
        ),
    ),
)


def make(settings: Settings, world: World, keep: Keep) -> FocusFiles:
    store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
    return FocusFiles(name=settings.name, settings=settings, store=store, keep=keep, spark=world.spark)


@dataclass(frozen=True, kw_only=True)
class FocusFiles:
    """One export in FOCUS, by whomever."""

    name: str
    settings: Settings
    store: ObjectStore = field(repr=False)
    keep: Keep = field(repr=False)
    spark: Spark | None = field(default=None, repr=False)
    _listed: dict[str, ObjectInfo] = field(default_factory=dict, repr=False, compare=False)
    _open: dict[BillingPeriod, bool] = field(default_factory=dict, repr=False, compare=False)

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
            self._delivery(period, focus_datasets.current(periods[period], self.settings.delivery_handling))
            for period in sorted(periods)
            if not since or period >= since
        )

    def charges(self, delivery: Delivery) -> Scan:
        scan = fetch.read(
            delivery,
            self.store,
            self._listed,
            self._mapping,
            self.keep,
            period=self._period(delivery),
            max_rejected_rows=self.settings.max_rejected_rows,
            spark=self.spark,
        )
        if not self._open.get(delivery.billing_period):
            return scan
        message = f"the issuer calls billing period {delivery.billing_period} open: its charges may still change"
        told = Problem(file=self.store.root, column="BillingPeriodStatus", message=message, severity="warning")
        return replace(scan, problems=(*scan.problems, told))

    def rows(self, delivery: Delivery, days: Days) -> Iterator[pa.RecordBatch]:
        period = self._period(delivery)
        return fetch.rows(delivery, self.store, self._listed, self._mapping, self.keep, days, period=period)

    def sql(self, delivery: Delivery, dialect: Dialect, tables: Sequence[str]) -> str:
        start = delivery.billing_period.start  # a table holds many periods, whatever the folders of its files say
        return fetch.sql(delivery, self.store, self._listed, self._mapping, self.keep, dialect, tables, period=start)

    def _period(self, delivery: Delivery) -> date | None:
        """The period to pick from files that may hold several; None where each file is of one, as its folder says."""
        by_folder = all(PARTITION.search(part.uri.removeprefix(self.store.root)) for part in delivery.parts)
        return None if by_folder else delivery.billing_period.start

    @property
    def _mapping(self) -> LineMapping:
        is_us = self.settings.written == "us"
        defaults = {name: self.settings.defaults.get(_pascal(name)) for name in MAPPING.text}
        told = {name: value for name, value in defaults.items() if value is not None}
        return replace(MAPPING, us_dates=is_us, us_amounts=is_us, defaults=told)

    @property
    def _salt(self) -> str:
        told = json.dumps([self.settings.written, self.settings.defaults], sort_keys=True)
        return f"focus_files {MAPPING.version} {fingerprint_keep(self.keep)} {told}"

    def _periods(self, info: ObjectInfo) -> Sequence[BillingPeriod]:
        """Billing periods of one file of charges: that of its folder, else those that its lines name."""
        from finops_ai.sources.scan import months

        if found := PARTITION.search(info.key):
            return [BillingPeriod.parse(found[1])]
        path = self.store.fetch(info)
        kind = focus_datasets.dataset(path, info.key)
        if kind == focus_datasets.PERIODS:
            self._open.update(focus_datasets.open_periods(path, info.key))
        if kind != focus_datasets.CHARGES:
            return []
        return [BillingPeriod.of(month) for month in months(info.key, path, self._mapping)]

    def _delivery(self, period: BillingPeriod, parts: Sequence[ObjectInfo]) -> Delivery:
        # A period that is closed without another change is read again, so that it is no longer told as open.
        identity = f"{period} open" if self._open.get(period) else str(period)
        return fetch.delivery_of(self.name, period, parts, salt=self._salt, identity=identity)
