"""Any receiver of JSON: one POST for a message, signed as Standard Webhooks describes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.errors import ConfigError
from finops_ai.domain.message import Delivered, Message, Receipt
from finops_ai.sinks.pages import PerMinute, message_id
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

VERSION = 1
PREFIX = "whsec_"
SHORTEST_KEY = 16


class Settings(BaseModel):
    """`secret` signs every request: `whsec_` and base64, or any text of at least 16 characters.

    `keyed` when the receiver drops a message whose webhook-id it has seen; `authorization` is a header's whole value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["webhook"]
    name: str
    url: str
    secret: SecretRef
    authorization: SecretRef | None = None
    keyed: bool = False
    timeout_seconds: float = Field(default=20.0, gt=0, le=120)
    per_minute: PerMinute = None


class Webhook:
    """Every kind of message is taken as it is; webhook-id is the same for every try of one message."""

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self.keyed = settings.keyed
        self.per_minute = settings.per_minute
        self._settings = settings
        self._world = world

    def send(self, message: Message, before: Delivered | None = None) -> Receipt:
        now = self._world.clock.now()
        id = message_id(message)
        content = json.dumps(envelope(message), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        timestamp = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self._key(), id, timestamp, content),
        }
        if self._settings.authorization is not None:
            headers["Authorization"] = self._world.secrets.get(self._settings.authorization).get_secret_value()
        self._world.http.request(
            "POST",
            self._settings.url,
            headers=headers,
            content=content,
            idempotent=self.keyed,
            timeout_seconds=self._settings.timeout_seconds,
        )
        return Receipt(key=message.key, sent_at=now, remote_id=id, certain=self.keyed)

    def _key(self) -> bytes:
        text = self._world.secrets.get(self._settings.secret).get_secret_value()
        try:
            key = (
                base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text.encode()
            )
        except binascii.Error:
            raise ConfigError(f"{self.name}: the secret begins with {PREFIX} but goes on with no base64") from None
        if len(key) < SHORTEST_KEY:
            raise ConfigError(f"{self.name}: the secret is shorter than {SHORTEST_KEY} bytes: make a longer one")
        return key


def envelope(message: Message) -> dict[str, Any]:
    """What is sent; its form is described in webhook.schema.json."""
    return {
        "version": VERSION,
        "id": message_id(message),
        "type": message.kind,
        "key": message.key,
        "data": dict(message.body),
    }


def signature(key: bytes, id: str, timestamp: str, content: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256 of id, timestamp and content."""
    signed = hmac.new(key, f"{id}.{timestamp}.".encode() + content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def make(settings: Settings, world: World) -> Webhook:
    return Webhook(settings, world)
