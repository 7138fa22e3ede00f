"""Runs of Azure's cost exports: which files make up each, what they tell, and the newest of every month."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.exports import MAX_MANIFEST_BYTES
from finops_ai.sources.focus_files import SUFFIXES

if TYPE_CHECKING:
    from finops_ai.world.world import ObjectInfo, ObjectStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MANIFESTS = ("manifest.json", "_manifest.json")

RANGE = re.compile(r"^(?P<export>(?:.*/)?)(?P<span>(?P<start>\d{8})-(?P<end>\d{8}))/(?P<rest>.+)$")
"""`<export>/<yyyymmdd-yyyymmdd>/[<run>/]<file>`: the folder names the first and last day asked for."""

PART = re.compile(r"part[_-]?\d+(?:[_-]\d+)*$", re.IGNORECASE)
"""How the files of one run number themselves."""

DATASETS = {"actualcost": "actual", "amortizedcost": "amortized", "focuscost": "focus"}
"""Types of export that tell costs. Others, such as price sheets, are no bills; Usage lacks the purchases."""

NO_COST = "no cost"
EMPTIED = "is the newest run and holds no rows, unlike those before: export it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One complete telling of some days by one export.

    `series` names the runs that restate one another, `span` the days that were asked for. `dataset` is actual,
    amortized or focus, None while nothing but the header can tell; `period` is None where only the lines tell months.
    `scope` is the part of Azure that the export covers and `until` its last day, where a manifest tells. `named` are
    the files that the manifest names, with their sizes; `problems` are what is wrong with it. `guessed` when nothing
    said which dataset it is, `shrunk` when an earlier run of the same days is larger.
    """

    place: str
    export: str
    series: str
    span: str
    dataset: str | None
    period: BillingPeriod | None
    at: datetime
    scope: str | None = None
    until: date | None = None
    rows: int | None = None
    parts: tuple[ObjectInfo, ...] = ()
    named: Mapping[str, int | None] | None = None
    problems: tuple[Problem, ...] = ()
    guessed: bool = False
    shrunk: bool = False

    def whole(self, objects: Mapping[str, ObjectInfo]) -> tuple[ObjectInfo, ...]:
        """Every part, proved to be there. Raises Malformed with all that is missing or has another size."""
        problems, parts = list(self.problems), list(self.parts)
        for key, size_bytes in (self.named or {}).items():
            found = objects.get(key)
            if found is None:
                problems.append(Problem(file=self.place, message=f"names a part that is missing: {key}"))
            elif size_bytes is not None and found.size_bytes != size_bytes:
                message = f"is {found.size_bytes:,} bytes long, its manifest says {size_bytes:,}: deliver it again"
                problems.append(Problem(file=key, message=message))
            else:
                parts.append(found)
        if problems:
            raise Malformed(problems)
        return tuple(parts)


def runs(objects: Mapping[str, ObjectInfo], store: ObjectStore) -> list[Run]:
    """Every run of every export. Where an export writes manifests, files without one are still being written."""
    found = [
        run
        for key, info in objects.items()
        if key.rpartition("/")[2] in MANIFESTS and (run := _by_manifest(info, store))
    ]
    written = {run.export for run in found}
    apart: dict[tuple[str, str], list[ObjectInfo]] = {}
    for key, info in objects.items():
        if key.lower().endswith(SUFFIXES) and _export(key) not in written:
            apart.setdefault(_together(key), []).append(info)
    found += [_by_place(place, parts, store.root) for (_, place), parts in apart.items()]
    return [run for run in found if run.dataset != NO_COST and not (run.problems and _made_good(run, found))]


