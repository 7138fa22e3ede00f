"""Every workload that differs between Git and a cluster, with the hand, the owner and the cost; healed ones apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finops_ai.domain.drift import CHANGED, MISSING, OUT_OF_SYNC, UNMANAGED, Difference, Drift
from finops_ai.domain.focus import UNTAGGED, canonical_tag
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.drift.compare import Found, compare, shown
from finops_ai.rightsizing.drift.controllers import Said, pointer, said, scaled
from finops_ai.rightsizing.drift.hands import hand
from finops_ai.rightsizing.drift.objects import WORKLOADS, Index, Key, Object, at, listed, mapping
from finops_ai.rightsizing.drift.worth import more
from finops_ai.rightsizing.settings import Prices

LONGEST = 120
_HELM = "app.kubernetes.io/managed-by"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    cluster: str
    desired: Index
    live: Index
    prices: Prices
    owner_keys: Sequence[str]


def find(cluster: str, desired: Index, live: Index, *, prices: Prices, owner_keys: Sequence[str]) -> list[Drift]:
    """Sorted by workload. `owner_keys` are the canonical label keys that name an owner, the first one set counts."""
    look = _Look(cluster=cluster, desired=desired, live=live, prices=prices, owner_keys=owner_keys)
    found = [*_declared(look), *_undeclared(look)]
    return sorted(found, key=lambda one: (one.workload, one.kind))


def _declared(look: _Look) -> Iterator[Drift]:
    for key, wanted in look.desired.objects.items():
        if key[:2] not in WORKLOADS or key in look.desired.twice:
            continue
        there = look.live.counterpart(key)
        told = said(look.live, key, there)
        if there is None:
            yield _drift(look, MISSING, key, wanted, None, (), told, heals=told.heals)
            continue
        differences = tuple(_kept(look, key, wanted, there, told))
        if differences:
            waits = "not rolled out yet" if told.pending else ""
            yield _drift(look, CHANGED, key, wanted, there, differences, told, heals=told.heals or waits)
        elif told.off:
            yield _drift(look, OUT_OF_SYNC, key, wanted, there, (), told, heals=told.heals)


def _kept(look: _Look, key: Key, wanted: Object, there: Object, told: Said) -> Iterator[Difference]:
    """The differences that are nobody's task: autoscalers' and what the application is told to ignore are left out."""
    is_scaled = scaled((look.desired, look.live), key)
    for one in compare(wanted, there):
        by = hand(there, one.steps)
        owned = is_scaled and one.steps == ("spec", "replicas")
        path = pointer(there, one.steps)
        ignored = any(re.match(f"{pattern}(?:/|$)", path) for pattern in told.ignored)
        theirs = by is not None and (by.scales or by.manager in told.ignored_managers)
        if not (owned or ignored or theirs):
            yield _difference(one, by.manager if by else "", by.at if by else "")


def _difference(one: Found, by: str, at_: str) -> Difference:
    return Difference(path=shown(one.steps), desired=_text(one.desired), live=_text(one.live), by=by, at=at_)


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"


def _undeclared(look: _Look) -> Iterator[Drift]:
    """Workloads of the cluster that Git does not know, in namespaces in which it declares some."""
    known = {key[2] for key in look.desired.objects if key[:2] in WORKLOADS and key[2]}
    for key, there in look.live.objects.items():
        owned = listed(there, "metadata", "ownerReferences")
        if key[:2] not in WORKLOADS or key[2] not in known or owned or look.desired.counterpart(key):
            continue
        if _elsewhere(look, key, there) or look.desired.counterpart((*key[:2], "", key[3])):
            continue
        yield _drift(look, UNMANAGED, key, None, there, (), Said(why="no file in Git declares it"))


def _elsewhere(look: _Look, key: Key, there: Object) -> bool:
    """Whether another tool brought it: Helm, Argo CD or Flux from another place."""
    labels = mapping(there, "metadata", "labels")
    return labels.get(_HELM) == "Helm" or said(look.live, key, there) != Said()


def _drift(
    look: _Look,
    kind: str,
    key: Key,
    wanted: Object | None,
    there: Object | None,
    differences: tuple[Difference, ...],
    told: Said,
    heals: str = "",
) -> Drift:
    is_scaled = scaled((look.desired, look.live), key)
    namespace = key[2] or str(at(there, "metadata", "namespace") or "")
    return Drift(
        kind=kind,
        workload=Workload(look.cluster, namespace, key[1], key[3]),
        owner=_owner(look, wanted, there),
        differences=differences,
        monthly=None if there is None else more(wanted, there, look.prices, scaled=is_scaled),
        heals=heals,
        why=told.why,
    )


def _owner(look: _Look, *objects: Object | None) -> str:
    """The value of the first owner key that a label of the object or of its pods has; Git comes before the cluster."""
    for one in objects:
        labels = {**mapping(one, "spec", "template", "metadata", "labels"), **mapping(one, "metadata", "labels")}
        named = {canonical_tag(str(key).rpartition("/")[2]): str(value) for key, value in labels.items() if value}
        for key in look.owner_keys:
            if key in named:
                return named[key]
    return UNTAGGED
