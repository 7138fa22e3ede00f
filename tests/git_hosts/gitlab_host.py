"""A loopback GitLab: merge requests, notes and approvals over the shared state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.git_hosts.description import Description
from tests.git_hosts.server import Refused, paged
from tests.git_hosts.state import ME, Issue, Note, Pull, State, now, stamp

LEVELS = {"admin": 40, "write": 30, "read": 20}


class GitLabHost:
    name = "gitlab"
    prefix = "/api/v4"

    def __init__(self, state: State) -> None:
        self.state = state
        self.description = Description("gitlab")
        self.me = ME

    def who(self, headers: Mapping[str, str]) -> str:
        if headers.get("private-token") != self.state.repository.token:
            raise Refused(401, {"message": "401 Unauthorized"})
        return ME

    def beside(self, method: str, path: str, body: Any, who: str) -> tuple[int, Any] | None:
        return None

    def answer(self, operation: str, parts: Mapping[str, str], query: Mapping[str, str], body: Any, who: str) -> Any:
        method, place = operation.split(" ", 1)
        if "id" in parts and parts["id"] != quote(self.state.repository.name, safe=""):
            raise Refused(404, {"message": "404 Project Not Found"})
        name = re.sub(r"\W+", "_", f"{method.lower()} {place.removeprefix('/projects/{id}')}").strip("_")
        return getattr(self, f"_{name}")(parts, query, body or {})

    def _pull(self, parts: Mapping[str, str]) -> Pull:
        pull = self.state.by_number(parts["merge_request_iid"])
        if pull is None:
            raise Refused(404, {"message": "404 Not found"})
        return pull

    def _number(self, name: str) -> int:
        return 500 + list(self.state.people).index(name) if name in self.state.people else 499

    def _user(self, name: str | None) -> dict[str, Any] | None:
        return (name and {"id": self._number(name), "username": name, "name": name.title(), "state": "active"}) or None

    def _get_user(self, parts: Any, query: Any, body: Any) -> Any:
        return 200, self._user(ME), {}

    def _get_users(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        found = [self._user(one) for one in self.state.people if one == query.get("username")]
        return 200, found, {}

    def _get_merge_requests(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        state = query.get("state", "all")
        found = [one for one in self.state.pulls if state in ("all", _state(one))]
        found = [one for one in found if query.get("source_branch") in (None, one.branch)]
        if "updated_after" in query:
            since = datetime.fromisoformat(query["updated_after"])
            found = [one for one in found if one.updated_at and one.updated_at >= since]
        field = "updated_at" if query.get("order_by") == "updated_at" else "at"
        found.sort(key=lambda one: (getattr(one, field), one.number), reverse=query.get("sort", "desc") == "desc")
        page, headers = paged(found, query, "per_page", 20)
        return 200, [self._shown(one) for one in page], headers

    def _post_merge_requests(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        branch = body["source_branch"]
        if known := self.state.open_of(branch):
            message = f"Another open merge request already exists for this source branch: !{known.number}"
            raise Refused(409, {"message": [message]})
        if branch not in self.state.repository.heads():
            raise Refused(422, {"message": {"source_branch": ["does not exist"]}})
        made = self.state.create(ME, branch, body["target_branch"], "", body.get("description", ""))
        self._title(made, body["title"])
        return 201, self._shown(made), {}

    def _title(self, pull: Pull, title: str) -> None:
        if len(title) > 255:
            raise Refused(400, {"message": {"title": ["is too long (maximum is 255 characters)"]}})
        pull.title, pull.draft = title, title.lower().startswith("draft:")

    def _get_merge_requests_merge_request_iid(self, parts: Any, query: Any, body: Any) -> Any:
        return 200, self._shown(self._pull(parts)), {}

    def _put_merge_requests_merge_request_iid(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        pull = self._pull(parts)
        if "title" in body:
            self._title(pull, body["title"])
        pull.body = body.get("description", pull.body)
        if "labels" in body:
            self.state.set_labels(pull, ME, [one for one in body["labels"].split(",") if one])
        if "reviewer_ids" in body:
            by_number = {self._number(one): one for one in self.state.people}
            # Whoever is no member is left out without a word, as GitLab does.
            pull.reviewers = [by_number[one] for one in body["reviewer_ids"] if one in by_number]
        if body.get("state_event") == "close":
            self.state.close(pull, ME)
        self.state.touch(pull)
        return 200, self._shown(pull), {}

    def _get_merge_requests_merge_request_iid_notes(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        pull = self._pull(parts)
        # GitLab tells of labels and closings by notes of its own.
        events = enumerate(pull.events)
        system = [Note(id=9000 + number, author=by, text=what, at=at) for number, (what, by, at, _) in events]
        told = [(one, False) for one in pull.notes] + [(one, True) for one in system]
        told.sort(key=lambda one: one[0].at, reverse=query.get("sort", "desc") == "desc")
        page, headers = paged(told, query, "per_page", 20)
        return 200, [self._note(pull, one, is_system) for one, is_system in page], headers

    def _post_merge_requests_merge_request_iid_notes(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        if re.search(r"^/[a-z]", body["body"], re.MULTILINE):
            self.description.violations.append(f"a quick action: {body['body'][:60]}")
        pull = self._pull(parts)
        return 201, self._note(pull, self.state.note(pull, ME, body["body"]), False), {}

    def _post_merge_requests_merge_request_iid_notes_note_id_award_emoji(
        self, parts: Any, query: Any, body: dict[str, Any]
    ) -> Any:
        note = next(one for one in self._pull(parts).notes if one.id == int(parts["note_id"]))
        if ME in note.seen_by:
            raise Refused(404, {"message": "404 Award Emoji Name has already been taken Not Found"})
        note.seen_by.append(ME)
        told = {"id": 1, "name": body["name"], "user": self._user(ME), "created_at": stamp(now())}
        return 201, {**told, "awardable_id": note.id, "awardable_type": "Note"}, {}

    def _get_merge_requests_merge_request_iid_approvals(self, parts: Any, query: Any, body: Any) -> Any:
        pull = self._pull(parts)
        given = [{"user": self._user(by), "approved_at": _precise(at)} for by, at, _, _ in pull.reviews]
        return 200, {"approved": bool(given), "approved_by": given}, {}

    def _get_merge_requests_merge_request_iid_resource_label_events(
        self, parts: Any, query: Mapping[str, str], body: Any
    ) -> Any:
        told = [
            {
                "id": number,
                "user": self._user(by),
                "created_at": _precise(at),
                "resource_type": "MergeRequest",
                "resource_id": 1,
                "label": {"id": 1, "name": label, "color": "#ededed"},
                "action": "add",
            }
            for number, (what, by, at, label) in enumerate(self._pull(parts).events)
            if what == "labeled"
        ]
        page, headers = paged(told, query, "per_page", 20)
        return 200, page, headers

    def _get_members_all_user_id(self, parts: Any, query: Any, body: Any) -> Any:
        for name, level in self.state.people.items():
            if self._number(name) == int(parts["user_id"]):
                return 200, {**(self._user(name) or {}), "access_level": LEVELS[level]}, {}
        raise Refused(404, {"message": "404 Not found"})

    def _get_issues(self, parts: Any, query: Mapping[str, str], body: Any) -> Any:
        found = [one for one in self.state.issues if query.get("author_username") in (None, one.author)]
        page, headers = paged(found, query, "per_page", 20)
        return 200, [self._issue(one) for one in page], headers

    def _post_issues(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        made = Issue(self.state.number(), body["title"], body.get("description", ""), ME, now())
        self.state.issues.append(made)
        return 201, self._issue(made), {}

    def _put_issues_issue_iid(self, parts: Any, query: Any, body: dict[str, Any]) -> Any:
        issue = self.state.issue(parts["issue_iid"])
        assert issue is not None
        issue.body = body.get("description", issue.body)
        return 200, self._issue(issue), {}

    def _shown(self, pull: Pull) -> dict[str, Any]:
        return {
            "id": 7000 + pull.number,
            "iid": pull.number,
            "project_id": 3,
            "title": pull.title,
            "description": pull.body,
            "state": _state(pull),
            "created_at": _precise(pull.at),
            "updated_at": _precise(pull.updated_at),
            "target_branch": pull.base,
            "source_branch": pull.branch,
            "author": self._user(pull.author),
            "reviewers": [self._user(one) for one in pull.reviewers],
            "source_project_id": 4 if pull.is_fork else 3,
            "target_project_id": 3,
            "labels": pull.labels,
            "draft": pull.draft,
            "sha": pull.head,
            "merge_commit_sha": pull.merge_commit,
            "squash_commit_sha": None,
            "merge_user": self._user(pull.merged_by),
            "merged_at": _precise(pull.closed_at) if pull.state == "merged" else None,
            "closed_by": self._user(pull.closed_by) if pull.state == "closed" else None,
            "closed_at": _precise(pull.closed_at) if pull.state == "closed" else None,
            "web_url": f"https://gitlab.example/{self.state.repository.name}/-/merge_requests/{pull.number}",
            "user_notes_count": len(pull.notes),
        }

    def _note(self, pull: Pull, note: Note, is_system: bool) -> dict[str, Any]:
        return {
            "id": note.id,
            "body": note.text,
            "author": self._user(note.author),
            "created_at": _precise(note.at),
            "updated_at": _precise(note.at),
            "system": is_system,
            "noteable_id": 7000 + pull.number,
            "noteable_iid": pull.number,
            "noteable_type": "MergeRequest",
            "resolvable": False,
        }

    def _issue(self, issue: Issue) -> dict[str, Any]:
        return {
            "id": 8000 + issue.number,
            "iid": issue.number,
            "project_id": 3,
            "title": issue.title,
            "description": issue.body,
            "state": "opened" if issue.state == "open" else "closed",
            "author": self._user(issue.author),
            "created_at": _precise(issue.at),
            "updated_at": _precise(issue.at),
            "labels": [],
            "web_url": "https://gitlab.example/issue",
        }


def _state(pull: Pull) -> str:
    return "opened" if pull.state == "open" else pull.state


def _precise(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
