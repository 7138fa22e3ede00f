"""Git itself, through dulwich: read a branch, make one commit on it, push it with the head it expects to replace."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.domain.proposal import FileEdit
from finops_ai.forges.names import check_path, glob

if TYPE_CHECKING:
    from dulwich.client import GitClient
    from dulwich.objects import Commit, ObjectID
    from dulwich.repo import MemoryRepo

_HEADS = b"refs/heads/"
KEY_TRAILER = "Finops-Proposal"
_BASE_TRAILER = "Finops-Base"
_TREE_TRAILER = "Finops-Tree"
TIMEOUT_SECONDS = 120.0
"""For one exchange with a server; a large repository takes its time to pack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who our commits are by."""

    name: str
    email: str

    @property
    def line(self) -> bytes:
        return f"{self.name} <{self.email}>".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How a server is told who asks; read anew for every exchange, because tokens are short-lived."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """What one fetch brought: the base branch and, where it exists, the branch of a proposal."""

    repo: MemoryRepo
    base_name: str
    base: Commit
    head: Commit | None


class Remote:
    """A Git repository at a path or URL. Raises Unavailable whenever it does not answer as a repository does."""

    def __init__(
        self, url: str, base: str | None, login: Callable[[], Login] | None = None, redact: Callable[[str], str] = str
    ) -> None:
        self._url = url
        self._redact = redact
        self._base = base
        self._login = login
        self._shown = re.sub(r"//[^/@]*@", "//", url)  # credentials never appear in an error

    def fetch(self, key: str | None = None, *, history: bool = True, since: datetime | None = None) -> Branches:
        """The base branch, and the branch `key`; without `history` the newest commit of each, or those `since`, are all
        there is. A server may not know how to leave out what is older: Unavailable.
        """
        from dulwich.repo import MemoryRepo

        with _answering(self._shown, self._redact):
            client, path = self._client()
            remote = client.get_refs(path.encode())
            name = self._base or _default_branch(remote.symrefs)
            base = remote.refs.get(_head(name))
            if base is None:
                raise Unavailable(f"{self._shown} has no branch {name}")
            head = remote.refs.get(_head(key)) if key else None
            wants = [base] if head is None else [base, head]
            repo = MemoryRepo()
            shallow = {"depth": None if history else 1, "shallow_since": str(int(since.timestamp())) if since else None}
            client.fetch(path.encode(), repo, determine_wants=lambda *_, **__: list(wants), **shallow)  # type: ignore[arg-type]
            return Branches(
                repo=repo, base_name=name, base=_commit(repo, base), head=_commit(repo, head) if head else None
            )

    def fetch_branch(self, name: str) -> Branches:
        """The newest commit of any branch, as the base."""
        return Remote(self._url, name, self._login, self._redact).fetch(history=False)

    def push(self, repo: MemoryRepo, key: str, commit: ObjectID | None, replaces: ObjectID | None) -> None:
        """Set the branch `key` to `commit` (None deletes it), provided it still is at `replaces`.

        Raises Rejected when the branch moved meanwhile or the server refuses.
        """
        from dulwich.protocol import ZERO_SHA

        ref = _head(key)

        def update(remote: dict[Any, Any]) -> dict[Any, Any]:
            if remote.get(ref) != replaces:
                raise Rejected(f"branch {key} moved while it was being written; nothing was pushed")
            return {ref: commit or ZERO_SHA}

        def pack(have: Iterable[Any], want: Iterable[Any], **options: Any) -> Any:
            known = [sha for sha in have if sha in repo.object_store]
            delta = bool(options.get("ofs_delta", True))
            return repo.object_store.generate_pack_data(known, want, shallow=repo.get_shallow(), ofs_delta=delta)

        with _answering(self._shown, self._redact):
            client, path = self._client()
            result = client.send_pack(path.encode(), update, pack)
        refused = (result.ref_status or {}).get(ref)
        if refused:
            raise Rejected(f"push to {key} was refused: {self._redact(str(refused))}")

    def _client(self) -> tuple[GitClient, str]:
        """A fresh client. The login goes into a header, for this origin only: never into an address."""
        from dulwich.client import HttpGitClient, get_transport_and_path

        if self._login is None:
            return get_transport_and_path(self._url)
        origin, path = re.fullmatch(r"(https?://[^/]+)(/.*)", self._url, re.S).groups()  # type: ignore[union-attr]
        login = self._login()
        return HttpGitClient(origin, username=login.user, password=login.password, timeout=TIMEOUT_SECONDS), path


def read(branches: Branches, path: str) -> str | None:
    """Text of a file on the base branch; None where there is no such file, or it is not UTF-8."""
    found = _blob(branches.repo, branches.base.tree, path)
    return None if found is None else _text(found[1])


def files(branches: Branches, pattern: str) -> Iterator[tuple[str, str]]:
    """Path and text of the base branch's UTF-8 files that match a glob (`**` spans folders), sorted by path."""
    from dulwich.object_store import iter_tree_contents

    matches = glob(pattern)
    for item in iter_tree_contents(branches.repo.object_store, branches.base.tree):
        path = (item.path or b"").decode("utf-8", "replace")
        if item.sha and stat.S_ISREG(item.mode or 0) and matches.fullmatch(path):
            text = _text(branches.repo.object_store[item.sha].as_raw_string())
            if text is not None:
                yield path, text


