"""Webhooks of Git hosts: whether a request is theirs, and which branch's pull request it tells of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finops_ai.domain.errors import Rejected, UsageError
from finops_ai.domain.signature import same, signed

Headers = Mapping[str, str]
"""With lower-case names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something happened to a pull request. `branch` is its head; None where the event does not tell it."""

    repository: str
    event: str
    branch: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """`verify` raises Rejected; `read` gives None for events that tell of no pull request, and raises UsageError."""

    verify: Callable[[Sequence[str], Headers, bytes], None]
    read: Callable[[Headers, bytes], Notice | None]


def _github_signed(secrets: Sequence[str], headers: Headers, body: bytes) -> None:
    given = headers.get("x-hub-signature-256", "")
    if not given.startswith("sha256=") or not signed(secrets, body, given.removeprefix("sha256=")):
        raise Rejected("X-Hub-Signature-256 is missing or not right")


def _gitea_signed(secrets: Sequence[str], headers: Headers, body: bytes) -> None:
    given = headers.get("x-gitea-signature") or headers.get("x-forgejo-signature", "")
    if not signed(secrets, body, given):
        raise Rejected("X-Gitea-Signature is missing or not right")


def _gitlab_signed(secrets: Sequence[str], headers: Headers, body: bytes) -> None:
    # The secret itself: this host does not sign the body.
    if not same(secrets, headers.get("x-gitlab-token", "")):
        raise Rejected("X-Gitlab-Token is missing or not right")


def _github_read(headers: Headers, body: bytes) -> Notice | None:
    event = headers.get("x-github-event", "")
    return _pull_notice(event, _json(body))


def _gitea_read(headers: Headers, body: bytes) -> Notice | None:
    event = headers.get("x-gitea-event") or headers.get("x-forgejo-event", "")
    return _pull_notice(event, _json(body))


def _pull_notice(event: str, told: Mapping[str, Any]) -> Notice | None:
    repository = str(_at(told, "repository", "full_name") or "")
    branch = _at(told, "pull_request", "head", "ref")
    if event == "issue_comment":
        if not told.get("is_pull") and _at(told, "issue", "pull_request") is None:
            return None
    elif not event.startswith("pull_request"):
        return None
    return Notice(repository=repository, event=event, branch=branch if isinstance(branch, str) else None)


def _gitlab_read(headers: Headers, body: bytes) -> Notice | None:
    told = _json(body)
    kind = told.get("object_kind")
    if kind == "merge_request":
        branch = _at(told, "object_attributes", "source_branch")
    elif kind == "note" and _at(told, "object_attributes", "noteable_type") == "MergeRequest":
        branch = _at(told, "merge_request", "source_branch")
    else:
        return None
    repository = str(_at(told, "project", "path_with_namespace") or "")
    return Notice(repository=repository, event=str(kind), branch=branch if isinstance(branch, str) else None)


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError("the body is not JSON; set the webhook's content type to application/json") from None
    if not isinstance(told, dict):
        raise UsageError("the body is not a JSON object")
    return told


def _at(told: Any, *path: str) -> Any:
    for name in path:
        told = told.get(name) if isinstance(told, dict) else None
    return told


GITHUB = Webhook(verify=_github_signed, read=_github_read)
GITLAB = Webhook(verify=_gitlab_signed, read=_gitlab_read)
GITEA = Webhook(verify=_gitea_signed, read=_gitea_read)
