"""What every loopback Git host remembers: pull requests tied to the real branches, comments, reviews, issues."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.git_hosts.repository import Repository

ME = "finops-bot"
PEOPLE = {ME: "write", "alice": "admin", "bob": "write", "eve": "read"}
Fault = Callable[[str, str], Any]
"""Phase ("before" or "after" the effect) and what is asked, to what to do instead: a status, "drop", or None."""


@dataclass
class Note:
    id: int
    author: str
    text: str
    at: datetime
    seen_by: list[str] = field(default_factory=list)


@dataclass
class Pull:
    number: int
    branch: str
    base: str
    title: str
    body: str
    author: str
    head: str
    at: datetime
    draft: bool = False
    state: str = "open"
    updated_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    merged_by: str | None = None
    merge_commit: str | None = None
    is_fork: bool = False
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    reviews: list[tuple[str, datetime, str, int]] = field(default_factory=list)
    """Who approved, when, which commit, and an id."""
    events: list[tuple[str, str, datetime, str]] = field(default_factory=list)
    """What ("labeled", "closed"), by whom, when, and the label."""


@dataclass
class Issue:
    number: int
    title: str
    body: str
    author: str
    at: datetime
    state: str = "open"


@dataclass
class State:
    """`people` are those who may do something: admin, write or read."""

    repository: Repository
    people: dict[str, str] = field(
        default_factory=lambda: {ME: "write", "alice": "admin", "bob": "write", "eve": "read"}
    )
    pulls: list[Pull] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    fault: Fault | None = None
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Method, path with query, and body of every request, without its headers."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))

    def id(self) -> int:
        return next(self._ids)

    def number(self) -> int:
        return len(self.pulls) + len(self.issues) + 1

    def sync(self) -> None:
        """Open pull requests follow their real branch; one whose branch was deleted is closed."""
        heads = self.repository.heads()
        for pull in self.pulls:
            if pull.state == "open" and not pull.is_fork:
                if pull.branch not in heads:
                    self._end(pull, "closed", ME)
                elif heads[pull.branch] != pull.head:
                    pull.head = heads[pull.branch]
                    self.touch(pull)

    def touch(self, pull: Pull) -> None:
        pull.updated_at = now()

    def create(self, author: str, branch: str, base: str, title: str, body: str, *, draft: bool = False) -> Pull:
        pull = Pull(
            number=self.number(),
            branch=branch,
            base=base,
            title=title,
            body=body,
            author=author,
            head=self.repository.heads()[branch],
            at=now(),
            draft=draft,
            updated_at=now(),
        )
        self.pulls.append(pull)
        return pull

    def open_of(self, branch: str) -> Pull | None:
        return next(
            (one for one in self.pulls if one.branch == branch and one.state == "open" and not one.is_fork), None
        )

    def by_number(self, number: str | int) -> Pull | None:
        return next((one for one in self.pulls if one.number == int(number)), None)

    def issue(self, number: str | int) -> Issue | None:
        return next((one for one in self.issues if one.number == int(number)), None)

    def note(self, pull: Pull, author: str, text: str) -> Note:
        made = Note(id=self.id(), author=author, text=text, at=now())
        pull.notes.append(made)
        self.touch(pull)
        return made

    def close(self, pull: Pull, by: str) -> None:
        if pull.state == "open":
            self._end(pull, "closed", by)

    def merge(self, pull: Pull, by: str) -> None:
        pull.merge_commit = self.repository.merge(pull.branch)
        pull.merged_by = by
        self._end(pull, "merged", by)

    def approve(self, pull: Pull, by: str, commit: str | None = None) -> None:
        pull.reviews.append((by, now(), commit or pull.head, self.id()))
        self.touch(pull)

    def label(self, pull: Pull, by: str, label: str) -> None:
        pull.labels.append(label)
        pull.events.append(("labeled", by, now(), label))
        self.touch(pull)

    def set_labels(self, pull: Pull, by: str, labels: list[str]) -> None:
        pull.events += [("labeled", by, now(), label) for label in labels if label not in pull.labels]
        pull.labels = list(dict.fromkeys(labels))
        self.touch(pull)

    def label_id(self, name: str) -> int:
        return self.labels.setdefault(name, self.id())

    def _end(self, pull: Pull, state: str, by: str) -> None:
        pull.state, pull.closed_at, pull.closed_by = state, now(), by
        pull.events.append(("closed", by, now(), ""))
        self.touch(pull)


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
