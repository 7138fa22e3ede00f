"""A folder of fetched objects, one file per URI and ETag; the longest unused go first when it grows too large."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from finops_ai.world.clock import Clock
from finops_ai.world.world import ObjectInfo

KEPT_SECONDS = 3600.0
"""What was used within the last hour stays, so that a delivery larger than the cache can still be read."""

PART = ".part"


class Cache:
    """Files that are replaced by nothing but themselves: safe for several processes at once."""

    def __init__(self, folder: Path, clock: Clock, *, largest_bytes: int) -> None:
        self._folder = folder
        self._clock = clock
        self._largest_bytes = largest_bytes

    def path(self, info: ObjectInfo) -> Path:
        """Where the object belongs; the end of its name is kept, for readers that go by it."""
        digest = hashlib.sha256(f"{info.uri}\0{info.etag}".encode()).hexdigest()[:32]
        return self._folder / f"{digest}-{re.sub(r'[^A-Za-z0-9._-]', '_', info.key)[-80:]}"

    def find(self, info: ObjectInfo) -> Path | None:
        """The object, if it is here whole; counts as a use."""
        path = self.path(info)
        try:
            if path.stat().st_size != info.size_bytes:
                return None
            now = self._clock.now().timestamp()
            os.utime(path, (now, now))
        except FileNotFoundError:
            return None
        return path

    @contextmanager
    def part(self, info: ObjectInfo) -> Iterator[BinaryIO]:
        """The unfinished file of an object, at its end, locked against other processes.

        Ask `find` once more: one of them may have finished the object while this one waited.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._part(info).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0, os.SEEK_END)
            yield file

    def keep(self, info: ObjectInfo) -> Path:
        """Make the finished part the object, then make room. Call with the part still locked."""
        path = self.path(info)
        self._part(info).replace(path)
        self.find(info)
        self._make_room()
        return path

    def made(self, uri: str, etag: str, make: Callable[[BinaryIO], object]) -> Path:
        """What `make` writes, such as the answer to a query: made once per URI and ETag, whole or not at all."""
        info = ObjectInfo(key=uri.rpartition("/")[2], uri=uri, size_bytes=0, etag=etag, modified_at=None)
        path = self.path(info)
        with self.part(info) as part:
            if not path.exists():  # else another process made it while this one waited, or an earlier run did
                part.seek(0)
                part.truncate()
                make(part)
                part.flush()
                os.fsync(part.fileno())
                self._part(info).replace(path)
        now = self._clock.now().timestamp()
        os.utime(path, (now, now))
        self._make_room()
        return path

    def discard(self, info: ObjectInfo) -> None:
        self._part(info).unlink(missing_ok=True)

    def _part(self, info: ObjectInfo) -> Path:
        path = self.path(info)
        return path.with_name(path.name + PART)

    def _make_room(self) -> None:
        entries = []
        for path in self._folder.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            entries.append((status.st_mtime, status.st_size, path))
        excess = sum(size for _, size, _ in entries) - self._largest_bytes
        oldest_kept = self._clock.now().timestamp() - KEPT_SECONDS
        for used_at, size, path in sorted(entries):
            if excess <= 0 or used_at > oldest_kept:
                return
            path.unlink(missing_ok=True)
            excess -= size
