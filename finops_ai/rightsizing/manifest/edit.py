"""Set values in the text of a manifest or of a chart's values, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from finops_ai.domain import quantity
from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest.find import Place, find, find_object, find_values, holds
from finops_ai.rightsizing.manifest.kustomize import inline, is_kustomization
from finops_ai.rightsizing.manifest.nested import inside
from finops_ai.rightsizing.manifest.paths import SECTIONS, PathStep, Reached, parse_path, reach
from finops_ai.rightsizing.manifest.read import at, entry
from finops_ai.rightsizing.manifest.span import Span, apply, merged
from finops_ai.rightsizing.manifest.splice import plan
from finops_ai.rightsizing.manifest.verify import Keys, verify

_RESOURCE = re.compile(r"(requests|limits)\.([A-Za-z0-9][A-Za-z0-9./_-]*)")
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/+-]*[A-Za-z0-9])?")

Value = str | Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The text afterwards, and what was replaced: offsets in characters of the text before.

    `over` tells requests above their limits, in words; whether that is a mistake the caller knows.
    """

    text: str
    spans: tuple[Span, ...]
    over: tuple[str, ...] = ()


def set_values(
    text: str, *, kind: str, name: str, container: str, changes: Mapping[str, str], namespace: str | None = None
) -> Edited:
    """Set values such as {"requests.cpu": "200m", "limits.memory": "1Gi"} and leave every other byte as it is.

    A missing key is inserted in the author's style. Raises Rejected, with the reason, for whatever cannot be
    done for certain: templates, generated files, shared anchors, merge keys, a workload declared twice.
    """
    paths: dict[tuple[PathStep, ...], Value] = {
        ("resources", *_resource(path)): _checked(path, value) for path, value in changes.items()
    }
    if is_kustomization(text):
        keys, name = _inline_patch(text, kind, name, container, changes)
        inner = {"kind": kind, "name": name, "container": container}
        return set_in_text(text, keys, lambda held: set_values(held, **inner, changes=changes))
    return _edited(text, find(text, kind=kind, name=name, container=container, namespace=namespace), paths)


def set_paths(
    text: str,
    changes: Mapping[str, Value],
    *,
    kind: str | None = None,
    name: str | None = None,
    namespace: str | None = None,
    base: str = "",
    created: Sequence[str] = (),
) -> Edited:
    """Set values by their paths, from `base` in a file of values, or in the object of that kind and name.

    Keys are made where they are missing below `resources` only, and where `created` names them.
    Raises Rejected as `set_values` does, and for a path that leads nowhere.
    """
    if kind is None or name is None:
        place = find_values(text)
    else:
        place = find_object(text, kind=kind, name=name, namespace=namespace)
    above = parse_path(base) if base else ()
    paths: dict[tuple[PathStep, ...], Value] = {}
    for path, value in changes.items():
        below = parse_path(path) if path else ()
        steps = (*above, *below)
        if above and above[-1] in SECTIONS and path:
            steps = (*above, path)  # base is `…requests`: what follows is one name, dots and all
        paths[steps] = _checked(path or base, value, is_quantity=len(steps) > 1 and steps[-2] in SECTIONS)
    return _edited(text, place, paths, created=created)


def values(text: str, *, kind: str, name: str, container: str, namespace: str | None = None) -> dict[str, str]:
    """Requests and limits that the text gives the container, as written. Raises Rejected as `set_values` does."""
    place = find(text, kind=kind, name=name, container=container, namespace=namespace)
    found: dict[str, str] = {}
    resources = entry(place.node, "resources")
    for section in SECTIONS:
        part = entry(resources[1], section) if resources else None
        if part and isinstance(part[1], MappingNode):
            for key, value in part[1].value:
                if isinstance(key, ScalarNode) and isinstance(value, ScalarNode):
                    found[f"{section}.{key.value}"] = value.value
    return found


def value_at(text: str, path: str, *, kind: str | None = None, name: str | None = None) -> str | None:
    """What stands at a path, as written; None where no single value does. Raises Rejected as `set_paths`."""
    place = find_object(text, kind=kind, name=name) if kind and name else find_values(text)
    return _value_at(place.node, text, parse_path(path))


def _inline_patch(
    text: str, kind: str, name: str, container: str, changes: Mapping[str, str]
) -> tuple[tuple[str | int, ...], str]:
    """Where a kustomization's own patch of the container stands, and the name that it gives the object."""
    found = []
    for one in inline(text, kind=kind, name=name):
        held = text_at(text, one.keys)
        if holds(held, kind=one.kind, name=one.name, container=container):
            if one.is_broad:
                raise Rejected("the patch may hit other objects as well; give the workload one of its own")
            found.append((one, values(held, kind=one.kind, name=one.name, container=container)))
    if not found:
        raise Rejected(
            f"no literal patch here speaks of the container {container} of {kind} {name}; edit the file that declares "
            "it, or name the place by --path, such as patches[0].patch[0].value"
        )
    setters = [one for one, told in found if any(path in told for path in changes)]
    chosen = setters[-1] if setters else found[-1][0]
    return chosen.keys, chosen.name


