"""The demo's reviewer: merges one pull request by hand, with a merge commit as `git merge --no-ff` makes it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from finops_ai.demo.billing import at
from finops_ai.demo.gitops import BRANCH, MAYA
from finops_ai.domain.errors import UsageError


def merge(repository: Path, key: str, on: date) -> bool:
    """Merge the branch `key` into the base at ten in the morning of `on`; False where that was done already.

    Raises UsageError where the branch does not lie on the base: then there would be something to decide.
    """
    from dulwich.objects import Commit
    from dulwich.refs import Ref
    from dulwich.repo import Repo

    base_ref, head_ref = (Ref(f"refs/heads/{name}".encode()) for name in (BRANCH, key))
    with Repo(str(repository)) as repo:
        base, head = repo.refs[base_ref], repo.refs.as_dict().get(head_ref)
        if head is None or _reaches(repo, base, head):
            return False
        if repo[head].parents != [base]:  # type: ignore[attr-defined]
            raise UsageError(f"{key} is not one commit on {BRANCH}: merge it with git")
        made = Commit()
        made.tree, made.parents = repo[head].tree, [base, head]  # type: ignore[attr-defined]
        made.author = made.committer = MAYA
        made.author_time = made.commit_time = int(at(on, 10).timestamp())
        made.author_timezone = made.commit_timezone = 0
        made.message = f"Merge branch '{key}'\n".encode()
        repo.object_store.add_object(made)
        repo.refs[base_ref] = made.id
    return True


def _reaches(repo: Any, base: Any, head: Any) -> bool:
    return any(entry.commit.id == head for entry in repo.get_walker([base]))
