"""What a rightsizing strategy and its guard may be told, with the field's values as defaults."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

HOURS_PER_MONTH = 730
MIB = 1024 * 1024
GIB = 1024 * MIB


class Prices(BaseModel):
    """Price of a reserved core and GiB per hour; `rate` is its name, shown beside every saving.

    `gpu_hour` prices whole devices by words of their model (`A100`, `L4`); the longest name that fits counts.
    `storage_gib_month` prices volumes by their storage class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_core_hour: Decimal = Field(default=Decimal("0.031611"), ge=0)
    memory_gib_hour: Decimal = Field(default=Decimal("0.004237"), ge=0)
    gpu_hour: dict[str, Annotated[Decimal, Field(gt=0)]] = {}
    storage_gib_month: dict[str, Annotated[Decimal, Field(gt=0)]] = {}
    currency: str = "USD"
    rate: str = "illustrative on-demand"


ProfileName = Literal["staged", "steady", "lean", "krr", "kubecost", "vpa"]


class Tier(BaseModel):
    """Other care for the workloads whose cluster/namespace/Kind/name `match` fits; what is not set stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str
    profile: ProfileName | None = None
    max_decrease: Decimal | None = Field(default=None, ge=0, lt=1)
    memory_margin: Decimal | None = Field(default=None, ge=0)
    cpu_headroom: Decimal | None = Field(default=None, ge=0)
    min_days: int | None = Field(default=None, ge=1)


class NodePool(BaseModel):
    """Nodes by a label; `taint` is the key that keeps others off; the discounts are shares of the usual price."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Annotated[str, Field(min_length=1)]
    value: Annotated[str, Field(min_length=1)]
    taint: str = ""
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] = "NoSchedule"
    discount_low: Decimal = Field(default=Decimal(0), ge=0, lt=1)
    discount_high: Decimal = Field(default=Decimal(0), ge=0, lt=1)


class Place(BaseModel):
    """Where the requests and limits of a chart's workload stand: `path` of its resources in `file`, or single `paths`.

    `workload` and `container` are globs; `kind` and `name` tell the object in the file, a release for instance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workload: Annotated[str, Field(min_length=1)]
    container: str = "*"
    file: Annotated[str, Field(min_length=1)]
    kind: str | None = None
    name: str | None = None
    path: str = ""
    paths: dict[str, str] = {}

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if not self.path and not self.paths:
            raise PydanticCustomError("wrong", "say where the values stand: path, or paths such as {requests.cpu: a.b}")
        if (self.kind is None) != (self.name is None):
            raise PydanticCustomError("wrong", "kind and name go together")
        return self

    def fits(self, workload: str, container: str) -> bool:
        return fnmatchcase(workload, self.workload) and fnmatchcase(container, self.container)

    def at(self, resource: str) -> str:
        """Path of `requests.cpu` and the like."""
        return self.paths.get(resource, f"{self.path}.{resource}" if self.path else "")


class Freeze(BaseModel):
    """A time in which nothing is proposed for the workloads that `match` fits; `end` is not part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: AwareDatetime
    end: AwareDatetime
    note: Annotated[str, Field(min_length=1)]
    match: str = "*"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            raise PydanticCustomError("wrong", "end lies before start")
        return self


class Settings(BaseModel):
    """The profile and its guard. CPU in cores, memory in bytes, shares in 0..1; docs/rightsizing.md has the formulas.

    Sources: percentile of CPU and memory maximum plus margin as KRR; the OOM factor as KRR's; the floors of 10m and
    20Mi as Kubecost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: ProfileName = "staged"
    tiers: tuple[Tier, ...] = ()
    freezes: tuple[Freeze, ...] = ()

    places: tuple[Place, ...] = ()
    slo_label: str = "slo-class"
    preemptible: NodePool | None = None
    dedicated: NodePool | None = None
    priority_classes: dict[str, str] = {}

    cpu_percentile: Decimal = Field(default=Decimal("0.99"), gt=0, le=1)
    cpu_headroom: Decimal = Field(default=Decimal("0.15"), ge=0)
    memory_margin: Decimal = Field(default=Decimal("0.15"), ge=0)
    oom_factor: Decimal = Field(default=Decimal("1.25"), ge=1)
    throttled_factor: Decimal = Field(default=Decimal("1.5"), ge=1)
    cpu_floor_cores: Decimal = Field(default=Decimal("0.010"), gt=0)
    memory_floor_bytes: Decimal = Field(default=Decimal(20 * MIB), gt=0)

    prove_days: int = Field(default=28, ge=7)
    borrowed_share: float = Field(default=0.10, ge=0, le=1)

    target_utilisation: Decimal = Field(default=Decimal("0.7"), gt=0, le=1)

    pod_start_minutes: int = Field(default=3, ge=0, le=60)

    min_gpu_hours: int = Field(default=48, ge=1)
    min_runs: int = Field(default=5, ge=1)
    min_days: int = Field(default=7, ge=1)
    min_hours_seen: Decimal = Field(default=Decimal("0.8"), gt=0, le=1)
    min_difference: Decimal = Field(default=Decimal("0.10"), ge=0)
    min_cpu_decrease_cores: Decimal = Field(default=Decimal("0.010"), ge=0)
    min_memory_decrease_bytes: Decimal = Field(default=Decimal(32 * MIB), ge=0)
    max_decrease: Decimal = Field(default=Decimal("0.50"), gt=0, lt=1)

    throttled_ratio: float = Field(default=0.05, ge=0, le=1)
    throttled_share: float = Field(default=0.01, ge=0, le=1)
    idle_cpu_cores: float = Field(default=0.005, ge=0)
    restarts_per_pod_day: float = Field(default=0.5, ge=0)

    def of(self, workload: str) -> Settings:
        """With the first tier that fits the workload's key."""
        for tier in self.tiers:
            if fnmatchcase(workload, tier.match):
                return self.model_copy(update=tier.model_dump(exclude_none=True, exclude={"match"}))
        return self

    def frozen(self, workload: str, at: datetime) -> str | None:
        """Why nothing is proposed for the workload at that instant."""
        for freeze in self.freezes:
            if freeze.start <= at < freeze.end and fnmatchcase(workload, freeze.match):
                return f"frozen until {freeze.end:%Y-%m-%d %H:%M %Z}: {freeze.note}"
        return None
