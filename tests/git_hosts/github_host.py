"""A loopback GitHub: the described operations over the shared state, and the two GraphQL mutations of drafts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt

from tests.git_hosts.description import Description
from tests.git_hosts.server import Refused, paged
from tests.git_hosts.state import ME, Issue, Note, Pull, State, now, stamp

APP = {"id": 77, "slug": "finops", "installation": 4242}


_LINKS = ("url", "html_url", "diff_url", "patch_url")


class GitHubHost:
    name = "github"
    prefix = ""

    def __init__(self, state: State, public_key: str = "") -> None:
        self.state = state
        self.description = Description("github")
        self.public_key = public_key
        self.is_app = bool(public_key)
        self.me = f"{APP['slug']}[bot]" if self.is_app else ME
        self.no_drafts = False
        state.people[self.me] = "write"

    def who(self, headers: Mapping[str, str]) -> str:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if headers.get("accept") != "application/vnd.github+json" or "x-github-api-version" not in headers:
            raise Refused(415, {"message": "Must accept 'application/json'"})
        if kind == "Bearer" and token == self.state.repository.token:
            return self.me
        if kind == "Bearer" and self.is_app and token.count(".") == 2:
            try:
                claims = jwt.decode(
                    token, self.public_key, algorithms=["RS256"], options={"require": ["iat", "exp", "iss"]}
                )
            except jwt.PyJWTError as error:
                raise Refused(401, {"message": f"A JSON web token could not be decoded: {error}"}) from None
            if claims["exp"] - claims["iat"] > 600 or claims["iss"] != str(APP["id"]):
                raise Refused(401, {"message": "'Expiration time' claim ('exp') is too far in the future"})
            return "app"
        raise Refused(401, {"message": "Bad credentials"})

    def beside(self, method: str, path: str, body: Any, who: str) -> tuple[int, Any] | None:
        if (method, path) != ("POST", "/graphql"):
            return None
        found = re.search(
            r"(markPullRequestReadyForReview|convertPullRequestToDraft)\(input: \{pullRequestId: \$id\}\)",
            body["query"],
        )
        pull = self.state.by_number(str(body["variables"]["id"]).removeprefix("PR_"))
        if not found or pull is None:
            return 200, {"errors": [{"message": "no such mutation"}]}
        pull.draft = found[1].startswith("convert")
        self.state.touch(pull)
        return 200, {"data": {found[1]: {"clientMutationId": None}}}

    def answer(self, operation: str, parts: Mapping[str, str], query: Mapping[str, str], body: Any, who: str) -> Any:
        method, place = operation.split(" ", 1)
        if place.startswith("/app") or place.endswith("/installation"):
            return self._app(place, who, body)
        if who == "app":
            raise Refused(401, {"message": "A JSON web token cannot be used here"})
        if place == "/user":
            if self.is_app:
                raise Refused(403, {"message": "Resource not accessible by integration"})
            return 200, {**_user(ME), "node_id": "x"}, {}
        if f"{parts['owner']}/{parts['repo']}" != self.state.repository.name:
            raise Refused(404, {"message": "Not Found"})
        handler = getattr(
            self, "_" + re.sub(r"\W+", "_", f"{method.lower()} {place.split('/{repo}/', 1)[1]}").strip("_")
        )
        return handler(parts, query, body or {})

    def _app(self, place: str, who: str, body: Any) -> Any:
        if who != "app":
            raise Refused(401, {"message": "A JSON web token is needed"})
        if place.endswith("/installation"):
            return 200, {"id": APP["installation"], "account": _user("acme"), "permissions": {}}, {}
        if place == "/app":
            return 200, {"id": APP["id"], "slug": APP["slug"], "owner": _user("acme"), "permissions": {}}, {}
        if body["permissions"] != {
            "contents": "write",
            "pull_requests": "write",
            "issues": "write",
            "metadata": "read",
        }:
            raise Refused(422, {"message": "The permissions requested are not granted to this installation."})
        return 201, {"token": self.state.repository.token, "expires_at": stamp(now() + timedelta(hours=1))}, {}

    def _pull_or_404(self, number: str) -> Pull:
        pull = self.state.by_number(number)
        if pull is None:
            raise Refused(404, {"message": "Not Found"})
        return pull

    def _get_pulls(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        found = [
            one
            for one in self.state.pulls
            if query.get("state", "open") in ("all", "open" if one.state == "open" else "closed")
        ]
        if "head" in query:
            owner, branch = query["head"].split(":", 1)
            found = [one for one in found if one.branch == branch and owner == self.state.repository.name.split("/")[0]]
        field = "updated_at" if query.get("sort") == "updated" else "at"
        found.sort(key=lambda one: (getattr(one, field), one.number), reverse=query.get("direction", "desc") == "desc")
        page, headers = paged(found, query, "per_page")
        return 200, [self._shown(one) for one in page], headers

    def _post_pulls(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        branch = body["head"]
        heads = self.state.repository.heads()
        if branch not in heads or body["base"] not in heads:
            field = "head" if branch not in heads else "base"
            raise _invalid([{"resource": "PullRequest", "field": field, "code": "invalid"}])
        if self.state.open_of(branch):
            owner = self.state.repository.name.split("/")[0]
            message = f"A pull request already exists for {owner}:{branch}."
            raise _invalid([{"resource": "PullRequest", "code": "custom", "message": message}])
        if heads[branch] == heads[body["base"]]:
            raise _invalid(
                [
                    {
                        "resource": "PullRequest",
                        "code": "custom",
                        "message": f"No commits between {body['base']} and {branch}",
                    }
                ]
            )
        if body.get("draft") and self.no_drafts:
            raise Refused(422, {"message": "Draft pull requests are not supported in this repository."})
        _check_words(body)
        made = self.state.create(
            self.me, branch, body["base"], body["title"], body.get("body", ""), draft=bool(body.get("draft"))
        )
        return 201, self._shown(made), {}

    def _get_pulls_pull_number(self, parts: Any, query: Any, body: Any) -> Any:
        return 200, self._shown(self._pull_or_404(parts["pull_number"]), whole=True), {}

    def _patch_pulls_pull_number(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        pull = self._pull_or_404(parts["pull_number"])
        _check_words({"title": pull.title, **body})
        pull.title, pull.body = body.get("title", pull.title), body.get("body", pull.body)
        if body.get("state") == "closed":
            self.state.close(pull, self.me)
        self.state.touch(pull)
        return 200, self._shown(pull, whole=True), {}

    def _get_pulls_pull_number_reviews(self, parts: Any, query: Any, body: Any) -> Any:
        pull = self._pull_or_404(parts["pull_number"])
        told = [_review(*one) for one in pull.reviews]
        page, headers = paged(told, query, "per_page")
        return 200, page, headers

    def _post_pulls_pull_number_requested_reviewers(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        pull = self._pull_or_404(parts["pull_number"])
        people, teams = body.get("reviewers", []), body.get("team_reviewers", [])
        if any(one not in self.state.people for one in people) or (teams and teams != ["platform"]):
            raise Refused(422, {"message": "Reviews may only be requested from collaborators."})
        if pull.author in people:
            raise Refused(422, {"message": "Review cannot be requested from pull request author."})
        pull.reviewers += [one for one in people if one not in pull.reviewers]
        pull.teams += [one for one in teams if one not in pull.teams]
        return 201, self._shown(pull), {}

    def _put_issues_issue_number_labels(self, parts: Any, query: Any, body: Any) -> Any:
        pull = self._pull_or_404(parts["issue_number"])
        names = [
            one if isinstance(one, str) else one["name"] for one in (body["labels"] if isinstance(body, dict) else body)
        ]
        self.state.set_labels(pull, self.me, names)
        return 200, [self._label(one) for one in pull.labels], {}

    def _get_issues_issue_number_comments(self, parts: Any, query: Any, body: Any) -> Any:
        page, headers = paged(self._pull_or_404(parts["issue_number"]).notes, query, "per_page")
        return 200, [self._note(one) for one in page], headers

    def _post_issues_issue_number_comments(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        return 201, self._note(self.state.note(self._pull_or_404(parts["issue_number"]), self.me, body["body"])), {}

    def _get_issues_issue_number_events(self, parts: Any, query: Any, body: Any) -> Any:
        told = [
            {
                "id": number,
                "actor": _user(by),
                "event": what,
                "created_at": stamp(at),
                **({"label": {"name": label, "color": "ededed"}} if label else {}),
            }
            for number, (what, by, at, label) in enumerate(self._pull_or_404(parts["issue_number"]).events)
        ]
        page, headers = paged(told, query, "per_page")
        return 200, page, headers

    def _post_issues_comments_comment_id_reactions(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        note = next(one for pull in self.state.pulls for one in pull.notes if one.id == int(parts["comment_id"]))
        known = self.me in note.seen_by
        note.seen_by += [] if known else [self.me]
        return (
            200 if known else 201,
            {"id": 1, "content": body["content"], "created_at": stamp(now()), "user": _user(self.me)},
            {},
        )

    def _get_collaborators_username_permission(self, parts: Any, query: Any, body: Any) -> Any:
        level = self.state.people.get(parts["username"])
        if level is None:
            raise Refused(404, {"message": f"{parts['username']} is not a user"})
        return 200, {"permission": level, "role_name": level, "user": _user(parts["username"])}, {}

    def _get_issues(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        pulls = [Issue(one.number, one.title, one.body, one.author, one.at) for one in self.state.pulls]
        both = [self._issue(one) for one in self.state.issues]
        both += [{**self._issue(one), "pull_request": dict.fromkeys(_LINKS, "x")} for one in pulls]
        found = [one for one in both if query.get("creator") in (None, one["user"]["login"])]
        page, headers = paged(found, query, "per_page")
        return 200, page, headers

    def _post_issues(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        made = Issue(self.state.number(), body["title"], body.get("body", ""), self.me, now())
        self.state.issues.append(made)
        return 201, self._issue(made), {}

    def _get_issues_issue_number(self, parts: Any, query: Any, body: Any) -> Any:
        pull = self._pull_or_404(parts["issue_number"])
        told = self._issue(Issue(pull.number, pull.title, pull.body, pull.author, pull.at, pull.state))
        return 200, {**told, "closed_by": _user(pull.closed_by) if pull.closed_by else None}, {}

    def _patch_issues_issue_number(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        issue = self.state.issue(parts["issue_number"])
        assert issue is not None
        issue.body = body.get("body", issue.body)
        return 200, self._issue(issue), {}

    def _shown(self, pull: Pull, *, whole: bool = False) -> dict[str, Any]:
        owner = self.state.repository.name.split("/")[0]
        name = f"stranger/{self.state.repository.name.split('/')[1]}" if pull.is_fork else self.state.repository.name
        more = {
            "merged_by": _user(pull.merged_by) if pull.merged_by else None,
            "merged": pull.state == "merged",
            "mergeable": True,
        }
        return {
            "id": pull.number,
            "node_id": f"PR_{pull.number}",
            "number": pull.number,
            "state": "open" if pull.state == "open" else "closed",
            "title": pull.title,
            "body": pull.body,
            "draft": pull.draft,
            "user": _user(pull.author),
            "head": {
                "ref": pull.branch,
                "sha": pull.head,
                "label": f"{owner}:{pull.branch}",
                "repo": {"full_name": name},
                "user": _user(owner),
            },
            "base": {
                "ref": pull.base,
                "sha": "",
                "label": f"{owner}:{pull.base}",
                "repo": {"full_name": self.state.repository.name},
                "user": _user(owner),
            },
            "html_url": f"https://github.com/{self.state.repository.name}/pull/{pull.number}",
            "labels": [self._label(one) for one in pull.labels],
            "requested_reviewers": [_user(one) for one in pull.reviewers],
            "requested_teams": [{"slug": one, "name": one} for one in pull.teams],
            "created_at": stamp(pull.at),
            "updated_at": stamp(pull.updated_at),
            "closed_at": stamp(pull.closed_at),
            "merged_at": stamp(pull.closed_at) if pull.state == "merged" else None,
            "merge_commit_sha": pull.merge_commit or "0" * 40,
            "author_association": "NONE",
            **(more if whole else {}),
        }

    def _label(self, name: str) -> dict[str, Any]:
        return {
            "id": self.state.label_id(name),
            "node_id": "L",
            "url": "u",
            "name": name,
            "description": "",
            "color": "ededed",
            "default": False,
        }

    def _note(self, note: Note) -> dict[str, Any]:
        return {
            "id": note.id,
            "body": note.text,
            "user": _user(note.author),
            "created_at": stamp(note.at),
            "updated_at": stamp(note.at),
            "author_association": "NONE",
        }

    def _issue(self, issue: Issue) -> dict[str, Any]:
        return {
            "id": issue.number,
            "number": issue.number,
            "state": "open" if issue.state == "open" else "closed",
            "title": issue.title,
            "body": issue.body,
            "user": _user(issue.author),
            "labels": [],
            "created_at": stamp(issue.at),
            "updated_at": stamp(issue.at),
            "author_association": "NONE",
        }


def _ended(state: str) -> str:
    return "open" if state == "open" else "closed"


def _end(owner: str, branch: str, sha: str, repository: str) -> dict[str, Any]:
    named = {"ref": branch, "sha": sha, "label": f"{owner}:{branch}"}
    return {**named, "repo": {"full_name": repository}, "user": _user(owner)}


def _review(by: str, at: datetime, commit: str, id: int) -> dict[str, Any]:
    links = {"html": {"href": ""}, "pull_request": {"href": ""}}
    told = {"id": id, "user": _user(by), "state": "APPROVED", "submitted_at": stamp(at), "commit_id": commit}
    return {**told, "html_url": f"https://x/{id}", "body": "", "_links": links}


def _event(number: int, what: str, by: str, at: datetime, label: str) -> dict[str, Any]:
    told = {"id": number, "actor": _user(by), "event": what, "created_at": stamp(at)}
    return {**told, "label": {"name": label, "color": "ededed"}} if label else told


def _user(login: str) -> dict[str, Any]:
    return {"login": login, "id": 1, "type": "Bot" if login.endswith("[bot]") else "User"}


def _invalid(errors: list[dict[str, str]]) -> Refused:
    return Refused(
        422, {"message": "Validation Failed", "errors": errors, "documentation_url": "https://docs.github.com"}
    )


def _check_words(body: Mapping[str, Any]) -> None:
    if not body.get("title") or len(body["title"]) > 256 or len(body.get("body") or "") > 65536:
        raise _invalid(
            [
                {
                    "resource": "Issue",
                    "code": "custom",
                    "field": "body",
                    "message": "body is too long (maximum is 65536 characters)",
                }
            ]
        )