def apply_edits(branches: Branches, edits: Sequence[FileEdit]) -> tuple[ObjectID, dict[str, str]]:
    """Tree of the base with the edits made, and the blob of every path. Raises Rejected when the base disagrees."""
    from dulwich.object_store import commit_tree_changes
    from dulwich.objects import Blob

    changes, blobs = [], {}
    for edit in edits:
        check_path(edit.path)
        found = _blob(branches.repo, branches.base.tree, edit.path)
        if (found[1] if found else b"") != edit.before.encode():
            raise Rejected(
                f"{edit.path} changed on {branches.base_name} since it was read; the edit has to be made anew"
            )
        blob = Blob.from_string(edit.after.encode())
        branches.repo.object_store.add_object(blob)
        changes.append((edit.path.encode(), found[0] if found else 0o100644, blob.id))
        blobs[edit.path] = blob.id.decode()
    return commit_tree_changes(branches.repo.object_store, branches.base.tree, changes), blobs


def commit(branches: Branches, tree: ObjectID, who: Identity, at: datetime, *, key: str, title: str) -> ObjectID:
    """Add a commit on the base to the fetched repository. Its last lines seal base and tree, so `is_ours` can tell."""
    from dulwich.objects import Commit

    made = Commit()
    made.tree, made.parents = tree, [branches.base.id]
    made.author = made.committer = who.line
    made.author_time = made.commit_time = int(at.timestamp())
    made.author_timezone = made.commit_timezone = 0
    made.encoding = b"UTF-8"
    made.message = f"{title}\n\n{KEY_TRAILER}: {key}\n{_seal(branches.base.id, tree)}\n".encode()
    branches.repo.object_store.add_object(made)
    return made.id


def is_ours(branches: Branches, who: Identity) -> bool:
    """True when the proposal's branch is exactly one commit of ours on the base it was made on, as we made it.

    The seal tells it without the base's history, which may be large.
    """
    head = branches.head
    if head is None:
        return False
    if head.author != who.line or head.committer != who.line or len(head.parents) != 1:
        return False
    sealed: bool = head.message.rstrip().endswith(_seal(head.parents[0], head.tree).encode())
    return sealed


def _seal(base: ObjectID, tree: ObjectID) -> str:
    return f"{_BASE_TRAILER}: {base.decode()}\n{_TREE_TRAILER}: {tree.decode()}"


def reaches(branches: Branches, commit_id: ObjectID) -> bool:
    """True when the base's history holds the commit."""
    waiting, seen = [branches.base.id], set()
    while waiting:
        at = waiting.pop()
        if at == commit_id:
            return True
        if at not in seen:
            seen.add(at)
            waiting.extend(_commit(branches.repo, at).parents)
    return False


def holds(branches: Branches, blobs: Mapping[str, str]) -> bool:
    """True when every path on the base has that content already (a squashed merge, or the same done by hand)."""
    found = {path: _blob(branches.repo, branches.base.tree, path) for path in blobs}
    return bool(blobs) and all(entry is not None and entry[2] == blobs[path].encode() for path, entry in found.items())


def merged_at(branches: Branches, blobs: Mapping[str, str], heads: Sequence[ObjectID]) -> datetime:
    """When the base first held that content, or one of the commits: the oldest first parent of it that does."""
    at, found = branches.base, branches.base
    while holds(replace(branches, base=at), blobs) or any(reaches(replace(branches, base=at), head) for head in heads):
        found = at
        if not at.parents:
            break
        at = _commit(branches.repo, at.parents[0])
    return datetime.fromtimestamp(found.commit_time, UTC)


def patch(branches: Branches, tree: ObjectID) -> str:
    """Unified diff from the base to a tree, as `git apply` reads it."""
    from io import BytesIO

    from dulwich.patch import write_tree_diff

    out = BytesIO()
    write_tree_diff(out, branches.repo.object_store, branches.base.tree, tree)
    return out.getvalue().decode("utf-8", "replace")


def _blob(repo: MemoryRepo, tree: ObjectID, path: str) -> tuple[int, bytes, ObjectID] | None:
    from dulwich.errors import NotTreeError
    from dulwich.object_store import tree_lookup_path
    from dulwich.objects import SubmoduleEncountered

    try:
        mode, sha = tree_lookup_path(repo.object_store.__getitem__, tree, path.encode())
    except (KeyError, NotTreeError, SubmoduleEncountered):
        return None
    if not stat.S_ISREG(mode):
        raise Rejected(f"{path} is a link, a folder or a submodule, not a file")
    return mode, repo.object_store[sha].as_raw_string(), sha


def _commit(repo: MemoryRepo, sha: ObjectID) -> Commit:
    from dulwich.objects import Commit

    found = repo.object_store[sha]
    if not isinstance(found, Commit):
        raise Unavailable(f"{sha.decode()} is not a commit")
    return found


def _text(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _head(name: str) -> Any:
    return _HEADS + name.encode()


def _default_branch(symrefs: Mapping[Any, Any]) -> str:
    target: bytes = symrefs.get(b"HEAD", _HEADS + b"main")
    return target.removeprefix(_HEADS).decode()


@contextmanager
def _answering(url: str, redact: Callable[[str], str]) -> Iterator[None]:
    from dulwich.client import HTTPProxyUnauthorized, HTTPUnauthorized
    from dulwich.errors import GitProtocolError, NotGitRepository

    try:
        yield
    except (HTTPUnauthorized, HTTPProxyUnauthorized):
        raise Unavailable(f"{url} does not know who asks: the token is wrong, has expired or lacks rights") from None
    except (GitProtocolError, NotGitRepository, OSError) as error:
        said = redact(str(error)) or type(error).__name__
        raise Unavailable(f"{url} does not answer as a Git repository: {said}") from None
