"""OpenCost and Kubecost: what the workloads of clusters cost per day, from their allocation API or recorded answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Malformed, Problem, Rejected
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.fetch import delivery_of, read
from finops_ai.sources.mapping import Labels, LineMapping, fingerprint_keep
from finops_ai.sources.opencost_answers import Reader, answer, months
from finops_ai.sources.opencost_api import ANSWERS, Api, Question
from finops_ai.world.recordings import recording
from finops_ai.world.scratch import scratch
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import ObjectInfo, ObjectStore, World

BILLED_BY = ("aws_cur", "focus_files", "gcp_billing", "azure_export")
TAGS = ("cluster", "namespace", "controller", "workload")

CLUSTER_TAGS = (
    "aws:eks:cluster-name",
    "aws-eks-cluster-name",
    "eks:cluster-name",
    "eks-cluster-name",
    "alpha.eksctl.io/cluster-name",
    "alpha-eksctl-io-cluster-name",
    "goog-k8s-cluster-name",
    "aks-managed-cluster-name",
    "kubernetescluster",
    "kubernetes-cluster",
)
"""Tags by which clouds and installers mark what belongs to a cluster; CUR 2.0 writes `_` for `:`, `.` and `/`."""

SUFFIXES = (".json", ".json.gz")


class Settings(BaseModel):
    """Either `url`, the server's address, or `uri`, a file or folder of recorded answers.

    `path` is /allocation/compute or /allocation for OpenCost, /model/allocation for Kubecost; by default what the
    server knows. Answers are kept, so that days stay known that the server forgets. `currency` is that of the
    server's prices, which its answers do not name; `cluster` names a cluster where they do not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["opencost"] = "opencost"
    name: str
    url: str | None = None
    uri: str | None = None
    path: Annotated[str, Field(pattern="^/")] | None = None
    token: SecretRef | None = None
    aggregate: str | None = None
    page_size: Annotated[int, Field(ge=1)] | None = None
    days: int = Field(default=31, ge=1, le=366, description="days back that are asked for once")
    refresh_days: int = Field(default=4, ge=0, description="days back that are asked for again every time")
    timeout_seconds: float = Field(default=120.0, gt=0, le=900)
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    cluster: str | None = None
    counts: Literal["auto", "always", "never"] = "auto"
    endpoint_url: str | None = None
    region: str | None = None
    settle_days: int = Field(default=1, ge=0, description="days after a UTC day's end until its cost is complete")
    max_rejected_rows: int = Field(default=0, ge=0, description="lines that may be left out before all is refused")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.uri is None):
            raise PydanticCustomError("one_place", "name either url (a server) or uri (recorded answers)")
        return self


MAPPING = LineMapping(
    sql=Path(__file__).with_suffix(".sql"),
    version=1,
    text=("cluster", "namespace", "note", "billing_currency"),
    money=(
        "cpu_cost",
        "cpu_cost_adjustment",
        "ram_cost",
        "ram_cost_adjustment",
        "gpu_cost",
        "gpu_cost_adjustment",
        "pv_cost",
        "pv_cost_adjustment",
        "network_cost",
        "network_cost_adjustment",
        "load_balancer_cost",
        "load_balancer_cost_adjustment",
        "shared_cost",
        "external_cost",
        "total_cost",
        "gpu_hours",
    ),
    days=("window_start",),
    required=frozenset({"billing_currency", "total_cost", "window_start"}),
    filled=frozenset({"billing_currency", "total_cost", "window_start"}),
    billed="total_cost",
    currency="billing_currency",
    account="cluster",
    period="window_start",
    tags=Labels(column="tags"),
    cost_categories=Labels(column="x_cost_categories"),
)


def make(settings: Settings, world: World, keep: Keep) -> OpenCost:
    if settings.uri is not None:
        store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
        return OpenCost(name=settings.name, settings=settings, store=store, keep=keep)
    kept = recording(world.recordings, settings.name)
    question = Question(
        url=str(settings.url),
        path=settings.path,
        aggregate=settings.aggregate,
        page_size=settings.page_size,
        token=settings.token,
        timeout_seconds=settings.timeout_seconds,
    )
    return OpenCost(
        name=settings.name,
        settings=settings,
        store=kept,
        keep=keep,
        api=Api(question=question, world=world, recording=kept),
    )


@dataclass(frozen=True, kw_only=True)
class OpenCost:
    """The allocations of one server, or of the answers in one folder; a billing period is a calendar month in UTC."""

    name: str
    settings: Settings
    store: ObjectStore = field(repr=False)
    keep: Keep = field(repr=False)
    api: Api | None = field(default=None, repr=False)
    _listed: dict[str, ObjectInfo] = field(default_factory=dict, repr=False, compare=False)

    def deliveries(self, since: BillingPeriod | None) -> Iterator[Delivery | Refusal]:
        try:
            if self.api:
                self.api.refresh(since, days=self.settings.days, refresh_days=self.settings.refresh_days)
            periods = self._periods()
        except (Malformed, Rejected) as error:
            problems = error.problems if isinstance(error, Malformed) else (Problem(file="", message=str(error)),)
            yield Refusal(source=self.name, billing_period=None, problems=problems)
            return
        for period in sorted(periods):
            if not since or period >= since:
                yield self._delivery(period, periods[period])

    def charges(self, delivery: Delivery) -> Scan:
        told = self.settings
        with scratch("answers") as folder:
            reader = Reader(scratch=folder, keep=self.keep, currency=told.currency, cluster=told.cluster)
            scan = read(
                delivery,
                self.store,
                self._listed,
                MAPPING,
                self.keep,
                period=delivery.billing_period.start,
                max_rejected_rows=told.max_rejected_rows,
                laid_out=reader.table,
            )
        return replace(scan, problems=(*scan.problems, *reader.problems))

    def _periods(self) -> dict[BillingPeriod, list[ObjectInfo]]:
        """Answers by the months that they tell of. Raises Malformed when one is unreadable: any month may lack it."""
        listed = self.store.list(ANSWERS if self.api else "")
        self._listed.update({info.uri: info for info in listed})
        periods: dict[BillingPeriod, list[ObjectInfo]] = {}
        problems: list[Problem] = []
        answers = [info for info in listed if info.key.lower().endswith(SUFFIXES)]
        with scratch("answers") as folder:
            for info in answers:
                try:
                    for period in self._months(info, folder):
                        periods.setdefault(period, []).append(info)
                except Malformed as error:
                    problems += error.problems
        if not answers and not self.api:
            problems = [Problem(file=self.store.root, message=f"holds no answers ({', '.join(SUFFIXES)})")]
        if problems:
            raise Malformed(problems)
        return periods

    def _months(self, info: ObjectInfo, scratch: Path) -> Sequence[BillingPeriod]:
        if self.api:
            return [BillingPeriod.parse(info.key.removeprefix(ANSWERS)[:7])]
        found = months(answer(self.store.fetch(info), info.key, scratch), info.key)
        return [BillingPeriod.of(month) for month in sorted(found)]

    def _delivery(self, period: BillingPeriod, parts: Sequence[ObjectInfo]) -> Delivery:
        read_as = f"{self.settings.currency} {self.settings.cluster or ''}"
        salt = f"opencost {MAPPING.version} {fingerprint_keep(self.keep)} {read_as}"
        return delivery_of(self.name, period, parts, salt=salt)
