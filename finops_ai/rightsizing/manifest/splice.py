"""Plan which characters of a manifest change, in the author's quotes, indentation and line ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from finops_ai.domain import quantity
from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.find import Place, entry, merges, shared_nodes

_LINE_END = re.compile(r"\r\n|\n|\r")

Tree = Mapping[str, Any]
"""Keys to texts or to further trees: what is to be inserted."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters `start` to `end` of the text before, and what stands there afterwards."""

    start: int
    end: int
    text: str


def plan(text: str, place: Place, changes: Mapping[tuple[str, str], str]) -> list[Span]:
    """Spans that set each (section, resource) of the container. Raises Rejected where that cannot be done safely."""
    return _Planner(text, place).plan(changes)


def apply(text: str, spans: list[Span]) -> str:
    pieces, at = [], 0
    for span in spans:
        if span.start < at:
            raise Rejected("two changes fall on the same place")
        pieces += [text[at : span.start], span.text]
        at = span.end
    return "".join([*pieces, text[at:]])


class _Planner:
    def __init__(self, text: str, place: Place) -> None:
        self.text = text
        self.container = place.container
        self.shared = shared_nodes(place.roots[place.document])
        self.step = _indent_step(place)
        resources = entry(place.container, "resources")
        self.quote = (_quote(resources[1]) if resources else None) or ""
        self.spans: list[Span] = []

    def plan(self, changes: Mapping[tuple[str, str], str]) -> list[Span]:
        wanted: dict[str, dict[str, str]] = {}
        for (section, resource), value in changes.items():
            wanted.setdefault(section, {})[resource] = value
        resources = self._own(self.container, "resources")
        if resources is None:
            self._insert(None, self.container, {"resources": wanted})
        else:
            self._into(resources, wanted)
        return self._merged()

    def _into(self, at: tuple[ScalarNode, Node], tree: Tree) -> None:
        """Set the tree's values in the mapping that is the value of the entry `at`."""
        key, value = at
        if _is_null(value):
            self._fill_null(key, value, tree)
            return
        if not isinstance(value, MappingNode):
            raise Rejected(f"line {value.start_mark.line + 1}: {key.value} is not a mapping")
        missing: dict[str, Any] = {}
        for name, wanted in tree.items():
            own = self._own(value, name)
            if own is None:
                missing[name] = wanted
            elif isinstance(wanted, str):
                self._replace(own[1], wanted)
            else:
                self._into(own, wanted)
        if missing:
            self._insert(key, value, missing)

    def _own(self, mapping: MappingNode, name: str) -> tuple[ScalarNode, Node] | None:
        found = entry(mapping, name)
        if found is None and merges(mapping):
            raise Rejected(f"{name} of the container may come from a merge key (<<)")
        if found is None:
            return None
        line, value = found[0].start_mark.line + 1, found[1]
        if id(value) in self.shared:
            raise Rejected(f"line {line}: {name} is shared through an anchor (&{value.anchor})")
        if value.anchor or self.text.startswith("!", value.start_mark.index):
            raise Rejected(f"line {line}: {name} carries an anchor or a tag")
        return found

    def _replace(self, node: Node, value: str) -> None:
        line = node.start_mark.line + 1
        if not isinstance(node, ScalarNode) or node.style not in (None, "'", '"'):
            raise Rejected(f"line {line}: the value is not a plain or quoted scalar")
        try:
            quantity.parse(node.value)
        except ValueError as error:
            raise Rejected(f"line {line}: {error}") from None
        quotes = 1 if node.style else 0
        start, end = node.start_mark.index + quotes, node.end_mark.index - quotes
        if self.text[start:end] != node.value:
            raise Rejected(f"line {line}: the value is written with escapes or over several lines")
        if value != node.value:
            self.spans.append(Span(start, end, value))

    def _fill_null(self, key: ScalarNode, value: Node, tree: Tree) -> None:
        start, end = value.start_mark.index, value.end_mark.index
        if start < end:  # written as null or ~
            self.spans.append(Span(start, end, f"{{{self._flow(tree, value)}}}"))
        elif self._in_flow(key):
            raise Rejected(f"line {key.start_mark.line + 1}: {key.value} has no value in a flow mapping")
        else:
            self._insert_lines(key.end_mark.index, key.start_mark.column + self.step, self._block(tree, value))

    def _in_flow(self, key: ScalarNode) -> bool:
        waiting: list[Node] = [self.container]
        while waiting:
            node = waiting.pop()
            if isinstance(node, MappingNode):
                if any(own is key for own, _ in node.value):
                    return bool(node.flow_style)
                waiting.extend(value for _, value in node.value)
        return True

    def _insert(self, key: ScalarNode | None, mapping: MappingNode, tree: Tree) -> None:
        """Add entries to a mapping: behind the entry that usually comes before them, else right after its opening."""
        if mapping.flow_style:
            self._insert_flow(mapping, tree)
            return
        first = mapping.value[0][0]
        column = first.start_mark.column
        after: Node | None
        if key is None:
            after = _line_holder(mapping, ("image", "name"))
        elif "memory" in tree and "cpu" not in tree:
            after = _line_holder(mapping, ("cpu",)) or key
        else:
            after = key
        if after is None or (after is key and first.start_mark.line == key.end_mark.line):
            raise Rejected(f"line {mapping.start_mark.line + 1}: no line after which the value can be added")
        self._insert_lines(after.end_mark.index, column, self._block(tree, mapping))

    def _insert_flow(self, mapping: MappingNode, tree: Tree) -> None:
        inner = self._flow(tree, mapping)
        if mapping.value:
            at = mapping.value[-1][1].end_mark.index
            self.spans.append(Span(at, at, f", {inner}"))
        else:
            at = mapping.start_mark.index + 1
            self.spans.append(Span(at, at, inner))

    def _insert_lines(self, after: int, column: int, block: list[str]) -> None:
        end = _LINE_END.search(self.text, after)
        lines = [" " * column + line for line in block]
        if end is None:
            any_end = _LINE_END.search(self.text)
            newline = any_end[0] if any_end else "\n"
            self.spans.append(Span(len(self.text), len(self.text), "".join(newline + line for line in lines)))
        else:
            self.spans.append(Span(end.end(), end.end(), "".join(line + end[0] for line in lines)))

    def _written(self, value: str, mapping: Node) -> str:
        """A new value in the quotes of its neighbours, else of the container's other resources."""
        quote = None if mapping is self.container else _quote(mapping)
        quote = self.quote if quote is None else quote
        return f"{quote}{value}{quote}"

    def _block(self, tree: Tree, mapping: Node) -> list[str]:
        lines = []
        for key, value in _ordered(tree):
            if isinstance(value, str):
                lines.append(f"{key}: {self._written(value, mapping)}")
            else:
                lines.append(f"{key}:")
                lines += [" " * self.step + line for line in self._block(value, mapping)]
        return lines

    def _flow(self, tree: Tree, mapping: Node) -> str:
        """Entries of a flow mapping, without its braces."""
        return ", ".join(
            f"{key}: {self._written(value, mapping)}"
            if isinstance(value, str)
            else f"{key}: {{{self._flow(value, mapping)}}}"
            for key, value in _ordered(tree)
        )

    def _merged(self) -> list[Span]:
        """Spans in order; insertions at one place become one."""
        merged: list[Span] = []
        for span in sorted(self.spans, key=lambda one: (one.start, one.end)):
            if merged and merged[-1].start == merged[-1].end == span.start == span.end:
                merged[-1] = Span(span.start, span.end, merged[-1].text + span.text)
            else:
                merged.append(span)
        return merged


