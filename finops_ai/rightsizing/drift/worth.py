"""What an object reserves, and what that costs a month of 730 hours."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from finops_ai.domain import quantity
from finops_ai.domain.money import Money
from finops_ai.rightsizing.drift.objects import Object, at, listed, mapping
from finops_ai.rightsizing.settings import GIB, HOURS_PER_MONTH, Prices

CENT = Decimal("0.01")
_REPLICATED = ("Deployment", "StatefulSet", "Rollout")


def more(desired: Object | None, live: Object, prices: Prices, *, scaled: bool) -> Money | None:
    """Cost of the live object over that of Git; replicas that an autoscaler owns count as they are in both."""
    pods = replicas(live)
    if pods is None:
        return None
    own = pods if scaled or desired is None else _written(desired, pods)
    before = Decimal(0) if desired is None else hourly(desired, prices) * own
    return Money(((hourly(live, prices) * pods - before) * HOURS_PER_MONTH).quantize(CENT), prices.currency)


def replicas(live: Object) -> int | None:
    """Pods that run; None where they come and go."""
    if live["kind"] == "DaemonSet":
        found = at(live, "status", "desiredNumberScheduled")
        return found if isinstance(found, int) else None
    return _written(live, 1) if live["kind"] in _REPLICATED else None


def hourly(one: Object, prices: Prices) -> Decimal:
    """What the requests of a pod cost in an hour; init containers give theirs back."""
    cost = Decimal(0)
    for container in listed(one, "spec", "template", "spec", "containers"):
        resources = mapping(container, "resources")
        cost += _size(resources, "cpu") * prices.cpu_core_hour
        cost += _size(resources, "memory") / GIB * prices.memory_gib_hour
    return cost


def _size(resources: Mapping[str, object], name: str) -> Decimal:
    """The request, or the limit that stands in for one that is not set."""
    text = mapping(resources, "requests").get(name, mapping(resources, "limits").get(name))
    try:
        return quantity.parse(str(text)) if text is not None else Decimal(0)
    except ValueError:
        return Decimal(0)


def _written(one: Object, otherwise: int) -> int:
    found = at(one, "spec", "replicas")
    return found if isinstance(found, int) else otherwise
