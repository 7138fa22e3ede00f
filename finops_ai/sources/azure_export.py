"""Azure cost exports: ActualCost and AmortizedCost as one truth, or FocusCost; Exports v2, classic and single files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.delivery import Delivery, Part, Refusal
from finops_ai.domain.errors import Malformed, Problem, Unavailable
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources import azure_runs, focus_files
from finops_ai.sources.azure_bases import Told, together
from finops_ai.sources.azure_runs import Run
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.fetch import fingerprint, read
from finops_ai.sources.mapping import Labels, LineMapping, fingerprint_keep, plain, text_literal
from finops_ai.sources.parts import glance
from finops_ai.world.spark import Spark
from finops_ai.world.world import ObjectInfo, ObjectStore, World


class Settings(BaseModel):
    """`uri` is a file, the folder of an export, or one above several exports that tell one bill together.

    Without `endpoint_url` the storage account is the one that AZURE_STORAGE_CONNECTION_STRING or
    AZURE_STORAGE_ACCOUNT names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["azure_export"] = "azure_export"
    name: str
    uri: str
    endpoint_url: str | None = None
    settle_days: int = Field(default=1, ge=0, description="days after a UTC day's end until its bill is complete")
    max_rejected_rows: int = Field(default=0, ge=0, description="lines that may be left out before all is refused")


ACCOUNT = r"regexp_replace({0}, '^/?providers/microsoft\.billing/billingaccounts/([^/]+).*$', '\1', 'i')"
SUBSCRIPTION = "lower(regexp_replace({0}, '^/subscriptions/', '', 'i'))"
"""One spelling of what EA, MCA and FOCUS exports call the same account."""

RATE = (
    "CASE WHEN coalesce(nullif(pricing_currency, ''), billing_currency) = billing_currency THEN 1 "
    "ELSE TRY_CAST(exchange_rate_pricing_to_billing AS DECIMAL(17, 8)) END"
)
PRICE = f"nullif(TRY_CAST(TRY_CAST({{0}} AS DECIMAL(19, 10)) * ({RATE}) AS DECIMAL(19, 10)), 0)"
"""A price in billing currency; null where the file says nothing, 0, or no exchange rate."""

MAPPING = LineMapping(
    sql=Path(__file__).with_suffix(".sql"),
    version=1,
    text=(
        "billing_account_id",
        "billing_account_name",
        "billing_currency",
        "charge_type",
        "consumed_service",
        "frequency",
        "meter_category",
        "meter_name",
        "meter_sub_category",
        "partner_name",
        "pricing_model",
        "product_name",
        "publisher_name",
        "resource_location",
        "service_family",
        "subscription_id",
        "subscription_name",
        "unit_of_measure",
    ),
    money=("cost_in_billing_currency", "payg_cost_in_billing_currency", "quantity"),
    null_money=frozenset({"payg_cost_in_billing_currency"}),
    days=("billing_period_start_date", "date"),
    required=frozenset({"billing_currency", "cost_in_billing_currency", "date"}),
    filled=frozenset({"billing_currency", "cost_in_billing_currency", "date"}),
    billed="cost_in_billing_currency",
    currency="billing_currency",
    account="coalesce(nullif(subscription_id, ''), billing_account_id)",
    period="coalesce(billing_period_start_date, date)",
    reads=("exchange_rate_pricing_to_billing", "pay_g_price", "pricing_currency", "unit_price"),
    derived={"list_price": PRICE.format("pay_g_price"), "contracted_price": PRICE.format("unit_price")},
    named=lambda header: found[1] if (found := re.search(r"\(([A-Za-z]\w{3,})\)\s*$", header)) else header.strip(),
    us_dates=True,
    decimal_commas=(
        "cost_in_billing_currency",
        "exchange_rate_pricing_to_billing",
        "pay_g_price",
        "payg_cost_in_billing_currency",
        "quantity",
        "unit_price",
    ),
    cleaned={
        "billing_account_id": ACCOUNT,
        "resource_location": "lower(replace({0}, ' ', ''))",
        "subscription_id": SUBSCRIPTION,
    },
    aliases={
        "billing_currency": ("billing_currency_code", "currency"),
        "cost_in_billing_currency": ("cost", "pre_tax_cost"),
        "date": ("usage_date_time", "usage_date"),
        "product_name": ("product",),
        "quantity": ("usage_quantity", "consumed_quantity"),
        "resource_location": ("location",),
        "subscription_id": ("subscription_guid",),
        "unit_price": ("resource_rate",),
    },
    tags=Labels(column="tags", bare=True),
    cost_categories=Labels(column="x_cost_categories"),
    spelling=lambda name: "".join(word.capitalize() for word in name.split("_")),
)

