"""A forge made of a bare Git repository and a folder: one JSON, Markdown and patch file per pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from finops_ai.domain.errors import Rejected
from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.forges import git
from finops_ai.forges.base import OURS, PLAIN, Comment, Consent, Forge, Manner, PullRequest
from finops_ai.forges.client import instant, known_instant
from finops_ai.forges.folder_records import Records, replaced
from finops_ai.forges.names import check_key
from finops_ai.world.world import World


class Settings(BaseModel):
    """`repository` is a path or file:// URL of a bare repository; `base` is its default branch unless given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["folder"] = "folder"
    name: str
    repository: str
    pulls: str
    base: str | None = None
    author_name: str = "finops-ai"
    author_email: str = "finops-ai@localhost"


def make(settings: Settings, world: World) -> Forge:
    return FolderForge(settings, world)


class FolderForge:
    """A person merges with `git merge` and closes by setting "state" to "closed" in the JSON file.

    The JSON file is written last, so that a run cut short anywhere is completed by the next.
    """

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self._clock = world.clock
        self._remote = git.Remote(settings.repository, settings.base)
        self._who = git.Identity(name=settings.author_name, email=settings.author_email)
        self._pulls = Records(Path(settings.pulls))

    def files(self, pattern: str) -> Iterator[tuple[str, str]]:
        yield from git.files(self._remote.fetch(history=False), pattern)

    def read(self, ref: str, path: str) -> str | None:
        """Text of a file on the branch `ref`; None where the file is not there or not UTF-8."""
        return git.read(self._remote.fetch_branch(ref), path)

    def find(self, key: str) -> PullRequest | None:
        record = self._pulls.newest(check_key(key))
        return self._shown(self._refreshed(record, self._remote.fetch(key))) if record else None

    def changed_since(self, moment: datetime) -> Iterator[PullRequest]:
        """A person who changes a file leaves `updated_at` as it is, so the file's own time counts as well."""
        for record in self._pulls.every():
            record = self._refreshed(record, self._remote.fetch(record["key"]))
            written = datetime.fromtimestamp(self._pulls.path(record["number"], "json").stat().st_mtime, UTC)
            if max(written, instant(record["updated_at"]) or written) >= moment:
                yield self._shown(record)

    def propose(self, proposal: Proposal, manner: Manner = PLAIN) -> PullRequest:
        """A blocked proposal becomes a draft: it can be read and mended, and says that it must not be merged."""
        key = check_key(proposal.key)
        branches = self._remote.fetch(key)
        record = self._pulls.newest(key)
        if record:
            record = self._refreshed(record, branches)
            if record["state"] == "closed" and record["closed_by"] != OURS and not manner.reopen:
                raise Rejected(f"#{record['number']} was closed unmerged; {key} is not proposed again")
        self._refuse_overwriting(key, branches, record)
        tree, blobs = git.apply_edits(branches, proposal.edits)
        if tree == branches.base.tree:
            raise Rejected(f"{branches.base_name} holds these values already")
        head = self._pushed(key, branches, tree, proposal.title)
        if record is None or record["state"] != "open":
            record = self._pulls.fresh(key, self._clock.now().isoformat())
        record = record | {
            "title": proposal.title,
            "body": "\n\n".join([*manner.notes, proposal.body]),
            "labels": sorted({*proposal.labels, *manner.labels}),
            "closed_by": None,
            "draft": proposal.state is ProposalState.BLOCKED if manner.draft is None else manner.draft,
            "verdicts": [f"{v.decision}: {v.rule}: {v.message} {v.resource}".strip() for v in proposal.verdicts],
            "base": branches.base_name,
            "head": head.decode(),
            "blobs": blobs,
        }
        return self._shown(self._saved(record, git.patch(branches, tree)))

    def say(self, key: str, text: str) -> None:
        record = self._pulls.newest(check_key(key))
        if record is None:
            raise Rejected(f"no pull request for {key}")
        if text not in [comment["text"] for comment in record["comments"]]:
            comment = {"at": self._clock.now().isoformat(), "text": text}
            self._saved(record | {"comments": [*record["comments"], comment]})

    def close(self, key: str, why: str) -> None:
        """Close it for a reason of ours, and take our branch away; merged or already closed ones stay as they are."""
        branches = self._remote.fetch(check_key(key))
        record = self._pulls.newest(key)
        record = self._refreshed(record, branches) if record else None
        if record and record["state"] == "open":
            self.say(key, why)
            record = self._saved((self._pulls.newest(key) or record) | {"state": "closed", "closed_by": OURS})
        if record and record["closed_by"] == OURS and branches.head and git.is_ours(branches, self._who):
            self._remote.push(branches.repo, key, None, branches.head.id)

    def comments(self, key: str) -> Sequence[Comment]:
        """Those that a person added to "comments" in the JSON file: {"at", "author", "text"}."""
        record = self._pulls.newest(check_key(key))
        told = record["comments"] if record else ()
        return [
            Comment(
                id=f"{record['number']}.{number}",
                author=one.get("author", ""),
                text=one["text"],
                at=known_instant(one["at"]),
                ours=not one.get("author"),
            )
            for number, one in enumerate(told)
            if record
        ]

    def seen(self, key: str, comment: Comment) -> None:
        """Nothing: a file has no reactions."""

    def may_write(self, person: str) -> bool:
        """Whoever can change the files of this folder may."""
        return bool(person)

    def consents(self, key: str) -> Sequence[Consent]:
        """Whom a person named in "approved": {"by", "at"}, for the head that stands there."""
        record = self._pulls.newest(check_key(key))
        told = record.get("approved") if record else None
        if not record or not told or told.get("head", record["head"]) != record["head"]:
            return ()
        at, url = known_instant(told["at"]), self._shown(record).url
        return (Consent(by=told["by"], at=at, how="file", commit=record["head"], url=url),)

    def dashboard(self) -> str | None:
        path = self._pulls.overview
        return path.read_text(encoding="utf-8") if path.exists() else None

    def show_dashboard(self, text: str) -> None:
        if self.dashboard() != text:
            self._pulls.overview.parent.mkdir(parents=True, exist_ok=True)
            replaced(self._pulls.overview, text)

    def _pushed(self, key: str, branches: git.Branches, tree: Any, title: str) -> bytes:
        """Head of the branch with that tree on the base; pushed only where it is not there yet."""
        head = branches.head
        if head and head.tree == tree and head.parents == [branches.base.id] and git.is_ours(branches, self._who):
            return head.id
        made = git.commit(branches, tree, self._who, self._clock.now(), key=key, title=title or key)
        self._remote.push(branches.repo, key, made, head.id if head else None)
        return made

    def _refuse_overwriting(self, key: str, branches: git.Branches, record: dict[str, Any] | None) -> None:
        head = branches.head
        if head is None or git.is_ours(branches, self._who):
            return
        if record and record["state"] == "merged" and git.reaches(branches, head.id):
            return
        author = head.author.decode("utf-8", "replace")
        raise Rejected(f"{author} pushed to {key} (commit {head.id.decode()[:12]}); the branch is left untouched")

    def _refreshed(self, record: dict[str, Any], branches: git.Branches) -> dict[str, Any]:
        """The record with what happened to its branch since: merged by any way, or deleted by a person."""
        if record["state"] != "open":
            return record
        heads = [record["head"].encode()]
        if branches.head and git.is_ours(branches, self._who):
            heads.append(branches.head.id)
        if git.holds(branches, record["blobs"]) or any(git.reaches(branches, head) for head in heads):
            # The base on which it was first seen; which commit brought it there cannot be told of every way to merge.
            merged = {"state": "merged", "merge_commit": branches.base.id.decode()}
            merged_at = git.merged_at(branches, record["blobs"], heads).isoformat()
            return self._saved(record | merged | {"merged_at": merged_at})
        if branches.head is None:
            return self._saved(record | {"state": "closed", "closed_by": "deletion of the branch"})
        return record

    def _saved(self, record: dict[str, Any], patch: str | None = None) -> dict[str, Any]:
        return self._pulls.save(record, patch, self._clock.now().isoformat())

    def _shown(self, record: dict[str, Any]) -> PullRequest:
        return PullRequest(
            key=record["key"],
            number=record["number"],
            state=record["state"],
            title=record["title"],
            body=record["body"],
            head=record["head"],
            url=self._pulls.path(record["number"], "md").absolute().as_uri(),
            draft=record["draft"],
            labels=tuple(record.get("labels", ())),
            created_at=instant(record["created_at"]),
            updated_at=instant(record.get("updated_at")),
            closed_by=record["closed_by"] or "",
            merged_at=instant(record.get("merged_at")),
            merge_commit=record.get("merge_commit"),
        )
