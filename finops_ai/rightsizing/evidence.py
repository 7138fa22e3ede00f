"""The figures behind a recommendation as text: what was seen, and the window replayed with the new values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from finops_ai.domain.money import Money
from finops_ai.domain.proposal import Saving
from finops_ai.domain.usage import ContainerUsage
from finops_ai.rightsizing.observed import Observed, Resources, percentile
from finops_ai.rightsizing.replay import replay
from finops_ai.rightsizing.settings import MIB

PERCENTILES = {"p50": Decimal("0.5"), "p95": Decimal("0.95"), "p99": Decimal("0.99"), "max": Decimal(1)}
"""Nearest rank over all pod-hours of the hourly maxima."""


def evidence(
    usage: ContainerUsage, observed: Observed, then: Resources, savings: Mapping[str, Saving]
) -> dict[str, str]:
    """Keys are stable, for the body of a pull request and for programs; values are for people."""
    facts = {
        "window": f"{observed.start:%Y-%m-%d %H:%M} to {observed.end:%Y-%m-%d %H:%M} UTC" if observed.start else "none",
        "days": f"{observed.days:.1f}",
        "samples": f"{observed.pod_hours} pod-hours, {len(usage.hours) - observed.pod_hours} missing",
        "confidence": f"{confidence(observed):.0%}",
        "replicas": f"{observed.pods_low:.3g} to {observed.pods_high:.3g}",
    }
    for name, share in PERCENTILES.items():
        facts[f"cpu_{name}"] = cpu_text(percentile(observed.cpu, share))
        facts[f"memory_{name}"] = memory_text(percentile(observed.memory, share))
    facts["headroom_cpu"] = _headroom(then.cpu_request, percentile(observed.cpu, PERCENTILES["p99"]), "p99")
    facts["headroom_memory"] = _headroom(then.memory_request, observed.memory_max, "max")
    facts["throttled_share"] = f"{observed.throttled_share:.1%} of pod-hours"
    facts["oom_kills"] = _count(observed.oom_kills)
    facts["restarts"] = _count(observed.restarts)
    facts["replay_cpu_over_request"] = _over(observed.cpu, then.cpu_request)
    facts["replay_memory_over_request"] = _over(observed.memory, then.memory_request)
    facts["replay_memory_over_limit"] = _over(observed.memory, then.memory_limit)
    facts |= replay(usage, then)
    for path, saving in savings.items():
        facts[f"saving.{path}"] = range_text(saving)
    return facts


def confidence(observed: Observed) -> float:
    """1 after a week of days and enough pod-hours in them, 0 without any.

    Source: attune's clamp(min(days, sqrt(points / 24)) / 7, 0, 1).
    """
    return min(1.0, min(float(observed.days), math.sqrt(observed.pod_hours / 24)) / 7)


def range_text(saving: Saving) -> str:
    """A saving per month, in cents: one figure where both ends are equal."""
    low, high = (f"{end.amount:.2f}" for end in (saving.low, saving.high))
    return f"{low} {saving.low.currency}" if low == high else f"{low} to {high} {saving.low.currency}"


def money_text(money: Money) -> str:
    return f"{money.amount:.2f} {money.currency}"


def cpu_text(cores: Decimal) -> str:
    return f"{cores * 1000:.1f}m"


def memory_text(size_bytes: Decimal) -> str:
    return f"{size_bytes / MIB:.1f}Mi"


def _headroom(request: Decimal | None, used: Decimal, what: str) -> str:
    if request is None or not used:
        return "-"
    return f"{request / used - 1:+.0%} over {what}"


def _over(ordered: tuple[Decimal, ...], bound: Decimal | None) -> str:
    if bound is None:
        return "no such bound"
    over = sum(value > bound for value in ordered)
    return f"{over} of {len(ordered)} pod-hours"


def _count(count: int | None) -> str:
    return "unknown" if count is None else str(count)
