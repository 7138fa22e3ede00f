"""A forge made of a bare Git repository and a folder: one JSON, Markdown and patch file per pull request."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from finops_ai.domain.errors import Malformed, Problem, Rejected
from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.forges import git
from finops_ai.forges.base import Forge, PullRequest
from finops_ai.world.world import World

OURS = "finops"

_NEEDED = {"number", "key", "state", "draft", "title", "body", "base", "head", "blobs", "created_at"}


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
        self._pulls = _Pulls(Path(settings.pulls))

    def files(self, pattern: str) -> Iterator[tuple[str, str]]:
        yield from git.files(self._remote.fetch(history=False), pattern)

    def read(self, ref: str, path: str) -> str | None:
        """Text of a file on the branch `ref`; None where the file is not there or not UTF-8."""
        return git.read(self._remote.fetch_branch(ref), path)

    def find(self, key: str) -> PullRequest | None:
        record = self._pulls.newest(git.check_key(key))
        return self._shown(self._refreshed(record, self._remote.fetch(key))) if record else None

    def propose(self, proposal: Proposal) -> PullRequest:
        """A blocked proposal becomes a draft: it can be read and mended, and says that it must not be merged."""
        key = git.check_key(proposal.key)
        branches = self._remote.fetch(key)
        record = self._pulls.newest(key)
        if record:
            record = self._refreshed(record, branches)
            if record["state"] == "closed" and record["closed_by"] != OURS:
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
            "body": proposal.body,
            "labels": list(proposal.labels),
            "closed_by": None,
            "draft": proposal.state is ProposalState.BLOCKED,
            "verdicts": [f"{v.decision}: {v.rule}: {v.message} {v.resource}".strip() for v in proposal.verdicts],
            "base": branches.base_name,
            "head": head.decode(),
            "blobs": blobs,
        }
        return self._shown(self._saved(record, git.patch(branches, tree)))

    def say(self, key: str, text: str) -> None:
        record = self._pulls.newest(git.check_key(key))
        if record is None:
            raise Rejected(f"no pull request for {key}")
        if text not in [comment["text"] for comment in record["comments"]]:
            comment = {"at": self._clock.now().isoformat(), "text": text}
            self._saved(record | {"comments": [*record["comments"], comment]})

    def close(self, key: str, why: str) -> None:
        """Close it for a reason of ours, and take our branch away; merged or already closed ones stay as they are."""
        branches = self._remote.fetch(git.check_key(key))
        record = self._pulls.newest(key)
        record = self._refreshed(record, branches) if record else None
        if record and record["state"] == "open":
            self.say(key, why)
            record = self._saved((self._pulls.newest(key) or record) | {"state": "closed", "closed_by": OURS})
        if record and record["closed_by"] == OURS and branches.head and git.is_ours(branches, self._who):
            self._remote.push(branches.repo, key, None, branches.head.id)

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
            merged_at = git.merged_at(branches, record["blobs"], heads).isoformat()
            return self._saved(record | {"state": "merged", "merged_at": merged_at})
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
            merged_at=datetime.fromisoformat(record["merged_at"]) if record.get("merged_at") else None,
        )


class _Pulls:
    """The folder of pull requests, numbered from 1."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, number: int, suffix: str) -> Path:
        return self._folder / f"{number}.{suffix}"

    def newest(self, key: str) -> dict[str, Any] | None:
        return next((record for record in self._records() if record["key"] == key), None)

    def fresh(self, key: str, now: str) -> dict[str, Any]:
        number = next((record["number"] for record in self._records()), 0) + 1
        return {"number": number, "key": key, "state": "open", "closed_by": None, "comments": [], "created_at": now}

    def save(self, record: dict[str, Any], patch: str | None, now: str) -> dict[str, Any]:
        """Write the files of one pull request, the JSON last; nothing at all where nothing changed."""
        path = self.path(record["number"], "json")
        known = self._read(path) if path.exists() else {}
        record = {**record, "updated_at": known.get("updated_at", now)}
        if record == known:
            return record
        record["updated_at"] = now
        self._folder.mkdir(parents=True, exist_ok=True)
        if patch is not None:
            _replace(self.path(record["number"], "patch"), patch)
        _replace(self.path(record["number"], "md"), _markdown(record))
        _replace(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n", fresh=not known)
        return record

    def _records(self) -> Iterator[dict[str, Any]]:
        numbered = [path for path in self._folder.glob("*.json") if path.stem.isdecimal()]
        return (self._read(path) for path in sorted(numbered, key=lambda path: -int(path.stem)))

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            missing = sorted(_NEEDED - record.keys())
            if missing:
                raise ValueError(f"{', '.join(missing)} missing")
            if record["state"] not in ("open", "merged", "closed"):
                raise ValueError(f"state is {record['state']!r}, not open, merged or closed")
            return {"closed_by": None, "comments": [], **record}
        except (ValueError, AttributeError, TypeError) as error:
            raise Malformed([Problem(file=str(path), message=f"not a pull request: {error}")]) from None


def _replace(path: Path, text: str, *, fresh: bool = False) -> None:
    """Put a whole file in place at once. Raises Rejected when a fresh one is there already: somebody else's."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8", newline="")
    if not fresh:
        part.replace(path)
        return
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise Rejected(f"{path} was written by another run") from None
    finally:
        part.unlink()


def _markdown(record: dict[str, Any]) -> str:
    draft = " (draft)" if record["draft"] else ""
    head = f"# {record['title']}\n\n`{record['key']}` into `{record['base']}`: {record['state']}{draft}\n"
    comments = "".join(f"\n---\n\n{comment['at']}\n\n{comment['text']}\n" for comment in record["comments"])
    return f"{head}\n{record['body']}\n{comments}"