def _ordered(tree: Tree) -> list[tuple[str, Any]]:
    order = ("requests", "limits", "cpu", "memory")
    return sorted(tree.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style is None and node.value in ("", "~", "null", "Null", "NULL")


def _line_holder(mapping: MappingNode, names: tuple[str, ...]) -> Node | None:
    """Value node, written on its key's line, of the first of these entries."""
    for name in names:
        found = entry(mapping, name)
        if found and isinstance(found[1], ScalarNode) and found[0].start_mark.line == found[1].end_mark.line:
            return found[1]
    return None


def _quote(node: Node) -> str | None:
    """Quote character around the first value below a node: None where there is no value."""
    waiting = [node]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ScalarNode) and not _is_null(node):
            return node.style if node.style in ("'", '"') else ""
        if isinstance(node, MappingNode):
            waiting.extend(value for _, value in node.value)
    return None


def _indent_step(place: Place) -> int:
    """Spaces per level: as in the container, else as at the top of the document, else two."""
    for mapping in (place.container, place.roots[place.document]):
        if not isinstance(mapping, MappingNode) or mapping.flow_style:
            continue
        for key, value in mapping.value:
            if isinstance(value, MappingNode) and value.value and not value.flow_style:
                step = int(value.value[0][0].start_mark.column - key.start_mark.column)
                if step > 0:
                    return step
    return 2
