"""Replicas by hour of the week as a few cron windows, and the ScaledObject that holds them as minimums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from finops_ai.domain.usage import Workload

MOST_WINDOWS = 24
_DAY = 24


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """From `start` to before `end`, hours of the day in UTC, on these weekdays (0 is Monday), at least `replicas`."""

    days: tuple[int, ...]
    start: int
    end: int
    replicas: int


def windows(by_hour: Sequence[int]) -> tuple[int, list[Window]]:
    """The minimum at all hours, and the windows above it; neighbouring hours are joined until they are few.

    No hour gets less than it needs.
    """
    least = min(by_hour)
    days = [list(by_hour[day * _DAY : (day + 1) * _DAY]) for day in range(7)]
    tolerance = 0
    while True:
        smooth = [_smoothed(day, tolerance) for day in days]
        found = _windows(smooth, least)
        if len(found) <= MOST_WINDOWS or tolerance > max(by_hour):
            return least, found
        tolerance += 1


def minimum(by_hour: tuple[int, Sequence[Window]], hour_of_week: int) -> int:
    """The replicas that the schedule keeps in an hour."""
    least, found = by_hour
    day, hour = divmod(hour_of_week, _DAY)
    return max([least, *(one.replicas for one in found if day in one.days and one.start <= hour < one.end)])


def scaled_object(
    workload: Workload, least: int, most: int, found: Sequence[Window], *, target: int, lead_minutes: int
) -> str:
    """KEDA's ScaledObject: scheduled minimums beside a reactive CPU trigger; the highest of them counts.

    Windows begin `lead_minutes` early, so that pods are ready when the load comes.
    """
    lines = [
        "apiVersion: keda.sh/v1alpha1",
        "kind: ScaledObject",
        "metadata:",
        f"  name: {workload.name}",
        f"  namespace: {workload.namespace}",
        "spec:",
        "  scaleTargetRef:",
        f"    kind: {workload.kind}",
        f"    name: {workload.name}",
        f"  minReplicaCount: {least}",
        f"  maxReplicaCount: {most}",
        "  triggers:",
        "  - type: cpu",
        "    metricType: Utilization",
        "    metadata:",
        f'      value: "{target}"',
    ]
    for one in found:
        lines += [
            "  - type: cron",
            "    metadata:",
            "      timezone: Etc/UTC",
            f"      start: {_cron(one.days, one.start * 60 - lead_minutes)}",
            f"      end: {_cron(one.days, one.end * 60 - 1)}",
            f'      desiredReplicas: "{one.replicas}"',
        ]
    return "\n".join(lines) + "\n"


def _cron(days: Sequence[int], minute: int) -> str:
    """Weekdays as cron counts them: 0 is Sunday. A minute before midnight falls on the day before."""
    shift, minute = divmod(minute, _DAY * 60)
    told = ",".join(str(day) for day in sorted((day + 1 + shift) % 7 for day in days))
    hour, minute = divmod(minute, 60)
    return f"{minute} {hour} * * {told if len(days) < 7 else '*'}"


def _smoothed(day: list[int], tolerance: int) -> list[int]:
    """Neighbours that differ by no more than `tolerance` take the higher value, from the highest hours down."""
    runs = [(value, len(list(same))) for value, same in groupby(day)]
    at = 0
    while at + 1 < len(runs):
        (left, hours), (right, more) = runs[at], runs[at + 1]
        if abs(left - right) <= tolerance:
            runs[at : at + 2] = [(max(left, right), hours + more)]
            at = max(0, at - 1)
        else:
            at += 1
    return [value for value, hours in runs for _ in range(hours)]


def _windows(days: Sequence[Sequence[int]], least: int) -> list[Window]:
    by_span: dict[tuple[int, int, int], list[int]] = {}
    for day, hours in enumerate(days):
        at = 0
        for value, same in groupby(hours):
            length = len(list(same))
            if value > least:
                by_span.setdefault((at, at + length, value), []).append(day)
            at += length
    return sorted(Window(tuple(on), start, end, value) for (start, end, value), on in by_span.items())
