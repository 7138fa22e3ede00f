"""Labels of Kubernetes as tags: what an allocation is stays apart from what its labels claim, and nothing is merged."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from finops_ai.domain.focus import canonical_tag
from finops_ai.sources.base import Keep

OWN_TAGS = frozenset({"cluster", "namespace", "node", "pod", "container", "controller", "controller-kind", "workload"})
"""Tags that come from an allocation's properties: a label cannot pose as one of them."""

NUMBERED = re.compile(r"_conflict\d+$")
"""How kube-state-metrics ends the names of labels that became one by sanitising."""

NOT_OF_PROMETHEUS = re.compile(r"[^a-zA-Z0-9_]")
SHOWN = 80


def tags_of(properties: Mapping[str, Any], placed: Mapping[str, str], keep: Keep) -> tuple[dict[str, str], list[str]]:
    """Labels and properties that are kept, and what is to be told of the labels. A pod's label hides a namespace's."""
    told = {**mapping_of(properties.get("namespaceLabels")), **mapping_of(properties.get("labels"))}
    labels = {text_of(key): text_of(value) for key, value in told.items()}
    names = ("node", "pod", "container", "controller")
    own = {**placed, **{name: text_of(properties.get(name)) for name in names}}
    own["controller-kind"] = text_of(properties.get("controllerKind")).lower()
    own["workload"] = "/".join(filter(None, (own["controller-kind"], own["controller"]))) if own["controller"] else ""
    notes = list(_collisions(tuple(sorted(labels))))
    tags = {key: value for key, value in own.items() if value}
    for key, value in labels.items():
        canonical = _canonical(key)
        if canonical in OWN_TAGS:
            if value != own[canonical]:
                notes.append(f"label {key!r} is left out: {canonical} is what the allocation says it is")
        else:
            tags[key] = value
    kept = {key: value for key, value in tags.items() if "*" in keep.tags or _canonical(key) in keep.tags}
    return kept, notes


@lru_cache(maxsize=1 << 14)
def _collisions(names: tuple[str, ...]) -> tuple[str, ...]:
    """What to tell of labels of one pod that Prometheus takes for one."""
    by_sanitised: dict[str, list[str]] = {}
    for name in names:
        sanitised = NUMBERED.sub("", NOT_OF_PROMETHEUS.sub("_", name))
        by_sanitised.setdefault(sanitised, []).append(name)
    return tuple(
        f"labels {' and '.join(repr(name[:SHOWN]) for name in alike)} are one label to Prometheus "
        f"({sanitised[:SHOWN]!r}): they are not merged"
        for sanitised, alike in sorted(by_sanitised.items())
        if len(alike) > 1
    )


@lru_cache(maxsize=1 << 14)
def _canonical(key: str) -> str:
    return canonical_tag(key)


def mapping_of(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str:
    """What any database takes as text."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
