"""What a sink is."""

from __future__ import annotations

from typing import Protocol

from finops_ai.domain.message import Message, Receipt


class Sink(Protocol):
    """A receiver of messages. `keyed` tells whether it deduplicates by key, so that a repeat is harmless."""

    name: str
    keyed: bool

    def send(self, message: Message) -> Receipt:
        """Raises Unavailable (try again) or Rejected (never again)."""
        ...
