"""GitHub and GitHub Enterprise Server: pull requests by REST, their draft state by GraphQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.forges.base import Comment, Consent, Forge, PullRequest
from finops_ai.forges.client import Client, instant, known_instant
from finops_ai.forges.git import Identity, Login
from finops_ai.forges.github_app import App, bearer, identity
from finops_ai.forges.host import Issue, Traits, by_label
from finops_ai.forges.hosted import HostedForge, Limits
from finops_ai.forges.places import Https, OwnerAndName
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

REMEDY = "the token or App needs, on this repository: contents, pull requests and issues, read and write"
READY = "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { clientMutationId } }"
DRAFT = "mutation($id: ID!) { convertPullRequestToDraft(input: {pullRequestId: $id}) { clientMutationId } }"
TRAITS = Traits(
    owner_files=(".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    owner_syntax="last",
    largest_body=65_000,
)


class Settings(BaseModel):
    """`repository` is OWNER/NAME; `base` its default branch unless given. Either `token` or `app`.

    On GitHub Enterprise Server `url` is https://HOST and `api` https://HOST/api/v3. The limits are courtesy to the
    people who review: how many pull requests may be open, and may be opened within an hour.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["github"] = "github"
    name: str
    repository: OwnerAndName
    base: str | None = None
    url: Https = "https://github.com"
    api: Https = "https://api.github.com"
    token: SecretRef | None = None
    app: App | None = None
    author_name: str = "finops-ai"
    author_email: str = "finops-ai@users.noreply.github.com"
    open_at_once: Annotated[int, Field(ge=1)] | None = 10
    per_hour: Annotated[int, Field(ge=1)] | None = 2
    write_pause_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if (self.token is None) == (self.app is None):
            raise ValueError("name either token or app: who opens the pull requests")
        return self


def make(settings: Settings, world: World) -> Forge:
    return HostedForge(
        settings.name,
        GitHub(settings, world),
        world,
        settings.base,
        Identity(name=settings.author_name, email=settings.author_email),
        Limits(open_at_once=settings.open_at_once, per_hour=settings.per_hour),
    )


