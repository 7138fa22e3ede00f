"""The demo company's platform repository: manifests in a bare Git repository with a short past."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from finops_ai.demo.billing import at

BRANCH = "main"
MAYA = b"Maya Okafor <maya@pelican.example>"
_PAST: tuple[tuple[str, tuple[str, ...], int], ...] = (
    (
        "Platform: search, data and risk as they run today",
        ("README.md", "clusters/", "apps/data-platform/", "apps/risk/", "apps/search/search-api.yaml"),
        170,
    ),
    ("ml-serve, ml-train: move the model workloads in", ("apps/ml-serve/", "apps/ml-train/"), 60),
    ("search: query rewriter, one replica for now", ("apps/search/query-rewriter.yaml",), 2),
)
"""Message, prefixes of the paths that it brings, and days before `as_of`."""


def write_repository(path: Path, as_of: date) -> None:
    """Make the bare repository at `path`, the same commits for the same day; one that exists is left alone.

    It may by then hold branches and pull requests that the product pushed.
    """
    if path.exists():
        return
    from dulwich.index import commit_tree
    from dulwich.objects import Blob, Commit, ObjectID
    from dulwich.refs import Ref
    from dulwich.repo import Repo

    unfinished = path.with_name(f"{path.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    manifests = dict(_texts(files(__package__) / "repository"))
    with Repo.init_bare(str(unfinished), mkdir=True, default_branch=BRANCH.encode()) as repository:
        tree: list[tuple[bytes, ObjectID, int]] = []
        parents: list[ObjectID] = []
        for message, prefixes, days_ago in _PAST:
            for name in sorted(name for name in manifests if name.startswith(prefixes)):
                blob = Blob.from_string(manifests[name])
                repository.object_store.add_object(blob)
                tree.append((name.encode(), blob.id, 0o100644))
            commit = Commit()
            commit.tree = commit_tree(repository.object_store, tree)
            commit.parents = parents
            commit.author = commit.committer = MAYA
            commit.author_time = commit.commit_time = int(at(as_of, 9 - 24 * days_ago).timestamp())
            commit.author_timezone = commit.commit_timezone = 0
            commit.message = message.encode() + b"\n"
            repository.object_store.add_object(commit)
            parents = [commit.id]
        repository.refs[Ref(f"refs/heads/{BRANCH}".encode())] = parents[0]
    unfinished.rename(path)


def _texts(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _texts(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_bytes()
