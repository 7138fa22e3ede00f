"""Where a Git host and a repository are: addresses over TLS, and names that are safe in a path."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{text}", {"text": message})


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise _wrong(f"{url!r} is not an address: write https://HOST")
    if "@" in parts.netloc:
        raise _wrong("an address holds no user or password: name the token in token")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise _wrong(f"{url!r} would send the token unencrypted: write https://")
    return url.rstrip("/")


def _named(text: str, groups: bool) -> str:
    form = rf"{_PART}(?:/{_PART})+" if groups else rf"{_PART}/{_PART}"
    if not re.fullmatch(form, text) or any(part.endswith(".git") or ".." in part for part in text.split("/")):
        raise _wrong(f"{text!r} is not a repository: write {'GROUP/PROJECT' if groups else 'OWNER/NAME'}")
    return text


Https = Annotated[str, AfterValidator(_https)]
"""An address over TLS; http only on this machine."""
OwnerAndName = Annotated[str, AfterValidator(lambda text: _named(text, False))]
GroupAndProject = Annotated[str, AfterValidator(lambda text: _named(text, True))]
