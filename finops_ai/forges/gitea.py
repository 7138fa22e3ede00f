"""Gitea and Forgejo: pull requests on a server of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.forges.base import Comment, Consent, Forge, PullRequest
from finops_ai.forges.client import Client, instant, known_instant
from finops_ai.forges.git import Identity, Login
from finops_ai.forges.host import Issue, Traits, by_label
from finops_ai.forges.hosted import HostedForge, Limits
from finops_ai.forges.places import Https, OwnerAndName
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

REMEDY = (
    "the token needs the scopes write:repository, write:issue and read:user, and its account the right to administer "
    "this repository: else it cannot ask what others may do"
)
DRAFT = "WIP: "
COLOUR = "#5319e7"
TRAITS = Traits(
    owner_files=("CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS"),
    owner_syntax="all",
    largest_body=1_000_000,
    largest_title=255 - len(DRAFT),
)


class Settings(BaseModel):
    """`repository` is OWNER/NAME; `base` its default branch unless given; `url` the server's own address.

    The limits are courtesy to the people who review: how many pull requests may be open, and may be opened within an
    hour.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gitea"] = "gitea"
    name: str
    repository: OwnerAndName
    url: Https
    token: SecretRef
    base: str | None = None
    author_name: str = "finops-ai"
    author_email: str = "finops-ai@noreply.localhost"
    open_at_once: Annotated[int, Field(ge=1)] | None = 10
    per_hour: Annotated[int, Field(ge=1)] | None = 2
    write_pause_seconds: Annotated[float, Field(ge=0, le=60)] = 0.0


def make(settings: Settings, world: World) -> Forge:
    return HostedForge(
        settings.name,
        Gitea(settings, world),
        world,
        settings.base,
        Identity(name=settings.author_name, email=settings.author_email),
        Limits(open_at_once=settings.open_at_once, per_hour=settings.per_hour),
    )


