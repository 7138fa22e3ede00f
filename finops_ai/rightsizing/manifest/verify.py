"""Prove by reading it again that an edited manifest means what it meant, but for the values asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.find import Place, compose
from finops_ai.rightsizing.manifest.splice import Span, apply


def verify(before: str, after: str, place: Place, changes: Mapping[tuple[str, str], str], spans: list[Span]) -> None:
    """Raises Rejected unless `after` parses to `before` plus the changes and the bytes outside the spans are equal."""
    expected = [_meaning(root) for root in place.roots]
    container = expected[place.document]
    for step in place.path:
        container = container[step]
    for (section, resource), value in changes.items():
        node = container
        for key in ("resources", section):
            if not isinstance(node.get(key), dict):
                node[key] = {}
            node = node[key]
        node[resource] = value
    actual = [_meaning(root) for root in compose(after)]
    found = actual[place.document] if place.document < len(actual) else {}
    _forget_tags(found, place.path, changes)
    if actual != expected or _undo(after, before, spans) != before:
        raise Rejected("the edited text would not mean the same; nothing was changed")


def _undo(after: str, before: str, spans: list[Span]) -> str:
    back, shift = [], 0
    for span in spans:
        start = span.start + shift
        back.append(Span(start, start + len(span.text), before[span.start : span.end]))
        shift += len(span.text) - (span.end - span.start)
    return apply(after, back)


def _forget_tags(found: Any, path: tuple[str | int, ...], changes: Mapping[tuple[str, str], str]) -> None:
    """A set value is compared by its text: 1 and "1" are one quantity to Kubernetes."""
    try:
        for step in path:
            found = found[step]
        for section, resource in changes:
            sections = found["resources"][section]
            _, sections[resource] = sections[resource]
    except (KeyError, IndexError, TypeError, ValueError):
        return  # not there: the comparison that follows says so


def _meaning(root: Node) -> Any:
    """Nested dicts, lists and (tag, text) pairs; an alias is its anchor's name, so that it cannot blow up."""
    seen: set[int] = set()

    def read(node: Node) -> Any:
        if id(node) in seen and node.anchor:
            return ("*", node.anchor)
        seen.add(id(node))
        if isinstance(node, MappingNode):
            return {_key(key, read): read(value) for key, value in node.value}
        if isinstance(node, SequenceNode):
            return [read(value) for value in node.value]
        return (str(node.tag), node.value)

    return read(root)


def _key(node: Node, read: Any) -> Any:
    """Text keys are themselves; 1 and "1" stay two keys."""
    meaning = read(node)
    return node.value if isinstance(node, ScalarNode) and str(node.tag).endswith(":str") else repr(meaning)
