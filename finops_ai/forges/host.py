"""What the API of a Git host is asked for; one module per vendor answers, `hosted` decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from finops_ai.forges.base import Comment, Consent, PullRequest
from finops_ai.forges.client import known_instant
from finops_ai.forges.git import Login


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    number: int
    body: str
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How a vendor differs where no call is made: where owners stand, and what fits."""

    owner_files: tuple[str, ...]
    owner_syntax: str
    largest_body: int
    largest_title: int = 255


class Host(Protocol):
    """Every method is one question or one change, and may be repeated. Raises Unavailable and Rejected."""

    traits: Traits
    clone_url: str

    def login(self) -> Login:
        """How Git is told who asks."""
        ...

    def me(self) -> str:
        """The account that the program acts as."""
        ...

    def pulls(self, branch: str) -> Sequence[PullRequest]:
        """Pull requests from that branch of this very repository (none from forks), newest first."""
        ...

    def pull(self, number: int) -> PullRequest:
        """One pull request with all that is known of it."""
        ...

    def changed(self, since: datetime | None) -> Iterator[PullRequest]:
        """Pull requests of this repository's own branches touched since then, newest change first; None: the open."""
        ...

    def create(self, branch: str, base: str, title: str, body: str, draft: bool) -> bool:
        """Open one; False when the host says that there is one already."""
        ...

    def edit(self, pull: PullRequest, title: str, body: str, draft: bool) -> None: ...

    def set_labels(self, pull: PullRequest, labels: Sequence[str]) -> None: ...

    def close(self, pull: PullRequest) -> None: ...

    def comments(self, pull: PullRequest) -> Sequence[Comment]: ...

    def comment(self, pull: PullRequest, text: str) -> None: ...

    def seen(self, pull: PullRequest, comment: Comment) -> None: ...

    def request_reviews(self, pull: PullRequest, people: Sequence[str], teams: Sequence[str]) -> None:
        """Ask for reviews; whoever cannot be asked is left out."""
        ...

    def may_write(self, person: str) -> bool: ...

    def consents(self, pull: PullRequest, label: str) -> Sequence[Consent]: ...

    def issue(self, title: str, mark: str) -> Issue | None:
        """Our own issue whose body has the mark, whatever its state."""
        ...

    def create_issue(self, title: str, body: str) -> None: ...

    def edit_issue(self, number: int, body: str) -> None: ...


def by_label(person: str, at: Any, pull: PullRequest) -> Consent:
    """Whoever set the label of approval; to which commit is told by the time only."""
    return Consent(by=person, at=known_instant(at), how="label", commit="", url=pull.url)
