"""GitLab: merge requests, on gitlab.com or a server of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.forges.base import Comment, Consent, Forge, PullRequest
from finops_ai.forges.client import Client, instant, known_instant
from finops_ai.forges.git import Identity, Login
from finops_ai.forges.host import Issue, Traits, by_label
from finops_ai.forges.hosted import HostedForge, Limits
from finops_ai.forges.pages import inert
from finops_ai.forges.places import GroupAndProject, Https
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

REMEDY = "the token needs the scope api and, in this project, the role Developer or higher"
DRAFT = "Draft: "
DEVELOPER = 30
"""Access level from which on members may push."""

STATES = {"opened": "open", "locked": "open", "closed": "closed", "merged": "merged"}
TRAITS = Traits(
    owner_files=("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
    owner_syntax="sections",
    largest_body=1_000_000,
    largest_title=255 - len(DRAFT),
)


class Settings(BaseModel):
    """`repository` is GROUP/PROJECT, subgroups included; `base` its default branch unless given.

    `token` is a personal, group or project access token. The limits are courtesy to the people who review: how many
    merge requests may be open, and may be opened within an hour.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gitlab"] = "gitlab"
    name: str
    repository: GroupAndProject
    token: SecretRef
    base: str | None = None
    url: Https = "https://gitlab.com"
    author_name: str = "finops-ai"
    author_email: str = "finops-ai@noreply.gitlab.com"
    open_at_once: Annotated[int, Field(ge=1)] | None = 10
    per_hour: Annotated[int, Field(ge=1)] | None = 2
    write_pause_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0


def make(settings: Settings, world: World) -> Forge:
    return HostedForge(
        settings.name,
        GitLab(settings, world),
        world,
        settings.base,
        Identity(name=settings.author_name, email=settings.author_email),
        Limits(open_at_once=settings.open_at_once, per_hour=settings.per_hour),
    )


