"""A loopback Gitea: its pull requests, labels by number and timelines over the shared state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.git_hosts.description import Description
from tests.git_hosts.server import Refused, paged
from tests.git_hosts.state import ME, Issue, Note, Pull, State, now, stamp


class GiteaHost:
    name = "gitea"
    prefix = "/api/v1"

    def __init__(self, state: State) -> None:
        self.state = state
        self.description = Description("gitea")
        self.me = ME

    def who(self, headers: Mapping[str, str]) -> str:
        if headers.get("authorization") != f"token {self.state.repository.token}":
            raise Refused(401, {"message": "invalid username, password or token", "url": "https://x/api/swagger"})
        return ME

    def beside(self, method: str, path: str, body: Any, who: str) -> tuple[int, Any] | None:
        return None

    def answer(self, operation: str, parts: Mapping[str, str], query: Mapping[str, str], body: Any, who: str) -> Any:
        method, place = operation.split(" ", 1)
        if place == "/user":
            return 200, _user(ME), {}
        if f"{parts['owner']}/{parts['repo']}" != self.state.repository.name:
            raise Refused(404, {"message": "GetUserByName", "url": "https://x/api/swagger"})
        name = re.sub(r"\W+", "_", f"{method.lower()} {place.split('/{repo}/', 1)[1]}").strip("_")
        return getattr(self, f"_{name}")(parts, query, body or {})

    def _pull(self, parts: Mapping[str, str]) -> Pull:
        pull = self.state.by_number(parts["index"])
        if pull is None:
            raise Refused(404, {"message": "The target couldn't be found."})
        return pull

    def _get_pulls(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        wanted = query.get("state", "open")
        found = [one for one in self.state.pulls if wanted in ("all", _ended(one.state))]
        found = [one for one in found if query.get("poster") in (None, one.author)]
        found.sort(key=lambda one: (one.updated_at or one.at, one.number), reverse=True)
        page, headers = paged(found, query, "limit")
        return 200, [self._shown(one) for one in page], headers

    def _post_pulls(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        branch = body["head"]
        if branch not in self.state.repository.heads():
            raise Refused(404, {"message": "The target couldn't be found."})
        if known := self.state.open_of(branch):
            raise Refused(409, {"message": f"pull request already exists for these targets [id: {known.number}]"})
        made = self.state.create(ME, branch, body["base"], "", body.get("body", ""))
        self._title(made, body["title"])
        return 201, self._shown(made), {}

    def _title(self, pull: Pull, title: str) -> None:
        if not title or len(title) > 255:
            raise Refused(422, {"message": "[Title]: MaxSize"})
        pull.title, pull.draft = title, title.startswith(("WIP:", "[WIP]"))

    def _get_pulls_index(self, parts: Any, query: Any, body: Any) -> Any:
        return 200, self._shown(self._pull(parts)), {}

    def _patch_pulls_index(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        pull = self._pull(parts)
        if "title" in body:
            self._title(pull, body["title"])
        pull.body = body.get("body", pull.body)
        if body.get("state") == "closed":
            self.state.close(pull, ME)
        self.state.touch(pull)
        return 201, self._shown(pull), {}

    def _get_pulls_index_reviews(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        told = [_review(*one) for one in self._pull(parts).reviews]
        page, headers = paged(told, query, "limit")
        headers.pop("Link", None)
        return 200, page, headers

    def _post_pulls_index_requested_reviewers(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        pull = self._pull(parts)
        people, teams = body.get("reviewers") or [], body.get("team_reviewers") or []
        if any(one not in self.state.people for one in people) or (teams and teams != ["platform"]):
            raise Refused(422, {"message": "Reviewer can't read"})
        pull.reviewers += [one for one in people if one not in pull.reviewers]
        pull.teams += [one for one in teams if one not in pull.teams]
        return 201, [], {}

    def _get_labels(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        page, headers = paged([self._label(one) for one in self.state.labels], query, "limit")
        headers.pop("Link", None)
        return 200, page, headers

    def _post_labels(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        if body["name"] in self.state.labels:
            self.description.violations.append(f"label {body['name']} was made twice")
        self.state.label_id(body["name"])
        return 201, self._label(body["name"]), {}

    def _put_issues_index_labels(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        pull = self._pull(parts)
        names = {number: name for name, number in self.state.labels.items()}
        self.state.set_labels(pull, ME, [names[number] for number in body["labels"]])
        return 200, [self._label(one) for one in pull.labels], {}

    def _get_issues_index_comments(self, parts: Any, query: Any, body: Any) -> Any:
        notes = self._pull(parts).notes
        return 200, [_note(one) for one in notes], {"X-Total-Count": str(len(notes))}

    def _post_issues_index_comments(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        return 201, _note(self.state.note(self._pull(parts), ME, body["body"])), {}

    def _get_issues_index_timeline(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        told = [
            {
                "id": number,
                "type": "label" if what == "labeled" else "close",
                "user": _user(by),
                "created_at": stamp(at),
                "body": "1" if what == "labeled" else "",
                "label": {"id": 1, "name": label} if label else None,
            }
            for number, (what, by, at, label) in enumerate(self._pull(parts).events)
        ]
        page, headers = paged(told, query, "limit")
        headers.pop("Link", None)
        return 200, page, headers

    def _post_issues_comments_id_reactions(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        note = next(one for pull in self.state.pulls for one in pull.notes if one.id == int(parts["id"]))
        known = ME in note.seen_by
        note.seen_by += [] if known else [ME]
        told = {"user": _user(ME), "content": body["content"], "created_at": stamp(now())}
        return 200 if known else 201, told, {}

    def _get_collaborators_collaborator_permission(self, parts: Any, query: Any, body: Any) -> Any:
        level = self.state.people.get(parts["collaborator"])
        if level is None:
            raise Refused(404, {"message": "user does not exist"})
        return 200, {"permission": level, "role_name": level, "user": _user(parts["collaborator"])}, {}

    def _get_issues(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        found = [one for one in self.state.issues if query.get("created_by") in (None, one.author)]
        page, headers = paged(found[::-1], query, "limit")
        return 200, [_issue(one) for one in page], headers

    def _post_issues(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        made = Issue(self.state.number(), body["title"], body.get("body", ""), ME, now())
        self.state.issues.append(made)
        return 201, _issue(made), {}

    def _patch_issues_index(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        issue = self.state.issue(parts["index"])
        assert issue is not None
        issue.body = body.get("body", issue.body)
        return 201, _issue(issue), {}

    def _label(self, name: str) -> dict[str, Any]:
        return {"id": self.state.label_id(name), "name": name, "color": "5319e7", "description": "", "url": ""}

    def _shown(self, pull: Pull) -> dict[str, Any]:
        is_there = pull.branch in self.state.repository.heads()
        return {
            "id": pull.number,
            "number": pull.number,
            "state": _ended(pull.state),
            "title": pull.title,
            "body": pull.body,
            "draft": pull.draft,
            "user": _user(pull.author),
            "head": {
                "label": pull.branch,
                # Once the branch is gone, Gitea names the reference it keeps.
                "ref": pull.branch if is_there else f"refs/pull/{pull.number}/head",
                "sha": pull.head,
                "repo_id": 9 if pull.is_fork else 8,
            },
            "base": {"label": pull.base, "ref": pull.base, "sha": "", "repo_id": 8},
            "html_url": f"https://gitea.example/{self.state.repository.name}/pulls/{pull.number}",
            "labels": [self._label(one) for one in pull.labels],
            "requested_reviewers": [_user(one) for one in pull.reviewers] or None,
            "created_at": stamp(pull.at),
            "updated_at": stamp(pull.updated_at),
            "closed_at": stamp(pull.closed_at),
            "merged": pull.state == "merged",
            "merged_at": stamp(pull.closed_at) if pull.state == "merged" else None,
            "merged_by": _user(pull.merged_by) if pull.merged_by else None,
            "merge_commit_sha": pull.merge_commit,
        }


def _ended(state: str) -> str:
    return "open" if state == "open" else "closed"


def _user(login: str) -> dict[str, Any]:
    return {"id": 1, "login": login, "email": f"{login}@example.com"}


def _note(note: Note) -> dict[str, Any]:
    told = {"id": note.id, "body": note.text, "user": _user(note.author)}
    return {**told, "created_at": stamp(note.at), "updated_at": stamp(note.at)}


def _review(by: str, at: datetime, commit: str, id: int) -> dict[str, Any]:
    told = {"id": id, "user": _user(by), "state": "APPROVED", "submitted_at": stamp(at), "commit_id": commit}
    return {**told, "html_url": f"https://x/{id}", "stale": False, "dismissed": False}


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "id": issue.number,
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "state": issue.state,
        "user": _user(issue.author),
        "created_at": stamp(issue.at),
        "updated_at": stamp(issue.at),
    }
