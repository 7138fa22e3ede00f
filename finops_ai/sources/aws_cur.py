"""AWS Cost and Usage Reports: legacy (CSV, zip, Parquet) by assembly, and CUR 2.0 from Data Exports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Problem
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.sources import exports, fetch
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.mapping import Detail, Labels, LineMapping, fingerprint_keep
from finops_ai.world.spark import Spark
from finops_ai.world.world import ObjectInfo, ObjectStore, World

if TYPE_CHECKING:
    import pyarrow as pa

    from finops_ai.sources.base import Dialect


class Settings(BaseModel):
    """`uri` is the folder of one report or export, or one above it that holds no other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["aws_cur"] = "aws_cur"
    name: str
    uri: str
    endpoint_url: str | None = None
    region: str | None = None
    settle_days: int = Field(default=1, ge=0, description="days after a UTC day's end until its bill is complete")
    max_rejected_rows: int = Field(default=0, ge=0, description="lines that may be left out before all is refused")


NET_MONEY = (
    "line_item_net_unblended_cost",
    "reservation_net_effective_cost",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_recurring_fee",
    "savings_plan_net_savings_plan_effective_cost",
)
"""Costs after negotiated discounts; a report has them only while the account has such discounts."""

IS_NET = """line_item_net_unblended_cost IS NOT NULL AND NOT (
  SELECT coalesce(bool_or(line_item_line_item_type IN (
    'EdpDiscount', 'PrivateRateDiscount', 'BundledDiscount', 'SppDiscount'
  )), FALSE) FROM typed
)"""
"""Whether a line is invoiced at its net cost: it is, unless the delivery tells discounts as lines of their own.

With lines for them (legacy reports; CUR 2.0 with manual discount compatibility) the invoice is the sum of unblended
costs, without them the sum of net unblended costs. A report that has both says the same discounts twice.
"""

MAPPING = LineMapping(
    sql=Path(__file__).with_suffix(".sql"),
    version=2,
    text=(
        "bill_invoicing_entity",
        "bill_payer_account_id",
        "bill_payer_account_name",
        "line_item_currency_code",
        "line_item_line_item_type",
        "line_item_product_code",
        "line_item_usage_account_id",
        "line_item_usage_account_name",
        "line_item_usage_type",
        "pricing_unit",
        "product_product_name",
    ),
    money=(
        "line_item_unblended_cost",
        "line_item_usage_amount",
        "pricing_public_on_demand_cost",
        "reservation_effective_cost",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_recurring_fee",
        "savings_plan_savings_plan_effective_cost",
        "savings_plan_total_commitment_to_date",
        "savings_plan_used_commitment",
        *NET_MONEY,
    ),
    null_money=frozenset({"pricing_public_on_demand_cost", *NET_MONEY}),
    days=("line_item_usage_start_date",),
    required=frozenset(
        {
            "bill_payer_account_id",
            "line_item_currency_code",
            "line_item_line_item_type",
            "line_item_product_code",
            "line_item_unblended_cost",
            "line_item_usage_start_date",
        }
    ),
    filled=frozenset({"line_item_currency_code", "line_item_unblended_cost", "line_item_usage_start_date"}),
    billed="CASE WHEN is_net THEN line_item_net_unblended_cost ELSE line_item_unblended_cost END",
    currency="line_item_currency_code",
    account="coalesce(line_item_usage_account_id, bill_payer_account_id)",
    reads=(
        "line_item_availability_zone",
        "line_item_operation",
        "product_region_code",
        "reservation_reservation_a_r_n",
        "split_line_item_parent_resource_id",
    ),
    derived={
        "region_id": "CASE WHEN product_region_code <> '' THEN product_region_code "
        "ELSE rtrim(line_item_availability_zone, 'abcdefghijklmnopqrstuvwxyz') END",
        "is_reservation": "coalesce(reservation_reservation_a_r_n <> '', FALSE)",
        "is_net": IS_NET,
    },
    # An export of chosen columns may hold the pods' lines and not name their instance.
    outside="split_line_item_parent_resource_id <> '' OR line_item_operation IN ('EKSPod-EC2', 'ECSTask-EC2')",
    aliases={"product_region_code": ("product_region",)},
    tags=Labels(column="resource_tags", prefixes=("resourceTags/", "resource_tags_")),
    cost_categories=Labels(column="cost_category", prefixes=("costCategory/", "cost_category_")),
    detail=Detail(
        sql=Path(__file__).with_name("aws_cur_lines.sql"),
        reads=(
            "bill_invoice_id",
            "capacity_reservation_capacity_reservation_arn",
            "line_item_legal_entity",
            "line_item_line_item_description",
            "line_item_resource_id",
            "line_item_unblended_rate",
            "line_item_usage_end_date",
            "pricing_currency",
            "pricing_public_on_demand_rate",
            "pricing_rate_code",
            "pricing_rate_id",
            "product_instance_type",
            "product_location",
            "product_operating_system",
            "product_product_family",
            "product_sku",
            "reservation_unused_quantity",
            "savings_plan_offering_type",
            "savings_plan_savings_plan_a_r_n",
        ),
    ),
)


def make(settings: Settings, world: World, keep: Keep) -> AwsCur:
    store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
    return AwsCur(name=settings.name, settings=settings, store=store, keep=keep, spark=world.spark)


@dataclass(frozen=True, kw_only=True)
class AwsCur:
    """One report or export."""

    name: str
    settings: Settings
    store: ObjectStore = field(repr=False)
    keep: Keep = field(repr=False)
    spark: Spark | None = field(default=None, repr=False)
    _listed: dict[str, ObjectInfo] = field(default_factory=dict, repr=False, compare=False)

    def deliveries(self, since: BillingPeriod | None) -> Iterator[Delivery | Refusal]:
        objects = {info.key: info for info in self.store.list()}
        self._listed.update({info.uri: info for info in objects.values()})
        found = exports.manifests(list(objects.values()), reports=True)
        if not found:
            message = "holds no manifest of a report or export: point uri at its folder"
            yield Refusal(
                source=self.name, billing_period=None, problems=(Problem(file=self.store.root, message=message),)
            )
        salt = f"aws_cur {MAPPING.version} {fingerprint_keep(self.keep)}"
        yield from exports.deliveries(self.name, found, self.store, objects, salt, since)

    def rows(self, delivery: Delivery, days: Days) -> Iterator[pa.RecordBatch]:
        return fetch.rows(delivery, self.store, self._listed, MAPPING, self.keep, days)

    def sql(self, delivery: Delivery, dialect: Dialect, tables: Sequence[str]) -> str:
        return fetch.sql(delivery, self.store, self._listed, MAPPING, self.keep, dialect, tables)

    def charges(self, delivery: Delivery) -> Scan:
        return fetch.read(
            delivery,
            self.store,
            self._listed,
            MAPPING,
            self.keep,
            max_rejected_rows=self.settings.max_rejected_rows,
            spark=self.spark,
        )