class Gitea:
    traits = TRAITS

    def __init__(self, settings: Settings, world: World) -> None:
        self.clone_url = f"{settings.url}/{settings.repository}.git"
        self._secrets, self._token = world.secrets, settings.token
        self._repo = f"/repos/{settings.repository}"
        self._owner = settings.repository.split("/")[0]
        self._client = Client(
            world,
            f"{settings.url}/api/v1",
            lambda: {"Authorization": f"token {self._secret()}"},
            remedy=REMEDY,
            page_size=("limit", 50),
            pause_seconds=settings.write_pause_seconds,
        )

    def login(self) -> Login:
        return Login(user="finops-ai", password=self._secret())

    def _secret(self) -> str:
        return self._secrets.get(self._token).get_secret_value()

    @cached_property
    def _me(self) -> str:
        return str(self._client.get("/user")["login"])

    def me(self) -> str:
        return self._me

    def pulls(self, branch: str) -> Sequence[PullRequest]:
        """The open ones of anybody (a person may have opened it from our branch), the ended ones of ours."""
        opened = self._client.pages(f"{self._repo}/pulls", {"state": "open", "sort": "recentupdate"})
        ended = self._client.pages(
            f"{self._repo}/pulls", {"state": "closed", "sort": "recentupdate", "poster": self.me()}
        )
        found = [_pull(one) for told in (opened, ended) for one in told if _is_own(one)]
        return sorted((one for one in found if one.key == branch), key=lambda one: -one.number)

    def pull(self, number: int) -> PullRequest:
        told = self._client.get(f"{self._repo}/pulls/{number}")
        if told["state"] == "closed" and not told["merged"]:
            events = self._client.pages(f"{self._repo}/issues/{number}/timeline")
            ends = [_login(one.get("user")) for one in events if one["type"] == "close"]
            return _pull(told, closed_by=ends[-1] if ends else "")
        reviews = self._client.pages(f"{self._repo}/pulls/{number}/reviews")
        return _pull(told, reviewed=[_login(one.get("user")) for one in reviews])

    def changed(self, since: datetime | None) -> Iterator[PullRequest]:
        asked = {"state": "open" if since is None else "all", "sort": "recentupdate"}
        for one in self._client.pages(f"{self._repo}/pulls", asked):
            touched = instant(one["updated_at"])
            if since is not None and touched is not None and touched < since:
                return
            if _is_own(one):
                yield _pull(one)

    def create(self, branch: str, base: str, title: str, body: str, draft: bool) -> bool:
        wanted = {"head": branch, "base": base, **_words(title, body, draft)}
        return self._client.send("POST", f"{self._repo}/pulls", wanted, (409,)) is not None

    def edit(self, pull: PullRequest, title: str, body: str, draft: bool) -> None:
        self._client.send("PATCH", f"{self._repo}/pulls/{pull.number}", _words(title, body, draft))

    def set_labels(self, pull: PullRequest, labels: Sequence[str]) -> None:
        """By number, as every version takes them; a label that the repository does not know is made."""
        known = {one["name"]: int(one["id"]) for one in self._client.pages(f"{self._repo}/labels")}
        for label in labels:
            if label not in known:
                made = self._client.send("POST", f"{self._repo}/labels", {"name": label, "color": COLOUR})
                known[label] = int(made["id"])
        numbers = [known[label] for label in labels]
        self._client.send("PUT", f"{self._repo}/issues/{pull.number}/labels", {"labels": numbers})

    def close(self, pull: PullRequest) -> None:
        self._client.send("PATCH", f"{self._repo}/pulls/{pull.number}", {"state": "closed"})

    def comments(self, pull: PullRequest) -> Sequence[Comment]:
        return [
            Comment(
                id=str(one["id"]),
                author=_login(one.get("user")),
                text=one.get("body") or "",
                at=known_instant(one["created_at"]),
                ours=_login(one.get("user")) == self.me(),
            )
            # All of them at once: this list has no pages.
            for one in self._client.get(f"{self._repo}/issues/{pull.number}/comments")
        ]

    def comment(self, pull: PullRequest, text: str) -> None:
        self._client.send("POST", f"{self._repo}/issues/{pull.number}/comments", {"body": text})

    def seen(self, pull: PullRequest, comment: Comment) -> None:
        path = f"{self._repo}/issues/comments/{comment.id}/reactions"
        self._client.send("POST", path, {"content": "+1"}, (403,))

    def request_reviews(self, pull: PullRequest, people: Sequence[str], teams: Sequence[str]) -> None:
        """Each by itself: one who may not review fails the whole request."""
        path = f"{self._repo}/pulls/{pull.number}/requested_reviewers"
        for owner, _, team in (one.partition("/") for one in teams):
            if owner.lower() == self._owner.lower():
                self._client.send("POST", path, {"team_reviewers": [team]}, (403, 404, 422))
        for person in people:
            self._client.send("POST", path, {"reviewers": [person]}, (403, 404, 422))

    def may_write(self, person: str) -> bool:
        told = self._client.find(f"{self._repo}/collaborators/{quote(person, safe='')}/permission")
        return told is not None and told.get("permission") in ("owner", "admin", "write")

    def consents(self, pull: PullRequest, label: str) -> Sequence[Consent]:
        reviews = [
            Consent(
                by=_login(one.get("user")),
                at=known_instant(one["submitted_at"]),
                how="review",
                commit=one["commit_id"] or "?",
                url=one["html_url"],
            )
            for one in self._client.pages(f"{self._repo}/pulls/{pull.number}/reviews")
            if one["state"] == "APPROVED" and not one.get("dismissed")
        ]
        if label not in pull.labels:
            return reviews
        events = [
            by_label(_login(one.get("user")), one["created_at"], pull)
            for one in self._client.pages(f"{self._repo}/issues/{pull.number}/timeline")
            # The body of the event is "1" where the label was added.
            if one["type"] == "label" and one.get("body") == "1" and (one.get("label") or {}).get("name") == label
        ]
        return reviews + events[-1:]

    def issue(self, title: str, mark: str) -> Issue | None:
        asked = {"type": "issues", "state": "all", "created_by": self.me()}
        found = [one for one in self._client.pages(f"{self._repo}/issues", asked) if mark in (one.get("body") or "")]
        one = min(found, key=lambda one: int(one["number"]), default=None)
        return None if one is None else Issue(number=one["number"], body=one["body"], is_open=one["state"] == "open")

    def create_issue(self, title: str, body: str) -> None:
        self._client.send("POST", f"{self._repo}/issues", {"title": title, "body": body})

    def edit_issue(self, number: int, body: str) -> None:
        self._client.send("PATCH", f"{self._repo}/issues/{number}", {"body": body})


def _words(title: str, body: str, draft: bool) -> dict[str, Any]:
    return {"title": f"{DRAFT if draft else ''}{title}", "body": body}


def _is_own(told: dict[str, Any]) -> bool:
    """True for a branch of this repository: a fork may have one of the same name."""
    return bool(told["head"]["repo_id"] == told["base"]["repo_id"])


def _login(user: Any) -> str:
    return str((user or {}).get("login") or "")


def _pull(told: dict[str, Any], *, closed_by: str = "", reviewed: Sequence[str] = ()) -> PullRequest:
    merged = bool(told["merged"])
    asked = [_login(one) for one in told.get("requested_reviewers") or ()]
    return PullRequest(
        # `ref` is refs/pull/N/head once the branch is gone; the label stays the branch's name.
        key=told["head"]["label"],
        number=told["number"],
        state="merged" if merged else told["state"],
        title=re.sub(rf"^(?:{DRAFT})+", "", told["title"]),
        body=told["body"] or "",
        head=told["head"]["sha"],
        url=told["html_url"],
        draft=bool(told.get("draft")),
        labels=tuple(one["name"] for one in told.get("labels") or ()),
        reviewers=tuple(dict.fromkeys([*asked, *reviewed])),
        author=_login(told.get("user")),
        created_at=instant(told["created_at"]),
        updated_at=instant(told["updated_at"]),
        closed_at=instant(told["closed_at"]),
        closed_by=closed_by,
        merged_at=instant(told["merged_at"]),
        merged_by=_login(told.get("merged_by")),
        merge_commit=told.get("merge_commit_sha") if merged else None,
    )
