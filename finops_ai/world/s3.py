"""S3 and what speaks like it: listed by prefix, fetched once per ETag, resumed where the connection broke."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, BinaryIO

from finops_ai.domain.errors import ConfigError, Unavailable
from finops_ai.world.cache import Cache
from finops_ai.world.clock import Clock
from finops_ai.world.downloads import BREAKS_IN_A_ROW, GONE, fetched, md5_of, start_over, stays_inside
from finops_ai.world.log import printable
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import ObjectInfo

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
REQUEST_ATTEMPTS = 3
CHUNK_BYTES = 256 * 1024
"""Read at once; a connection that breaks before it brought as much has got nowhere."""

DEFAULT_REGION = "us-east-1"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}")
_PLAIN_MD5 = re.compile(r"[0-9a-f]{32}")

_CREDENTIALS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile or the role"
_REMEDIES: Mapping[str, str] = {
    "NoSuchBucket": "no such bucket: check the uri, endpoint_url and region",
    "NoSuchKey": GONE,
    "404": GONE,
    "PreconditionFailed": GONE,
    "412": GONE,
    "AccessDenied": "access denied: the identity needs s3:ListBucket on the bucket and s3:GetObject on the prefix",
    "403": "access denied: the identity needs s3:ListBucket on the bucket and s3:GetObject on the prefix",
    "InvalidAccessKeyId": f"the access key is unknown: {_CREDENTIALS}",
    "SignatureDoesNotMatch": f"the secret key is wrong: {_CREDENTIALS}",
    "ExpiredToken": "the session's credentials have expired: sign in again or renew the token",
    "RequestExpired": "the session's credentials have expired: sign in again or renew the token",
    "InvalidToken": "the session token is not valid: renew AWS_SESSION_TOKEN together with both keys",
    "RequestTimeTooSkewed": "this machine's clock is wrong by more than 15 minutes: set it",
    "PermanentRedirect": "the bucket lives in another region: set `region`",
    "AuthorizationHeaderMalformed": "the bucket lives in another region: set `region`",
}


class S3Store:
    """The objects under `s3://bucket/prefix`, or the one object of exactly that key.

    Credentials come from Secrets (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or their _FILE
    twins) and else from boto3's own chain. With `endpoint_url` buckets are addressed by path.
    """

    def __init__(
        self,
        uri: str,
        cache: Cache,
        secrets: Secrets,
        clock: Clock,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
    ) -> None:
        bucket, _, prefix = uri.partition("://")[2].partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise ConfigError(f"{uri}: {bucket!r} is no bucket: write s3://bucket/prefix")
        self._bucket = bucket
        self._prefix = prefix.rstrip("/")
        self._cache = cache
        self._secrets = secrets
        self._clock = clock
        self._endpoint_url = endpoint_url
        self._region = region
        self._client: Any = None
        self.root = f"s3://{bucket}/{self._prefix}".rstrip("/")

    def list(self, prefix: str = "") -> list[ObjectInfo]:
        """Every object whose key starts with `prefix`, sorted by key. Raises Unavailable.

        Folder markers and keys that would climb out of a folder are left out.
        """
        base = f"{self._prefix}/" if self._prefix else ""
        with self._told(self.root):
            found = [self._info(item, base) for item in self._listed(base + prefix)]
            if not found and self._prefix:
                # In key order an object of exactly this key comes before everything that begins with it.
                parent = base[: base.rstrip("/").rfind("/") + 1]
                first = self._connected().list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
                found = [self._info(item, parent) for item in first.get("Contents", ()) if item["Key"] == self._prefix]
        kept = (info for info in found if info.key.startswith(prefix) and stays_inside(info.key))
        return sorted(kept, key=lambda info: info.key)

    def fetch(self, info: ObjectInfo) -> Path:
        """The object as a file of the cache; raises as the protocol says."""
        return fetched(info, self.root, self._cache, self._complete)

    def _complete(self, info: ObjectInfo, part: BinaryIO) -> None:
        """Read what is missing of `info` into `part` and prove that it is whole."""
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        if not _PLAIN_MD5.fullmatch(info.etag) or part.tell() > info.size_bytes:
            start_over(part)  # Left by a process that died, and nothing could prove that it is sound.
        etag_is_md5, breaks = False, 0
        while part.tell() < info.size_bytes:
            had = part.tell()
            try:
                etag_is_md5 = self._read_on(info, part)
            except (HTTPClientError, IncompleteReadError) as error:
                breaks = 0 if part.tell() - had >= CHUNK_BYTES else breaks + 1
                if breaks == BREAKS_IN_A_ROW:
                    raise Unavailable(f"{info.uri}: the connection keeps breaking: {self._shown(error)}") from None
                self._clock.sleep(0.1 * 2**breaks)
        part.flush()
        os.fsync(part.fileno())
        if part.tell() != info.size_bytes or (etag_is_md5 and md5_of(Path(part.name)) != info.etag):
            start_over(part)
            raise Unavailable(f"{info.uri}: what arrived is not what was listed (size or MD5); it will be read anew")

    def _read_on(self, info: ObjectInfo, part: BinaryIO) -> bool:
        """Append from where `part` ends; True when the object's ETag is the MD5 of its content."""
        with self._told(info.uri):
            answer = self._connected().get_object(
                Bucket=self._bucket,
                Key=info.uri.removeprefix(f"s3://{self._bucket}/"),
                Range=f"bytes={part.tell()}-",
                IfMatch=f'"{info.etag}"',
            )
        with closing(answer["Body"]) as body:
            if _tag(answer) != info.etag:
                raise Unavailable(f"{info.uri}: {GONE}")
            if not answer.get("ContentRange", "").startswith(f"bytes {part.tell()}-"):
                start_over(part)  # The server does not do ranges and began at the beginning.
            for chunk in body.iter_chunks(CHUNK_BYTES):
                part.write(chunk)
        encrypted = "SSECustomerAlgorithm" in answer or answer.get("ServerSideEncryption", "").startswith("aws:kms")
        return bool(_PLAIN_MD5.fullmatch(info.etag)) and not encrypted

    def _listed(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        for page in self._connected().get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
            yield from page.get("Contents", ())

    def _info(self, item: Mapping[str, Any], base: str) -> ObjectInfo:
        return ObjectInfo(
            key=item["Key"].removeprefix(base),
            uri=f"s3://{self._bucket}/{item['Key']}",
            size_bytes=item["Size"],
            etag=_tag(item),
            modified_at=item["LastModified"].astimezone(UTC),
        )

    def _connected(self) -> Any:
        """boto3's client; made when first needed, because boto3 is slow to import."""
        if self._client is None:
            import boto3
            from botocore.config import Config

            keys = [
                self._secrets.find(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
            ]
            values = [key.get_secret_value() if key else None for key in keys]
            session = boto3.session.Session(*values) if values[0] and values[1] else boto3.session.Session()
            if used := session.get_credentials():
                frozen = used.get_frozen_credentials()
                for secret in filter(None, (frozen.secret_key, frozen.token)):
                    self._secrets.learn(secret)
            self._client = session.client(
                "s3",
                endpoint_url=self._endpoint_url,
                region_name=self._region or session.region_name or DEFAULT_REGION,
                config=Config(
                    signature_version="s3v4",
                    s3={"addressing_style": "path"} if self._endpoint_url else {},
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": REQUEST_ATTEMPTS},
                    # Servers that only speak like S3 know no other checksums than MD5.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        return self._client

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turns what boto3 raises into Unavailable with the remedy."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            raise Unavailable(f"{what}: {_REMEDIES.get(code) or self._shown(error)}") from None
        except NoCredentialsError:
            raise Unavailable(f"{what}: no credentials: {_CREDENTIALS}") from None
        except (BotoCoreError, ValueError) as error:
            raise Unavailable(f"{what}: {self._shown(error)}") from None

    def _shown(self, error: Exception) -> str:
        return printable(self._secrets.redact(str(error)), 300)


def _tag(item: Mapping[str, Any]) -> str:
    return str(item["ETag"]).removeprefix("W/").strip('"')
