"""Azure Blob Storage: listed by prefix, fetched once per content, resumed where the connection broke."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from finops_ai.domain.errors import ConfigError, Unavailable
from finops_ai.world.cache import Cache
from finops_ai.world.clock import Clock
from finops_ai.world.downloads import BREAKS_IN_A_ROW, GONE, fetched, md5_of, start_over, stays_inside
from finops_ai.world.log import printable
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import ObjectInfo

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
PIECE_BYTES = 4 * 1024 * 1024
"""Asked for at once: what a broken connection can cost."""

_CONTAINER = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){2,62}|\$root|\$web")
_CREDENTIALS = (
    "check AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN"
)
_ROLE = "access denied: the identity needs the role Storage Blob Data Reader on the container"
_REMEDIES: Mapping[str, str] = {
    "ContainerNotFound": "no such container: check the uri and the storage account",
    "BlobNotFound": GONE,
    "ConditionNotMet": GONE,
    "AuthenticationFailed": f"the key or signature is wrong or expired: {_CREDENTIALS}",
    "InvalidAuthenticationInfo": f"the credentials are not valid here: {_CREDENTIALS}",
    "AuthorizationFailure": f"{_ROLE}; the account's firewall must let this machine in, a SAS be valid: {_CREDENTIALS}",
    "AuthorizationPermissionMismatch": _ROLE,
    "InsufficientAccountPermissions": _ROLE,
    "NoAuthenticationInformation": f"no credentials: {_CREDENTIALS}",
    "PublicAccessNotPermitted": f"no credentials: {_CREDENTIALS}",
    "ResourceNotFound": "no such container, or it is not public and there are no credentials: " + _CREDENTIALS,
    "KeyBasedAuthenticationNotPermitted": "the account takes no keys: unset AZURE_STORAGE_KEY and sign in instead",
}


_CODES = {401: "NoAuthenticationInformation", 403: "AuthenticationFailed", 404: "BlobNotFound", 412: "ConditionNotMet"}
"""What a bare status means, in answers that have no body to tell."""


class BlobStore:
    """The blobs under `az://container/prefix`, or the one blob of exactly that name.

    The account is that of `endpoint_url`, else of AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT.
    Credentials come from Secrets (the connection string, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, or their _FILE
    twins) and else from Azure's own chain: environment, workload or managed identity, the CLI.
    """

    def __init__(
        self, uri: str, cache: Cache, secrets: Secrets, clock: Clock, *, endpoint_url: str | None = None
    ) -> None:
        container, _, prefix = uri.partition("://")[2].partition("/")
        if not _CONTAINER.fullmatch(container):
            raise ConfigError(f"{uri}: {container!r} is no container: write az://container/prefix")
        self._container = container
        self._prefix = prefix.rstrip("/")
        self._cache = cache
        self._secrets = secrets
        self._clock = clock
        self._endpoint_url = endpoint_url
        self._client: Any = None
        self.root = f"az://{container}/{self._prefix}".rstrip("/")

    def list(self, prefix: str = "") -> list[ObjectInfo]:
        """Every blob whose key starts with `prefix`, sorted by key. Raises Unavailable.

        Folders, which some accounts list as empty blobs, and keys that would climb out of a folder are left out.
        """
        base = f"{self._prefix}/" if self._prefix else ""
        with self._told(self.root):
            listed = self._connected().list_blobs(name_starts_with=base + prefix, include=["metadata"])
            found = [self._info(blob, base) for blob in listed if not _is_folder(blob)]
            if not found and self._prefix:
                only = self._connected().list_blobs(name_starts_with=self._prefix, include=["metadata"])
                parent = base[: base.rstrip("/").rfind("/") + 1]
                named = (blob for blob in only if blob.name == self._prefix and not _is_folder(blob))
                found = [self._info(blob, parent) for blob in named]
        kept = (info for info in found if info.key.startswith(prefix) and info.key and stays_inside(info.key))
        return sorted(kept, key=lambda info: info.key)

    def fetch(self, info: ObjectInfo) -> Path:
        """The blob as a file of the cache; raises as the protocol says."""
        return fetched(info, self.root, self._cache, self._complete)

    def _complete(self, info: ObjectInfo, part: BinaryIO) -> None:
        """Read what is missing of `info` into `part` and prove that it is whole."""
        from azure.core.exceptions import IncompleteReadError, ServiceResponseError

        blob = self._connected().get_blob_client(info.uri.removeprefix(f"az://{self._container}/"))
        with self._told(info.uri):
            now = blob.get_blob_properties()
        if _tag(now) != info.etag:
            raise Unavailable(f"{info.uri}: {GONE}")
        if not _md5(now) or part.tell() > info.size_bytes:
            start_over(part)  # Left by a process that died, and nothing could prove that it is sound.
        breaks = 0
        while part.tell() < info.size_bytes:
            try:
                self._read_on(blob, now.etag, info, part)
                breaks = 0
            except (IncompleteReadError, ServiceResponseError) as error:
                breaks += 1
                if breaks == BREAKS_IN_A_ROW:
                    raise Unavailable(f"{info.uri}: the connection keeps breaking: {self._shown(error)}") from None
                self._clock.sleep(0.1 * 2**breaks)
        part.flush()
        os.fsync(part.fileno())
        if part.tell() != info.size_bytes or (_md5(now) and md5_of(Path(part.name)) != _md5(now)):
            start_over(part)
            raise Unavailable(f"{info.uri}: what arrived is not what was listed (size or MD5); it will be read anew")

    def _read_on(self, blob: Any, etag: str, info: ObjectInfo, part: BinaryIO) -> None:
        """Append the next piece, if the blob still is the one with `etag`."""
        from azure.core import MatchConditions

        size = min(PIECE_BYTES, info.size_bytes - part.tell())
        with self._told(info.uri, breaks=True):
            piece = blob.download_blob(
                offset=part.tell(), length=size, etag=etag, match_condition=MatchConditions.IfNotModified
            )
            part.write(piece.readall())

    def _info(self, blob: BlobProperties, base: str) -> ObjectInfo:
        return ObjectInfo(
            key=blob.name.removeprefix(base),
            uri=f"az://{self._container}/{blob.name}",
            size_bytes=blob.size,
            etag=_tag(blob),
            modified_at=blob.last_modified.astimezone(UTC),
        )

    def _connected(self) -> Any:
        """The container's client; made when first needed, because the SDK is slow to import."""
        if self._client is None:
            from azure.storage.blob import ContainerClient, LinearRetry

            url, credential = self._account()
            self._client = ContainerClient(
                url,
                self._container,
                credential=credential,
                connection_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                max_single_get_size=PIECE_BYTES,
                retry_policy=LinearRetry(backoff=1, retry_total=2, random_jitter_range=0),
            )
        return self._client

    def _account(self) -> tuple[str, Any]:
        """URL of the storage account, and what proves who asks. Raises ConfigError when no account is named."""
        from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

        line = self._secrets.find("AZURE_STORAGE_CONNECTION_STRING")
        said = dict(part.partition("=")[::2] for part in line.get_secret_value().split(";")) if line else {}

        def told(name: str, variable: str) -> str | None:
            found = self._secrets.find(variable)
            return said.get(name) or (found.get_secret_value() if found else None)

        account = told("AccountName", "AZURE_STORAGE_ACCOUNT")
        url = self._endpoint_url or said.get("BlobEndpoint")
        if not url and account:
            url = f"https://{account}.blob.{said.get('EndpointSuffix', 'core.windows.net')}"
        if not url:
            raise ConfigError(
                f"{self.root}: no storage account: set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT, or "
                "endpoint_url to https://ACCOUNT.blob.core.windows.net"
            )
        if key := told("AccountKey", "AZURE_STORAGE_KEY"):
            self._secrets.learn(key)
            return url, AzureNamedKeyCredential(account or _account_in(url), key)
        if signature := told("SharedAccessSignature", "AZURE_STORAGE_SAS_TOKEN"):
            self._secrets.learn(signature)
            return url, AzureSasCredential(signature)
        from azure.identity import DefaultAzureCredential

        return url, DefaultAzureCredential()

    @contextmanager
    def _told(self, what: str, *, breaks: bool = False) -> Iterator[None]:
        """Turns what the SDK raises into Unavailable with the remedy; a broken answer only if not `breaks`."""
        from azure.core.exceptions import AzureError, HttpResponseError, IncompleteReadError, ServiceResponseError

        try:
            yield
        except HttpResponseError as error:
            if breaks and isinstance(error, IncompleteReadError):
                raise
            said = getattr(error, "error_code", None)
            code = str(getattr(said, "value", said) or _CODES.get(error.status_code or 0, ""))
            raise Unavailable(f"{what}: {_REMEDIES.get(code) or self._shown(error)}") from None
        except (AzureError, ValueError) as error:
            if breaks and isinstance(error, ServiceResponseError):
                raise
            raise Unavailable(f"{what}: {self._shown(error)}") from None

    def _shown(self, error: Exception) -> str:
        return printable(self._secrets.redact(str(error).split("\n", 1)[0]), 300)


def _account_in(url: str) -> str:
    """`acme` of https://acme.blob.core.windows.net, `devstoreaccount1` of http://127.0.0.1:10000/devstoreaccount1."""
    host, _, path = url.partition("://")[2].partition("/")
    return path.strip("/") or host.split(".")[0]


def _is_folder(blob: BlobProperties) -> bool:
    return str((blob.metadata or {}).get("hdi_isfolder", "")).lower() == "true"


def _tag(blob: BlobProperties) -> str:
    """The MD5 of the content; blobs written in blocks may have none and are told by their ETag."""
    return _md5(blob) or str(blob.etag).removeprefix("W/").strip('"')


def _md5(blob: BlobProperties) -> str:
    return bytes(blob.content_settings.content_md5 or b"").hex()
