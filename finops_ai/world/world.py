"""World: what a plug-in is handed instead of globals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from finops_ai.world.clock import Clock as Clock
from finops_ai.world.http import Http
from finops_ai.world.mail import Mail
from finops_ai.world.secrets import Secrets
from finops_ai.world.spark import Spark


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInfo:
    """What a warehouse says of a table without reading it.

    `fields` maps the path of each field (`service.id`) to its type; those of repeated records are not in it.
    `partitioned_by` is the column to prune by and its type. `etag` changes with the table's rows; None where that
    cannot be told.
    """

    fields: Mapping[str, str]
    partitioned_by: tuple[str, str] | None
    etag: str | None


class Table(Protocol):
    """One table of a warehouse that is paid by what its queries read."""

    name: str
    uri: str

    def info(self) -> TableInfo:
        """Raises Unavailable, also when there is no such table."""
        ...

    def scanned_bytes(self, sql: str) -> int:
        """What a query would read, told without running it. Raises Unavailable."""
        ...

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a small answer. Raises Unavailable, also for a query dearer than allowed."""
        ...

    def parquet(self, key: str, etag: str, sql: str, rows: int) -> Path:
        """The answer of `sql` as a local file, asked for once per (`key`, `etag`).

        Raises as `rows` does, and Unavailable when the answer has not `rows` rows: the table changed since.
        """
        ...

    def text(self, key: str, etag: str, make: Callable[[], str]) -> str:
        """What `make` returns, kept and made once per (`key`, `etag`)."""
        ...


class Objects(Protocol):
    def store(self, uri: str, *, endpoint_url: str | None = None, region: str | None = None) -> ObjectStore:
        """Open the store behind a `file://`, `s3://` or `gs://` URI. Raises ConfigError for another scheme."""
        ...

    def table(
        self,
        name: str,
        *,
        project: str | None = None,
        endpoint_url: str | None = None,
        largest_scan_bytes: int | None = None,
    ) -> Table:
        """The BigQuery table `name`, asked by queries that `project` runs and pays."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`recordings` is the folder for answers that their peer forgets (see `world.recordings`).

    `spark` is where deliveries are scanned, if not in this program.
    """

    clock: Clock
    http: Http
    objects: Objects
    secrets: Secrets
    mail: Mail = field(default_factory=Mail)
    recordings: Path = Path(".finops/recordings")
    spark: Spark | None = None

    def close(self) -> None:
        """End what was started outside this program."""
        if self.spark is not None:
            self.spark.close()
