"""Whose hand wrote a value: Kubernetes' managed fields (structured merge diff, FieldsV1) read along a path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finops_ai.rightsizing.drift.compare import Step
from finops_ai.rightsizing.drift.objects import Object, listed

SCALERS = ("kube-controller-manager", "keda", "horizontal-pod-autoscaler", "vpa-", "cluster-autoscaler", "descheduler")
"""Field managers that scale and resize: what they write is their task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """`manager` as it calls itself, `at` as the cluster writes instants; `subresource` is scale, status or ''."""

    manager: str
    at: str
    subresource: str

    @property
    def scales(self) -> bool:
        return self.manager.startswith(SCALERS)


def hand(live: Object, steps: Sequence[Step]) -> Hand | None:
    """The last manager that owns the value at `steps`; None where the object does not tell."""
    owners = [
        Hand(
            manager=str(entry.get("manager", "")),
            at=str(entry.get("time", "")),
            subresource=str(entry.get("subresource", "")),
        )
        for entry in listed(live, "metadata", "managedFields")
        if isinstance(entry, Mapping) and _owns(entry.get("fieldsV1"), list(steps))
    ]
    return max(owners, key=lambda one: one.at, default=None)


def _owns(fields: Any, steps: Sequence[Step]) -> bool:
    """Whether the set of fields holds the value, or a whole that it is part of."""
    if not isinstance(fields, Mapping):
        return False
    if not steps:
        return True
    below = list(_below(fields, steps[0]))
    return any(not one or _owns(one, steps[1:]) for one in below)


def _below(fields: Mapping[str, Any], step: Step) -> Iterator[Mapping[str, Any]]:
    if isinstance(step, str):
        names = [f"f:{step}"]
    elif isinstance(step, int):
        names = [f"i:{step}"]
    else:
        names = [name for name in fields if name.startswith("k:") and _picks(name[2:], step)]
    for name in names:
        if isinstance(found := fields.get(name), Mapping):
            yield found


def _picks(text: str, step: tuple[tuple[str, str], ...]) -> bool:
    try:
        keys = json.loads(text)
    except ValueError:
        return False
    return isinstance(keys, dict) and all(str(keys.get(name)) == value for name, value in step)
