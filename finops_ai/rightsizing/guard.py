"""The guard: it may refuse a change or make it smaller, never larger, and says each time why."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, Decimal

from finops_ai.domain.quantity import format_memory
from finops_ai.rightsizing.observed import Observed, Resources
from finops_ai.rightsizing.settings import MIB, Settings

_UNIT = {
    "cpu_request": Decimal("0.001"),
    "cpu_limit": Decimal("0.001"),
    "memory_request": Decimal(MIB),
    "memory_limit": Decimal(MIB),
}


def guard(
    observed: Observed, now: Resources, wanted: Resources, settings: Settings
) -> tuple[Resources, tuple[str, ...]]:
    """What of `wanted` is let through, each value between `now` and `wanted`, and every intervention in words."""
    refusal = _history(observed, settings)
    if refusal:
        return now, (refusal,)
    said: list[str] = []
    judged = wanted
    for name, unit in _UNIT.items():
        before, after = getattr(now, name), getattr(judged, name)
        if before is None or after is None or after >= before:
            continue
        least, why = _least(name, before, after, observed, settings)
        if least > after:
            allowed = min(before, (least / unit).to_integral_value(rounding=ROUND_CEILING) * unit)
            judged = replace(judged, **{name: allowed})
            said.append(f"{name.replace('_', ' ')}: {why}")
    return _consistent(now, judged, said), tuple(dict.fromkeys(said))


def _history(observed: Observed, settings: Settings) -> str | None:
    if observed.days < settings.min_days:
        return (
            f"not enough data: {observed.days:.1f} days of usage, {settings.min_days} are needed to span a whole week"
        )
    if observed.is_batch:
        if observed.runs < settings.min_runs:
            return f"not enough data: {observed.runs} runs, {settings.min_runs} are needed"
        return None
    if observed.hours_seen < settings.min_hours_seen:
        seen, needed = f"{observed.hours_seen:.0%}", f"{settings.min_hours_seen:.0%}"
        return f"not enough data: {seen} of the hours have samples, {needed} are needed"
    return None


def _least(name: str, before: Decimal, after: Decimal, observed: Observed, settings: Settings) -> tuple[Decimal, str]:
    """Lowest value that may be proposed instead of `after`, with the strictest rule's reason."""
    rules = [(after, "")]
    step = before * (1 - settings.max_decrease)
    rules.append(
        (step, f"at most -{settings.max_decrease:.0%} in one change; the rest can follow when this has proved itself")
    )
    if name.startswith("memory"):
        margin = settings.memory_margin
        peak = observed.memory_max * (1 + margin)
        rules.append((peak, f"never below the observed maximum plus {margin:.0%} ({format_memory(peak)})"))
        if observed.oom_kills is None:
            rules.append((before, "not lowered: nothing tells whether it was OOM-killed"))
        elif observed.oom_kills:
            rules.append((before, f"not lowered after {observed.oom_kills} OOM kills"))
    if observed.throttled and name.startswith("cpu"):
        rules.append((before, "not lowered while it is throttled"))
    pod_days = Decimal(observed.pod_hours) / 24
    crashes = (observed.restarts or 0) - (observed.oom_kills or 0)
    if crashes > pod_days * Decimal(repr(settings.restarts_per_pod_day)):
        rules.append((before, f"not lowered while it keeps restarting ({observed.restarts} restarts)"))
    return max(rules, key=lambda rule: rule[0])


def _consistent(now: Resources, judged: Resources, said: list[str]) -> Resources:
    """Requests stay within limits, and a Guaranteed pod stays Guaranteed, or the change is refused."""
    for resource in ("cpu", "memory"):
        request, limit = getattr(judged, f"{resource}_request"), getattr(judged, f"{resource}_limit")
        if request is not None and limit is not None and request > limit:
            judged = replace(
                judged,
                **{f"{resource}_{part}": getattr(now, f"{resource}_{part}") for part in ("request", "limit")},
            )
            said.append(f"{resource}: the request would exceed the limit; nothing is changed")
    if now.guaranteed and not judged.guaranteed:
        said.append("the pod would lose QoS class Guaranteed; nothing is changed")
        return now
    return judged
