"""Paths into YAML: `backend.resources`, `models[name=llama3].requestCPU`, `data["values.yaml"].replicas`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.read import entry, is_null, merges, word

SECTIONS = ("requests", "limits")
CREATED = ("resources", *SECTIONS)
"""Keys that are made where they are missing; any other missing key may be a slip of the pen."""

_TOKEN = re.compile(
    r"""(?P<dot>^|\.|(?<=\]))(?P<key>[^.\[\]"'\s]+)|\[(?P<index>\d{1,6})\]|\["(?P<double>[^"]+)"\]"""
    r"""|\['(?P<single>[^']+)'\]|\[(?P<by>[\w.-]+)=(?P<value>[^\]]+)\]"""
)


@dataclass(frozen=True, slots=True)
class Having:
    """The item of a list whose `key` is `value`."""

    key: str
    value: str


PathStep = str | int | Having


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Where a path leads: keys from a node; or a text that holds YAML of its own, and the path inside it."""

    keys: tuple[str | int, ...]
    text: ScalarNode | None = None
    inside: tuple[PathStep, ...] = ()


def parse_path(path: str) -> tuple[PathStep, ...]:
    """Steps of a path; what follows `requests.` or `limits.` is one name. Raises Rejected for anything else."""
    steps: list[PathStep] = []
    at = 0
    while at < len(path):
        if steps and steps[-1] in SECTIONS and path[at] == ".":
            steps.append(path[at + 1 :])
            at = len(path)
            break
        found = _TOKEN.match(path, at)
        if not found or (at and path[at] not in ".["):
            break
        if found["index"]:
            steps.append(int(found["index"]))
        elif found["by"]:
            steps.append(Having(found["by"], found["value"]))
        else:
            steps.append(found["key"] or found["double"] or found["single"])
        at = found.end()
    if at < len(path) or not steps or "" in steps:
        raise Rejected(f"{path!r} is no path such as backend.resources or models[name=llama3].requestCPU")
    return tuple(steps)


def reach(node: Node, path: Sequence[PathStep], created: Sequence[str] = CREATED) -> Reached:
    """Follow a path from a node. Raises Rejected, with what there is instead, where it leads nowhere."""
    keys: list[str | int] = []
    for number, step in enumerate(path):
        line = node.start_mark.line + 1
        if isinstance(node, ScalarNode) and node.style == "|" and keys:
            return Reached(keys=tuple(keys), text=node, inside=tuple(path[number:]))
        if isinstance(node, SequenceNode):
            at = _position(node, step)
            keys.append(at)
            node = node.value[at]
        elif isinstance(step, str) and (isinstance(node, MappingNode) or is_null(node)):
            found = entry(node, step)
            if found is None:
                _refuse_unknown(node, [*keys, *path[number:]], path[number:], created)
                return Reached(keys=(*keys, *_only_keys(path[number:])))
            keys.append(step)
            node = found[1]
        elif isinstance(node, ScalarNode) and node.style == ">":
            raise Rejected(f"line {line}: a folded text (>) cannot be edited; write it as a literal one (|)")
        else:
            raise Rejected(f"line {line}: {_shown(step)} leads nowhere: what stands there is not a mapping or list")
    return Reached(keys=tuple(keys))


def _only_keys(path: Sequence[PathStep]) -> tuple[str, ...]:
    if not all(isinstance(step, str) for step in path):
        raise Rejected(f"{_shown(path[-1])} leads nowhere")
    return tuple(str(step) for step in path)


def _position(node: SequenceNode, step: PathStep) -> int:
    line = node.start_mark.line + 1
    if isinstance(step, int):
        if step >= len(node.value):
            raise Rejected(f"line {line}: the list has {len(node.value)} items, there is no [{step}]")
        return step
    if isinstance(step, Having):
        found = [i for i, item in enumerate(node.value) if word(item, step.key) == step.value]
        if len(found) == 1:
            return found[0]
        raise Rejected(f"line {line}: {len(found)} items of the list have {step.key} {step.value}")
    names = [word(item, "name") for item in node.value]
    hint = f"[name={next(name for name in names if name)}]" if any(names) else "[0]"
    raise Rejected(f"line {line}: {step} is asked of what is not a mapping but a list; choose an item, such as {hint}")


def _refuse_unknown(node: Node, whole: Sequence[PathStep], rest: Sequence[PathStep], created: Sequence[str]) -> None:
    """Only what Kubernetes names the same everywhere is made where it is missing: a slip would make an idle key."""
    first = rest[0]
    if isinstance(node, MappingNode) and merges(node):
        raise Rejected(f"line {node.start_mark.line + 1}: {first} may come from a merge key (<<); write it out first")
    above = whole[len(whole) - len(rest) - 1] if len(whole) > len(rest) else None
    if _may_be_made(rest, above, [word for word in created if word not in SECTIONS]):
        return
    keys = [key.value for key, _ in node.value if isinstance(key, ScalarNode)] if node.value else []
    close = get_close_matches(str(first), keys, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(keys[:8]) or 'none'}"
    raise Rejected(f"line {node.start_mark.line + 1}: there is no key {_shown(first)}; {hint}")


def _may_be_made(rest: Sequence[PathStep], above: PathStep | None, created: Sequence[str]) -> bool:
    """`requests` and `limits` below `resources` only, what they name below them, and what the caller says."""
    first, *others = rest
    if above in SECTIONS:
        return not others
    if first in SECTIONS:
        return above == "resources" and len(others) <= 1
    return first in created and (first != "resources" or not others or _may_be_made(others, first, created))


def way_of(keys: Sequence[str | int]) -> str:
    """Keys and positions as the rest of a path: `.spec.containers[0]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


def _shown(step: PathStep) -> str:
    return f"[{step.key}={step.value}]" if isinstance(step, Having) else str(step)
