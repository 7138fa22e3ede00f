"""What a forge is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from finops_ai.domain.proposal import Proposal

BRANCHES = "finops/"
"""Every branch of ours begins so."""

NEEDS_APPROVAL = "finops:needs-approval"
APPROVED = "finops:approved"
"""Labels: the first is set by the program, the second by a person who may approve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request as the forge has it; `state` is open, merged or closed.

    `closed_by` is empty where the forge does not tell, and "finops" where the program itself closed it. `reviewers`
    are those asked and those who have reviewed.
    """

    key: str
    number: int
    state: str
    title: str
    body: str
    head: str
    url: str
    draft: bool = False
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    author: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    merged_at: datetime | None = None
    merged_by: str = ""
    merge_commit: str | None = None


OURS = "finops"
"""`closed_by` of a pull request that the program closed itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What somebody wrote under a pull request; `id` is unique on the forge, `ours` when the program wrote it."""

    id: str
    author: str
    text: str
    at: datetime
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """An approving review or the label of approval: who gave it, when and how, and to which commit."""

    by: str
    at: datetime
    how: str
    commit: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a proposal is opened, beyond what it says.

    `draft` None: a draft if policy blocks it. `reopen`: although a person closed the last one. `labels` and `notes`
    are added to the proposal's own; `limited` heeds the forge's limits before a new one is opened.
    """

    draft: bool | None = None
    reopen: bool = False
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    limited: bool = True


PLAIN = Manner()


class Forge(Protocol):
    """A repository on a Git host. Every method may be called again after a crash."""

    name: str

    def files(self, pattern: str) -> Iterator[tuple[str, str]]:
        """Path and text of the files on the base branch that match a glob, sorted by path."""
        ...

    def read(self, ref: str, path: str) -> str | None: ...

    def find(self, key: str) -> PullRequest | None:
        """The newest pull request whose branch is `key`, whatever its state, with all that is known of its end."""
        ...

    def changed_since(self, moment: datetime) -> Iterator[PullRequest]:
        """Our pull requests that were touched at or after `moment`, newest first, complete as from `find`."""
        ...

    def propose(self, proposal: Proposal, manner: Manner = PLAIN) -> PullRequest:
        """Make the branch one commit on the base and open or update its pull request.

        Raises Rejected when a human pushed to the branch or closed the request, Unavailable otherwise, also when one
        more would be too many for now.
        """
        ...

    def say(self, key: str, text: str) -> None:
        """Comment on the newest pull request of `key`, once for the same text."""
        ...

    def close(self, key: str, why: str) -> None: ...

    def comments(self, key: str) -> Sequence[Comment]:
        """What was written under the newest pull request of `key`, oldest first."""
        ...

    def seen(self, key: str, comment: Comment) -> None:
        """Show the author of a comment that it was read."""
        ...

    def may_write(self, person: str) -> bool:
        """True when that account may push to the repository; what cannot be told is no."""
        ...

    def consents(self, key: str) -> Sequence[Consent]:
        """Approvals given to the newest pull request of `key` as it is now, oldest first; older ones do not count."""
        ...

    def dashboard(self) -> str | None:
        """Text of our overview issue; None where there is none yet, "" where a person closed it."""
        ...

    def show_dashboard(self, text: str) -> None:
        """Write the overview issue; nothing where a person closed it, and nothing where nothing changed."""
        ...
