"""An autoscaler replayed minute by minute over known demand: what a schedule of minimums would have cost and missed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from finops_ai.domain.series import FloatArray

TOLERANCE = 0.1
STABLE_MINUTES = 5
"""A horizontal pod autoscaler's defaults: no step within 10 % of the target, the highest wish of 5 minutes counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """`short_minutes`: more was asked for than the pods that were ready could do."""

    replica_hours: float
    short_minutes: int


def minutes(cores: FloatArray) -> FloatArray:
    """Hourly means as minutes between the middles of the hours, straight; unknown hours take their neighbours'."""
    known = np.flatnonzero(~np.isnan(cores))
    at = (np.arange(len(cores) * 60) + 0.5) / 60 - 0.5
    told: FloatArray = np.interp(at, known, cores[known])
    return told


def replay(
    cores: FloatArray,
    *,
    request: float,
    target: float,
    start_minutes: int,
    least: Callable[[int], int],
    most: int,
) -> Replayed:
    """Over demand per minute. `least` gives the scheduled minimum at a minute; a new pod works after `start_minutes`.

    The rule: kubernetes.io, "Horizontal Pod Autoscaling", algorithm details.
    """
    pods = max(1, least(0), _pods(float(cores[0]) / (request * target)))
    ready: deque[tuple[int, int]] = deque()
    working, spent, short = pods, 0, 0
    wishes: deque[int] = deque(maxlen=STABLE_MINUTES)
    for minute, need in enumerate(cores.tolist()):
        while ready and ready[0][0] <= minute:
            working += ready.popleft()[1]
        working = min(working, pods)
        short += need > working * request
        spent += pods
        used = need / (working * request)
        wish = pods if abs(used / target - 1) <= TOLERANCE else _pods(working * used / target)
        wishes.append(wish)
        wanted = wish if wish > pods else min(pods, max(wishes))
        wanted = min(max(wanted, least(minute), 1), most)
        if wanted > pods:
            ready.append((minute + start_minutes, wanted - pods))
        elif wanted < pods:
            working = min(working, wanted)
            ready = _trimmed(ready, wanted - working)
        pods = wanted
    return Replayed(replica_hours=spent / 60, short_minutes=short)


def _pods(wished: float) -> int:
    """Whole pods: what a float adds in its last digits is no pod."""
    return math.ceil(round(wished, 6))


def _trimmed(ready: deque[tuple[int, int]], left: int) -> deque[tuple[int, int]]:
    """Of the pods that are still starting, the oldest `left`."""
    kept: deque[tuple[int, int]] = deque()
    for when, count in ready:
        if left > 0:
            kept.append((when, min(count, left)))
            left -= count
    return kept
