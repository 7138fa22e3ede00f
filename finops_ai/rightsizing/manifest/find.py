"""Find a workload's container in Kubernetes YAML, by the parser's marks, or say why it must not be edited."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finops_ai.domain.errors import Rejected

LARGEST_FILE = 2_000_000

_GENERATED = re.compile(
    r"do not edit|@generated|auto-?generated|generated (?:by|from|with)\b|^# Source: \S+/templates/", re.I
)
_TEMPLATE = re.compile(r"\{\{|\{%")
_MERGE = "<<"
_POD_SPECS = (
    ("spec", "template", "spec"),
    ("spec", "jobTemplate", "spec", "template", "spec"),
    ("spec",),
)
_CONTAINER_LISTS = ("containers", "initContainers")

Step = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A container in a text: `path` leads from the root of document `document` to `container`."""

    roots: Sequence[Node]
    document: int
    path: tuple[Step, ...]
    container: MappingNode


def compose(text: str) -> list[Node]:
    """Root node of every document. Raises Rejected for text that is not plain YAML."""
    if len(text) > LARGEST_FILE:
        raise Rejected(f"larger than {LARGEST_FILE} characters")
    try:
        return list(YAML(typ="safe", pure=True).compose_all(text))
    except RecursionError:
        raise Rejected("nested too deeply to be read") from None
    except (YAMLError, ValueError) as error:
        raise Rejected(f"not readable as YAML: {_one_line(error)}") from None


def find(text: str, *, kind: str, name: str, container: str, namespace: str | None = None) -> Place:
    """The one place that declares the container. Raises Rejected when there is none, several, or none to be edited."""
    if _TEMPLATE.search(text):
        raise Rejected("the file is a template ({{ or {%); edit its values instead")
    roots = compose(text)
    _refuse_generated(text, roots)
    objects = [found for found in _objects(roots) if _is(found[2], kind, name, namespace)]
    if not objects:
        raise Rejected(f"no {kind} {name} is declared here")
    if len(objects) > 1:
        lines = ", ".join(str(node.start_mark.line + 1) for _, _, node in objects)
        raise Rejected(f"{kind} {name} is declared {len(objects)} times (lines {lines})")
    document, path, workload = objects[0]
    _refuse_duplicate_keys(roots[document])
    pod_path, pod = _pod_spec(workload)
    found = list(_containers(pod, container))
    if not found:
        raise Rejected(f"{kind} {name} has no container {container}")
    if len(found) > 1:
        raise Rejected(f"{kind} {name} has {len(found)} containers named {container}")
    place = Place(roots=roots, document=document, path=(*path, *pod_path, *found[0][0]), container=found[0][1])
    _refuse_shared(place)
    return place


def declares(text: str, *, kind: str, name: str, namespace: str | None = None) -> bool:
    """True when a document of the text is that workload. Raises Rejected when the text cannot be read as YAML."""
    return any(_is(node, kind, name, namespace) for _, _, node in _objects(compose(text)))


def entry(mapping: Node, key: str) -> tuple[ScalarNode, Node] | None:
    """Key and value node of a mapping's own entry; what a merge key brings is not its own."""
    if isinstance(mapping, MappingNode):
        for key_node, value in mapping.value:
            if isinstance(key_node, ScalarNode) and key_node.value == key:
                return key_node, value
    return None


def merges(mapping: MappingNode) -> bool:
    return entry(mapping, _MERGE) is not None


def shared_nodes(root: Node) -> set[int]:
    """Identities of the nodes that an alias makes appear more than once in a document."""
    seen: set[int] = set()
    twice: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            twice.add(id(node))
            continue
        seen.add(id(node))
        waiting.extend(_children(node))
    return twice


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, SequenceNode):
        yield from node.value


def _objects(roots: Sequence[Node]) -> Iterator[tuple[int, tuple[Step, ...], MappingNode]]:
    for document, root in enumerate(roots):
        if not isinstance(root, MappingNode):
            continue
        items = entry(root, "items")
        if _scalar(root, "kind").endswith("List") and items and isinstance(items[1], SequenceNode):
            for i, item in enumerate(items[1].value):
                if isinstance(item, MappingNode):
                    yield document, ("items", i), item
        else:
            yield document, (), root


def _is(node: MappingNode, kind: str, name: str, namespace: str | None) -> bool:
    metadata = entry(node, "metadata")
    if metadata is None or _scalar(node, "kind") != kind or _scalar(metadata[1], "name") != name:
        return False
    return namespace is None or _scalar(metadata[1], "namespace") in ("", namespace)


def _scalar(mapping: Node, key: str) -> str:
    found = entry(mapping, key)
    return str(found[1].value) if found and isinstance(found[1], ScalarNode) else ""


def _pod_spec(workload: MappingNode) -> tuple[tuple[Step, ...], Node]:
    for path in _POD_SPECS:
        node: Node = workload
        for step in path:
            found = entry(node, step)
            if found is None:
                break
            node = found[1]
        else:
            if any(entry(node, part) for part in _CONTAINER_LISTS):
                return path, node
    raise Rejected("the object has no pod template with containers")


def _containers(pod: Node, name: str) -> Iterator[tuple[tuple[Step, ...], MappingNode]]:
    for part in _CONTAINER_LISTS:
        found = entry(pod, part)
        if found and isinstance(found[1], SequenceNode):
            for i, item in enumerate(found[1].value):
                if isinstance(item, MappingNode) and _scalar(item, "name") == name:
                    yield (part, i), item


def _refuse_shared(place: Place) -> None:
    shared = shared_nodes(place.roots[place.document])
    node = place.roots[place.document]
    for step in place.path:
        found = node.value[step] if isinstance(step, int) else entry(node, step)[1]  # type: ignore[index]
        if id(found) in shared:
            raise Rejected(f"an anchor (&{found.anchor}) shares the container with other places")
        node = found


def _refuse_generated(text: str, roots: Sequence[Node]) -> None:
    lines = text.splitlines()
    for start in {0, *(root.start_mark.line for root in roots)}:
        head = []
        for line in lines[start:]:
            if not (line.lstrip("\ufeff").startswith("#") or line.strip() in ("", "---", "\ufeff")):
                break
            head.append(line)
        for line in reversed(lines[:start]):
            if not line.startswith("#"):
                break
            head.append(line)
        for line in head:
            if _GENERATED.search(line):
                raise Rejected(f"the file says that it is generated: {line.strip()[:100]}")


def _refuse_duplicate_keys(root: Node) -> None:
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, MappingNode):
            keys = [(str(key.tag), key.value) for key, _ in node.value if isinstance(key, ScalarNode)]
            if len(keys) != len(set(keys)):
                twice = next(key for key in keys if keys.count(key) > 1)
                raise Rejected(f"line {node.start_mark.line + 1}: the key {twice[1]!r} stands twice in one mapping")
        waiting.extend(_children(node))


def _one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}: " if mark is not None else ""
    return place + (getattr(error, "problem", None) or str(error).splitlines()[0] if str(error) else "empty")
