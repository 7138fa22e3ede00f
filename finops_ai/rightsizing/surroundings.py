"""What Git says around a workload: autoscalers, limit ranges, quotas, disruption budgets, what its containers run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from finops_ai.domain import quantity
from finops_ai.domain.errors import Rejected
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.manifest.find import CONTAINER_LISTS
from finops_ai.rightsizing.manifest.read import child, compose, items, word
from finops_ai.rightsizing.manifest.replicas import replicas
from finops_ai.rightsizing.placement import LATENCY, Placement, place
from finops_ai.rightsizing.settings import Settings

_KINDS = (
    "HorizontalPodAutoscaler",
    "ScaledObject",
    "VerticalPodAutoscaler",
    "LimitRange",
    "ResourceQuota",
    "PodDisruptionBudget",
)
_HEAP = re.compile(r"-Xmx(\d+)([kKmMgGtT]?)")
_HEAP_SHARE = re.compile(r"-XX:(?:Max|Initial)RAMPercentage|UseContainerSupport")
_HEAP_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What a container runs: a Java heap that takes all it is given (`heap_of_limit`), or a fixed one, in bytes."""

    heap_bytes: Decimal | None = None
    heap_of_limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A LimitRange's bounds for containers, by resource."""

    least: Mapping[str, Decimal] = field(default_factory=dict)
    most: Mapping[str, Decimal] = field(default_factory=dict)
    ratio: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`scaled_by`: resources whose request an autoscaler compares use with; `containers` is None if unknown."""

    refusal: str = ""
    scaled_by: frozenset[str] = frozenset()
    bounds: tuple[Bounds, ...] = ()
    quotas: tuple[Mapping[str, Decimal], ...] = ()
    containers: Mapping[str, Runs] | None = None
    notes: tuple[str, ...] = ()
    placement: Placement = field(default_factory=Placement)
    is_latency: bool = False


def surroundings(files: Mapping[str, str], workload: Workload, settings: Settings | None = None) -> Surroundings:
    """What of these files is about the workload; files that cannot be read tell nothing.

    With `settings` its placement is looked at, where one file alone declares it.
    """
    objects = [one for text in files.values() if _may_tell(text, workload) for one in _objects(text)]
    mine = [one for one in objects if word(one, "metadata", "namespace") in ("", workload.namespace)]
    declared = [one for one in mine if word(one, "kind") == workload.kind and _name(one) == workload.name]
    containers = {name: runs for one in declared for name, runs in _containers(one)}
    return Surroundings(
        refusal=next(filter(None, (_vertical(one, workload) for one in mine)), ""),
        scaled_by=frozenset(resource for one in mine if _targets(one, workload) for resource in _scaled_by(one)),
        bounds=tuple(bounds for one in mine if word(one, "kind") == "LimitRange" for bounds in _bounds(one)),
        quotas=tuple(_quantities(child(one, "spec", "hard")) for one in mine if word(one, "kind") == "ResourceQuota"),
        containers=containers if declared and containers else None,
        notes=tuple(note for one in declared for note in _notes(one, mine, files, workload)),
        placement=_placed(declared, mine, workload, settings, files) if settings else Placement(),
        is_latency=settings is not None and any(_service(one, settings) == LATENCY for one in declared),
    )


def _service(one: Node, settings: Settings) -> str:
    """The workload's class of service: a label of its pods, else of its own."""
    on_pods = word(_pod(one) or one, "metadata", "labels", settings.slo_label)
    return on_pods or word(one, "metadata", "labels", settings.slo_label)


def _placed(
    declared: Sequence[Node],
    objects: Sequence[Node],
    workload: Workload,
    settings: Settings,
    files: Mapping[str, str],
) -> Placement:
    if len(declared) != 1:
        return Placement()
    for template in ("spec.template", "spec.jobTemplate.spec.template"):
        if child(declared[0], *template.split(".")) is not None:
            return place(
                declared[0],
                template,
                objects,
                workload,
                settings,
                _count(files, workload) if settings.preemptible else "",
            )
    return Placement()


def _may_tell(text: str, workload: Workload) -> bool:
    return workload.name in text or any(kind in text for kind in _KINDS)


@lru_cache(maxsize=1024)
def _objects(text: str) -> tuple[MappingNode, ...]:
    try:
        roots = compose(text)
    except Rejected:
        return ()
    found = []
    for root in roots:
        listed = items(child(root, "items")) if word(root, "kind").endswith("List") else [root]
        found += [one for one in listed if isinstance(one, MappingNode)]
    return tuple(found)


def _name(one: Node) -> str:
    return word(one, "metadata", "name")