def newest(
    of: Sequence[Run], months: Callable[[Run], Sequence[BillingPeriod]]
) -> dict[BillingPeriod, list[tuple[Run, bool]]]:
    """The newest run of each series by month, and whether it tells of other months too.

    `months` are those that the lines of a run tell, asked only where its place does not. A run that cannot be told
    from another by its time carries a problem.
    """
    by_span: dict[tuple[str, str], list[Run]] = {}
    for run in of:
        by_span.setdefault((run.series, run.span), []).append(run)
    by_month: dict[tuple[str, BillingPeriod], list[Run]] = {}
    for rivals in by_span.values():
        run = _latest(rivals)
        for month in [run.period] if run.period else months(run):
            by_month.setdefault((run.series, month), []).append(run)
    chosen: dict[BillingPeriod, list[tuple[Run, bool]]] = {}
    for (_, month), rivals in sorted(by_month.items()):
        run = _latest(rivals)
        chosen.setdefault(month, []).append((run, run.period is None))
    return chosen


def _latest(rivals: Sequence[Run]) -> Run:
    """The last of `rivals`; with a problem where time does not tell which that is, or it alone is empty."""
    *others, last = sorted(rivals, key=lambda run: (run.at, run.place))
    if others and others[-1].at == last.at:
        message = f"is as old as {others[-1].place}: which of them counts? keep one"
    elif last.rows == 0 and any(run.rows for run in others):
        message = EMPTIED
    else:
        return replace(last, shrunk=last.shrunk or any(_bytes(run) > _bytes(last) for run in others))
    return replace(last, problems=(*last.problems, Problem(file=last.place, message=message)))


def _bytes(run: Run) -> int:
    return sum(part.size_bytes for part in run.parts)


def nested(chosen: Sequence[Run]) -> list[Problem]:
    """Exports of one kind of which one holds the other, as the scopes in their manifests tell."""
    return [
        Problem(file=inner.place, message=f"is part of what {outer.place} tells: point uri at one of them")
        for inner in chosen
        for outer in chosen
        if inner.dataset == outer.dataset and inner.scope and outer.scope and inner.scope != outer.scope
        if inner.scope.startswith(f"{outer.scope}/")
    ]


def apart_by_scope(one: Run, other: Run) -> bool:
    """Whether two exports cannot hold the same charge: both are of subscriptions, or both of billing accounts."""
    return bool(one.scope and other.scope) and str(one.scope).split("/")[1] == str(other.scope).split("/")[1]


def _made_good(broken: Run, found: Sequence[Run]) -> bool:
    """Whether a later run of the same days stands beside one whose manifest cannot be read."""
    return any(
        run.export == broken.export and run.span == broken.span and not run.problems and run.at > broken.at
        for run in found
    )


def _export(key: str) -> str:
    """The folder of the export that a file belongs to: the one above the days asked for, else its own."""
    in_range = RANGE.match(key)
    return in_range["export"] if in_range else key[: key.rfind("/") + 1]


def _together(key: str) -> tuple[str, str]:
    """Series and run of a file without a manifest: its run's folder below a month, else its name but for the part."""
    folder, _, name = key.rpartition("/")
    plain = next(name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix))
    named = PART.sub("part", re.sub(r"\.snappy$", "", plain, flags=re.IGNORECASE))
    in_range = RANGE.match(key)
    if in_range and "/" in in_range["rest"]:
        return in_range["export"], folder
    place = f"{folder}/{named}".lstrip("/")
    return (in_range["export"] if in_range else place), place


def _by_place(place: str, parts: Sequence[ObjectInfo], root: str) -> Run:
    key = parts[0].key
    in_range = RANGE.match(key)
    words = re.findall(r"focus|amorti[sz]ed|actual", f"{root.rpartition('/')[2]}/{key}".lower())
    said = {"focus": None, "actual": "actual"}.get(words[-1], "amortized") if words else None
    export = _export(key)
    return Run(
        place=place,
        export=export,
        series=export if in_range else place,
        span=in_range["span"] if in_range else "",
        dataset=said,
        period=_month(in_range["start"], in_range["end"]) if in_range else None,
        at=max((part.modified_at for part in parts if part.modified_at), default=EPOCH),
        parts=tuple(parts),
    )


