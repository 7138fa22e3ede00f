"""What a manifest says held against what runs: only what Git says counts, so a server's defaults are no difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from finops_ai.domain import quantity
from finops_ai.rightsizing.drift.objects import Object, listed, mapping

Step = str | tuple[tuple[str, str], ...] | int
"""A key, the keys that pick an item of a list, or its position."""

_KEYS = ("name", "mountPath", "containerPort", "port", "topologyKey", "ip", "key", "devicePath", "ref")
"""By what items of lists of mappings are told apart, the first that all have; as Kubernetes' patchMergeKey."""

_TEMPLATES = (("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"))
_SKIPPED = (("status",), ("metadata", "creationTimestamp"), ("metadata", "managedFields"), ("metadata", "generation"))
_CONTAINERS = ("containers", "initContainers")
ADJUSTED = "autopilot.gke.io/resource-adjustment"
"""Annotation of a platform that sets resources itself when an object is admitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A value that differs; `steps` lead to it."""

    steps: tuple[Step, ...]
    desired: Any
    live: Any


def compare(desired: Object, live: Object) -> list[Found]:
    """Values of `desired` that `live` has otherwise, and requests or limits that only `live` has."""
    found = list(_differs(desired, live, ()))
    if ADJUSTED not in mapping(live, "metadata", "annotations"):
        found += _added_resources(desired, live)
    return [one for one in found if not any(one.steps[: len(skipped)] == skipped for skipped in _SKIPPED)]


def shown(steps: Sequence[Step]) -> str:
    """A path for people: spec.template.spec.containers[api].resources.requests.cpu."""
    text = ""
    for step in steps:
        match step:
            case str():
                text += f".{step}" if text else step
            case int():
                text += f"[{step}]"
            case _:
                text += f"[{','.join(value for _, value in step)}]"
    return text


def _differs(desired: Any, live: Any, steps: tuple[Step, ...]) -> Iterator[Found]:
    if desired is None or (_nothing(desired) and _nothing(live)):
        return
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        for key, value in desired.items():
            yield from _differs(value, live.get(key), (*steps, str(key)))
    elif isinstance(desired, list) and isinstance(live, list):
        yield from _lists(desired, live, steps)
    elif isinstance(desired, (Mapping, list)) or isinstance(live, (Mapping, list)) or not _equal(desired, live, steps):
        yield Found(steps=steps, desired=desired, live=live)


def _lists(desired: list[Any], live: list[Any], steps: tuple[Step, ...]) -> Iterator[Found]:
    key = _key(desired + live)
    if key is None:
        if len(desired) != len(live):
            yield Found(steps=steps, desired=desired, live=live)
            return
        for number, (one, other) in enumerate(zip(desired, live, strict=True)):
            yield from _differs(one, other, (*steps, number))
        return
    there = {str(item[key]): item for item in reversed(live)}
    for item in desired:
        yield from _differs(item, there.get(str(item[key])), (*steps, ((key, str(item[key])),)))


def _key(items: Sequence[Any]) -> str | None:
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    return next((key for key in _KEYS if all(key in item for item in items)), None)


def _nothing(value: Any) -> bool:
    """Empty maps, lists and texts are not kept by the server."""
    return value is None or value in ("", 0, False) or (isinstance(value, (Mapping, list)) and not value)


def _equal(desired: Any, live: Any, steps: tuple[Step, ...]) -> bool:
    if isinstance(desired, bool) or isinstance(live, bool):
        return desired is live
    if str(desired) == str(live):
        return True
    is_quantity = any(step in ("resources", "requests", "limits", "storage", "hard", "sizeLimit") for step in steps)
    if is_quantity or (isinstance(desired, (int, float)) and isinstance(live, (int, float))):
        one, other = _size(desired), _size(live)
        return one is not None and one == other
    return False


def _size(value: Any) -> Decimal | None:
    try:
        return quantity.parse(str(value))
    except ValueError:
        return None


def _added_resources(desired: Object, live: Object) -> Iterator[Found]:
    """Requests and limits that somebody set beside Git, in containers that Git declares."""
    for template in _TEMPLATES:
        for part in _CONTAINERS:
            declared = {
                str(one.get("name")): one for one in listed(desired, *template, part) if isinstance(one, Mapping)
            }
            for container in listed(live, *template, part):
                name = str(container.get("name")) if isinstance(container, Mapping) else ""
                if name in declared:
                    yield from _added(declared[name], container, (*template, part, (("name", name),)))


def _added(desired: Object, live: Object, steps: tuple[Step, ...]) -> Iterator[Found]:
    limits = mapping(live, "resources", "limits")
    for kind in ("requests", "limits"):
        known = mapping(desired, "resources", kind)
        for resource, value in mapping(live, "resources", kind).items():
            defaulted = kind == "requests" and limits.get(resource) == value
            if resource not in known and not defaulted:
                yield Found(steps=(*steps, "resources", kind, resource), desired=None, live=value)
