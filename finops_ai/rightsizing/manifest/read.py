"""Read YAML as nodes with marks: keys, children, what an alias shares; or say why it cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finops_ai.domain.errors import Rejected

LARGEST_FILE = 2_000_000
MOST_TABS = 200

_MERGE = "<<"
_TEMPLATE = re.compile(r"\{\{|\{%")


def compose(text: str) -> list[Node]:
    """Root node of every document. Raises Rejected for text that is not plain YAML."""
    return list(_composed(text))


@lru_cache(maxsize=32)
def _composed(text: str) -> tuple[Node, ...]:
    """An edit asks several times for the same text; nodes are read only."""
    if len(text) > LARGEST_FILE:
        raise Rejected(f"larger than {LARGEST_FILE} characters: split the file")
    readable = text
    for _ in range(MOST_TABS):
        try:
            return tuple(YAML(typ="safe", pure=True).compose_all(readable))
        except RecursionError:
            raise Rejected("nested too deeply to be read") from None
        except (YAMLError, ValueError) as error:
            at = _separating_tab(readable, error)
            if at is None:
                raise Rejected(_unreadable(text, error)) from None
            readable = f"{readable[:at]} {readable[at + 1 :]}"
    raise Rejected(f"more than {MOST_TABS} tabs stand between tokens: use spaces")


def entry(mapping: Node, key: str) -> tuple[ScalarNode, Node] | None:
    """Key and value node of a mapping's own entry; what a merge key brings is not its own."""
    if isinstance(mapping, MappingNode):
        for key_node, value in mapping.value:
            if isinstance(key_node, ScalarNode) and key_node.value == key:
                return key_node, value
    return None


def child(node: Node, *keys: str) -> Node | None:
    """The node that a way of keys leads to."""
    found: Node | None = node
    for key in keys:
        step = entry(found, key) if found is not None else None
        found = step[1] if step else None
    return found


def word(mapping: Node | None, *keys: str) -> str:
    """The text that a way of keys leads to; '' where there is none."""
    found = child(mapping, *keys) if mapping is not None else None
    return str(found.value) if isinstance(found, ScalarNode) else ""


def items(node: Node | None) -> list[Node]:
    """The items of a sequence; none of anything else."""
    return list(node.value) if isinstance(node, SequenceNode) else []


def at(node: Node, keys: Sequence[str | int]) -> Node | None:
    """The node that a way of keys and positions leads to."""
    found: Node | None = node
    for key in keys:
        if found is None:
            return None
        found = items(found)[key] if isinstance(key, int) else child(found, key)
    return found


def merges(mapping: MappingNode) -> bool:
    return entry(mapping, _MERGE) is not None


def is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style is None and node.value in ("", "~", "null", "Null", "NULL")


def children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, SequenceNode):
        yield from node.value


def every(root: Node) -> Iterator[tuple[Node, bool]]:
    """Each node below and with `root`, and whether it was met before: an alias brings it again."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node, id(node) in seen
        if id(node) not in seen:
            seen.add(id(node))
            waiting.extend(children(node))


def shared_nodes(root: Node) -> set[int]:
    """Identities of the nodes that an alias makes appear more than once in a document."""
    return {id(node) for node, again in every(root) if again}


def _separating_tab(text: str, error: Exception) -> int | None:
    """Where a tab between two tokens stops the parser, though YAML 1.2 lets it stand there: not in indentation."""
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    at = mark.index if mark is not None else len(text)
    if text[at : at + 1] != "\t":
        return None
    line = text[max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1 : at]
    blank = re.compile(r"[ \t]*(?:[\r\n]|$)").match(text, at)
    return at if line.strip(" \t\ufeff-") or blank else None


def _unreadable(text: str, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}: " if mark is not None else ""
    reason = place + (getattr(error, "problem", None) or str(error).splitlines()[0] if str(error) else "empty")
    if _TEMPLATE.search(text):
        return f"the file is a template ({{{{ or {{%), no plain YAML ({reason}); edit its values instead"
    return f"not readable as YAML: {reason}"