class GitLab:
    traits = TRAITS

    def __init__(self, settings: Settings, world: World) -> None:
        self.clone_url = f"{settings.url}/{settings.repository}.git"
        self._secrets, self._token = world.secrets, settings.token
        self._project = f"/projects/{quote(settings.repository, safe='')}"
        self._requests = f"{self._project}/merge_requests"
        self._client = Client(
            world,
            f"{settings.url}/api/v4",
            lambda: {"PRIVATE-TOKEN": self._secret()},
            remedy=REMEDY,
            pause_seconds=settings.write_pause_seconds,
        )

    def login(self) -> Login:
        return Login(user="oauth2", password=self._secret())

    def _secret(self) -> str:
        return self._secrets.get(self._token).get_secret_value()

    @cached_property
    def _me(self) -> str:
        return str(self._client.get("/user")["username"])

    def me(self) -> str:
        return self._me

    def pulls(self, branch: str) -> Sequence[PullRequest]:
        asked = {"source_branch": branch, "state": "all", "order_by": "created_at", "sort": "desc"}
        found = self._client.pages(self._requests, asked)
        return [_pull(one) for one in found if _is_own(one) and one["source_branch"] == branch]

    def pull(self, number: int) -> PullRequest:
        told = self._client.get(f"{self._requests}/{number}")
        given = self._approvals(number) if told["state"] == "opened" else []
        return _pull(told, reviewed=[_login(one.get("user")) for one in given])

    def changed(self, since: datetime | None) -> Iterator[PullRequest]:
        asked = {"state": "opened" if since is None else "all", "order_by": "updated_at", "sort": "desc"}
        if since is not None:
            asked["updated_after"] = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
        yield from (_pull(one) for one in self._client.pages(self._requests, asked) if _is_own(one))

    def create(self, branch: str, base: str, title: str, body: str, draft: bool) -> bool:
        wanted = {"source_branch": branch, "target_branch": base, **_words(title, body, draft)}
        return self._client.send("POST", self._requests, {**wanted, "remove_source_branch": True}, (409,)) is not None

    def edit(self, pull: PullRequest, title: str, body: str, draft: bool) -> None:
        self._client.send("PUT", f"{self._requests}/{pull.number}", _words(title, body, draft))

    def set_labels(self, pull: PullRequest, labels: Sequence[str]) -> None:
        self._client.send("PUT", f"{self._requests}/{pull.number}", {"labels": ",".join(labels)})

    def close(self, pull: PullRequest) -> None:
        self._client.send("PUT", f"{self._requests}/{pull.number}", {"state_event": "close"})

    def comments(self, pull: PullRequest) -> Sequence[Comment]:
        asked = {"sort": "asc", "order_by": "created_at"}
        return [
            Comment(
                id=str(one["id"]),
                author=_login(one.get("author")),
                text=one.get("body") or "",
                at=known_instant(one["created_at"]),
                ours=_login(one.get("author")) == self.me(),
            )
            for one in self._client.pages(f"{self._requests}/{pull.number}/notes", asked)
            if not one.get("system")
        ]

    def comment(self, pull: PullRequest, text: str) -> None:
        self._client.send("POST", f"{self._requests}/{pull.number}/notes", {"body": inert(text)})

    def seen(self, pull: PullRequest, comment: Comment) -> None:
        path = f"{self._requests}/{pull.number}/notes/{comment.id}/award_emoji"
        # 404 is the answer when it stands there already.
        self._client.send("POST", path, {"name": "thumbsup"}, (404,))

    def request_reviews(self, pull: PullRequest, people: Sequence[str], teams: Sequence[str]) -> None:
        """Groups cannot be asked by this API; they are named in the description."""
        numbers = [self._number(one) for one in (*pull.reviewers, *people)]
        known = [number for number in numbers if number is not None]
        if people and known:
            self._client.send("PUT", f"{self._requests}/{pull.number}", {"reviewer_ids": known}, (400, 403, 422))

    def may_write(self, person: str) -> bool:
        number = self._number(person)
        member = None if number is None else self._client.find(f"{self._project}/members/all/{number}")
        return member is not None and member.get("state") == "active" and int(member["access_level"]) >= DEVELOPER

    def consents(self, pull: PullRequest, label: str) -> Sequence[Consent]:
        given = [
            Consent(
                by=_login(one.get("user")),
                at=known_instant(one["approved_at"]),
                how="review",
                commit="",
                url=pull.url,
            )
            for one in self._approvals(pull.number)
            if one.get("approved_at")
        ]
        if label not in pull.labels:
            return given
        events = [
            by_label(_login(one.get("user")), one["created_at"], pull)
            for one in self._client.pages(f"{self._requests}/{pull.number}/resource_label_events")
            if one["action"] == "add" and (one.get("label") or {}).get("name") == label
        ]
        return given + events[-1:]

    def issue(self, title: str, mark: str) -> Issue | None:
        asked = {"scope": "all", "author_username": self.me(), "state": "all", "sort": "asc"}
        for one in self._client.pages(f"{self._project}/issues", asked):
            if mark in (one.get("description") or ""):
                return Issue(number=one["iid"], body=one["description"], is_open=one["state"] == "opened")
        return None

    def create_issue(self, title: str, body: str) -> None:
        self._client.send("POST", f"{self._project}/issues", {"title": title, "description": inert(body)})

    def edit_issue(self, number: int, body: str) -> None:
        self._client.send("PUT", f"{self._project}/issues/{number}", {"description": inert(body)})

    def _approvals(self, number: int) -> list[dict[str, Any]]:
        told = self._client.find(f"{self._requests}/{number}/approvals")
        return list((told or {}).get("approved_by") or ())

    def _number(self, person: str) -> int | None:
        """Id of the account of that name, which must be a member's to matter."""
        found = self._client.get("/users", {"username": person})
        return next((int(one["id"]) for one in found if one["username"].lower() == person.lower()), None)


def _words(title: str, body: str, draft: bool) -> dict[str, Any]:
    return {"title": f"{DRAFT if draft else ''}{title}", "description": inert(body)}


def _is_own(told: dict[str, Any]) -> bool:
    """True for a branch of this project: a fork may have one of the same name."""
    return bool(told["source_project_id"] == told["target_project_id"])


def _login(user: Any) -> str:
    return str((user or {}).get("username") or "")


def _pull(told: dict[str, Any], *, reviewed: Sequence[str] = ()) -> PullRequest:
    state = STATES.get(told["state"], "open")
    asked = [_login(one) for one in told.get("reviewers") or ()]
    commit = told.get("merge_commit_sha") or told.get("squash_commit_sha") or told.get("sha")
    return PullRequest(
        key=told["source_branch"],
        number=told["iid"],
        state=state,
        title=re.sub(rf"^(?:{DRAFT})+", "", told["title"]),
        body=told.get("description") or "",
        head=told.get("sha") or "",
        url=told["web_url"],
        draft=bool(told.get("draft")),
        labels=tuple(told["labels"]),
        reviewers=tuple(dict.fromkeys([*asked, *reviewed])),
        author=_login(told.get("author")),
        created_at=instant(told["created_at"]),
        updated_at=instant(told["updated_at"]),
        closed_at=instant(told.get("closed_at")),
        closed_by=_login(told.get("closed_by")) if state == "closed" else "",
        merged_at=instant(told.get("merged_at")),
        merged_by=_login(told.get("merge_user") or told.get("merged_by")),
        merge_commit=commit if state == "merged" else None,
    )
