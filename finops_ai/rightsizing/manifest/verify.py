"""Prove by reading it again that an edited manifest means what it meant, but for the values asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.find import Place
from finops_ai.rightsizing.manifest.read import compose
from finops_ai.rightsizing.manifest.span import Span, undo

Keys = tuple[str | int, ...]


def verify(
    before: str,
    after: str,
    place: Place,
    changes: Mapping[Keys, Any],
    spans: Sequence[Span],
    inside: Mapping[Keys, str] | None = None,
) -> None:
    """Raises Rejected unless `after` parses to `before` plus the changes and the bytes outside the spans are equal.

    `inside` holds the YAML that the texts at these places must hold afterwards, line ends apart.
    """
    expected = [_meaning(root) for root in place.roots]
    actual = [_meaning(root) for root in compose(after)]
    for keys, value in changes.items():
        _put(expected[place.document], (*place.path, *keys), _plain(value))
    found = actual[place.document] if place.document < len(actual) else {}
    for keys, value in changes.items():
        _forget_tags(found, (*place.path, *keys), isinstance(value, str))
    for keys, text in (inside or {}).items():
        whole = (*place.path, *keys)
        _put(expected[place.document], whole, ("inside", "\n".join(text.splitlines()).rstrip("\n")))
        told = _get(found, whole)
        if isinstance(told, tuple):
            _put(found, whole, ("inside", str(told[1]).rstrip("\n")))
    if actual != expected or undo(after, before, spans) != before:
        raise Rejected("the edited text would not mean the same; nothing was changed")


def _put(node: Any, path: Keys, value: Any) -> None:
    for step in path[:-1]:
        if isinstance(node, dict) and not isinstance(node.get(step), dict | list):
            node[step] = {}
        node = node[step]
    node[path[-1]] = value


def _get(node: Any, path: Keys) -> Any:
    try:
        for step in path:
            node = node[step]
    except (KeyError, IndexError, TypeError):
        return None  # not there: the comparison that follows says so
    return node


def _forget_tags(found: Any, path: Keys, is_text: bool) -> None:
    """A set value is compared by its text: 1 and "1" are one quantity to Kubernetes."""
    told = _get(found, path)
    if told is not None:
        _put(found, path, told[1] if is_text and isinstance(told, tuple) else _untagged(told))


def _untagged(meaning: Any) -> Any:
    if isinstance(meaning, dict):
        return {key: _untagged(value) for key, value in meaning.items()}
    if isinstance(meaning, list):
        return [_untagged(value) for value in meaning]
    return meaning[1] if isinstance(meaning, tuple) else meaning


def _plain(value: Any) -> Any:
    """Lists and mappings as they were asked for, in new ones of their own."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


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
