"""What a Flux Kustomization or an Argo CD Application lays over the files it delivers: patches and counts."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from finops_ai.domain.errors import Rejected
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.manifest.edit import set_paths, values
from finops_ai.rightsizing.manifest.find import find, holds, named_resources
from finops_ai.rightsizing.manifest.kustomize import readable, targets, targets_alone
from finops_ai.rightsizing.manifest.paths import way_of
from finops_ai.rightsizing.manifest.read import child, items, word
from finops_ai.rightsizing.manifest.source import operations

_FLUX, _ARGO = "kustomize.toolkit.fluxcd.io/", "argoproj.io/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """A value that a delivering object sets, and the path from that object's root to it."""

    path: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An object that delivers a folder to a cluster, and what it sets of one container; `replicas` of its workload.

    `unnamed` is a patch of it that may hit other objects as well.
    """

    file: str
    kind: str
    name: str
    sets: Mapping[str, Set]
    replicas: Set | None = None
    unnamed: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.file})"

    def edited(self, text: str, changes: Mapping[str, str]) -> str:
        """Raises Rejected, with the place, where it cannot be set there for certain."""
        if self.unnamed:
            raise Rejected(
                f"{self} patches other objects as well at {self.unnamed}; give the workload a patch of its own"
            )
        told = {self.sets[resource].path: value for resource, value in changes.items()}
        try:
            return set_paths(text, told, kind=self.kind, name=self.name).text
        except Rejected as error:
            raise Rejected(f"{self} sets {', '.join(changes)} at {', '.join(told)}: {error}") from None


def deliveries(
    files: Mapping[str, str], roots: Sequence[str], workload: Workload, container: str = "", order: Sequence[str] = ()
) -> list[Delivery]:
    """What delivers one of these folders (or a folder above one) into the workload's namespace, by file.

    `order` names the containers as the base lists them: JSON patches count them.
    """
    found = []
    for file, text in sorted(files.items()):
        if _FLUX not in text and _ARGO not in text:
            continue
        for root in readable(text):
            for source, at in _sources(root):
                if _covers(word(source, "path"), roots) and _namespace(root) in ("", workload.namespace):
                    found.append(_delivery(file, root, source, at, workload, container, order))
    return found


def live(
    found: Sequence[Delivery],
    workload: Workload,
    written: Mapping[str, str],
    agrees: Callable[[Mapping[str, str]], bool],
) -> Delivery | None:
    """The one that delivers to the workload's cluster. Raises Rejected when it is in doubt which that is."""
    mine = [one for one in found if one.sets or one.replicas or one.unnamed]
    if not mine:
        return None
    candidates = list(found)
    if len(candidates) > 1:
        fitting = [
            one for one in candidates if agrees({**written, **{key: put.value for key, put in one.sets.items()}})
        ]
        candidates = fitting or candidates
    if len(candidates) > 1:
        candidates = [one for one in candidates if workload.cluster in one.file.split("/")] or candidates
    if len(candidates) == 1:
        return candidates[0]
    raise Rejected(f"{workload.kind} {workload} is patched by {', '.join(map(str, mine))}; which one runs is in doubt")


def _sources(root: Node) -> Iterator[tuple[Node, str]]:
    """The parts that name a folder, and the path to each."""
    kind, version = word(root, "kind"), word(root, "apiVersion")
    spec = child(root, "spec")
    if spec is None:
        return
    if kind == "Kustomization" and version.startswith(_FLUX):
        yield spec, "spec"
    elif kind == "Application" and version.startswith(_ARGO):
        one = child(spec, "source")
        if one is not None:
            yield one, "spec.source"
        for number, each in enumerate(items(child(spec, "sources"))):
            yield each, f"spec.sources[{number}]"


def _covers(path: str, roots: Sequence[str]) -> bool:
    folder = posixpath.normpath(path.lstrip("/") or ".")
    return any(folder == "." or root == folder or root.startswith(f"{folder}/") for root in roots)


def _namespace(root: Node) -> str:
    return word(root, "spec", "targetNamespace") or word(root, "spec", "destination", "namespace")


def _delivery(
    file: str, root: Node, source: Node, at: str, workload: Workload, container: str, order: Sequence[str]
) -> Delivery:
    held, below = (source, at) if at == "spec" else (child(source, "kustomize"), f"{at}.kustomize")
    sets: dict[str, Set] = {}
    unnamed = ""
    for number, patch in enumerate(items(child(held, "patches") if held is not None else None)):
        text = child(patch, "patch")
        target = child(patch, "target")
        if not isinstance(text, ScalarNode) or (
            target is not None and not targets(target, workload.kind, {workload.name})
        ):
            continue
        path = f"{below}.patches[{number}].patch"
        told = dict(_told(text, path, target, workload, container, order))
        is_broad = target is not None and not targets_alone(target, workload.kind, {workload.name})
        unnamed = unnamed or (path if is_broad and told else "")
        sets |= told
    return Delivery(
        file=file,
        kind=word(root, "kind"),
        name=word(root, "metadata", "name"),
        sets=sets,
        replicas=_replicas(held, below, workload.name),
        unnamed=unnamed,
    )


def _replicas(held: Node | None, below: str, name: str) -> Set | None:
    """Argo CD's `kustomize.replicas`; the last entry of the name counts."""
    told = [
        Set(path=f"{below}.replicas[{number}].count", value=word(one, "count"))
        for number, one in enumerate(items(child(held, "replicas") if held is not None else None))
        if word(one, "name") == name
    ]
    return told[-1] if told else None


def _told(
    node: ScalarNode, path: str, target: Node | None, workload: Workload, container: str, order: Sequence[str]
) -> Iterator[tuple[str, Set]]:
    """What a patch sets of the container, with the way to it through the patch's text."""
    text = str(node.value)
    for resource, place, value in operations(text, container, order):
        yield resource, Set(path=f"{path}{place}", value=str(value.value))
    for document in readable(text):
        if not isinstance(document, MappingNode):
            continue
        kind, name = word(document, "kind") or workload.kind, word(document, "metadata", "name")
        if target is None and (kind, name) != (workload.kind, workload.name):
            continue
        if not holds(text, kind=kind, name=name, container=container):
            continue
        steps = find(text, kind=kind, name=name, container=container).path
        for resource, told in values(text, kind=kind, name=name, container=container).items():
            yield resource, Set(path=f"{path}{way_of(steps)}.resources.{resource}", value=told)


def releases(files: Mapping[str, str], workload: Workload) -> list[str]:
    """Charts' releases in the workload's namespace and where they hold resources, in words."""
    found = []
    for file, text in sorted(files.items()):
        if "HelmRelease" not in text and _ARGO not in text:
            continue
        for root in readable(text):
            kind, name = word(root, "kind"), word(root, "metadata", "name")
            home = _namespace(root) or (word(root, "metadata", "namespace") if kind == "HelmRelease" else "")
            if kind not in ("HelmRelease", "Application") or home not in ("", workload.namespace):
                continue
            for path in (*named_resources(root), *_parameters(root)):
                found.append(f"{kind} {name} ({file}) at {path}")
    return found


def _parameters(root: Node) -> Iterator[str]:
    """Parameters of an Application's chart that are requests or limits."""
    for source, at in _sources(root):
        for one in items(child(source, "helm", "parameters")):
            if ".requests." in (told := word(one, "name")) or ".limits." in told:
                yield f"{at}.helm.parameters[name={told}].value"
