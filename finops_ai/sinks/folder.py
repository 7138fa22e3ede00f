"""A folder: one file for each message, holding what a vendor would be sent; nothing leaves the machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.domain.message import Delivered, Message, Receipt
from finops_ai.sinks.pagerduty_event import payload, takes
from finops_ai.sinks.pages import PAGES, PerMinute, act_of
from finops_ai.world.world import World

NAME_CHARS = 80


class Settings(BaseModel):
    """`path` is the folder; `per_minute` is how many messages are written at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["folder"]
    name: str
    path: Path
    per_minute: PerMinute = None


class Folder:
    """Files are named `<kind>-<key>.json` and hold the PagerDuty event, where there is one, with the message beside it.

    The newest message of a key replaces the earlier ones, whatever their kind: as at a vendor, one episode is one
    alert that opens, grows and closes.
    """

    keyed = True

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self.per_minute = settings.per_minute
        self._path = settings.path
        self._clock = world.clock

    def send(self, message: Message, before: Delivered | None = None) -> Receipt:
        target = self._path / f"{safe(message.kind)}-{safe(message.key)}.json"
        event: dict[str, Any] = payload(message) if takes(message) else {}
        told = {**event, "message": {"key": message.key, "kind": message.kind, "body": message.body}}
        try:
            text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
            data = text.encode()
        except (TypeError, UnicodeEncodeError) as error:
            raise Rejected(f"{self.name}: message {message.kind} is not plain data: {error}") from None
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            _write(target, data)
            for earlier in self._others(message, target):
                earlier.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"{self.name}: cannot write {target}: {error.strerror or error}") from None
        return Receipt(key=message.key, sent_at=self._clock.now(), remote_id=str(target))

    def _others(self, message: Message, target: Path) -> Iterator[Path]:
        if act_of(message) is not None:
            for kind in PAGES:
                other = self._path / f"{safe(kind)}-{safe(message.key)}.json"
                if other != target:
                    yield other


def make(settings: Settings, world: World) -> Folder:
    return Folder(settings, world)


def safe(name: str) -> str:
    """`name` as part of a file name on any system; what had to be changed is told apart by a digest."""
    plain = re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-.")[:NAME_CHARS]
    if plain == name:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{plain}-{digest}" if plain else digest


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: a reader never sees half a file, a crash leaves the earlier one."""
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
