"""What is said outward: a message waits in the outbox until a receipt proves that it was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`key` is the receiver's deduplication key; (key, sink, body version) is unique in the outbox.

    `kind` is episode_opened, episode_updated, episode_acknowledged, episode_resolved, the same four of a storm,
    digest, change, proposal or report; `body` is plain data that the sink turns into its own format.
    """

    key: str
    kind: str
    sink: str
    body: Mapping[str, Any]

    @property
    def is_end(self) -> bool:
        return self.kind.endswith("_resolved")

    @property
    def is_taken(self) -> bool:
        """It says that somebody has the episode in hand, or updates one that somebody has."""
        return self.kind.endswith("_acknowledged") or self.body.get("state") == "acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """`certain` is False where the receiver takes no key, so that a repeat may have doubled the message."""

    key: str
    sent_at: datetime
    remote_id: str
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A message with the proof that its receiver took it."""

    message: Message
    receipt: Receipt
