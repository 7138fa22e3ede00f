"""Plan which characters of a manifest change, in the author's quotes, indentation and line ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finops_ai.domain import quantity
from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.find import Place
from finops_ai.rightsizing.manifest.paths import SECTIONS
from finops_ai.rightsizing.manifest.read import entry, is_null, merges, shared_nodes
from finops_ai.rightsizing.manifest.span import Span, merged

_LINE_END = re.compile(r"\r\n|\n|\r")

_NO_TEXT = re.compile(r"true|false|yes|no|on|off|null|~", re.IGNORECASE)
"""Plain words that YAML does not read as text."""

Tree = Mapping[Any, Any]
"""Keys, and positions in lists that are there, to texts or to further trees: what is to be set."""


def plan(text: str, place: Place, tree: Tree) -> list[Span]:
    """Spans that set the tree's texts below the place. Raises Rejected where that cannot be done safely."""
    return _Planner(text, place).plan(tree)


class _Planner:
    def __init__(self, text: str, place: Place) -> None:
        self.text = text
        self.base = place.node
        self.shared = shared_nodes(place.roots[place.document])
        self.step = _indent_step(place)
        resources = entry(place.node, "resources")
        self.quoted_keys = any(key.style == '"' for key, _ in _pairs(place.node))
        self.quote = (_quote(resources[1]) if resources else None) or ('"' if self.quoted_keys else "")
        self.spans: list[Span] = []

    def plan(self, tree: Tree) -> list[Span]:
        self._into(None, self.base, tree)
        return merged(self.spans)

    def _into(self, key: ScalarNode | None, value: Node, tree: Tree) -> None:
        """Set the tree's values in the mapping or list `value`, which stands under `key`."""
        if key is not None and is_null(value):
            self._fill_null(key, value, tree)
            return
        missing: dict[str, Any] = {}
        for name, wanted in tree.items():
            own = self._own(key, value, name)
            if own is None:
                missing[str(name)] = wanted
            elif isinstance(wanted, list):
                raise Rejected(f"line {own[1].start_mark.line + 1}: {name} is set already; edit it by hand")
            elif isinstance(wanted, str):
                self._replace(own[1], wanted, number=key is not None and key.value in SECTIONS)
            else:
                self._into(*own, wanted)
        if missing:
            self._insert(key, value, missing)

    def _own(self, key: ScalarNode | None, value: Node, name: str | int) -> tuple[ScalarNode | None, Node] | None:
        if isinstance(value, SequenceNode) and isinstance(name, int):
            found: tuple[ScalarNode | None, Node] | None = (None, value.value[name])
        elif isinstance(value, MappingNode) and isinstance(name, str):
            found = entry(value, name)
            if found is None and merges(value):
                raise Rejected(f"{name} may come from a merge key (<<); write it out first")
        else:
            line, what = value.start_mark.line + 1, key.value if key else "the place"
            raise Rejected(f"line {line}: {what} is not a mapping")
        if found is None:
            return None
        line, node = found[1].start_mark.line + 1, found[1]
        if id(node) in self.shared:
            raise Rejected(
                f"line {line}: {name} is shared through an anchor (&{node.anchor}); write it out there first"
            )
        if node.anchor or self.text.startswith("!", node.start_mark.index):
            raise Rejected(f"line {line}: {name} carries an anchor or a tag; edit it by hand")
        return found

    def _replace(self, node: Node, value: str, *, number: bool) -> None:
        line = node.start_mark.line + 1
        if not isinstance(node, ScalarNode) or node.style not in (None, "'", '"'):
            raise Rejected(f"line {line}: the value is not a plain or quoted scalar")
        if number:
            try:
                quantity.parse(node.value)
            except ValueError as error:
                raise Rejected(f"line {line}: {error}") from None
        elif "{{" in node.value or "${" in node.value or not node.value:
            raise Rejected(f"line {line}: {node.value[:40]!r} is filled in elsewhere, or empty; edit it by hand")
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
        waiting: list[Node] = [self.base]
        while waiting:
            node = waiting.pop()
            if isinstance(node, MappingNode):
                if any(own is key for own, _ in node.value):
                    return bool(node.flow_style)
                waiting.extend(value for _, value in node.value)
        return True

    def _insert(self, key: ScalarNode | None, mapping: Node, tree: Tree) -> None:
        """Add entries to a mapping: behind the entry that usually comes before them, else right after its opening."""
        if isinstance(mapping, MappingNode) and mapping.flow_style:
            self._insert_flow(mapping, tree)
            return
        first = mapping.value[0][0]
        column = first.start_mark.column
        after: Node | None = key
        if key is None:
            after = _line_holder(mapping, ("image", "name", *(own.value for own, _ in _pairs(mapping))))
        elif "memory" in tree and "cpu" not in tree:
            after = _line_holder(mapping, ("cpu",)) or key
        if after is None or (after is key and first.start_mark.line == key.end_mark.line):
            self._insert_before(first, self._block(tree, mapping))
        else:
            self._insert_lines(after.end_mark.index, column, self._block(tree, mapping))

    def _insert_before(self, first: Node, block: list[str]) -> None:
        """Above the first entry, where that begins its line."""
        at, column = first.start_mark.index, first.start_mark.column
        end = _LINE_END.search(self.text, at)
        if self.text[at - column : at].strip(" ") or end is None or column > at:
            raise Rejected(
                f"line {first.start_mark.line + 1}: no line after which the value can be added; add it by hand"
            )
        self.spans.append(Span(at - column, at - column, "".join(" " * column + line + end[0] for line in block)))

    def _insert_flow(self, mapping: Node, tree: Tree) -> None:
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
        quote = None if mapping is self.base else _quote(mapping)
        quote = self.quote if quote is None or self.quoted_keys else quote
        quote = '"' if not quote and _NO_TEXT.fullmatch(value) else quote
        return f"{quote}{value}{quote}"

    def _block(self, tree: Any, mapping: Node) -> list[str]:
        if isinstance(tree, list):
            return [
                f"{'- ' if first else '  '}{line}"
                for item in tree
                for first, line in _firsts(
                    [self._written(item, mapping)] if isinstance(item, str) else self._block(item, mapping)
                )
            ]
        lines = []
        for key, value in _ordered(tree):
            if isinstance(value, str):
                lines.append(f"{key}: {self._written(value, mapping)}")
            else:
                margin = "" if isinstance(value, list) else " " * self.step
                lines += [f"{key}:", *(margin + line for line in self._block(value, mapping))]
        return lines

    def _flow(self, tree: Any, mapping: Node) -> str:
        """Entries of a flow mapping, without its braces."""
        if isinstance(tree, str):
            return self._written(tree, mapping)
        if isinstance(tree, list):
            return ", ".join(
                self._flow(item, mapping) if isinstance(item, str) else f"{{{self._flow(item, mapping)}}}"
                for item in tree
            )
        quote = '"' if self.quoted_keys else ""
        parts = []
        for key, value in _ordered(tree):
            left, right = ("", "") if isinstance(value, str) else ("[", "]") if isinstance(value, list) else ("{", "}")
            parts.append(f"{quote}{key}{quote}: {left}{self._flow(value, mapping)}{right}")
        return ", ".join(parts)


