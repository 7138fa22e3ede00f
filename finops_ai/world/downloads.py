"""What every far store does alike: which keys are kept, and an object brought into the cache once, whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.world.cache import Cache
from finops_ai.world.world import ObjectInfo

BREAKS_IN_A_ROW = 5
"""A connection that broke so often without getting anywhere is given up."""

GONE = "it changed or went since it was listed; the next run sees the new one"


def fetched(info: ObjectInfo, root: str, cache: Cache, complete: Callable[[ObjectInfo, BinaryIO], None]) -> Path:
    """The object as a file of the cache, `complete` having read what was missing and proved that it is whole.

    Raises Rejected for an object that is not under `root`, Unavailable when the cache has no room, and what `complete`
    raises.
    """
    if not f"{info.uri}/".startswith(f"{root}/"):
        raise Rejected(f"{info.uri} is not under {root}")
    try:
        if path := cache.find(info):
            return path
        with cache.part(info) as part:
            if path := cache.find(info):
                return path
            complete(info, part)
            return cache.keep(info)
    except OSError as error:
        raise Unavailable(
            f"{info.uri}: cannot keep it in {error.filename or 'the cache'}: {error.strerror or error}"
        ) from None


def stays_inside(key: str) -> bool:
    """False for folder markers and for keys that would climb out of a folder."""
    return not key.endswith("/") and not key.startswith("/") and not {".", ".."} & set(key.split("/"))


def start_over(part: BinaryIO) -> None:
    part.seek(0)
    part.truncate()


def md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
