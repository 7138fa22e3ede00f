"""Requests and limits as one text of a Kustomize build gives them, read and set there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.edit import Edited, set_in_text, set_paths, set_values, text_at, values
from finops_ai.rightsizing.manifest.find import holds
from finops_ai.rightsizing.manifest.kustomize import Source
from finops_ai.rightsizing.manifest.paths import SECTIONS
from finops_ai.rightsizing.manifest.read import child, compose, items, word


def told_by(source: Source, text: str, container: str, order: Sequence[str]) -> dict[str, str] | None:
    """The values that the source gives the container, as written; None where it does not speak of the container.

    `order` names the containers as the base lists them.
    """
    held = text_at(text, source.keys) if source.keys else text
    if source.is_json:
        found = {path: node.value for path, _, node in operations(held, container, order)}
        return found or None
    if not holds(held, kind=source.kind, name=source.name, container=container):
        return None
    return values(held, kind=source.kind, name=source.name, container=container)


def set_by(source: Source, text: str, container: str, order: Sequence[str], changes: Mapping[str, str]) -> Edited:
    """The source's text with these values set. Raises Rejected as `set_values` does."""
    if source.is_broad:
        raise Rejected(f"{source.file}: the patch may hit other objects as well; give the workload one of its own")

    def change(held: str) -> Edited:
        if not source.is_json:
            return set_values(held, kind=source.kind, name=source.name, container=container, changes=changes)
        places = {path: place for path, place, _ in operations(held, container, order)}
        if missing := set(changes) - set(places):
            raise Rejected(f"{source.file}: the JSON patch does not set {', '.join(sorted(missing))}; add an operation")
        return set_paths(held, {places[path]: value for path, value in changes.items()})

    return set_in_text(text, source.keys, change) if source.keys else change(text)


def operations(text: str, container: str, order: Sequence[str]) -> Iterator[tuple[str, str, ScalarNode]]:
    """(`requests.cpu`, where it stands, its node) of each value that the operations set for the container."""
    for root in compose(text):
        for number, operation in enumerate(items(root)):
            steps = [part.replace("~1", "/").replace("~0", "~") for part in word(operation, "path").split("/")[1:]]
            if word(operation, "op") not in ("add", "replace") or "containers" not in steps:
                continue
            at = steps.index("containers")
            index, rest = steps[at + 1 : at + 2], steps[at + 2 :]
            if not index or not index[0].isdigit() or int(index[0]) >= len(order):
                continue
            if order[int(index[0])] == container and rest[:1] == ["resources"]:
                value = child(operation, "value")
                if value is not None:
                    yield from _leaves(value, tuple(rest[1:]), f"[{number}].value")


def _leaves(node: Node, path: tuple[str, ...], place: str) -> Iterator[tuple[str, str, ScalarNode]]:
    if isinstance(node, ScalarNode) and len(path) == 2 and path[0] in SECTIONS:
        yield ".".join(path), place, node
    elif isinstance(node, MappingNode) and len(path) < 2:
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                yield from _leaves(value, (*path, key.value), f"{place}.{key.value}")
