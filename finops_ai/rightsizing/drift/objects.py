"""Kubernetes objects from manifests and lists: read, told apart by group, kind, namespace and name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from finops_ai.domain.errors import Malformed, Problem

Object = Mapping[str, Any]
Key = tuple[str, str, str, str]
"""API group, kind, namespace and name."""

WORKLOADS = {
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("batch", "CronJob"),
    ("argoproj.io", "Rollout"),
}
LARGEST_TEXT = 64 * 2**20


def documents(text: str, file: str) -> Iterator[Object]:
    """Every object of a text in YAML or JSON; items of a List one by one. Raises Malformed."""
    if len(text) > LARGEST_TEXT:
        raise Malformed([Problem(file=file, message=f"larger than {LARGEST_TEXT} characters")])
    try:
        for found in YAML(typ="safe", pure=True).load_all(text):
            yield from items(found)
    except RecursionError:
        raise Malformed([Problem(file=file, message="nested too deeply to be read")]) from None
    except (YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        message = f"not readable as YAML: {getattr(error, 'problem', None) or error}"
        raise Malformed([Problem(file=file, message=message, line=mark.line + 1 if mark else None)]) from None


def items(found: Any) -> Iterator[Object]:
    """The objects that a document stands for."""
    if not isinstance(found, Mapping):
        return
    inside = found.get("items")
    if str(found.get("kind", "")).endswith("List") and isinstance(inside, list):
        # A typed list leaves kind and version of its items out.
        own = str(found["kind"]).removesuffix("List")
        known = {"apiVersion": found.get("apiVersion"), "kind": own} if own else {}
        for item in inside:
            if isinstance(item, Mapping):
                yield from items({**known, **item})
    elif isinstance(found.get("metadata"), Mapping) and found.get("kind") and found.get("apiVersion"):
        yield found


def key_of(one: Object) -> Key:
    group, slash, _ = str(one["apiVersion"]).rpartition("/")
    metadata = one["metadata"]
    return (
        group if slash else "",
        str(one["kind"]),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name") or ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Objects by key; `twice` are those that came more than once with other content."""

    objects: Mapping[Key, Object]
    twice: frozenset[Key] = field(default_factory=frozenset)

    @classmethod
    def of(cls, every: Iterable[Object]) -> Index:
        found: dict[Key, Object] = {}
        twice = set()
        for one in every:
            key = key_of(one)
            if key in found and found[key] != one:
                twice.add(key)
            found[key] = one
        return cls(objects=found, twice=frozenset(twice))

    def kind(self, group: str, kind: str) -> Iterator[Object]:
        return (one for key, one in self.objects.items() if key[:2] == (group, kind))

    def counterpart(self, key: Key) -> Object | None:
        """The object of that key; where the manifest leaves the namespace out, the only one of its name."""
        if key in self.objects or key[2]:
            return self.objects.get(key)
        same = [one for other, one in self.objects.items() if (*other[:2], other[3]) == (*key[:2], key[3])]
        return same[0] if len(same) == 1 else None


def at(one: Any, *path: str) -> Any:
    """A value deep in an object; None where a step is missing."""
    for step in path:
        if not isinstance(one, Mapping):
            return None
        one = one.get(step)
    return one


def mapping(one: Any, *path: str) -> Mapping[str, Any]:
    found = at(one, *path)
    return found if isinstance(found, Mapping) else {}


def listed(one: Any, *path: str) -> list[Any]:
    found = at(one, *path)
    return found if isinstance(found, list) else []
