"""The guard's second half: what autoscalers, limit ranges, quotas and Java heaps leave of a change."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, Decimal

from finops_ai.domain.quantity import format_cpu, format_memory
from finops_ai.rightsizing.observed import Observed, Resources
from finops_ai.rightsizing.settings import MIB
from finops_ai.rightsizing.surroundings import Bounds, Runs, Surroundings

HEAP_MARGIN = Decimal("1.25")
"""What a Java process needs besides its heap: metaspace, threads, buffers."""

_UNITS = {"cpu": Decimal("0.001"), "memory": Decimal(MIB)}


def fit(
    container: str, observed: Observed, now: Resources, judged: Resources, around: Surroundings
) -> tuple[Resources, tuple[str, ...]]:
    """What of `judged` fits the surroundings, and every intervention in words."""
    if around.containers is not None and container not in around.containers:
        return now, (f"container {container} is not in Git (injected?): set its resources where it comes from",)
    said: list[str] = []
    runs = (around.containers or {}).get(container, Runs())
    for resource in ("cpu", "memory"):
        if resource in around.scaled_by and _request(judged, resource) != _request(now, resource):
            judged = _kept(judged, now, resource)
            said.append(
                f"{resource}: an autoscaler compares use with this request, so it stays; changing it would change how "
                "many pods run"
            )
    judged = _heap(now, judged, runs, said)
    for bounds in around.bounds:
        for resource in ("cpu", "memory"):
            judged = _bounded(now, judged, resource, bounds, said)
    judged = _within_quota(observed, now, judged, around, said)
    if judged != now and around.notes:
        said += around.notes
    if now == Resources() and judged != now:
        said.append("the pod leaves QoS class BestEffort for Burstable: under memory pressure it is evicted later")
    return _consistent(now, judged, said), tuple(said)


def _request(resources: Resources, resource: str) -> Decimal | None:
    value: Decimal | None = getattr(resources, f"{resource}_request")
    return value


def _limit(resources: Resources, resource: str) -> Decimal | None:
    value: Decimal | None = getattr(resources, f"{resource}_limit")
    return value


def _kept(judged: Resources, now: Resources, resource: str) -> Resources:
    return replace(
        judged, **{f"{resource}_{part}": getattr(now, f"{resource}_{part}") for part in ("request", "limit")}
    )


def _heap(now: Resources, judged: Resources, runs: Runs, said: list[str]) -> Resources:
    """A heap sized by the limit shrinks with it, and a fixed one needs its room, whatever is used now."""
    if runs.heap_of_limit and judged.memory_limit and now.memory_limit and judged.memory_limit < now.memory_limit:
        said.append("memory: the Java heap is sized by the limit, and would shrink with it; it stays")
        return _kept(judged, now, "memory")
    if runs.heap_bytes is None:
        return judged
    least = (runs.heap_bytes * HEAP_MARGIN / MIB).to_integral_value(ROUND_CEILING) * MIB
    for part in ("memory_request", "memory_limit"):
        before, after = getattr(now, part), getattr(judged, part)
        if before is not None and after is not None and after < min(before, least):
            judged = replace(judged, **{part: min(before, least)})
            said.append(f"memory: the Java heap may grow to {format_memory(runs.heap_bytes)}; its room stays")
    return judged


def _bounded(now: Resources, judged: Resources, resource: str, bounds: Bounds, said: list[str]) -> Resources:
    text = format_cpu if resource == "cpu" else format_memory
    request, limit, before = _request(judged, resource), _limit(judged, resource), _request(now, resource)
    if request is None or (request, limit) == (before, _limit(now, resource)):
        return judged
    most = bounds.most.get(resource)
    if most is not None and max(request, limit or request) > most:
        said.append(f"{resource}: a LimitRange allows at most {text(most)}; nothing is changed")
        return _kept(judged, now, resource)
    least = bounds.least.get(resource, Decimal(0))
    ratio = bounds.ratio.get(resource)
    if ratio and limit:
        unit = _UNITS[resource]
        least = max(least, (limit / ratio / unit).to_integral_value(ROUND_CEILING) * unit)
    if request < least:
        if before is None or least >= before:
            said.append(f"{resource}: a LimitRange wants at least {text(least)}; nothing is changed")
            return _kept(judged, now, resource)
        said.append(f"{resource}: a LimitRange wants at least {text(least)}")
        return replace(judged, **{f"{resource}_request": least})
    return judged


def _within_quota(
    observed: Observed, now: Resources, judged: Resources, around: Surroundings, said: list[str]
) -> Resources:
    """What this workload alone would ask for must fit the namespace's quota."""
    for quota in around.quotas:
        for resource in ("cpu", "memory"):
            for section, part in (("requests", "request"), ("limits", "limit")):
                before, after = (getattr(one, f"{resource}_{part}") for one in (now, judged))
                hard = quota.get(f"{section}.{resource}", quota.get(resource) if part == "request" else None)
                if after is None or hard is None or (before is not None and after <= before):
                    continue
                if after * observed.pods_high > hard:
                    said.append(f"{resource}: {section} of all pods would exceed the namespace's quota; raise it first")
                    judged = _kept(judged, now, resource)
    return judged


def _consistent(now: Resources, judged: Resources, said: list[str]) -> Resources:
    for resource in ("cpu", "memory"):
        request, limit = _request(judged, resource), _limit(judged, resource)
        if request is not None and limit is not None and request > limit:
            judged = _kept(judged, now, resource)
    if now.guaranteed and not judged.guaranteed:
        said.append("the pod would lose QoS class Guaranteed; nothing is changed")
        return now
    return judged