def _value_at(node: Node, text: str, path: Sequence[PathStep]) -> str | None:
    reached = reach(node, path, created=(*filter(None, (str(step) for step in path)),))
    for key in reached.keys:
        found = node.value[key] if isinstance(key, int) else (entry(node, key) or (None, None))[1]
        if found is None:
            return None
        node = found
    if reached.text is not None:
        held = inside(text, reached.text).text
        return _value_at(find_values(held).node, held, reached.inside)
    return node.value if isinstance(node, ScalarNode) else None


def _edited(
    text: str,
    place: Place,
    paths: Mapping[tuple[PathStep, ...], Value],
    created: Sequence[str] = (),
) -> Edited:
    """One pass over a text: what is set in it, and what is set in the YAML that its texts hold."""
    here: dict[Keys, Value] = {}
    within: dict[int, tuple[Reached, dict[tuple[PathStep, ...], Value]]] = {}
    for path, value in paths.items():
        reached = reach(place.node, path, created=("resources", *SECTIONS, *created))
        if reached.text is None:
            here[reached.keys] = value
        else:
            within.setdefault(id(reached.text), (reached, {}))[1][reached.inside] = value
    over = list(dict.fromkeys(_over(place.node, here)))
    spans = plan(text, place, _tree(here)) if here else []
    held: dict[Keys, str] = {}
    for reached, inner in within.values():
        change = partial(_edited_values, paths=inner, created=created)
        done, outer = edit_inside(text, place, reached, change)
        held[reached.keys] = done.text
        spans += outer
        over += done.over
    spans = merged(spans)
    after = apply(text, spans)
    verify(text, after, place, here, spans, held)
    return Edited(text=after, spans=tuple(spans), over=tuple(over))


def _edited_values(text: str, paths: Mapping[tuple[PathStep, ...], Value], created: Sequence[str]) -> Edited:
    return _edited(text, find_values(text), paths, created)


def edit_inside(
    text: str, place: Place, reached: Reached, change: Callable[[str], Edited]
) -> tuple[Edited, list[Span]]:
    """The YAML in a literal text after the change, and the change as spans of the whole text."""
    assert reached.text is not None  # noqa: S101
    place.at(reached.keys, place.node)
    part = inside(text, reached.text)
    done = change(part.text)
    return done, part.spans(done.spans)


def set_in_text(text: str, keys: Sequence[str | int], change: Callable[[str], Edited]) -> Edited:
    """Change the YAML in the literal text that stands at `keys`. Raises Rejected as `set_values` does."""
    place = find_values(text)
    reached = reach(place.node, (*keys, ""))
    if reached.text is None:
        raise Rejected("the patch is not written as a literal text (|)")
    held, spans = edit_inside(text, place, reached, change)
    after = apply(text, spans)
    verify(text, after, place, {}, spans, {reached.keys: held.text})
    return Edited(text=after, spans=tuple(spans), over=held.over)


def text_at(text: str, keys: Sequence[str | int]) -> str:
    """The YAML in the literal text that stands at `keys`; '' where it is written otherwise."""
    node = find_values(text).node
    reached = reach(node, (*keys, "")) if keys else Reached(keys=())
    return inside(text, reached.text).text if reached.text is not None else ""


def _over(node: Node, changes: Mapping[Keys, Value]) -> Iterator[str]:
    """Requests above their limits after the changes, of the pairs that are touched: Kubernetes takes no such object."""
    for keys in changes:
        if len(keys) < 2 or keys[-2] not in SECTIONS:
            continue
        request, limit = (_told(node, (*keys[:-2], section, keys[-1]), changes) for section in SECTIONS)
        try:
            is_over = request and limit and quantity.parse(request) > quantity.parse(limit)
        except ValueError:
            continue  # a word of a chart's own
        if is_over:
            other = "limits" if keys[-2] == "requests" else "requests"
            yield (
                f"requests.{keys[-1]} would be {request}, above limits.{keys[-1]} of {limit}: Kubernetes refuses that; "
                f"set {other}.{keys[-1]} too, or choose another value"
            )


def _told(node: Node, keys: Keys, changes: Mapping[Keys, Value]) -> str | None:
    """The text at `keys` once the changes are made."""
    if isinstance(value := changes.get(keys), str):
        return value
    found = at(node, keys)
    return str(found.value) if isinstance(found, ScalarNode) else None


def _tree(changes: Mapping[Keys, Value]) -> dict[str | int, Any]:
    tree: dict[str | int, Any] = {}
    for keys, value in changes.items():
        node = tree
        for key in keys[:-1]:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise Rejected("two changes fall on the same place")
        if not keys or keys[-1] in node:
            raise Rejected("two changes fall on the same place")
        node[keys[-1]] = value
    return tree


def _resource(path: str) -> tuple[str, str]:
    found = _RESOURCE.fullmatch(path)
    if not found:
        raise Rejected(f"{path!r} is not requests.NAME or limits.NAME")
    return found[1], found[2]


def _checked(path: str, value: Value, *, is_quantity: bool = True) -> Value:
    if not isinstance(value, str):
        return value
    if not is_quantity:
        if not _WORD.fullmatch(value):
            raise Rejected(f"{path}: {value[:40]!r} is not a number, a quantity or a plain word")
        return value
    try:
        size = quantity.parse(value)
    except ValueError as error:
        raise Rejected(f"{path}: {error}") from None
    if size < 0:
        raise Rejected(f"{path}: {value} is negative")
    return value
