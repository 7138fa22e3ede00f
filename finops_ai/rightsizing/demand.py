"""The demand of a workload by hour of the week, forecast from its own past, and the replicas that each hour needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import numpy as np

from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import ContainerUsage

WEEK = 168
_GROWTH = 1.25
_RHYTHM = 0.5
_LATEST = 3
_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Cores of all pods together, hour by hour from `start`, NaN where a pod's hour is unknown."""

    start: datetime
    cores: FloatArray

    @property
    def weeks(self) -> int:
        return len(self.cores) // WEEK

    def before(self, hours: int) -> Demand:
        """Without its last hours."""
        return Demand(start=self.start, cores=self.cores[: len(self.cores) - hours])

    def hour_of_week(self, at: int) -> int:
        """0 is Monday, midnight UTC."""
        moment = self.start + timedelta(hours=at)
        return moment.weekday() * 24 + moment.hour


def demand(usages: Sequence[ContainerUsage]) -> Demand | None:
    """Of one workload's containers; None where nothing is known."""
    hours = [hour for usage in usages for hour in usage.hours]
    if not hours:
        return None
    start, end = min(hours), max(hours)
    cores = np.full(int((end - start).total_seconds()) // 3600 + 1, np.nan)
    for usage in usages:
        for hour, value in zip(usage.hours, usage.cpu_cores_avg.tolist(), strict=True):
            at = int((hour - start).total_seconds()) // 3600
            cores[at] = value if np.isnan(cores[at]) else cores[at] + value
    return Demand(start=start, cores=cores)


def forecast(past: Demand) -> FloatArray | None:
    """Cores that nine hours of ten stay below, for each hour of the week: the mean of the last weeks, each brought to
    the level of the last, and by how much hours were above that mean, widened because the weeks are few.

    None without two weeks, or where one week does not tell the next: a schedule would only be a guess then.
    """
    if past.weeks < 2:
        return None
    weeks = np.full((past.weeks, WEEK), np.nan)
    first = len(past.cores) - past.weeks * WEEK
    for at in range(first, len(past.cores)):
        weeks[(at - first) // WEEK, past.hour_of_week(at)] = past.cores[at]
    if np.isnan(weeks).mean() > 0.1 or not _has_rhythm(weeks):
        return None
    levels = np.nanmean(weeks, axis=1)
    scaled = weeks * np.clip(levels[-1] / np.maximum(levels, 1e-9), 1 / _GROWTH, _GROWTH)[:, None]
    filled = np.where(np.isnan(scaled), np.nanmax(scaled), scaled)
    latest = filled[-_LATEST:]
    usual: FloatArray = latest.mean(axis=0)
    above = np.quantile(latest / np.maximum(usual, 1e-9) - 1, _SHARE)
    # A week that the mean was learned from lies nearer to it than the next one will.
    wider = math.sqrt((len(latest) + 1) / (len(latest) - 1))
    upper: FloatArray = usual * (1 + max(float(above), 0.0) * wider)
    return upper


def replicas(cores: FloatArray, request: Decimal, target: Decimal) -> list[int]:
    """Pods that carry the cores at the target utilisation of the request; at least one."""
    each = request * target
    return [max(1, int((Decimal(repr(float(one))) / each).to_integral_value(ROUND_CEILING))) for one in cores]


def _has_rhythm(weeks: FloatArray) -> bool:
    """Whether a week's hours are told by the week before: correlated, and not flat."""
    before, after = weeks[-2], weeks[-1]
    known = ~np.isnan(before) & ~np.isnan(after)
    before, after = before[known], after[known]
    if before.std() == 0 or after.std() == 0 or after.std() < 0.1 * after.mean():
        return False
    return float(np.corrcoef(before, after)[0, 1]) > _RHYTHM
