"""Objects of a delivery: what tells them apart, and reading them exactly as they were listed."""

from __future__ import annotations

import filecmp
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain.delivery import Delivery, Part
from finops_ai.domain.errors import Malformed, Problem, Unavailable
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.mapping import LineMapping
from finops_ai.sources.parts import glance

if TYPE_CHECKING:
    import pyarrow as pa

    from finops_ai.sources.base import Dialect
    from finops_ai.world.spark import Spark
    from finops_ai.world.world import ObjectInfo, ObjectStore


def fingerprint(salt: str, identity: str, parts: Sequence[tuple[str, int, str]]) -> str:
    """SHA-256 over what a delivery is made of: (relative key, size, etag) of each part, in order of the keys."""
    return hashlib.sha256(json.dumps([salt, identity, sorted(parts)]).encode()).hexdigest()


def delivery_of(
    source: str, period: BillingPeriod, parts: Sequence[ObjectInfo], *, salt: str, identity: str | None = None
) -> Delivery:
    """The delivery that `parts` make up; `identity` (default: the period) is told apart with them."""
    told = [(info.key, info.size_bytes, info.etag) for info in parts]
    return Delivery(
        source=source,
        billing_period=period,
        fingerprint=fingerprint(salt, identity or str(period), told),
        parts=tuple(Part(uri=info.uri, size_bytes=info.size_bytes, etag=info.etag) for info in parts),
        published_at=max((info.modified_at for info in parts if info.modified_at), default=None),
    )


def read(
    delivery: Delivery,
    store: ObjectStore,
    listed: Mapping[str, ObjectInfo],
    mapping: LineMapping,
    keep: Keep,
    *,
    period: date | None = None,
    max_rejected_rows: int = 0,
    laid_out: Callable[[str, Path], Path] | None = None,
    spark: Spark | None = None,
) -> Scan:
    """Scan the parts of `delivery`, on `spark` where given; `listed` are known objects by URI.

    `laid_out` turns an object (name, file) that is neither CSV nor Parquet into a file that is.

    Raises what `scan` raises, and Unavailable when a part is gone, changed since it was listed or changes meanwhile.
    """
    from finops_ai.sources.scan import scan

    infos = _located(delivery, store, listed)
    parts = _fetched(infos, store)
    parts = _once(parts) if laid_out is None else ((name, laid_out(name, path)) for name, path in parts)
    result = scan(parts, mapping, keep, period=period, max_rejected_rows=max_rejected_rows, spark=spark)
    for info in infos:
        store.fetch(info)  # proves that it is still the same
    return result


def rows(
    delivery: Delivery,
    store: ObjectStore,
    listed: Mapping[str, ObjectInfo],
    mapping: LineMapping,
    keep: Keep,
    days: Days,
    *,
    period: date | None = None,
) -> Iterator[pa.RecordBatch]:
    """The charges of `delivery` one by one, see `detail.rows`; the rest as for `read`."""
    from finops_ai.sources import detail

    infos = _located(delivery, store, listed)
    yield from detail.rows(_fetched(infos, store), mapping, keep, delivery.billing_period, days, period=period)
    for info in infos:
        store.fetch(info)  # proves that it is still the same


def sql(
    delivery: Delivery,
    store: ObjectStore,
    listed: Mapping[str, ObjectInfo],
    mapping: LineMapping,
    keep: Keep,
    dialect: Dialect,
    tables: Sequence[str],
    *,
    period: date | None = None,
) -> str:
    """What another engine may run over `tables` instead of `read`, see `elsewhere.sql`."""
    from finops_ai.sources import elsewhere

    parts = _fetched(_located(delivery, store, listed), store)
    return elsewhere.sql(parts, mapping, keep, delivery.billing_period, dialect, tables, period=period)


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


def _once(parts: Iterator[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    """The parts as they come. Raises Malformed for one that holds the rows of another: they would count twice."""
    known: dict[int, list[tuple[str, Path]]] = {}
    for name, path in parts:
        alike = known.setdefault(path.stat().st_size, [])
        for other, before in alike:
            if filecmp.cmp(before, path, shallow=False) and glance(path, name)[1]:
                message = f"is a copy of {other}, so that its charges would count twice: remove one of them"
                raise Malformed([Problem(file=name, message=message)])
        alike.append((name, path))
        yield name, path


def _fetched(infos: Sequence[ObjectInfo], store: ObjectStore) -> Iterator[tuple[str, Path]]:
    """Name and local file of each object, one after the other."""
    for info in infos:
        path = store.fetch(info)
        size = path.stat().st_size
        if size != info.size_bytes:
            message = f"is {size:,} bytes long and was listed with {info.size_bytes:,}: deliver it again"
            raise Malformed([Problem(file=info.key, message=message)])
        yield info.key, path
