"""Object stores: a folder read as one, and the opener that picks the store behind a URI."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.world.clock import Clock
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import ObjectInfo, ObjectStore, Table

if TYPE_CHECKING:
    from finops_ai.world.cache import Cache

HASHED_WHOLE_BYTES = 16 * 1024 * 1024
_ENDS_BYTES = 64 * 1024
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


class Store:
    """Opens object stores; what is fetched from far away is kept in `cache`, at most `cache_bytes` of it."""

    def __init__(self, cache: Path, secrets: Secrets, clock: Clock, *, cache_bytes: int = 20 * 1024**3) -> None:
        self._cache = cache
        self._secrets = secrets
        self._clock = clock
        self._cache_bytes = cache_bytes

    def store(self, uri: str, *, endpoint_url: str | None = None, region: str | None = None) -> ObjectStore:
        """The store behind a `file://` URI, a plain path or an `s3://` URI. Raises ConfigError for anything else.

        `file:///abs/path` and `file://./relative` are percent-decoded, a plain path is taken as it stands; relative
        ones start at the working directory.
        """
        scheme = _SCHEME.match(uri)
        if scheme and scheme[1].lower() == "s3":
            from finops_ai.world.cache import Cache
            from finops_ai.world.s3 import S3Store

            cache = Cache(self._cache, self._clock, largest_bytes=self._cache_bytes)
            return S3Store(uri, cache, self._secrets, self._clock, endpoint_url=endpoint_url, region=region)
        if scheme and scheme[1].lower() == "az":
            from finops_ai.world.azure_blob import BlobStore

            return BlobStore(uri, self._kept(), self._secrets, self._clock, endpoint_url=endpoint_url)
        if scheme and scheme[1].lower() == "gs":
            from finops_ai.world.gcs import GcsStore

            return GcsStore(uri, self._kept(), self._secrets, self._clock, endpoint_url=endpoint_url)
        return FolderStore(local_path(uri))

    def table(
        self,
        name: str,
        *,
        project: str | None = None,
        endpoint_url: str | None = None,
        largest_scan_bytes: int | None = None,
    ) -> Table:
        """The BigQuery table `name`, written project.dataset.table."""
        from finops_ai.world.bigquery import BigQueryTable

        return BigQueryTable(
            name,
            self._kept(),
            self._secrets,
            project=project,
            endpoint_url=endpoint_url,
            largest_scan_bytes=largest_scan_bytes,
        )

    def _kept(self) -> Cache:
        from finops_ai.world.cache import Cache

        return Cache(self._cache, self._clock, largest_bytes=self._cache_bytes)


def local_path(uri: str) -> Path:
    """The path that a `file://` URI or a plain path names. Raises ConfigError."""
    if not uri.strip() or "\0" in uri:
        raise ConfigError(f"{uri!r} names no place: write file:///folder, file://./folder or s3://bucket/prefix")
    scheme = _SCHEME.match(uri)
    if not scheme:
        return Path(uri)
    if scheme[1].lower() != "file":
        raise ConfigError(f"{uri}: cannot read {scheme[1]}: here; write file://, s3:// or a plain path")
    parts = urlsplit(uri)
    if parts.query or parts.fragment:
        raise ConfigError(f"{uri}: write ? as %3F and # as %23 in a file URI")
    if parts.netloc not in ("", "localhost", ".", ".."):
        raise ConfigError(
            f"{uri} names the host {parts.netloc!r}: write file:///{parts.netloc}… or file://./{parts.netloc}…"
        )
    path = unquote(parts.path)
    return Path(parts.netloc + path) if parts.netloc in (".", "..") else Path(path)


class FolderStore:
    """The files under a folder, or the one file that `path` is. Names that begin with a dot are left out.

    A file reached through a symbolic link counts only while the link stays within the folder.
    """

    def __init__(self, path: Path) -> None:
        resolved = Path(os.path.realpath(path))
        self._only = resolved.name if resolved.is_file() else None
        self._folder = resolved.parent if self._only else resolved
        self.root = self._folder.as_uri()

    def list(self, prefix: str = "") -> list[ObjectInfo]:
        """Every file whose key starts with `prefix`, sorted by key. Raises Unavailable."""
        if not self._folder.is_dir():
            raise Unavailable(f"{self._folder}: no such folder or file")
        try:
            return [self._info(key, path) for key, path in sorted(self._files()) if key.startswith(prefix)]
        except OSError as error:
            raise Unavailable(f"{error.filename or self._folder}: {error.strerror or error}") from None

    def fetch(self, info: ObjectInfo) -> Path:
        """The file itself. Raises Unavailable when it changed since it was listed, Rejected for a key outside."""
        path = self._folder / info.key
        if not self._inside(path):
            raise Rejected(f"{info.key!r} leads out of {self._folder}")
        try:
            etag = content_tag(path)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror or error}") from None
        if etag != info.etag:
            raise Unavailable(f"{path} changed since it was listed")
        return path

    def _files(self) -> Iterator[tuple[str, Path]]:
        if self._only:
            yield self._only, self._folder / self._only
            return
        for folder, names, files in os.walk(self._folder, onerror=_raise):
            names[:] = [name for name in names if not name.startswith(".")]
            for name in files:
                path = Path(folder) / name
                if not name.startswith(".") and self._inside(path) and path.is_file():
                    yield path.relative_to(self._folder).as_posix(), path

    def _inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._folder)

    def _info(self, key: str, path: Path) -> ObjectInfo:
        try:
            key.encode()
        except UnicodeEncodeError:
            raise Unavailable(f"{os.fsencode(path)!r}: the name is not UTF-8; rename the file") from None
        status = path.stat()
        return ObjectInfo(
            key=key,
            uri=path.as_uri(),
            size_bytes=status.st_size,
            etag=content_tag(path),
            modified_at=datetime.fromtimestamp(status.st_mtime, tz=UTC),
        )


def content_tag(path: Path) -> str:
    """What changes whenever the content does: its SHA-256, for files above 16 MiB that of the ends, size and time."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size <= HASHED_WHOLE_BYTES:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns} ".encode())
        digest.update(file.read(_ENDS_BYTES))
        file.seek(-_ENDS_BYTES, os.SEEK_END)
        digest.update(file.read())
        return f"ends-{digest.hexdigest()}"


def _raise(error: OSError) -> None:
    raise error
