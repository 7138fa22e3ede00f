"""Advice on workloads that do nothing, are abandoned, or run more replicas than their load needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from itertools import groupby

import numpy as np

from finops_ai.domain.proposal import Saving
from finops_ai.domain.usage import ContainerUsage, NetworkUsage, Workload
from finops_ai.rightsizing.advice import Advice, between
from finops_ai.rightsizing.observed import BATCH, Observed, Resources, observe, percentile, resources_of
from finops_ai.rightsizing.saving import saving, total_saving
from finops_ai.rightsizing.settings import Prices, Settings

QUIET_BYTES_PER_HOUR = 360_000.0
"""A hundred bytes a second: probes and scrapes, no work."""

ABANDONED_DAYS = 14
_EVERYWHERE = frozenset({"DaemonSet"})
_LEAST_REPLICAS = 2


def advise(
    usages: Iterable[ContainerUsage], networks: Iterable[NetworkUsage], prices: Prices, settings: Settings
) -> list[Advice]:
    """One answer per workload where there is something to be said, by workload."""
    traffic = {one.workload: _bytes_per_hour(one) for one in networks}
    ordered = sorted(usages, key=lambda one: (one.workload, one.container))
    found: list[Advice] = []
    for workload, group in groupby(ordered, key=lambda one: one.workload):
        containers = list(group)
        seen = [observe(one, settings) for one in containers]
        enough = all(one.days >= settings.min_days and one.hours_seen >= settings.min_hours_seen for one in seen)
        if workload.kind in BATCH or workload.kind in _EVERYWHERE or not enough:
            continue
        answer = _idle(workload, containers, seen, traffic, prices, settings)
        answer = answer or _replicas(workload, containers, seen, prices, settings)
        found += [answer] if answer else []
    return found


def _idle(
    workload: Workload,
    containers: Sequence[ContainerUsage],
    seen: Sequence[Observed],
    traffic: Mapping[Workload, float],
    prices: Prices,
    settings: Settings,
) -> Advice | None:
    bound = Decimal(repr(settings.idle_cpu_cores))
    if any(percentile(one.cpu, settings.cpu_percentile) > bound for one in seen):
        return None
    moved, days = traffic.get(workload), min(one.days for one in seen)
    if moved is not None and moved > QUIET_BYTES_PER_HOUR:
        return None
    is_abandoned = moved is not None and days >= ABANDONED_DAYS
    if is_abandoned:
        words = f"abandoned: no work and no traffic for {days:.0f} days. Ask its owner; scale it to 0, later delete it"
    elif moved is None:
        words = "idle: almost no CPU; its traffic is unknown. Ask its owner whether it is still needed"
    else:
        words = f"idle: almost no CPU and no traffic for {days:.0f} days. Ask its owner; scale it to 0 while unused"
    whole = _all_of_it(containers, seen, prices)
    money = between(whole, Decimal(1 if is_abandoned else 0), Decimal(1))
    evidence = {
        "cpu": f"{float(max(one.cpu[-1] for one in seen if one.cpu)) * 1000:.1f}m at most",
        "traffic": "unknown" if moved is None else f"{moved / 3600:.0f} bytes/s",
        "days": f"{days:.1f}",
    }
    return Advice(
        kind="abandoned" if is_abandoned else "idle", about=workload.key, words=words, saving=money, evidence=evidence
    )


def _replicas(
    workload: Workload,
    containers: Sequence[ContainerUsage],
    seen: Sequence[Observed],
    prices: Prices,
    settings: Settings,
) -> Advice | None:
    """Fewer replicas where the same number ran all the time and the busiest hour needs fewer of them."""
    pods = {(one.pods_low, one.pods_high) for one in seen}
    if len(pods) != 1 or (count := seen[0].pods_low) != seen[0].pods_high or count <= _LEAST_REPLICAS:
        return None
    needed = Decimal(_LEAST_REPLICAS)
    for usage, one in zip(containers, seen, strict=True):
        request = resources_of(usage).cpu_request
        if not request or one.oom_kills or one.throttled or one.memory_grows:
            return None
        busiest = _busiest(usage)
        needed = max(needed, (busiest / (request * settings.target_utilisation)).to_integral_value(ROUND_CEILING))
    if needed >= count:
        return None
    words = (
        f"{needed} replicas instead of {count} carry the busiest hour at {settings.target_utilisation:.0%} of the CPU "
        "request; set spec.replicas (or `replicas` of the kustomization, which goes before it) if load is balanced and "
        "each replica holds no share of the data"
    )
    money = between(_all_of_it(containers, seen, prices), Decimal(0), (count - needed) / count)
    evidence = {"replicas": f"{count} all the time", "days": f"{min(one.days for one in seen):.1f}"}
    return Advice(kind="replicas", about=workload.key, words=words, saving=money, evidence=evidence)


def _busiest(usage: ContainerUsage) -> Decimal:
    """Cores of all pods in the hour in which their maxima add up to most."""
    sums: dict[object, float] = defaultdict(float)
    for hour, value in zip(usage.hours, usage.cpu_cores_max.tolist(), strict=True):
        sums[hour] += 0.0 if np.isnan(value) else value
    return Decimal(repr(max(sums.values(), default=0.0)))


def _all_of_it(containers: Sequence[ContainerUsage], seen: Sequence[Observed], prices: Prices) -> Saving:
    nothing = Resources()
    pairs = zip(containers, seen, strict=True)
    return total_saving([saving(resources_of(one), nothing, told, prices) for one, told in pairs])


def _bytes_per_hour(one: NetworkUsage) -> float:
    """Received by the busiest hour of all its pods; unknown hours count as busy."""
    sums: dict[object, float] = defaultdict(float)
    for hour, value, seen in zip(one.hours, one.received_bytes.tolist(), one.seen.tolist(), strict=True):
        sums[hour] += float("inf") if np.isnan(value) or not seen else value / seen
    return max(sums.values(), default=float("inf"))
