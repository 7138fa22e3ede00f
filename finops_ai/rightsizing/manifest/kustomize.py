"""Which texts say what a Kustomize build gives a workload: its base, then the patches in their order."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.find import declares
from finops_ai.rightsizing.manifest.read import child, compose, items, word

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_DEEPEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text that declares or patches an object: a file, or the literal text at `keys` of a kustomization.

    `name` is as written there; `is_json` is a list of JSON patch operations; `is_broad` may patch other objects too.
    """

    file: str
    keys: tuple[str | int, ...] = ()
    kind: str
    name: str
    is_base: bool = False
    is_json: bool = False
    is_broad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A kustomization's own word for how many replicas run: `replicas[number].count`, which goes before all patches."""

    file: str
    number: int
    count: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What one overlay makes of the workload: its sources and counts, the last wins. `namespace`: '' if none is set."""

    root: str
    namespace: str
    sources: tuple[Source, ...]
    counts: tuple[Count, ...] = ()


def builds(files: Mapping[str, str], *, kind: str, name: str) -> list[Build]:
    """The builds of all overlays that nothing else includes and that hold the workload, by path."""
    folders = {posixpath.dirname(path): path for path in sorted(files) if posixpath.basename(path) in NAMES}
    layers = {folder: _Layer(folder, path, files) for folder, path in folders.items()}
    included = {below for layer in layers.values() for below in layer.folders()}
    found = []
    for folder in sorted(set(layers) - included):
        counts: list[Count] = []
        try:
            sources, namespace, _ = _walk(layers, folder, kind, name, 0, counts)
        except _Deleted:
            continue
        if any(source.is_base for source in sources):
            root = folder or "."
            found.append(Build(root=root, namespace=namespace, sources=tuple(sources), counts=tuple(counts)))
    return found


def inline(text: str, *, kind: str, name: str) -> list[Source]:
    """The literal strategic patches of one kustomization that are about the object."""
    layer = _Layer("", "", {"": text})
    return [one for one in layer.patches(kind, name, name) if one.keys and not one.is_json]


def is_kustomization(text: str) -> bool:
    """Whether the text is a kustomization: by its kind, or by its patches where no kind is written."""
    if "patches" not in text:
        return False
    try:
        roots = compose(text)
    except Rejected:
        return False
    kinds = {word(root, "kind") for root in roots}
    has_patches = any(child(root, "patches") or child(root, "patchesStrategicMerge") for root in roots)
    return has_patches and (kinds == {""} or bool(kinds & {"Kustomization", "Component"}))


class _Deleted(Exception):
    """A patch takes the object away."""


class _Layer:
    """One kustomization: what it includes, and its patches."""

    def __init__(self, folder: str, path: str, files: Mapping[str, str]) -> None:
        self.folder, self.path, self.files = folder, path, files
        roots = [root for root in readable(files[path]) if isinstance(root, MappingNode)]
        self.root: Node | None = roots[0] if roots else None

    def named(self, *keys: str) -> Iterator[str]:
        for key in keys:
            listed = child(self.root, key) if self.root is not None else None
            for item in items(listed):
                if isinstance(item, ScalarNode):
                    yield posixpath.normpath(posixpath.join(self.folder, item.value)).removeprefix("./")

    def folders(self) -> list[str]:
        return ["" if one == "." else one for one in self.named("resources", "bases", "components")]

    def text(self, key: str) -> str:
        return word(self.root, key)

    def counts(self, names: set[str]) -> Iterator[Count]:
        """Entries of `replicas` for one of the names; they fit Deployments, StatefulSets and ReplicaSets alike."""
        for number, one in enumerate(items(child(self.root, "replicas") if self.root is not None else None)):
            if word(one, "name") in names:
                yield Count(file=self.path, number=number, count=word(one, "count"))

    def patches(self, kind: str, written: str, built: str) -> Iterator[Source]:
        """Patches that may be about the object, whose name is `written` in its base and `built` by now."""
        for number, item in enumerate(items(child(self.root, "patchesStrategicMerge") if self.root else None)):
            if isinstance(item, ScalarNode):
                at = ("patchesStrategicMerge", number)
                is_path = "\n" not in item.value.strip()
                yield from self._patch(item.value, at, None, kind, {written, built}, is_path=is_path)
        for key in ("patchesJson6902", "patches"):
            for number, item in enumerate(items(child(self.root, key) if self.root else None)):
                target = child(item, "target")
                if target is not None and not targets(target, kind, {written, built}):
                    continue
                held = child(item, "patch")
                path = word(item, "path")
                value = path or (str(held.value) if isinstance(held, ScalarNode) else "")
                keys = (key, number, "patch")
                yield from self._patch(value, keys, target, kind, {written, built}, is_path=bool(path))

    def _patch(
        self,
        value: str,
        keys: tuple[str | int, ...],
        target: Node | None,
        kind: str,
        names: set[str],
        *,
        is_path: bool,
    ) -> Iterator[Source]:
        file = posixpath.normpath(posixpath.join(self.folder, value)).removeprefix("./") if is_path else self.path
        text = self.files.get(file, "") if is_path else value
        at: tuple[str | int, ...] = () if is_path else keys
        roots = readable(text)
        is_broad = target is not None and not targets_alone(target, kind, names)
        if target is not None and any(isinstance(root, SequenceNode) for root in roots):
            yield Source(file=file, keys=at, kind=kind, name=min(names), is_json=True, is_broad=is_broad)
            return
        for root in roots:
            name = word(root, "metadata", "name")
            if target is None and (word(root, "kind") != kind or name not in names):
                continue
            if word(root, "$patch") == "delete":
                raise _Deleted
            own_kind = word(root, "kind") or kind
            yield Source(file=file, keys=at, kind=own_kind, name=name, is_broad=is_broad)


def _walk(
    layers: Mapping[str, _Layer], folder: str, kind: str, name: str, depth: int, counts: list[Count]
) -> tuple[list[Source], str, str]:
    """Sources below a kustomization, the namespace that it sets, and the name as the base writes it.

    `counts` takes what they say of replicas.
    `name` is the one that the cluster shows; what prefixes and suffixes added is taken off on the way down.
    """
    layer = layers[folder]
    if depth > _DEEPEST:
        raise Rejected(f"{layer.path} includes itself")
    prefix, suffix = layer.text("namePrefix"), layer.text("nameSuffix")
    below = name
    if (prefix or suffix) and name.startswith(prefix) and name.endswith(suffix):
        below = name[len(prefix) : len(name) - len(suffix)]
    elif prefix or suffix:
        return [], "", name
    sources: list[Source] = []
    namespace, written = "", below
    for path in layer.named("resources", "bases", "components"):
        inner = "" if path == "." else path
        if inner in layers and inner != folder:
            more, its_namespace, its_name = _walk(layers, inner, kind, below, depth + 1, counts)
            sources += more
            namespace = namespace or its_namespace
            written = its_name if any(one.is_base for one in more) else written
        elif below in layer.files.get(path, "") and _declares(layer.files[path], kind, below):
            sources.append(Source(file=path, kind=kind, name=below, is_base=True))
    sources += layer.patches(kind, written, below)
    counts += layer.counts({written, below})
    return sources, layer.text("namespace") or namespace, written


@lru_cache(maxsize=4096)
def readable(text: str) -> tuple[Node, ...]:
    """Documents of a text; none where it cannot be read: what it would have set shows as a value that differs."""
    try:
        return tuple(compose(text))
    except Rejected:
        return ()


def _declares(text: str, kind: str, name: str) -> bool:
    try:
        return declares(text, kind=kind, name=name)
    except Rejected:
        return False


def targets_alone(target: Node, kind: str, names: set[str]) -> bool:
    """Whether a target names this object and can be about no other."""
    return word(target, "kind") == kind and word(target, "name") in names and child(target, "labelSelector") is None


def targets(target: Node, kind: str, names: set[str]) -> bool:
    """Kustomize takes kind and name of a target for regular expressions that fit the whole."""
    wanted_kind, wanted_name = word(target, "kind"), word(target, "name")
    return _fits(wanted_kind, kind) and any(_fits(wanted_name, name) for name in names)


def _fits(pattern: str, text: str) -> bool:
    try:
        return not pattern or re.fullmatch(pattern, text) is not None
    except re.error:
        return pattern == text
