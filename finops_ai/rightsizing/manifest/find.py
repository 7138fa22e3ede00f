"""Find an object or a workload's container in Kubernetes YAML, by the parser's marks, or say why it is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.read import child, compose, entry, items, word
from finops_ai.rightsizing.manifest.refuse import (
    Step,
    refuse_duplicate_keys,
    refuse_generated,
    refuse_shared,
    refuse_template,
)

_POD_SPECS: tuple[tuple[Step, ...], ...] = (
    ("spec", "template", "spec"),
    ("spec", "jobTemplate", "spec", "template", "spec"),
    ("spec",),
)
CONTAINER_LISTS = ("containers", "initContainers")
SERVED = "kserve-container"
"""The container that KServe makes of `spec.predictor.model`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A mapping in a text: `path` leads to it from the root of document `document`."""

    roots: Sequence[Node]
    document: int
    path: tuple[Step, ...]
    node: MappingNode

    def at(self, path: tuple[Step, ...], node: MappingNode) -> Place:
        """A place below this one. Raises Rejected when an alias repeats it."""
        whole = (*self.path, *path)
        refuse_shared(self.roots[self.document], whole)
        return Place(roots=self.roots, document=self.document, path=whole, node=node)


def find(text: str, *, kind: str, name: str, container: str, namespace: str | None = None) -> Place:
    """The one place that declares the container. Raises Rejected when there is none, several, or none to be edited."""
    place = find_object(text, kind=kind, name=name, namespace=namespace)
    found = list(_declared(place.node, container)) or list(_anywhere(place.node, container))
    if not found:
        hint = _resources_hint(place.node)
        if not any(True for _ in _lists(place.node)):
            raise Rejected(f"the object has no pod template with containers{hint}")
        raise Rejected(f"{kind} {name} has no container {container}{hint}")
    if len(found) > 1:
        lines = ", ".join(str(node.start_mark.line + 1) for _, node in found)
        raise Rejected(
            f"{kind} {name} has {len(found)} containers named {container} (lines {lines}): name one by --path"
        )
    return place.at(*found[0])


def find_object(text: str, *, kind: str, name: str, namespace: str | None = None) -> Place:
    """The one object of that kind and name. Raises Rejected as `find` does."""
    roots = compose(text)
    refuse_generated(text, roots)
    objects = [found for found in _objects(roots) if _is(found[2], kind, name, namespace)]
    if not objects:
        refuse_template(text, roots, None)
        raise Rejected(f"no {kind} {name} is declared here{_values_hint(roots)}")
    if len(objects) > 1:
        lines = ", ".join(str(node.start_mark.line + 1) for _, _, node in objects)
        raise Rejected(
            f"{kind} {name} is declared {len(objects)} times (lines {lines}): name its --namespace, or keep one"
        )
    document, path, found = objects[0]
    refuse_template(text, roots, document)
    refuse_duplicate_keys(roots[document])
    refuse_shared(roots[document], path)
    return Place(roots=roots, document=document, path=path, node=found)


def find_values(text: str) -> Place:
    """The root of a file that holds one document, such as a chart's values. Raises Rejected as `find` does."""
    roots = compose(text)
    refuse_generated(text, roots)
    refuse_template(text, roots, None)
    full = [(number, root) for number, root in enumerate(roots) if isinstance(root, MappingNode | SequenceNode)]
    if len(full) != 1:
        raise Rejected(f"the file holds {len(full)} documents: name one by --kind and --name")
    document, root = full[0]
    refuse_duplicate_keys(root)
    return Place(roots=roots, document=document, path=(), node=root)  # type: ignore[arg-type]


def declares(text: str, *, kind: str, name: str, namespace: str | None = None) -> bool:
    """True when a document of the text is that workload. Raises Rejected when the text cannot be read as YAML."""
    return any(_is(node, kind, name, namespace) for _, _, node in _objects(compose(text)))


def holds(text: str, *, kind: str, name: str, container: str) -> bool:
    """Whether that object is declared here and names the container; a patch may leave it out."""
    objects = [node for _, _, node in _objects(compose(text)) if _is(node, kind, name, None)]
    return any(True for node in objects for _ in (*_declared(node, container), *_anywhere(node, container)))


def container_names(text: str, *, kind: str, name: str) -> list[str]:
    """Names of the pod template's containers, in their order: JSON patches count them."""
    for _, _, node in _objects(compose(text)):
        if _is(node, kind, name, None):
            for path in _POD_SPECS:
                found = child(node, *map(str, path), "containers")
                if found is not None:
                    return [word(item, "name") for item in items(found)]
    return []


def _objects(roots: Sequence[Node]) -> Iterator[tuple[int, tuple[Step, ...], MappingNode]]:
    for document, root in enumerate(roots):
        if not isinstance(root, MappingNode):
            continue
        listed = entry(root, "items")
        if word(root, "kind").endswith("List") and listed and isinstance(listed[1], SequenceNode):
            for i, item in enumerate(listed[1].value):
                if isinstance(item, MappingNode):
                    yield document, ("items", i), item
        else:
            yield document, (), root


def _is(node: MappingNode, kind: str, name: str, namespace: str | None) -> bool:
    if word(node, "kind") != kind or word(node, "metadata", "name") != name:
        return False
    return namespace is None or word(node, "metadata", "namespace") in ("", namespace)


def _declared(workload: MappingNode, name: str) -> Iterator[tuple[tuple[Step, ...], MappingNode]]:
    """Containers of that name in the pod template, where workloads have it."""
    for path in _POD_SPECS:
        pod = child(workload, *map(str, path))
        if pod is not None and any(entry(pod, part) for part in CONTAINER_LISTS):
            for part in CONTAINER_LISTS:
                for i, item in enumerate(items(child(pod, part))):
                    if isinstance(item, MappingNode) and word(item, "name") == name:
                        yield (*path, part, i), item
            return


def _anywhere(workload: MappingNode, name: str) -> Iterator[tuple[tuple[Step, ...], MappingNode]]:
    """Containers of that name in lists of containers anywhere in a custom resource."""
    for path, listed in _lists(workload):
        for i, item in enumerate(items(listed)):
            if isinstance(item, MappingNode) and word(item, "name") == name:
                yield (*path, i), item
    served = child(workload, "spec", "predictor", "model")
    if name == SERVED and isinstance(served, MappingNode):
        yield ("spec", "predictor", "model"), served


def _lists(node: Node, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Node]]:
    """Lists under `containers` or `initContainers`, with their paths; never inside a container."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value in CONTAINER_LISTS and isinstance(value, SequenceNode):
                yield (*path, key.value), value
            elif isinstance(key, ScalarNode) and len(path) < 12:
                yield from _lists(value, (*path, key.value))
    elif isinstance(node, SequenceNode) and len(path) < 12:
        for i, item in enumerate(node.value):
            yield from _lists(item, (*path, i))


def _resources_hint(node: Node) -> str:
    found = list(named_resources(node))
    return f"; resources stand at {', '.join(found[:3])}: name one by --path" if found else ""


def _values_hint(roots: Sequence[Node]) -> str:
    if any(word(root, "kind") for root in roots):
        return ""
    found = [path for root in roots for path in named_resources(root)]
    return f"; if these are a chart's values, name the place by --path ({', '.join(found[:3])})" if found else ""


def named_resources(node: Node, path: str = "", depth: int = 0) -> Iterator[str]:
    if isinstance(node, MappingNode) and depth < 8:
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                below = f"{path}.{key.value}" if path else str(key.value)
                if key.value == "resources" and isinstance(value, MappingNode):
                    yield below
                else:
                    yield from named_resources(value, below, depth + 1)
