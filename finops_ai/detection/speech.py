"""What is to be said, before it is put into words: its kind, to whom, and of which episodes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from finops_ai.domain.episode import Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Of one `episode`, or under a `key` of its own of several `members`; `reasons` says of each why it did not page.

    `note` is for whoever reads it; `since` is the first day that a digest covers.
    """

    kind: str
    team: str
    sinks: tuple[str, ...]
    episode: Episode | None = None
    key: str = ""
    members: tuple[Episode, ...] = ()
    reasons: tuple[str, ...] = ()
    note: str = ""
    since: date | None = None
