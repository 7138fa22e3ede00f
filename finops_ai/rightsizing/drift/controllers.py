"""What Argo CD, Flux and autoscalers say of an object: who owns its replicas, who heals it, and who says it is off."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finops_ai.rightsizing.drift.compare import Step
from finops_ai.rightsizing.drift.objects import Index, Key, Object, at, listed, mapping

FLUX = "kustomize.toolkit.fluxcd.io"
FLUX_HELM = "helm.toolkit.fluxcd.io"
FAILED = ("Failed", "Error")

_JQ_PLAIN = re.compile(r"(?:\.[A-Za-z_][\w-]*|\[\]|\[\d+\]|\.\"[^\"]+\")+")
_JQ_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\.\"([^\"]+)\"|\[(\d*)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """`heals` names the controller that puts differences right, empty where none does. `pending`: Git went ahead and
    is not rolled out yet. `off`: the controller itself says that the object is out of sync; `why` is in its words."""

    heals: str = ""
    pending: bool = False
    off: bool = False
    why: str = ""
    ignored: tuple[str, ...] = ()
    ignored_managers: frozenset[str] = frozenset()


def scaled(indices: Sequence[Index], key: Key) -> bool:
    """Whether an HPA or a ScaledObject owns the replicas, in Git or in the cluster."""
    _, kind, namespace, name = key
    for index in indices:
        for one in (*index.kind("autoscaling", "HorizontalPodAutoscaler"), *index.kind("keda.sh", "ScaledObject")):
            target = mapping(one, "spec", "scaleTargetRef")
            own_kind = str(target.get("kind") or "Deployment")
            same_place = str(at(one, "metadata", "namespace") or namespace) == namespace
            if same_place and (own_kind, str(target.get("name"))) == (kind, name):
                return True
    return False


def said(live: Index, key: Key, one: Object | None) -> Said:
    """What the controllers of the cluster say of an object."""
    for application in live.kind("argoproj.io", "Application"):
        for resource in listed(application, "status", "resources"):
            if isinstance(resource, Mapping) and _is(resource, key):
                return _argo(application, resource, key)
    return _flux(live, one) if one is not None else Said()


def _is(resource: Mapping[str, Any], key: Key) -> bool:
    named = tuple(str(resource.get(name) or "") for name in ("group", "kind", "namespace", "name"))
    return named == key or ((*named[:2], named[3]) == (*key[:2], key[3]) and "" in (named[2], key[2]))


def _argo(application: Object, resource: Mapping[str, Any], key: Key) -> Said:
    """Self-heal puts a change of the cluster back within seconds, unless its last sync failed or it is switched off."""
    name = f"Argo CD application {at(application, 'metadata', 'name')}"
    automated = at(application, "spec", "syncPolicy", "automated")
    on = isinstance(automated, Mapping) and automated.get("enabled", True) is not False
    heals = on and at(automated, "selfHeal") is True
    failed = at(application, "status", "operationState", "phase") in FAILED
    messages = [str(at(one, "message") or "") for one in listed(application, "status", "conditions")]
    last = str(at(application, "status", "operationState", "message") or "") if failed else ""
    status = str(resource.get("status") or "")
    ignored, managers = _ignored(application, key)
    why = f"{name}: {status or 'unknown'}" + "".join(f"; {text}" for text in (*messages, last) if text)
    return Said(
        heals=name if heals and not failed else "",
        pending=status == "Synced",
        off=status == "OutOfSync",
        why=why,
        ignored=tuple(ignored),
        ignored_managers=managers,
    )


def _ignored(application: Object, key: Key) -> tuple[list[str], frozenset[str]]:
    """Paths, as regular expressions over JSON pointers, and managers that the application does not compare."""
    paths: list[str] = []
    managers: set[str] = set()
    for rule in listed(application, "spec", "ignoreDifferences"):
        wanted = [str(at(rule, name) or "") for name in ("group", "kind", "namespace", "name")]
        if any(text not in ("", "*", own) for text, own in zip(wanted, key, strict=True)):
            continue
        paths += [re.escape(str(pointer)) for pointer in listed(rule, "jsonPointers")]
        paths += [found for jq in listed(rule, "jqPathExpressions") if (found := _pointer(str(jq)))]
        managers |= {str(manager) for manager in listed(rule, "managedFieldsManagers")}
    return paths, frozenset(managers)


def _pointer(jq: str) -> str:
    """A plain path of jq as a regular expression over JSON pointers; '' for one that computes."""
    if not _JQ_PLAIN.fullmatch(jq):
        return ""
    steps = [
        f"/{re.escape(name or quoted)}" if name or quoted else f"/{number or '[0-9]+'}"
        for name, quoted, number in _JQ_STEP.findall(jq)
    ]
    return "".join(steps)


def pointer(live: Object | None, steps: Sequence[Step]) -> str:
    """The JSON pointer of a path in the live object."""
    text = ""
    here: Any = live
    for step in steps:
        if isinstance(step, tuple):
            inside: list[Any] = here if isinstance(here, list) else []
            picked = [n for n, one in enumerate(inside) if all(str(at(one, name)) == value for name, value in step)]
            number = picked[0] if picked else 0
            text, here = f"{text}/{number}", inside[number] if inside else None
        else:
            text += f"/{str(step).replace('~', '~0').replace('/', '~1')}"
            here = here.get(str(step)) if isinstance(here, Mapping) else None
    return text


def _flux(live: Index, one: Object) -> Said:
    """A Kustomization puts everything right at its interval; a HelmRelease only in the mode `enabled`."""
    labels, annotations = mapping(one, "metadata", "labels"), mapping(one, "metadata", "annotations")
    for group, kind in ((FLUX, "Kustomization"), (FLUX_HELM, "HelmRelease")):
        name, namespace = (str(labels.get(f"{group}/{word}") or "") for word in ("name", "namespace"))
        owner = next((x for x in live.kind(group, kind) if _named(x, name, namespace)), None) if name else None
        if owner is None:
            continue
        title = f"Flux {kind} {namespace}/{name}"
        ready = next((c for c in _conditions(owner) if c.get("type") == "Ready"), {})
        if at(owner, "spec", "suspend") is True:
            return Said(why=f"{title} is suspended")
        if ready.get("status") != "True":
            return Said(
                off=True, why=f"{title} is not ready: {ready.get('message') or ready.get('reason') or 'unknown'}"
            )
        mode = at(owner, "spec", "driftDetection", "mode")
        if kind == "HelmRelease" and mode != "enabled":
            return Said(why=f"{title}: drift detection is {mode or 'off'}")
        left = annotations.get(f"{group}/reconcile") == "disabled" or str(
            annotations.get(f"{group}/ssa") or ""
        ).lower() in ("ignore", "ifnotpresent", "merge")
        return Said(why=f"{title} is told to leave it alone") if left else Said(heals=title, why=f"{title} is ready")
    return Said()


def _named(one: Object, name: str, namespace: str) -> bool:
    return (str(at(one, "metadata", "name")), str(at(one, "metadata", "namespace"))) == (name, namespace)


def _conditions(one: Object) -> Iterator[Mapping[str, Any]]:
    return (each for each in listed(one, "status", "conditions") if isinstance(each, Mapping))
