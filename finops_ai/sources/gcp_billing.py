"""Google Cloud's billing export, standard or detailed: the BigQuery table, or extracts of it in a folder or bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from finops_ai.domain.errors import Unavailable
from finops_ai.sources.base import Keep
from finops_ai.sources.gcp_extracts import GcpExtracts
from finops_ai.sources.gcp_fields import REQUIRED
from finops_ai.sources.gcp_table import GcpTable
from finops_ai.sources.mapping import Labels, LineMapping
from finops_ai.world.cloud_billing import CloudBilling
from finops_ai.world.world import World


class Settings(BaseModel):
    """Either `table`, as project.dataset.table, or `uri`: a file, a folder or a bucket's prefix of extracts of it.

    `project` runs and pays the queries; by default the table's. `max_scan_gib` bounds what one query may read.
    `billing_account` lets `doctor` check that it bills the projects of the export; `billing_url` is another address of
    the API that tells, `endpoint_url` another one of BigQuery or of the bucket.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gcp_billing"] = "gcp_billing"
    name: str
    table: Annotated[str, Field(pattern=r"^[a-z][a-z0-9:.-]*\.[A-Za-z0-9_]+\.[A-Za-z0-9_-]+$")] | None = None
    uri: str | None = None
    project: str | None = None
    max_scan_gib: int = Field(default=1024, ge=1, description="largest amount that one query may read")
    billing_account: Annotated[str, Field(pattern=r"^[0-9A-Z]{6}(-[0-9A-Z]{6}){2}$")] | None = None
    billing_url: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    settle_days: int = Field(default=3, ge=0, description="days after a UTC day's end until its bill is complete")
    max_rejected_rows: int = Field(default=0, ge=0, description="lines that may be left out before all is refused")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.table is None) == (self.uri is None):
            raise PydanticCustomError("one_place", "name either table (in BigQuery) or uri (extracts of it)")
        return self


MAPPING = LineMapping(
    sql=Path(__file__).with_suffix(".sql"),
    version=1,
    text=(
        "adjustment_info_mode",
        "adjustment_info_type",
        "billing_account_id",
        "consumption_model_description",
        "cost_type",
        "credits_type",
        "credits_unknown",
        "currency",
        "labels_fault",
        "location_location",
        "location_region",
        "project_id",
        "project_name",
        "service_description",
        "service_id",
        "sku_description",
        "usage_pricing_unit",
        "usage_unit",
    ),
    money=(
        "cost",
        "cost_at_effective_price_default",
        "cost_at_list",
        "credits_discount",
        "credits_promotion",
        "usage_amount",
        "usage_amount_in_pricing_units",
    ),
    null_money=frozenset({"cost_at_effective_price_default", "cost_at_list", "usage_amount_in_pricing_units"}),
    days=("invoice_month", "usage_start_time"),
    required=frozenset(name.replace(".", "_") for name in REQUIRED),
    filled=frozenset(name.replace(".", "_") for name in REQUIRED),
    billed="cost + coalesce(credits_discount, 0) + coalesce(credits_promotion, 0)",
    currency="currency",
    account="project_id",
    period="invoice_month",
    tags=Labels(column="tags"),
    cost_categories=Labels(column="x_cost_categories"),
)


def make(settings: Settings, world: World, keep: Keep) -> GcpExtracts | GcpTable:
    if settings.table:
        table = world.objects.table(
            settings.table,
            project=settings.project,
            endpoint_url=settings.endpoint_url,
            largest_scan_bytes=settings.max_scan_gib << 30,
        )
        return GcpTable(
            name=settings.name,
            table=table,
            mapping=MAPPING,
            keep=keep,
            max_rejected_rows=settings.max_rejected_rows,
        )
    store = world.objects.store(str(settings.uri), endpoint_url=settings.endpoint_url, region=settings.region)
    return GcpExtracts(
        name=settings.name,
        store=store,
        mapping=MAPPING,
        keep=keep,
        max_rejected_rows=settings.max_rejected_rows,
    )


def examine(
    settings: Settings, world: World, source: GcpExtracts | GcpTable
) -> Iterator[tuple[str, Callable[[], str]]]:
    """What `doctor` checks besides the deliveries: what reading costs, and who is billed for the projects."""
    if isinstance(source, GcpTable):
        yield "cost of reading", lambda: f"reading the whole table once scans {source.scanned_bytes() / 2**30:,.2f} GiB"
    if account := settings.billing_account:
        billing = CloudBilling(world.secrets, endpoint_url=settings.billing_url)
        yield "billing account", lambda: billing_links(billing, account, source.projects())


def billing_links(billing: CloudBilling, account: str, projects: Set[str]) -> str:
    """Whether `account` is open and bills `projects`. Raises Unavailable when Google does not tell or it is closed."""
    told = billing.account(account)
    if not told.get("open"):
        raise Unavailable(f"billing account {account} is closed: no new charges will come")
    linked = {str(link["projectId"]) for link in billing.projects(account) if link.get("billingEnabled")}
    elsewhere = sorted(projects - linked)
    text = f"{told.get('displayName', account)} bills {len(linked)} projects"
    return f"{text}; of the export's, no longer: {', '.join(elsewhere)}" if elsewhere else text