def _by_manifest(info: ObjectInfo, store: ObjectStore) -> Run | None:
    """The run that a manifest tells of; None when it is none of an export."""
    in_range = RANGE.match(info.key)
    export = _export(info.key)
    run = Run(
        place=info.key,
        export=export,
        series=export,
        span=in_range["span"] if in_range else "",
        dataset=None,
        period=_month(in_range["start"], in_range["end"]) if in_range else None,
        at=info.modified_at or EPOCH,
    )
    try:
        told = _read(info, store)
    except Malformed as error:
        return replace(run, problems=error.problems)
    config, about = (told.get(name) for name in ("exportConfig", "runInfo"))
    if not isinstance(config, dict) or not isinstance(told.get("blobs"), list):
        return None
    if (dataset := DATASETS.get(str(config.get("type")).lower(), NO_COST)) == NO_COST:
        return replace(run, dataset=dataset)
    about = about if isinstance(about, dict) else {}
    start, until = (_instant(about.get(name)) for name in ("startDate", "endDate"))
    scope = _scope(str(config.get("resourceId") or ""))
    named, problems = _named(told, info.key)
    return replace(
        run,
        series=f"{dataset} {scope or export}",
        dataset=dataset,
        span=run.span or f"{about.get('startDate')}",
        period=run.period or (_month(f"{start:%Y%m%d}", f"{until:%Y%m%d}") if start and until else None),
        at=_instant(about.get("submittedTime")) or run.at,
        scope=scope,
        until=until.date() if until else None,
        rows=_count(told.get("dataRowCount")),
        named=named,
        problems=tuple(problems),
    )


def _named(told: Mapping[str, Any], file: str) -> tuple[dict[str, int | None], list[Problem]]:
    """Keys in this store of the blobs that a manifest names by their path in the original container, with sizes."""
    problems: list[Problem] = []
    named: dict[str, int | None] = {}
    folder = file.rpartition("/")[0]
    last = folder.rpartition("/")[2]
    for blob in told["blobs"]:
        name = str(blob.get("blobName") if isinstance(blob, dict) else blob)
        segments = name.split("/")
        if "\\" in name or "\0" in name or any(segment in ("", ".", "..") for segment in segments):
            problems.append(Problem(file=file, message="names a blob outside its folder", value=name[:200]))
            continue
        if last and last not in segments[:-1]:
            problems.append(Problem(file=file, message=f"names a blob of another run than {last}", value=name[:200]))
            continue
        own = segments[len(segments) - segments[::-1].index(last) :] if last else segments[-1:]
        key = "/".join([*([folder] if folder else []), *own])
        if key in named:
            problems.append(Problem(file=file, message="names a blob twice", value=name[:200]))
        named[key] = _count(blob.get("byteCount"))
    if (count := _count(told.get("blobCount"))) is not None and count != len(told["blobs"]):
        problems.append(Problem(file=file, message=f"counts {count} blobs and names {len(told['blobs'])}"))
    return named, problems


def _read(info: ObjectInfo, store: ObjectStore) -> dict[str, Any]:
    if info.size_bytes > MAX_MANIFEST_BYTES:
        message = f"manifest is larger than {MAX_MANIFEST_BYTES:,} bytes"
        raise Malformed([Problem(file=info.key, message=message)])
    try:
        told = json.loads(store.fetch(info).read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Malformed([Problem(file=info.key, message=f"manifest is not JSON: {error}")]) from error
    return told if isinstance(told, dict) else {}


def _scope(resource_id: str) -> str | None:
    """`/subscriptions/X` of `/subscriptions/X/providers/Microsoft.CostManagement/exports/name`; lower case."""
    scope, told, _ = resource_id.lower().partition("/providers/microsoft.costmanagement/")
    return scope if told and scope else None


def _month(start: str, end: str) -> BillingPeriod | None:
    """The month that two days (yyyymmdd) lie in; None when they lie in two."""
    try:
        return BillingPeriod(int(start[:4]), int(start[4:6])) if start[:6] == end[:6] else None
    except ValueError:
        return None


def _instant(text: object) -> datetime | None:
    """An ISO 8601 time, UTC where it names no zone, with up to seven decimals of a second."""
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(text)).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
