"""Where the values that run are written: the overlay that is live, and of its texts the last that sets each value."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from finops_ai.domain.errors import Rejected
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.manifest import replicas
from finops_ai.rightsizing.manifest.delivered import Delivery, deliveries, live, releases
from finops_ai.rightsizing.manifest.edit import Value, set_paths, set_values, value_at, values
from finops_ai.rightsizing.manifest.find import container_names, declares
from finops_ai.rightsizing.manifest.kustomize import Build, Source, builds
from finops_ai.rightsizing.manifest.paths import parse_path
from finops_ai.rightsizing.manifest.source import set_by, told_by
from finops_ai.rightsizing.settings import Place

_HELM_VALUES = re.compile(r"(spec\.sources?(?:\[\d+\])?\.helm)\.(?:valuesObject|values)\.(.+)")

RESOURCES = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


class Undeclared(Rejected):
    """No file declares the workload: nothing there could be changed, now or later."""


Agrees = Callable[[Mapping[str, str]], bool]
"""Whether values as written are those that run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The values of one container, as written, and how to set them."""

    values: Mapping[str, str]
    set: Callable[[Mapping[str, str], Mapping[str, str]], dict[str, str]]
    """Files and changes to the files that change."""


def written(
    files: Mapping[str, str], workload: Workload, container: str, agrees: Agrees, places: Sequence[Place] = ()
) -> Written:
    """Where the container's values stand: where `places` say, else where the workload is declared.

    Raises Rejected when that is nowhere, or in doubt.
    """
    for place in places:
        if place.fits(workload.key, container):
            return _at_place(files, place)
    found = builds(files, kind=workload.kind, name=workload.name)
    if found:
        return _of_build(files, found, workload, container, agrees)
    path = _declaring_file(files, workload)
    target = {"kind": workload.kind, "name": workload.name, "container": container, "namespace": workload.namespace}

    def change(now: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
        return {path: set_values(now[path], **target, changes=changes).text}

    plain = Written(values=values(files[path], **target), set=change)
    order = container_names(files[path], kind=workload.kind, name=workload.name)
    delivered = deliveries(files, [posixpath.dirname(path)], workload, container, order)
    return _laid_over(plain, live(delivered, workload, plain.values, agrees))


def _laid_over(base: Written, over: Delivery | None) -> Written:
    """What the object that delivers the files sets goes before what they say, and is changed where it stands."""
    if over is None or not over.sets:
        return base

    def change(now: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
        here = {resource: value for resource, value in changes.items() if resource in over.sets}
        below = {resource: value for resource, value in changes.items() if resource not in over.sets}
        after = base.set(now, below) if below else {}
        return after | ({over.file: over.edited(after.get(over.file, now[over.file]), here)} if here else {})

    return Written(values={**base.values, **{name: put.value for name, put in over.sets.items()}}, set=change)


def _at_place(files: Mapping[str, str], place: Place) -> Written:
    """The values of a chart's workload, where its file holds them."""
    if place.file not in files:
        raise Rejected(f"{place.file}, where recommend.strategy.places puts it, is not among the manifests looked at")
    text = files[place.file]
    at = {resource: _where(text, place, path) for resource in RESOURCES if (path := place.at(resource))}
    found = {
        resource: value
        for resource, path in at.items()
        if (value := value_at(text, path, kind=place.kind, name=place.name)) is not None
    }

    def change(now: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
        if missing := [resource for resource in changes if not place.at(resource)]:
            raise Rejected(f"recommend.strategy.places does not say where {', '.join(missing)} stands in {place.file}")
        told = {at[resource]: value for resource, value in changes.items()}
        return {place.file: set_paths(now[place.file], told, kind=place.kind, name=place.name).text}

    return Written(values=found, set=change)


def _where(text: str, place: Place, path: str) -> str:
    """An Application's `helm.parameters` go before its `valuesObject` and `values`; '.' in their names leads down."""
    inner = _HELM_VALUES.match(path)
    if inner is None:
        return path
    parameter = f"{inner[1]}.parameters[name={inner[2]}].value"
    try:
        set_there = value_at(text, parameter, kind=place.kind, name=place.name)
    except Rejected:
        return path  # there is no such parameter
    return path if set_there is None else parameter


def set_object(files: Mapping[str, str], workload: Workload, changes: Mapping[str, Value]) -> dict[str, str]:
    """Set values of the object itself, such as spec.replicas, in the one file that declares it, where it is not shared.

    The last key of a path is made where it is missing. Raises Rejected as `written` does.
    """
    if list(changes) == [replicas.PATH] and (where := replicas.replicas(files, workload)):
        return where.set(files, str(changes[replicas.PATH]))
    found = builds(files, kind=workload.kind, name=workload.name)
    if len(found) > 1:
        roots = ", ".join(build.root for build in found)
        raise Rejected(
            f"{workload.kind} {workload} is built by several overlays ({roots}); add a patch to the one meant"
        )
    if found and any(not source.is_base for source in found[0].sources):
        raise Rejected(
            f"{workload.kind} {workload} is patched in {found[0].root}; set {', '.join(changes)} there by hand"
        )
    path = _declaring_file(files, workload)
    last = [str(parse_path(one)[-1]) for one in changes]
    done = set_paths(
        files[path], changes, kind=workload.kind, name=workload.name, namespace=workload.namespace, created=last
    )
    return {path: done.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    build: Build
    order: Sequence[str]
    by_source: Sequence[tuple[Source, Mapping[str, str] | None]]

    @property
    def values(self) -> dict[str, str]:
        return {path: value for _, told in self.by_source for path, value in (told or {}).items()}


def _of_build(
    files: Mapping[str, str], found: Sequence[Build], workload: Workload, container: str, agrees: Agrees
) -> Written:
    told = [_told(files, build, container) for build in found]
    mine = [one for one in told if one.build.namespace in ("", workload.namespace)]
    if len(mine) > 1:
        mine = [one for one in mine if agrees(one.values)] or mine
    if len(mine) > 1:
        mine = [one for one in mine if workload.cluster in one.build.root.split("/")] or mine
    if len(mine) != 1:
        roots = ", ".join(one.build.root for one in mine or told)
        raise Rejected(f"{workload.kind} {workload} is built by {len(mine)} overlays that could be meant: {roots}")
    (chosen,) = mine
    shared = {source.file for one in told if one is not chosen for source, _ in one.by_source}

    def change(now: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
        after = dict(now)
        by_source: dict[Source, dict[str, str]] = {}
        for path, value in changes.items():
            by_source.setdefault(_owner(chosen, path, shared), {})[path] = value
        for source, own in by_source.items():
            after[source.file] = set_by(source, after[source.file], container, chosen.order, own).text
        return {path: text for path, text in after.items() if text != now[path]}

    base = Written(values=chosen.values, set=change)
    delivered = deliveries(files, [chosen.build.root], workload, container, chosen.order)
    return _laid_over(base, live(delivered, workload, base.values, agrees))


def _told(files: Mapping[str, str], build: Build, container: str) -> _Told:
    order = next(
        (
            container_names(files[source.file], kind=source.kind, name=source.name)
            for source in build.sources
            if source.is_base
        ),
        [],
    )
    told = [(source, told_by(source, files[source.file], container, order)) for source in build.sources]
    if all(values is None for _, values in told):
        raise Rejected(f"{build.root}: no text of this overlay has a container {container}")
    return _Told(build=build, order=order, by_source=told)


def _owner(chosen: _Told, path: str, shared: set[str]) -> Source:
    """The last source that sets the value; else the last that speaks of the container and is this overlay's alone."""
    setters = [source for source, told in chosen.by_source if told is not None and path in told]
    own = [
        source
        for source, told in chosen.by_source
        if told is not None and source.file not in shared and not source.is_json and not source.is_broad
    ]
    if setters and setters[-1].file not in shared:
        return setters[-1]
    after = [source for source, _ in chosen.by_source]
    later = [source for source in own if not setters or after.index(source) > after.index(setters[-1])]
    if later:
        return later[-1]
    where = setters[-1].file if setters else next(source.file for source, told in chosen.by_source if told is not None)
    raise Rejected(
        f"{path} comes from {where}, which other overlays share; add a patch of the container to {chosen.build.root}"
    )


def _declaring_file(files: Mapping[str, str], workload: Workload) -> str:
    found, unreadable = [], []
    for path, text in sorted(files.items()):
        if workload.name not in text or workload.kind not in text:
            continue
        try:
            if declares(text, kind=workload.kind, name=workload.name, namespace=workload.namespace):
                found.append(path)
        except Rejected as error:
            unreadable.append(f"{path}: {error}")
    if len(found) == 1:
        return found[0]
    if found:
        raise Rejected(f"{workload.kind} {workload} is declared in several files: {', '.join(found)}")
    passed = f" ({'; '.join(unreadable)})" if unreadable else ""
    charts = releases(files, workload)
    hint = f": {'; '.join(charts[:3])}" if charts else ""
    raise Undeclared(
        f"no file declares {workload.kind} {workload}{passed}; where a chart makes it, name its values in "
        f"recommend.strategy.places{hint}"
    )
