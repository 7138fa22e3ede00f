"""Objects of a delivery: what tells them apart, and reading them exactly as they were listed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain.delivery import Delivery
from finops_ai.domain.errors import Malformed, Problem, Unavailable
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.mapping import LineMapping

if TYPE_CHECKING:
    from finops_ai.world.world import ObjectInfo, ObjectStore


def fingerprint(salt: str, identity: str, parts: Sequence[tuple[str, int, str]]) -> str:
    """SHA-256 over what a delivery is made of: (relative key, size, etag) of each part, in order of the keys."""
    return hashlib.sha256(json.dumps([salt, identity, sorted(parts)]).encode()).hexdigest()


def read(
    delivery: Delivery,
    store: ObjectStore,
    listed: Mapping[str, ObjectInfo],
    mapping: LineMapping,
    keep: Keep,
    *,
    period: date | None = None,
    max_rejected_rows: int = 0,
) -> Scan:
    """Scan the parts of `delivery`; `listed` are known objects by URI.

    Raises what `scan` raises, and Unavailable when a part is gone, changed since it was listed or changes meanwhile.
    """
    from finops_ai.sources.scan import scan

    infos = _located(delivery, store, listed)
    result = scan(_fetched(infos, store), mapping, keep, period=period, max_rejected_rows=max_rejected_rows)
    for info in infos:
        store.fetch(info)  # proves that it is still the same
    return result


def _located(delivery: Delivery, store: ObjectStore, listed: Mapping[str, ObjectInfo]) -> list[ObjectInfo]:
    if any(part.uri not in listed for part in delivery.parts):
        listed = {info.uri: info for info in store.list()}
    infos = []
    for part in delivery.parts:
        info = listed.get(part.uri)
        if info is None or info.etag != part.etag:
            raise Unavailable(f"{part.uri} changed or vanished since {delivery.billing_period} was listed")
        infos.append(info)
    return infos


def _fetched(infos: Sequence[ObjectInfo], store: ObjectStore) -> Iterator[tuple[str, Path]]:
    """Name and local file of each object, one after the other."""
    for info in infos:
        path = store.fetch(info)
        size = path.stat().st_size
        if size != info.size_bytes:
            message = f"is {size:,} bytes long and was listed with {info.size_bytes:,}: deliver it again"
            raise Malformed([Problem(file=info.key, message=message)])
        yield info.key, path
