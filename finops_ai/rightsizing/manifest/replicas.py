"""How many replicas of a workload Git says should run, and the last place that says so: that one counts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ruamel.yaml.nodes import ScalarNode

from finops_ai.domain.errors import Rejected
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.manifest.delivered import deliveries
from finops_ai.rightsizing.manifest.edit import set_paths
from finops_ai.rightsizing.manifest.kustomize import Build, Source, builds, readable
from finops_ai.rightsizing.manifest.paths import way_of
from finops_ai.rightsizing.manifest.read import at, items, word

PATH = "spec.replicas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """`path` leads to the count from the object of `kind` and `name`, or from the root of the file."""

    count: str
    file: str
    path: str
    kind: str | None = None
    name: str | None = None

    def set(self, files: Mapping[str, str], count: str) -> dict[str, str]:
        """The file with another count. Raises Rejected, with the place, where it cannot be set there for certain."""
        try:
            done = set_paths(files[self.file], {self.path: count}, kind=self.kind, name=self.name)
        except Rejected as error:
            raise Rejected(f"{self.file} says at {self.path} how many replicas run: {error}") from None
        return {self.file: done.text}


def replicas(files: Mapping[str, str], workload: Workload) -> Replicas | None:
    """None where nothing in Git says how many, or more than one build might be the one that runs.

    What goes before what: an Application's `kustomize.replicas`, a kustomization's `replicas`, patches, the manifest.
    """
    found = [
        one
        for one in builds(files, kind=workload.kind, name=workload.name)
        if one.namespace in ("", workload.namespace)
    ]
    if len(found) > 1:
        found = [one for one in found if workload.cluster in one.root.split("/")]
    told: list[Replicas] = []
    if len(found) == 1:
        roots = [found[0].root]
        told += _of_build(files, found[0])
    elif not builds(files, kind=workload.kind, name=workload.name):
        told += _plain(files, workload)
        roots = [posixpath.dirname(one.file) for one in told]
    else:
        return None
    over = [
        Replicas(count=one.replicas.value, file=one.file, path=one.replicas.path, kind=one.kind, name=one.name)
        for one in deliveries(files, roots, workload)
        if one.replicas
    ]
    if len(over) > 1:
        over = [one for one in over if workload.cluster in one.file.split("/")]
    return next(iter([*over, *reversed(told)]), None)


def _plain(files: Mapping[str, str], workload: Workload) -> Iterator[Replicas]:
    declared = [
        (file, word(root, "spec", "replicas"))
        for file, text in sorted(files.items())
        if workload.name in text and workload.kind in text
        for root in readable(text)
        if (word(root, "kind"), word(root, "metadata", "name")) == (workload.kind, workload.name)
        and word(root, "metadata", "namespace") in ("", workload.namespace)
    ]
    if len(declared) == 1 and declared[0][1]:
        file, count = declared[0]
        yield Replicas(count=count, file=file, path=PATH, kind=workload.kind, name=workload.name)


def _of_build(files: Mapping[str, str], build: Build) -> Iterator[Replicas]:
    """What each of its texts says, the last one wins."""
    for source in build.sources:
        yield from _of_source(files[source.file], source)
    for one in build.counts:
        yield Replicas(count=one.count, file=one.file, path=f"replicas[{one.number}].count")


def _of_source(text: str, source: Source) -> Iterator[Replicas]:
    held, way = text, way_of(source.keys).lstrip(".")
    if source.keys:
        node = at(readable(text)[0], source.keys)
        held = str(node.value) if isinstance(node, ScalarNode) else ""
    for root in readable(held):
        for number, operation in enumerate(items(root) if source.is_json else ()):
            if word(operation, "path") == "/spec/replicas" and word(operation, "op") in ("add", "replace"):
                yield Replicas(count=word(operation, "value"), file=source.file, path=f"{way}[{number}].value")
        is_it = (word(root, "kind") or source.kind, word(root, "metadata", "name")) == (source.kind, source.name)
        if not source.is_json and is_it and (count := word(root, "spec", "replicas")):
            whole = {"kind": source.kind, "name": source.name} if not way else {}
            yield Replicas(count=count, file=source.file, path=f"{way}.{PATH}".lstrip("."), **whole)
