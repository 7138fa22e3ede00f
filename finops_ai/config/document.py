"""The configuration as a tree of texts, each with the place it came from: a line of the file or a variable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from finops_ai.domain.errors import Problem

Key = tuple[str | int, ...]
"""Path of a value: names in mappings, positions from 0 in lists."""

LARGEST_BYTES = 1024 * 1024
LARGEST_TREE = 20_000
"""Values in all; aliases count each time they are used, so that a small file cannot grow without end."""

_CORE = "tag:yaml.org,2002:"
_TAGS = frozenset(_CORE + name for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "value"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value came from; the default one says "default"."""

    file: str = ""
    line: int | None = None
    character: int | None = None
    variable: str = ""

    def __str__(self) -> str:
        if self.variable:
            return f"env {self.variable}"
        return ":".join(str(part) for part in (self.file, self.line, self.character) if part) or "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem(Problem):
    """Something wrong in the configuration: `file:line:character key: message`; `column` holds the key."""

    character: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.character) if part)
        return " ".join(part for part in (place, f"{self.column}:" if self.column else "", self.message) if part)


def problem(origin: Origin, key: Key, message: str) -> ConfigProblem:
    return ConfigProblem(
        file=origin.file or (str(origin) if origin.variable else ""),
        line=origin.line,
        character=origin.character,
        column=dotted(key) or None,
        message=message,
    )


def dotted(key: Key) -> str:
    return ".".join(map(str, key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """`tree` holds dicts, lists, texts and None. Every scalar is text: what it means is decided by who asks for it,
    so that account 0012 and version 1.10 stay what they are.
    """

    file: str
    tree: dict[str, Any] = field(default_factory=dict)
    values: dict[Key, Origin] = field(default_factory=dict)
    keys: dict[Key, Origin] = field(default_factory=dict)
    problems: list[ConfigProblem] = field(default_factory=list)

    def origin(self, key: Key) -> Origin:
        """Where the value came from, or the nearest thing around it; the file when nothing is there."""
        for end in range(len(key), 0, -1):
            if found := self.values.get(key[:end]):
                return found
        return Origin(file=self.file)

    def key_origin(self, key: Key) -> Origin:
        return self.keys.get(key) or self.origin(key)


def parse(text: str, file: str) -> Document:
    """Read YAML (one document, a mapping). What is wrong is in `problems`; a text that is no YAML has no tree."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    document = Document(file=file)
    try:
        root = YAML(typ="rt", pure=True).compose(text)
        if root is not None:
            tree = _Reader(document).value(root, (), ())
            if isinstance(tree, dict):
                document.tree.update(tree)
            elif tree is not None:
                message = "the file must be a mapping of sections such as `sources:`"
                document.problems.append(problem(_origin(document, root), (), message))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        origin = Origin(file=file, line=mark.line + 1, character=mark.column + 1) if mark else Origin(file=file)
        told = ", ".join(part for part in (error.context, error.problem) if part)
        document.problems.append(problem(origin, (), f"not YAML: {told}"))
    except YAMLError as error:
        document.problems.append(problem(Origin(file=file), (), f"not YAML: {' '.join(str(error).split())}"))
    except (RecursionError, _TooLarge):
        message = f"nested too deeply, or more than {LARGEST_TREE} values"
        document.problems.append(problem(Origin(file=file), (), message))
    return document


def _origin(document: Document, node: Any) -> Origin:
    mark = node.start_mark
    return Origin(file=document.file, line=mark.line + 1, character=mark.column + 1)


class _TooLarge(Exception):
    pass


class _Reader:
    """Turns YAML nodes into values, noting where each was written."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._left = LARGEST_TREE

    def value(self, node: Any, key: Key, around: tuple[int, ...]) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _TooLarge
        self._document.values[key] = _origin(self._document, node)
        if id(node) in around:
            return self._wrong(node, key, "an alias that contains itself has no end")
        if str(node.tag) not in _TAGS:
            return self._wrong(node, key, f"the tag {node.tag} means nothing here: remove it")
        around = (*around, id(node))
        match node.id:
            case "mapping":
                return {name: self.value(item, (*key, name), around) for name, item in self._pairs(node, key)}
            case "sequence":
                return [self.value(item, (*key, index), around) for index, item in enumerate(node.value)]
            case _:
                return None if node.tag == f"{_CORE}null" else str(node.value)

    def _pairs(self, node: Any, key: Key) -> Iterator[tuple[str, Any]]:
        """The pairs of a mapping, then those that `<<` brings and the mapping does not have itself."""
        seen: dict[str, Any] = {}
        merged: list[Any] = []
        for name_node, item in node.value:
            if str(name_node.tag) == f"{_CORE}merge":
                merged += item.value if item.id == "sequence" else [item]
            elif name_node.id != "scalar":
                self._wrong(name_node, key, "a key must be plain text")
            elif (name := str(name_node.value)) in seen:
                first = seen[name].start_mark.line + 1
                self._wrong(name_node, (*key, name), f"is written twice, first in line {first}")
            else:
                seen[name] = name_node
                self._document.keys[*key, name] = _origin(self._document, name_node)
                yield name, item
        for other in merged:
            if other.id != "mapping":
                self._wrong(other, key, "<< takes an alias of a mapping, or a list of them")
                continue
            for name_node, item in other.value:
                if (name := str(name_node.value)) not in seen:
                    seen[name] = name_node
                    yield name, item

    def _wrong(self, node: Any, key: Key, message: str) -> None:
        self._document.problems.append(problem(_origin(self._document, node), key, message))
