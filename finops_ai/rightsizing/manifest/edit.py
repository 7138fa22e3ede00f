"""Set requests and limits of one container in the text of a manifest, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ruamel.yaml.nodes import MappingNode, ScalarNode

from finops_ai.domain import quantity
from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.find import entry, find
from finops_ai.rightsizing.manifest.splice import Span, apply, plan
from finops_ai.rightsizing.manifest.verify import verify

_PATH = re.compile(r"(requests|limits)\.([A-Za-z0-9][A-Za-z0-9./_-]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The text afterwards, and what was replaced: offsets in characters of the text before."""

    text: str
    spans: tuple[Span, ...]


def set_values(
    text: str, *, kind: str, name: str, container: str, changes: Mapping[str, str], namespace: str | None = None
) -> Edited:
    """Set values such as {"requests.cpu": "200m", "limits.memory": "1Gi"} and leave every other byte as it is.

    A missing key is inserted in the author's style. Raises Rejected, with the reason, for whatever cannot be
    done for certain: templates, generated files, shared anchors, merge keys, a workload declared twice.
    """
    wanted = {_split(path): _checked(path, value) for path, value in changes.items()}
    place = find(text, kind=kind, name=name, container=container, namespace=namespace)
    spans = plan(text, place, wanted)
    after = apply(text, spans)
    verify(text, after, place, wanted, spans)
    return Edited(text=after, spans=tuple(spans))


def values(text: str, *, kind: str, name: str, container: str, namespace: str | None = None) -> dict[str, str]:
    """Requests and limits that the text gives the container, as written. Raises Rejected as `set_values` does."""
    place = find(text, kind=kind, name=name, container=container, namespace=namespace)
    found: dict[str, str] = {}
    resources = entry(place.container, "resources")
    for section in ("requests", "limits"):
        part = entry(resources[1], section) if resources else None
        if part and isinstance(part[1], MappingNode):
            for key, value in part[1].value:
                if isinstance(key, ScalarNode) and isinstance(value, ScalarNode):
                    found[f"{section}.{key.value}"] = value.value
    return found


def _split(path: str) -> tuple[str, str]:
    found = _PATH.fullmatch(path)
    if not found:
        raise Rejected(f"{path!r} is not requests.NAME or limits.NAME")
    return found[1], found[2]


def _checked(path: str, value: str) -> str:
    try:
        size = quantity.parse(value)
    except ValueError as error:
        raise Rejected(f"{path}: {error}") from None
    if size < 0:
        raise Rejected(f"{path}: {value} is negative")
    return value
