"""Parts of a delivery on the local disk, exactly as they were listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain.delivery import Delivery
from finops_ai.domain.errors import Malformed, Problem, Unavailable

if TYPE_CHECKING:
    from finops_ai.world.world import ObjectInfo, ObjectStore


def fetched(
    delivery: Delivery, store: ObjectStore, listed: Mapping[str, ObjectInfo] | None = None
) -> Iterator[tuple[str, Path]]:
    """Name and local file of every part, one after the other; `listed` are known objects by URI.

    Raises Unavailable when a part is gone or another than the delivery was listed with, Malformed when a file is not
    as long as its listing says.
    """
    known = listed or {}
    if any(part.uri not in known for part in delivery.parts):
        known = {info.uri: info for info in store.list()}
    for part in delivery.parts:
        info = known.get(part.uri)
        if info is None or info.etag != part.etag:
            raise Unavailable(f"{part.uri} changed or vanished since {delivery.billing_period} was listed")
        path = store.fetch(info)
        size = path.stat().st_size
        if size != part.size_bytes:
            message = f"is {size:,} bytes long and was listed with {part.size_bytes:,}: deliver it again"
            raise Malformed([Problem(file=info.key, message=message)])
        yield info.key, path
