"""World: what a plug-in is handed instead of globals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from finops_ai.world.clock import Clock as Clock
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """One stored object. `key` is relative to the store's root and never climbs out of it."""

    key: str
    uri: str
    size_bytes: int
    etag: str
    modified_at: datetime | None


class ObjectStore(Protocol):
    """Objects under one root (a folder, or a bucket and prefix)."""

    root: str

    def list(self, prefix: str = "") -> Sequence[ObjectInfo]:
        """Every object whose key starts with `prefix`, sorted by key. Raises Unavailable."""
        ...

    def fetch(self, info: ObjectInfo) -> Path:
        """A local file with exactly that object; downloads resume and an unchanged ETag is never read twice.

        Raises Unavailable when it cannot be had or changed since it was listed.
        """
        ...


class Objects(Protocol):
    def store(self, uri: str, *, endpoint_url: str | None = None, region: str | None = None) -> ObjectStore:
        """Open the store behind a `file://` or `s3://` URI. Raises ConfigError for another scheme."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    clock: Clock
    http: Http
    objects: Objects
    secrets: Secrets