def _firsts(lines: list[str]) -> Iterator[tuple[bool, str]]:
    return ((number == 0, line) for number, line in enumerate(lines))


def _ordered(tree: Tree) -> list[tuple[str, Any]]:
    order = ("requests", "limits", "cpu", "memory")
    return sorted(tree.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))


def _pairs(node: Node) -> list[tuple[ScalarNode, Node]]:
    pairs = node.value if isinstance(node, MappingNode) else []
    return [(key, value) for key, value in pairs if isinstance(key, ScalarNode)]


def _line_holder(mapping: Node, names: tuple[str, ...]) -> Node | None:
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
        if isinstance(node, ScalarNode) and not is_null(node):
            return node.style if node.style in ("'", '"') else ""
        if isinstance(node, MappingNode):
            waiting.extend(value for _, value in node.value)
    return None


def _indent_step(place: Place) -> int:
    """Spaces per level: as in the container, else as at the top of the document, else two."""
    for mapping in (place.node, place.roots[place.document]):
        if not isinstance(mapping, MappingNode) or mapping.flow_style:
            continue
        for key, value in mapping.value:
            if isinstance(value, MappingNode) and value.value and not value.flow_style:
                step = int(value.value[0][0].start_mark.column - key.start_mark.column)
                if step > 0:
                    return step
    return 2
