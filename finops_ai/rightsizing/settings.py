"""What a rightsizing strategy and its guard may be told, with the field's values as defaults."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

HOURS_PER_MONTH = 730
MIB = 1024 * 1024
GIB = 1024 * MIB


class Prices(BaseModel):
    """Price of a reserved core and GiB per hour; `rate` is its name, shown beside every saving.

    `gpu_hour` prices whole devices by words of their model (`A100`, `L4`); the longest name that fits counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_core_hour: Decimal = Field(default=Decimal("0.031611"), ge=0)
    memory_gib_hour: Decimal = Field(default=Decimal("0.004237"), ge=0)
    gpu_hour: dict[str, Annotated[Decimal, Field(gt=0)]] = {}
    currency: str = "USD"
    rate: str = "illustrative on-demand"


class Settings(BaseModel):
    """Profile `steady` and its guard. CPU in cores, memory in bytes, shares in 0..1.

    Sources: percentile of CPU and memory maximum plus margin as KRR; the OOM factor as KRR's; the floors of 10m and
    20Mi as Kubecost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_percentile: Decimal = Field(default=Decimal("0.99"), gt=0, le=1)
    cpu_headroom: Decimal = Field(default=Decimal("0.15"), ge=0)
    memory_margin: Decimal = Field(default=Decimal("0.15"), ge=0)
    oom_factor: Decimal = Field(default=Decimal("1.25"), ge=1)
    throttled_factor: Decimal = Field(default=Decimal("1.5"), ge=1)
    cpu_floor_cores: Decimal = Field(default=Decimal("0.010"), gt=0)
    memory_floor_bytes: Decimal = Field(default=Decimal(20 * MIB), gt=0)

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
