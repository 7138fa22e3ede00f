"""Parts of a delivery on the local disk, exactly as they were listed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain.delivery import Delivery
from finops_ai.domain.errors import Malformed, Problem, Unavailable

if TYPE_CHECKING:
    from finops_ai.world.world import ObjectStore


def fetched(delivery: Delivery, store: ObjectStore) -> Iterator[tuple[str, Path]]:
    """Name and local file of every part, one after the other.

    Raises Unavailable when a part is gone or another than the delivery was listed with, Malformed when a file is not
    as long as its listing says.
    """
    listed = {info.uri: info for info in store.list()}
    for part in delivery.parts:
        info = listed.get(part.uri)
        if info is None or info.etag != part.etag:
            raise Unavailable(f"{part.uri} changed or vanished since {delivery.billing_period} was listed")
        path = store.fetch(info)
        size = path.stat().st_size
        if size != part.size_bytes:
            message = f"is {size:,} bytes long and was listed with {part.size_bytes:,}: deliver it again"
            raise Malformed([Problem(file=info.key, message=message)])
        yield info.key, path
