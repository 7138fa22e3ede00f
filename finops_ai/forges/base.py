"""What a forge is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from finops_ai.domain.proposal import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request as the forge has it; `state` is open, merged or closed."""

    key: str
    number: int
    state: str
    title: str
    body: str
    head: str
    url: str
    merged_at: datetime | None = None


class Forge(Protocol):
    """A repository on a Git host. Every method may be called again after a crash."""

    name: str

    def files(self, pattern: str) -> Iterator[tuple[str, str]]:
        """Path and text of the files on the base branch that match a glob, sorted by path."""
        ...

    def read(self, ref: str, path: str) -> str | None: ...

    def find(self, key: str) -> PullRequest | None:
        """The newest pull request whose branch is `key`, whatever its state."""
        ...

    def propose(self, proposal: Proposal) -> PullRequest:
        """Make the branch one commit on the base and open or update its pull request.

        Raises Rejected when a human pushed to the branch or closed the request, Unavailable otherwise.
        """
        ...

    def say(self, key: str, text: str) -> None: ...

    def close(self, key: str, why: str) -> None: ...
