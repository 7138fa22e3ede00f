"""What a sink is, and what some of them can do besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from finops_ai.domain.message import Delivered, Message, Receipt


class Sink(Protocol):
    """A receiver of messages. `keyed` tells whether it deduplicates by key, so that a repeat is harmless.

    `per_minute` is how many messages it is sent at most, None for as many as there are.
    """

    name: str
    keyed: bool
    per_minute: int | None

    def send(self, message: Message, before: Delivered | None = None) -> Receipt:
        """Tell it; `before` is the newest earlier message of this key that it took.

        Raises Unavailable (try again, `unsure` when it may have been taken) or Rejected (never again).
        """
        ...


@runtime_checkable
class Forgetful(Protocol):
    """A receiver that forgets what it is not told again."""

    def remind(self, standing: Mapping[str, Delivered]) -> None:
        """Tell again what still holds, by key. Raises Unavailable or Rejected."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person answered to an episode where it was told: real, false_positive, expected or snooze.

    `days` is for how long an answer holds that ends; `at` is the same however often the answer is brought;
    `reply_to` is where the receiver takes a word back.
    """

    episode: str
    verdict: str
    days: int | None
    by: str
    at: datetime
    reply_to: str


@runtime_checkable
class Answerable(Protocol):
    """A receiver whose people answer there; its requests come to us."""

    def answers(self, headers: Mapping[str, str], content: bytes) -> tuple[Answer, ...]:
        """The answers of one request, its signature checked. Raises Rejected, ConfigError without a secret."""
        ...

    def reply(self, answer: Answer, text: str) -> None:
        """Tell the person who answered what came of it. Raises Unavailable or Rejected."""
        ...
