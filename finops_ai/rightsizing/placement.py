"""Where a workload should run by what it bears: preemptible nodes, dedicated ones, and its priority class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.manifest.read import child, items, word
from finops_ai.rightsizing.settings import NodePool, Settings

BATCH, LATENCY = "batch", "latency"

_KEPT_HERE = ("local", "hostPath")
_UNMOVABLE = "safe-to-evict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What to set in the pod template, by path from the object; `is_preemptible` saves by the pool's discount."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    is_preemptible: bool = False


def place(
    declared: Node, template: str, objects: Iterable[Node], workload: Workload, settings: Settings, replicas: str
) -> Placement:
    """By the workload's class of service: a label of its pods, else the first rule of `settings` that fits.

    `template` is the path to its pod template, `replicas` what Git says of their number. What a person
    has placed already stays: nothing is said of it then.
    """
    pod = child(declared, *template.split("."), "spec")
    service = word(declared, *template.split("."), "metadata", "labels", settings.slo_label)
    service = service or word(declared, "metadata", "labels", settings.slo_label)
    if pod is None:
        return Placement()
    changes: dict[str, Any] = {}
    reasons: list[str] = []
    wanted = settings.priority_classes.get(service)
    if wanted and child(pod, "priorityClassName") is None:
        changes[f"{template}.spec.priorityClassName"] = wanted
        reasons.append(f"its class of service is {service}: under pressure it is scheduled and evicted as {wanted}")
    pool = settings.preemptible if service == BATCH else settings.dedicated if service == LATENCY else None
    if pool is None or any(child(pod, key) is not None for key in ("tolerations", "affinity", "nodeSelector")):
        return Placement(changes=changes, reasons=tuple(reasons))
    if service == BATCH:
        if why := _bears_no_interruption(declared, template, pod, objects, workload, replicas):
            return Placement(
                changes=changes, reasons=(*reasons, f"kept off preemptible nodes: {why}") if changes else ()
            )
        reasons.append("its class of service is batch and it starts again by itself: preemptible nodes are preferred")
    else:
        reasons.append("its class of service is latency: nodes of its own are preferred")
    changes |= _on(pool, f"{template}.spec")
    return Placement(changes=changes, reasons=tuple(reasons), is_preemptible=service == BATCH)


def _bears_no_interruption(
    declared: Node, template: str, pod: Node, objects: Iterable[Node], workload: Workload, replicas: str
) -> str:
    """Why its pods must not be interrupted; '' where they may."""
    if workload.kind in ("StatefulSet", "DaemonSet"):
        return f"it is a {workload.kind}"
    job = child(declared, "spec", "jobTemplate", "spec") if workload.kind == "CronJob" else child(declared, "spec")
    if word(job, "backoffLimit") == "0":
        return "its backoffLimit is 0: an interrupted run is not tried again"
    if workload.kind == "Deployment" and replicas in ("", "0", "1"):
        return "it has one replica"
    for volume in items(child(pod, "volumes")):
        if any(child(volume, kind) is not None for kind in _KEPT_HERE):
            return "it keeps data on its node"
    annotations = child(declared, *template.split("."), "metadata", "annotations")
    for key, value in annotations.value if isinstance(annotations, MappingNode) else []:
        if isinstance(value, ScalarNode) and str(key.value).endswith(_UNMOVABLE) and value.value == "false":
            return f"{key.value} is false"
    labels = _labels(child(declared, *template.split("."), "metadata", "labels"))
    for one in objects:
        selector = _labels(child(one, "spec", "selector", "matchLabels"))
        if word(one, "kind") == "PodDisruptionBudget" and selector and selector.items() <= labels.items():
            return f"PodDisruptionBudget {word(one, 'metadata', 'name')} protects it"
    return ""


def _labels(node: Node | None) -> dict[str, str]:
    pairs = node.value if isinstance(node, MappingNode) else []
    return {str(key.value): str(value.value) for key, value in pairs if isinstance(value, ScalarNode)}


def _on(pool: NodePool, spec: str) -> dict[str, Any]:
    """A preference for the pool's nodes, and leave to run there: without the pool, pods run where they ran."""
    expression = {"key": pool.label, "operator": "In", "values": [pool.value]}
    term = {"weight": "100", "preference": {"matchExpressions": [expression]}}
    changes: dict[str, Any] = {
        f"{spec}.affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}
    }
    if pool.taint:
        toleration = {"key": pool.taint, "operator": "Exists", "effect": pool.effect}
        changes[f"{spec}.tolerations"] = [toleration]
    return changes