class GitHub:
    traits = TRAITS

    def __init__(self, settings: Settings, world: World) -> None:
        api, repository = settings.api, settings.repository
        self._identity = identity(world, api, repository, settings.token, settings.app)
        self.clone_url = f"{settings.url}/{repository}.git"
        self._owner = repository.split("/")[0]
        self._full_name = repository.lower()
        self._repo = f"/repos/{repository}"
        self._client = Client(
            world, api, bearer(self._identity.token), remedy=REMEDY, pause_seconds=settings.write_pause_seconds
        )
        self._graph = Client(
            world,
            re.sub(r"/v3$", "", api),
            bearer(self._identity.token),
            remedy=REMEDY,
            pause_seconds=settings.write_pause_seconds,
        )

    def login(self) -> Login:
        return Login(user="x-access-token", password=self._identity.token())

    @cached_property
    def _me(self) -> str:
        return self._identity.login_name(self._client)

    def me(self) -> str:
        return self._me

    def pulls(self, branch: str) -> Sequence[PullRequest]:
        asked: dict[str, str | int] = {"head": f"{self._owner}:{branch}", "state": "all"}
        found = self._client.pages(f"{self._repo}/pulls", {**asked, "sort": "created", "direction": "desc"})
        return [self._pull(one) for one in found if self._is_own(one) and one["head"]["ref"] == branch]

    def pull(self, number: int) -> PullRequest:
        told = self._client.get(f"{self._repo}/pulls/{number}")
        closed = told["state"] == "closed" and not told["merged_at"]
        by = self._client.get(f"{self._repo}/issues/{number}").get("closed_by") if closed else None
        reviews = self._client.pages(f"{self._repo}/pulls/{number}/reviews") if told["state"] == "open" else ()
        return self._pull(told, closed_by=_login(by), reviewed=[_login(one.get("user")) for one in reviews])

    def changed(self, since: datetime | None) -> Iterator[PullRequest]:
        asked = {"state": "open" if since is None else "all", "sort": "updated", "direction": "desc"}
        for one in self._client.pages(f"{self._repo}/pulls", asked):
            touched = instant(one["updated_at"])
            if since is not None and touched is not None and touched < since:
                return
            if self._is_own(one):
                yield self._pull(one)

    def create(self, branch: str, base: str, title: str, body: str, draft: bool) -> bool:
        wanted = {"head": branch, "base": base, "title": title, "body": body, "draft": draft}
        wanted["maintainer_can_modify"] = True
        try:
            return self._client.send("POST", f"{self._repo}/pulls", wanted) is not None
        except Rejected as error:
            if "already exists" in str(error):
                return False
            if draft and "raft pull requests are not supported" in str(error):
                return self.create(branch, base, title, body, False)
            raise

    def edit(self, pull: PullRequest, title: str, body: str, draft: bool) -> None:
        told = self._client.send("PATCH", f"{self._repo}/pulls/{pull.number}", {"title": title, "body": body})
        if bool(told["draft"]) != draft:
            asked = {"query": DRAFT if draft else READY, "variables": {"id": told["node_id"]}}
            answer = self._graph.send("POST", "/graphql", asked)
            if answer.get("errors") and not draft:
                raise Unavailable(f"#{pull.number} stays a draft: {answer['errors'][0].get('message', '')[:200]}")

    def set_labels(self, pull: PullRequest, labels: Sequence[str]) -> None:
        self._client.send("PUT", f"{self._repo}/issues/{pull.number}/labels", {"labels": list(labels)})

    def close(self, pull: PullRequest) -> None:
        self._client.send("PATCH", f"{self._repo}/pulls/{pull.number}", {"state": "closed"})

    def comments(self, pull: PullRequest) -> Sequence[Comment]:
        found = self._client.pages(f"{self._repo}/issues/{pull.number}/comments")
        return [
            Comment(
                id=str(one["id"]),
                author=_login(one.get("user")),
                text=one.get("body") or "",
                at=known_instant(one["created_at"]),
                ours=_login(one.get("user")) == self.me(),
            )
            for one in found
        ]

    def comment(self, pull: PullRequest, text: str) -> None:
        self._client.send("POST", f"{self._repo}/issues/{pull.number}/comments", {"body": text})

    def seen(self, pull: PullRequest, comment: Comment) -> None:
        self._client.send("POST", f"{self._repo}/issues/comments/{comment.id}/reactions", {"content": "+1"})

    def request_reviews(self, pull: PullRequest, people: Sequence[str], teams: Sequence[str]) -> None:
        """Each by itself where they are refused together: one who is no collaborator fails the whole request."""
        path = f"{self._repo}/pulls/{pull.number}/requested_reviewers"
        slugs = [team.split("/")[1] for team in teams if team.split("/")[0].lower() == self._owner.lower()]
        asked = {"reviewers": list(people), "team_reviewers": slugs}
        if self._client.call("POST", path, body=asked, accept=(422, 403)).status in (422, 403) and len(people) > 1:
            for person in people:
                self._client.call("POST", path, body={"reviewers": [person]}, accept=(422, 403))

    def may_write(self, person: str) -> bool:
        told = self._client.find(f"{self._repo}/collaborators/{quote(person, safe='')}/permission")
        return told is not None and told.get("permission") in ("admin", "write")

    def consents(self, pull: PullRequest, label: str) -> Sequence[Consent]:
        reviews = [
            Consent(
                by=_login(one.get("user")),
                at=known_instant(one["submitted_at"]),
                how="review",
                commit=one.get("commit_id") or "?",
                url=one["html_url"],
            )
            for one in self._client.pages(f"{self._repo}/pulls/{pull.number}/reviews")
            if one["state"] == "APPROVED"
        ]
        if label not in pull.labels:
            return reviews
        events = [
            by_label(_login(one.get("actor")), one["created_at"], pull)
            for one in self._client.pages(f"{self._repo}/issues/{pull.number}/events")
            if one["event"] == "labeled" and one.get("label", {}).get("name") == label
        ]
        return reviews + events[-1:]

    def issue(self, title: str, mark: str) -> Issue | None:
        asked = {"creator": self.me(), "state": "all", "sort": "created", "direction": "asc"}
        for one in self._client.pages(f"{self._repo}/issues", asked):
            if "pull_request" not in one and mark in (one.get("body") or ""):
                return Issue(number=one["number"], body=one["body"], is_open=one["state"] == "open")
        return None

    def create_issue(self, title: str, body: str) -> None:
        self._client.send("POST", f"{self._repo}/issues", {"title": title, "body": body})

    def edit_issue(self, number: int, body: str) -> None:
        self._client.send("PATCH", f"{self._repo}/issues/{number}", {"body": body})

    def _is_own(self, told: dict[str, Any]) -> bool:
        """True for a branch of this repository: a fork may have one of the same name."""
        return str(((told["head"].get("repo") or {}).get("full_name")) or "").lower() == self._full_name

    def _pull(self, told: dict[str, Any], *, closed_by: str = "", reviewed: Sequence[str] = ()) -> PullRequest:
        merged = bool(told["merged_at"])
        asked = [_login(one) for one in told.get("requested_reviewers") or ()]
        teams = [f"{self._owner}/{one['slug']}" for one in told.get("requested_teams") or ()]
        return PullRequest(
            key=told["head"]["ref"],
            number=told["number"],
            state="merged" if merged else told["state"],
            title=told["title"],
            body=told["body"] or "",
            head=told["head"]["sha"],
            url=told["html_url"],
            draft=bool(told.get("draft")),
            labels=tuple(one["name"] for one in told["labels"]),
            reviewers=tuple(dict.fromkeys([*asked, *teams, *reviewed])),
            author=_login(told.get("user")),
            created_at=instant(told["created_at"]),
            updated_at=instant(told["updated_at"]),
            closed_at=instant(told["closed_at"]),
            closed_by=closed_by,
            merged_at=instant(told["merged_at"]),
            merged_by=_login(told.get("merged_by")),
            merge_commit=told.get("merge_commit_sha") if merged else None,
        )


def _login(user: Any) -> str:
    """The account; empty for one that was deleted."""
    return str((user or {}).get("login") or "")