def _vertical(one: Node, workload: Workload) -> str:
    if word(one, "kind") != "VerticalPodAutoscaler":
        return ""
    mode = word(one, "spec", "updatePolicy", "updateMode") or "Auto"
    target = (word(one, "spec", "targetRef", "kind"), word(one, "spec", "targetRef", "name"))
    if target != (workload.kind, workload.name) or mode == "Off":
        return ""
    return (
        f"VerticalPodAutoscaler {_name(one)} (mode {mode}) sets the requests as pods start: what Git says has no "
        "effect. Change its bounds, or set its mode to Off"
    )


def _targets(one: Node, workload: Workload) -> bool:
    if word(one, "kind") not in ("HorizontalPodAutoscaler", "ScaledObject"):
        return False
    kind = word(one, "spec", "scaleTargetRef", "kind") or "Deployment"
    return (kind, word(one, "spec", "scaleTargetRef", "name")) == (workload.kind, workload.name)


def _scaled_by(one: Node) -> Iterator[str]:
    """Resources that the autoscaler measures relative to the request."""
    if word(one, "spec", "targetCPUUtilizationPercentage"):
        yield "cpu"
    for metric in items(child(one, "spec", "metrics")):
        for part in ("resource", "containerResource"):
            target = child(metric, part, "target")
            if target is not None and (word(target, "averageUtilization") or word(target, "type") == "Utilization"):
                yield word(metric, part, "name")
    for trigger in items(child(one, "spec", "triggers")):
        kind = word(trigger, "type")
        told = word(trigger, "metricType") or word(trigger, "metadata", "type") or "Utilization"
        if kind in ("cpu", "memory") and told == "Utilization":
            yield kind


def _bounds(one: Node) -> Iterator[Bounds]:
    for limit in items(child(one, "spec", "limits")):
        if word(limit, "type") == "Container":
            yield Bounds(
                least=_quantities(child(limit, "min")),
                most=_quantities(child(limit, "max")),
                ratio=_quantities(child(limit, "maxLimitRequestRatio")),
            )


def _quantities(node: Node | None) -> dict[str, Decimal]:
    found = {}
    for key, value in node.value if isinstance(node, MappingNode) else []:
        if isinstance(key, ScalarNode) and isinstance(value, ScalarNode):
            try:
                found[str(key.value)] = quantity.parse(str(value.value))
            except ValueError:
                continue
    return found


def _pod(one: Node) -> Node | None:
    for path in (("spec", "template"), ("spec", "jobTemplate", "spec", "template"), ()):
        pod = child(one, *path) if path else one
        if pod is not None and any(child(pod, "spec", part) for part in CONTAINER_LISTS):
            return pod
    return None


def _containers(one: Node) -> Iterator[tuple[str, Runs]]:
    pod = _pod(one)
    for part in CONTAINER_LISTS if pod is not None else ():
        for container in items(child(pod, "spec", part) if pod is not None else None):
            told = " ".join(_words(container))
            heap = _HEAP.search(told)
            size = Decimal(int(heap[1]) * _HEAP_UNITS[heap[2].lower()]) if heap else None
            yield word(container, "name"), Runs(heap_bytes=size, heap_of_limit=bool(_HEAP_SHARE.search(told)))


def _words(container: Node) -> Iterator[str]:
    for part in ("command", "args"):
        yield from (str(item.value) for item in items(child(container, part)) if isinstance(item, ScalarNode))
    for variable in items(child(container, "env")):
        yield word(variable, "value")


def _notes(declared: Node, objects: Iterable[Node], files: Mapping[str, str], workload: Workload) -> Iterator[str]:
    if word(declared, "spec", "strategy", "type") == "Recreate":
        yield "its strategy is Recreate: applying it stops every pod before new ones start"
    labels = _labels(child(_pod(declared) or declared, "metadata", "labels"))
    for one in objects:
        selector = _labels(child(one, "spec", "selector", "matchLabels"))
        if word(one, "kind") == "PodDisruptionBudget" and selector and selector.items() <= labels.items():
            least, most = word(one, "spec", "minAvailable"), word(one, "spec", "maxUnavailable")
            if most in ("0", "0%") or least == "100%" or (least and least == _count(files, workload)):
                yield f"PodDisruptionBudget {_name(one)} lets no pod go: nodes with it cannot be drained"


def _count(files: Mapping[str, str], workload: Workload) -> str:
    """Replicas that Git asks for; '' where it leaves that open."""
    told = replicas(files, workload)
    return told.count if told else ""


def _labels(node: Node | None) -> dict[str, str]:
    pairs = node.value if isinstance(node, MappingNode) else []
    return {str(key.value): str(value.value) for key, value in pairs if isinstance(value, ScalarNode)}
