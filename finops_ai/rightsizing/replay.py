"""The observed window lived again with the proposed values: minutes over them, and the worst pod and hour."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import ContainerUsage
from finops_ai.rightsizing.observed import Resources
from finops_ai.rightsizing.settings import MIB

DAYS_SHOWN = 42
MINUTES = 60


def replay(usage: ContainerUsage, then: Resources) -> dict[str, str]:
    """Facts for the page of a proposal, keys as in `evidence`. Of an hour its average and highest value are known.

    Minutes over a bound take load to be spread evenly within an hour, as far over its average as below it.
    """
    cpu = (usage.cpu_cores_avg, usage.cpu_cores_max)
    memory = (usage.memory_bytes_avg, usage.memory_bytes_max)
    return {
        "replay_throttled": _minutes(*cpu, then.cpu_limit, "no CPU limit: nothing throttles it"),
        "replay_cpu_minutes": _minutes(*cpu, then.cpu_request, "no CPU request"),
        "replay_memory_minutes": _minutes(*memory, then.memory_request, "no memory request"),
        "worst_cpu": _worst(usage, usage.cpu_cores_max, then.cpu_request, 1e-3, "m"),
        "worst_memory": _worst(usage, usage.memory_bytes_max, then.memory_request, float(MIB), "Mi"),
        "daily_cpu": _daily(usage, usage.cpu_cores_max, 1e-3),
        "daily_memory": _daily(usage, usage.memory_bytes_max, float(MIB)),
    }


def _minutes(average: FloatArray, highest: FloatArray, bound: Decimal | None, unbound: str) -> str:
    if bound is None:
        return unbound
    known = ~(np.isnan(average) | np.isnan(highest))
    over = highest[known] - float(bound)
    width = 2 * np.maximum(highest[known] - average[known], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(over <= 0, 0.0, np.where(width > 0, np.minimum(over / width, 1.0), 1.0))
    minutes, hours = float(share.sum()) * MINUTES, int((over > 0).sum())
    whole = int(known.sum()) * MINUTES
    return f"{minutes:,.0f} of {whole:,} pod-minutes, in {hours:,} pod-hours"


def _worst(usage: ContainerUsage, highest: FloatArray, request: Decimal | None, unit: float, suffix: str) -> str:
    if not highest.size or np.isnan(highest).all():
        return "unknown"
    at = int(np.nanargmax(highest))
    share = f", {highest[at] / float(request):.0%} of the proposed request" if request else ""
    return f"{highest[at] / unit:.1f}{suffix}{share}, pod {usage.pods[at]}, hour {usage.hours[at]:%Y-%m-%d %H:%M} UTC"


def _daily(usage: ContainerUsage, highest: FloatArray, unit: float) -> str:
    """First day and the highest value of each day, `-` where none is known."""
    days: dict[str, float] = {}
    for hour, value in zip(usage.hours, highest.tolist(), strict=True):
        if value == value:
            day = hour.date().isoformat()
            days[day] = max(days.get(day, 0.0), value)
    if not days:
        return ""
    last = np.datetime64(max(days))
    first = max(np.datetime64(min(days)), last - (DAYS_SHOWN - 1))
    every = [str(day) for day in np.arange(first, last + 1)]
    return " ".join([every[0], *(f"{days[day] / unit:.1f}" if day in days else "-" for day in every)])
