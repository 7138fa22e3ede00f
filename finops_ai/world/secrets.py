"""Secrets: read from the environment, files or a mounted folder; shown nowhere, masked wherever text leaves."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from finops_ai.domain.errors import ConfigError

MASK = "***"
FOLDER_VARIABLE = "FINOPS_SECRETS_DIR"
SHORTEST_MASKED = 4
"""Shorter values are not looked for in text: they would mask half of every line."""

LARGEST_BYTES = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_USERINFO = re.compile(r"(?<=://)[^/?#\s'\"]+@")
TELLTALE = r"token|secret|passw(?:or)?d|(?:api|routing|access)[_-]?key|signature|credential"
_PARAMETER = re.compile(rf"([?&;](?:[\w.-]*(?:{TELLTALE})[\w.-]*|sig|key|code))=[^&#\s'\"]+", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"\b((?:Bearer|Basic|GenieKey|Token token=)\s*)[A-Za-z0-9+/=_.~:-]{8,}", re.IGNORECASE)
_REMEDY = "name an environment variable, {env: NAME}, or a file, {file: PATH}"


class SecretRef(BaseModel):
    """Where a secret is found, never the secret: an environment variable's name or a file's path.

    The type of every secret field of the configuration; text in its place is an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = None
    file: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _never_inline(cls, value: Any) -> Any:
        if isinstance(value, FoundText):
            return {"env": value.reference.env, "file": value.reference.file}
        if isinstance(value, Mapping):
            if bool(value.get("env")) == bool(value.get("file")) and not set(value) - {"env", "file"}:
                raise PydanticCustomError("secret_reference", "name one place of the secret: " + _REMEDY)
            return value
        raise PydanticCustomError("inline_secret", "a secret is never written here: " + _REMEDY)

    def __str__(self) -> str:
        return f"env {self.env}" if self.env else f"file {self.file}"


class FoundText(str):
    """Text that was read from an environment variable or a file and knows from which."""

    __slots__ = ("reference",)
    reference: SecretRef

    def __new__(cls, text: str, reference: SecretRef) -> Self:
        found = super().__new__(cls, text)
        found.reference = reference
        return found


class Secrets:
    """Reads secrets on demand, so that a rotated one is seen, and masks every one that was ever read.

    A name is looked up as environment variable NAME, then in the file named by NAME_FILE, then as a file NAME in
    the folder named by FINOPS_SECRETS_DIR. An empty variable counts as unset; a trailing line break is dropped.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: set[str] = set()

    def get(self, secret: str | SecretRef) -> SecretStr:
        """The value of a name or a reference. Raises ConfigError when it is not set or cannot be read."""
        if isinstance(secret, SecretRef) and secret.file:
            return self.learn(read_text(Path(secret.file), "secret file"))
        name = secret if isinstance(secret, str) else str(secret.env)
        found = self.find(name)
        if found is None:
            raise ConfigError(f"{name} is not set: export {name}, or {name}_FILE with the path of a file that holds it")
        return found

    def find(self, name: str) -> SecretStr | None:
        """As `get`, but None when it is not set anywhere; a file that was named must still be readable."""
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} cannot be the name of a secret: letters, digits, '_', '-' and '.' only")
        path = self._environ.get(f"{name}_FILE")
        if text := self._environ.get(name):
            if path:
                raise ConfigError(f"{name} and {name}_FILE are both set: unset one")
            return self.learn(text)
        if path:
            return self.learn(read_text(Path(path), f"{name}_FILE"))
        folder = self._environ.get(FOLDER_VARIABLE)
        if folder and os.path.lexists(Path(folder) / name):
            return self.learn(read_text(Path(folder) / name, f"{FOLDER_VARIABLE}: {name}"))
        return None

    def learn(self, text: str) -> SecretStr:
        """Mask `text` from now on."""
        self._known.add(text)
        return SecretStr(text)

    def redact(self, text: str) -> str:
        """`text` without any known secret, however it is quoted, nor what looks like one in a URL or a header."""
        for form in sorted({form for value in tuple(self._known) for form in _forms(value)}, key=len, reverse=True):
            text = text.replace(form, MASK)
        text = _USERINFO.sub(f"{MASK}@", text)
        text = _PARAMETER.sub(rf"\1={MASK}", text)
        return _AUTHORIZATION.sub(rf"\g<1>{MASK}", text)


def read_text(path: Path, named_by: str) -> str:
    """The text of a small file without its trailing line breaks. Raises ConfigError that tells who named the file."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
        text = data.decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{named_by}: cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{named_by}: {path} is not UTF-8 text") from None
    if len(data) > LARGEST_BYTES:
        raise ConfigError(f"{named_by}: {path} is larger than {LARGEST_BYTES} bytes")
    if not text.strip():
        raise ConfigError(f"{named_by}: {path} is empty")
    return text


def _forms(value: str) -> set[str]:
    """Spellings under which a secret may turn up in text."""
    if len(value) < SHORTEST_MASKED:
        return set()
    quoted = {quote(value, safe=""), quote(value), quote_plus(value)}
    escaped = {json.dumps(value)[1:-1], repr(value)[1:-1]}
    return {value, base64.b64encode(value.encode()).decode(), *quoted, *escaped}