FOCUS = dataclasses.replace(
    focus_files.MAPPING,
    cleaned={"billing_account_id": ACCOUNT, "sub_account_id": SUBSCRIPTION},
    aliases={
        **focus_files.MAPPING.aliases,
        "sku_meter": ("x_sku_meter_name",),
        "x_service_code": ("x_sku_meter_category",),
        "x_usage_type": ("charge_description",),
    },
)
"""FOCUS as Azure writes it: its own columns beside the specification's, accounts as resource ids."""


def make(settings: Settings, world: World, keep: Keep) -> AzureExport:
    store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url)
    return AzureExport(name=settings.name, settings=settings, store=store, keep=keep, spark=world.spark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run that counts in a delivery: its parts, proved to be there; `mixed` when it tells of other months too."""

    run: Run
    parts: tuple[ObjectInfo, ...]
    mixed: bool


@dataclass(frozen=True, kw_only=True)
class AzureExport:
    """The exports under one prefix."""

    name: str
    settings: Settings
    store: ObjectStore = field(repr=False)
    keep: Keep = field(repr=False)
    spark: Spark | None = field(default=None, repr=False)
    _listed: dict[str, ObjectInfo] = field(default_factory=dict, repr=False, compare=False)
    _plans: dict[str, tuple[Plan, ...]] = field(default_factory=dict, repr=False, compare=False)

    def deliveries(self, since: BillingPeriod | None) -> Iterator[Delivery | Refusal]:
        objects = {info.key: info for info in self.store.list()}
        self._listed.update({info.uri: info for info in objects.values()})
        try:
            chosen = self._chosen(objects)
        except Malformed as error:  # an unreadable file belongs to an unknown month: any of them may be incomplete
            yield Refusal(source=self.name, billing_period=None, problems=error.problems)
            return
        for period in sorted(chosen):
            if since and period < since:
                continue
            try:
                if plans := self._planned(chosen[period], objects):
                    yield self._delivery(period, plans)
            except Malformed as error:
                yield Refusal(source=self.name, billing_period=period, problems=error.problems)

    def charges(self, delivery: Delivery) -> Scan:
        if delivery.fingerprint not in self._plans:
            list(self.deliveries(None))
        if (plans := self._plans.get(delivery.fingerprint)) is None:
            raise Unavailable(f"{self.store.root} changed since {delivery.billing_period} was listed")
        return together([self._told(delivery, plan, plans) for plan in plans])

    def _chosen(self, objects: Mapping[str, ObjectInfo]) -> dict[BillingPeriod, list[tuple[Run, bool]]]:
        """The runs that count by month. Raises Malformed with what is wrong with files that name no month."""
        from finops_ai.sources.scan import months

        problems: list[Problem] = []

        def told(run: Run) -> list[BillingPeriod]:
            try:
                known, parts = self._known(run, run.whole(objects))
                mapping = _mapping(known)
                days = {day for part in parts for day in months(part.key, self.store.fetch(part), mapping)}
            except Malformed as error:
                problems.extend(error.problems)
                return []
            return [BillingPeriod.of(day) for day in sorted(days)]

        chosen = azure_runs.newest(azure_runs.runs(objects, self.store), told)
        if not chosen and not problems:
            message = "holds no cost export with rows: point uri at one of ActualCost, AmortizedCost or FocusCost"
            problems.append(Problem(file=self.store.root, message=message))
        if problems:
            raise Malformed(problems)
        return chosen

    def _planned(self, chosen: Sequence[tuple[Run, bool]], objects: Mapping[str, ObjectInfo]) -> tuple[Plan, ...]:
        """What a delivery of these runs is made of; nothing when none has a row. Raises Malformed."""
        plans: list[Plan] = []
        problems: list[Problem] = []
        for run, mixed in chosen:
            try:
                known, parts = self._known(run, run.whole(objects))
                plans += [Plan(run=known, parts=parts, mixed=mixed)] if parts else []
                if not parts and run.shrunk:
                    problems.append(Problem(file=run.place, message=azure_runs.EMPTIED))
            except Malformed as error:
                problems.extend(error.problems)
        problems += azure_runs.nested([plan.run for plan in plans])
        formats = {plan.run.dataset == "focus": plan.run.place for plan in plans}
        if len(formats) > 1:
            message = f"tells in FOCUS what {formats[False]} tells: point uri at one of them"
            problems.append(Problem(file=formats[True], message=message))
        if problems:
            raise Malformed(problems)
        return tuple(plans)

    def _known(self, run: Run, parts: tuple[ObjectInfo, ...]) -> tuple[Run, tuple[ObjectInfo, ...]]:
        """A run with its dataset, and its parts that have rows: told by the manifest, else by the headers."""
        if run.named is not None:
            return run, parts if run.rows != 0 else ()
        seen = [(part, *glance(self.store.fetch(part), part.key)) for part in parts]
        is_focus = any({"billedcost", "effectivecost"} <= set(map(plain, header)) for _, header, _ in seen)
        dataset = "focus" if is_focus else run.dataset or "actual"
        known = dataclasses.replace(run, dataset=dataset, guessed=run.dataset is None)
        return known, tuple(part for part, _, has_rows in seen if has_rows)

    def _delivery(self, period: BillingPeriod, plans: tuple[Plan, ...]) -> Delivery:
        identity = sorted(f"{plan.run.dataset} {plan.run.scope} {plan.run.until} {plan.mixed}" for plan in plans)
        parts = [part for plan in plans for part in plan.parts]
        delivery = Delivery(
            source=self.name,
            billing_period=period,
            fingerprint=fingerprint(
                f"azure_export {MAPPING.version} {FOCUS.version} {fingerprint_keep(self.keep)}",
                f"{period} {identity}",
                [(part.key, part.size_bytes, part.etag) for part in parts],
            ),
            parts=_parts(parts),
            published_at=max(plan.run.at for plan in plans),
        )
        self._plans[delivery.fingerprint] = plans
        return delivery

    def _told(self, delivery: Delivery, plan: Plan, plans: Sequence[Plan]) -> Told:
        run = plan.run
        beside = {other.run.dataset for other in plans if other.run.scope == run.scope}
        mapping = _mapping(run, alone=len(beside) == 1)

        def scanned(mapping: LineMapping) -> Scan:
            return read(
                dataclasses.replace(delivery, parts=_parts(plan.parts)),
                self.store,
                self._listed,
                mapping,
                self.keep,
                period=delivery.billing_period.start if plan.mixed else None,
                max_rejected_rows=self.settings.max_rejected_rows,
                spark=self.spark,
            )

        scan = scanned(mapping)
        rows = scan.control.rows + scan.rows_rejected
        if run.rows is not None and not plan.mixed and rows != run.rows:
            message = f"counts {run.rows:,} rows and its files hold {rows:,}: export it again"
            raise Malformed([Problem(file=run.place, message=message)])
        return Told(
            run=run,
            scan=scan,
            after=lambda day: scanned(dataclasses.replace(mapping, only=f"date > DATE '{day}'")),
        )


def _mapping(run: Run, *, alone: bool = False) -> LineMapping:
    """How the lines of a run are read; `alone` when no run tells their other cost."""
    if run.dataset == "focus":
        return FOCUS
    dataset = text_literal(f"{run.dataset} alone" if alone else str(run.dataset))
    return dataclasses.replace(MAPPING, derived={**MAPPING.derived, "dataset": dataset})


def _parts(objects: Sequence[ObjectInfo]) -> tuple[Part, ...]:
    return tuple(Part(uri=info.uri, size_bytes=info.size_bytes, etag=info.etag) for info in objects)
