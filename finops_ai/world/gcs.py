"""Google Cloud Storage: listed by prefix, fetched once per content, resumed where the connection broke."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from finops_ai.domain.errors import ConfigError, Unavailable
from finops_ai.world.cache import Cache
from finops_ai.world.clock import Clock
from finops_ai.world.downloads import BREAKS_IN_A_ROW, GONE, fetched, start_over, stays_inside
from finops_ai.world.google import CONNECT_SECONDS, READ_SECONDS, RETRY_SECONDS, client_arguments, google_errors
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import ObjectInfo

if TYPE_CHECKING:
    from google.cloud.storage import Blob

PROGRESS_BYTES = 256 * 1024
"""A connection that breaks before it brought as much has got nowhere."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_REMEDIES = {
    401: "not signed in: set GOOGLE_APPLICATION_CREDENTIALS or run where a service account is attached",
    403: "access denied: the identity needs storage.objects.list and storage.objects.get (Storage Object Viewer)",
    404: "no such bucket or object: check the uri and endpoint_url",
}


class GcsStore:
    """The objects under `gs://bucket/prefix`, or the one object of exactly that name.

    Credentials are Google's application default ones; with `endpoint_url` or STORAGE_EMULATOR_HOST there are none.
    """

    def __init__(
        self, uri: str, cache: Cache, secrets: Secrets, clock: Clock, *, endpoint_url: str | None = None
    ) -> None:
        bucket, _, prefix = uri.partition("://")[2].partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise ConfigError(f"{uri}: {bucket!r} is no bucket: write gs://bucket/prefix")
        self._bucket = bucket
        self._prefix = prefix.rstrip("/")
        self._cache = cache
        self._secrets = secrets
        self._clock = clock
        self._endpoint_url = endpoint_url
        self._client: Any = None
        self.root = f"gs://{bucket}/{self._prefix}".rstrip("/")

    def list(self, prefix: str = "") -> list[ObjectInfo]:
        """Every object whose key starts with `prefix`, sorted by key. Raises Unavailable.

        Folder markers and keys that would climb out of a folder are left out.
        """
        base = f"{self._prefix}/" if self._prefix else ""
        with self._told(self.root):
            pages = self._connected().list_blobs(self._bucket, prefix=base + prefix, **self._patience())
            found = [_info(blob, base) for blob in pages]
            if not found and self._prefix:
                only = self._connected().bucket(self._bucket).get_blob(self._prefix, **self._patience())
                found = [_info(only, base[: base.rstrip("/").rfind("/") + 1])] if only else []
        kept = (info for info in found if info.key.startswith(prefix) and stays_inside(info.key))
        return sorted(kept, key=lambda info: info.key)

    def fetch(self, info: ObjectInfo) -> Path:
        """The object as a file of the cache; raises as the protocol says."""
        return fetched(info, self.root, self._cache, self._complete)

    def _complete(self, info: ObjectInfo, part: BinaryIO) -> None:
        """Read what is missing of `info` into `part` and prove that it is whole."""
        blob = self._blob(info)
        if part.tell() > info.size_bytes:
            start_over(part)
        breaks = 0
        while part.tell() < info.size_bytes:
            had = part.tell()
            error = self._read_on(blob, info, part)
            if error is not None:
                breaks = 0 if part.tell() - had >= PROGRESS_BYTES else breaks + 1
                if breaks == BREAKS_IN_A_ROW:
                    raise Unavailable(f"{info.uri}: the connection keeps breaking: {error}")
                self._clock.sleep(0.1 * 2**breaks)
        part.flush()
        os.fsync(part.fileno())
        if part.tell() != info.size_bytes or _crc32c(Path(part.name)) != blob.crc32c:
            start_over(part)
            raise Unavailable(f"{info.uri}: what arrived is not what was listed (size or CRC32C); it will be read anew")

    def _read_on(self, blob: Blob, info: ObjectInfo, part: BinaryIO) -> str | None:
        """Append from where `part` ends; what broke on the way, if anything did."""
        from google.api_core.exceptions import NotFound, PreconditionFailed
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        with self._told(info.uri):
            # Made anew, for what was listed carries the server's own idea of where it can be reached.
            pinned = blob.bucket.blob(blob.name, generation=blob.generation)
            try:
                pinned.download_to_file(
                    part,
                    start=part.tell(),
                    raw_download=True,  # as stored: what is packed stays packed
                    if_generation_match=blob.generation,
                    checksum=None,  # of the whole, below
                    retry=None,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                )
            except (NotFound, PreconditionFailed):
                raise Unavailable(f"{info.uri}: {GONE}") from None
            except (RequestException, HTTPError, OSError) as error:
                return self._secrets.redact(str(error))[:300]
        return None

    def _blob(self, info: ObjectInfo) -> Blob:
        """The object as it stands now, if it still is what was listed."""
        with self._told(info.uri):
            name = info.uri.removeprefix(f"gs://{self._bucket}/")
            blob: Blob | None = self._connected().bucket(self._bucket).get_blob(name, **self._patience())
        if blob is None or _tag(blob) != info.etag:
            raise Unavailable(f"{info.uri}: {GONE}")
        return blob

    def _connected(self) -> Any:
        """Google's client; made when first needed, because it is slow to import."""
        if self._client is None:
            from google.cloud.storage import Client

            self._client = Client(**client_arguments(self._endpoint_url, "STORAGE_EMULATOR_HOST"))
        return self._client

    def _patience(self) -> dict[str, Any]:
        from google.cloud.storage.retry import DEFAULT_RETRY

        return {"retry": DEFAULT_RETRY.with_timeout(RETRY_SECONDS), "timeout": (CONNECT_SECONDS, READ_SECONDS)}

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        with google_errors(what, _REMEDIES, self._secrets):
            yield


def _info(blob: Blob, base: str) -> ObjectInfo:
    return ObjectInfo(
        key=blob.name.removeprefix(base),
        uri=f"gs://{blob.bucket.name}/{blob.name}",
        size_bytes=blob.size or 0,
        etag=_tag(blob),
        modified_at=blob.updated.astimezone(UTC) if blob.updated else None,
    )


def _tag(blob: Blob) -> str:
    """The MD5 of the content; objects composed of others have none, and are told by CRC32C and generation."""
    if blob.md5_hash:
        return base64.b64decode(blob.md5_hash).hex()
    return f"{blob.crc32c}-{blob.generation}"


def _crc32c(path: Path) -> str:
    from google_crc32c import extend

    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            checksum = extend(checksum, chunk)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()
