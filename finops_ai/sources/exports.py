"""Manifests of AWS exports: which objects make up a billing period, proved to be there and to be its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finops_ai.domain.delivery import Delivery, Part, Refusal
from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.fetch import fingerprint

if TYPE_CHECKING:
    from finops_ai.world.world import ObjectInfo, ObjectStore

MAX_MANIFEST_BYTES = 16 << 20

REPORT = re.compile(r"^(?P<base>(?:.*/)?)(?P<folder>(?P<month>\d{6})01-\d{8})/(?P<name>[^/]+)-Manifest\.json$")
"""Legacy report: `<prefix>/<report>/<yyyymmdd-yyyymmdd>/<report>-Manifest.json` names the current assembly."""

EXPORT = re.compile(
    r"^(?P<base>(?:.*/)?)metadata/(?P<folder>BILLING_PERIOD=(?P<month>\d{4}-\d{2}))/(?P<run>(?:[^/]+/)?)"
    r"(?P<name>[^/]+)-Manifest\.json$",
    re.IGNORECASE,
)
"""Data Exports: `<prefix>/<export>/metadata/BILLING_PERIOD=YYYY-MM/[<run>/]<export>-Manifest.json`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Where one manifest stands and what the place says of it. `base` is the folder of the report or export."""

    info: ObjectInfo
    base: str
    folder: str
    name: str
    run: str
    period: BillingPeriod
    is_report: bool

    @property
    def export(self) -> str:
        return self.base + self.name

    def key_of(self, named: str) -> str:
        """The key in this store of an object that the manifest names by its key or URI in the original bucket.

        The original prefix is whatever stands before the report's own folders. Raises ValueError with the reason.
        """
        key = re.sub(r"^s3://[^/]+/", "", named)
        segments = key.split("/")
        if "\\" in key or "\0" in key or any(segment in ("", ".", "..") for segment in segments):
            raise ValueError("climbs out of the export's folder")
        if self.is_report:
            year, month = self.period.year, self.period.month
            name = re.escape(self.name)
            own = rf"(?:{re.escape(self.folder)}/|{name}/year={year}/month=0?{month}/)"
            found = re.match(rf"^(?:.*/)?{name}/(?P<rest>{own}.+)$", key)
        else:
            found = re.match(rf"^(?:.*/)?(?P<rest>data/{re.escape(self.folder)}/.+)$", key, re.IGNORECASE)
        if not found:
            raise ValueError(f"does not belong to {self.export}, billing period {self.period}")
        return self.base + found["rest"]


def manifests(objects: Sequence[ObjectInfo], *, reports: bool) -> list[Manifest]:
    """The current manifest of every export and billing period, oldest period first.

    Where each run of an export keeps its own (CREATE_NEW_REPORT), the one in the period's folder speaks, else the
    newest run: their names begin with the time.
    """
    newest: dict[tuple[str, BillingPeriod], Manifest] = {}
    for info in objects:
        for pattern in (REPORT, EXPORT) if reports else (EXPORT,):
            if not (found := pattern.match(info.key)):
                continue
            month = found["month"].replace("-", "")
            try:
                period = BillingPeriod(int(month[:4]), int(month[4:]))
            except ValueError:
                continue
            manifest = Manifest(
                info=info,
                base=found["base"],
                folder=found["folder"],
                name=found["name"],
                run=found.groupdict().get("run") or "",
                period=period,
                is_report=pattern is REPORT,
            )
            known = newest.get((manifest.export, period))
            if known is None or (known.run and (not manifest.run or manifest.run > known.run)):
                newest[manifest.export, period] = manifest
            break
    return sorted(newest.values(), key=lambda manifest: (manifest.period, manifest.export))


def deliveries(
    source: str,
    found: Sequence[Manifest],
    store: ObjectStore,
    objects: Mapping[str, ObjectInfo],
    salt: str,
    since: BillingPeriod | None,
) -> Iterator[Delivery | Refusal]:
    """One delivery or refusal for each manifest from `since` on. `objects` are those of the store by key."""
    exports = sorted({manifest.export for manifest in found})
    if len(exports) > 1:
        message = f"holds {len(exports)} exports, which would count the bill twice: point uri at one of " + ", ".join(
            exports
        )
        yield Refusal(source=source, billing_period=None, problems=(Problem(file=store.root, message=message),))
        return
    for manifest in found:
        if since and manifest.period < since:
            continue
        try:
            yield _delivery(source, manifest, store, objects, salt)
        except Malformed as error:
            yield Refusal(source=source, billing_period=manifest.period, problems=error.problems)


def _delivery(
    source: str, manifest: Manifest, store: ObjectStore, objects: Mapping[str, ObjectInfo], salt: str
) -> Delivery:
    content = _read(manifest, store)
    named = content.get("reportKeys" if manifest.is_report else "dataFiles")
    problems = _wrong(manifest, content, named)
    keys: dict[str, str] = {}
    for name in named if isinstance(named, list) and not problems else ():
        problem = _take(manifest, name, keys, objects)
        problems.extend([problem] if problem else [])
    if problems:
        raise Malformed(problems)
    parts = [objects[key] for key in keys]
    identity = str(content.get("assemblyId") or content.get("executionId") or "")
    told = [(info.key.removeprefix(manifest.base), info.size_bytes, info.etag) for info in parts]
    return Delivery(
        source=source,
        billing_period=manifest.period,
        fingerprint=fingerprint(salt, identity, told),
        parts=tuple(Part(uri=info.uri, size_bytes=info.size_bytes, etag=info.etag) for info in parts),
        published_at=manifest.info.modified_at,
    )


def _take(manifest: Manifest, name: object, keys: dict[str, str], objects: Mapping[str, ObjectInfo]) -> Problem | None:
    """Add one named object to `keys` (key to name), or say why not."""
    said = str(name)
    if not isinstance(name, str):
        return Problem(file=manifest.info.key, message="names an object that is not text", value=said[:200])
    try:
        key = manifest.key_of(name)
    except ValueError as error:
        return Problem(file=manifest.info.key, message=f"names an object that {error}", value=said[:200])
    if key in keys:
        return Problem(file=manifest.info.key, message="names an object twice", value=said[:200])
    if key not in objects:
        return Problem(file=manifest.info.key, message=f"names a part that is missing: {key}", value=said[:200])
    keys[key] = name
    return None


def _read(manifest: Manifest, store: ObjectStore) -> dict[str, Any]:
    file = manifest.info.key
    if manifest.info.size_bytes > MAX_MANIFEST_BYTES:
        raise Malformed([Problem(file=file, message=f"manifest is larger than {MAX_MANIFEST_BYTES:,} bytes")])
    try:
        content = json.loads(store.fetch(manifest.info).read_bytes(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Malformed([Problem(file=file, message=f"manifest is not JSON: {error}")]) from error
    if not isinstance(content, dict):
        raise Malformed([Problem(file=file, message="manifest is not a JSON object")])
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object none of whose keys stands twice: which one would count?"""
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = sorted({key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1})
        raise ValueError(f"{', '.join(twice)} stands twice")
    return content


def _wrong(manifest: Manifest, content: Mapping[str, Any], named: object) -> list[Problem]:
    """What contradicts the place of the manifest or makes it useless."""
    file = manifest.info.key
    problems = []
    period = content.get("billingPeriod")
    start = re.sub(r"\D", "", str(period.get("start") if isinstance(period, dict) else period or ""))
    if start and start[:6] != str(manifest.period).replace("-", ""):
        problems.append(Problem(file=file, message=f"tells another billing period than {manifest.period}", value=start))
    if not isinstance(named, list) or not named:
        problems.append(Problem(file=file, message="names no parts"))
    elif len({match[0] for name in named if (match := re.match(r"^s3://[^/]+/", str(name)))}) > 1:
        problems.append(Problem(file=file, message="names objects of several buckets"))
    return problems
