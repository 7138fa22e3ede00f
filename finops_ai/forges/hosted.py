"""A forge on a Git host: real pushes, and one pull request per workload that is found again whatever happens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from finops_ai.domain import marker
from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.forges import git, pages
from finops_ai.forges.base import APPROVED, BRANCHES, OURS, PLAIN, Comment, Consent, Manner, PullRequest
from finops_ai.forges.codeowners import owners
from finops_ai.forges.host import Host, Issue
from finops_ai.forges.names import check_key
from finops_ai.world.world import World

if TYPE_CHECKING:
    from dulwich.objects import ObjectID

HOUR = timedelta(hours=1)
FULL_SECONDS = 600.0
"""Wait before asking again whether there is room for one more pull request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many pull requests may be open, and may be opened within an hour; None: any number."""

    open_at_once: int | None
    per_hour: int | None


class HostedForge:
    """Nothing is kept here: branches, marks and the host's own facts say what has been done already.

    So every step may die and be done again: a push that is there is not repeated, a pull request is found by its
    branch, labels and reviewers are compared, a comment is known by its mark.
    """

    def __init__(
        self, name: str, host: Host, world: World, base: str | None, who: git.Identity, limits: Limits
    ) -> None:
        self.name = name
        self._host = host
        self._clock = world.clock
        self._who = who
        self._limits = limits
        self._remote = git.Remote(host.clone_url, base, host.login, world.secrets.redact)

    def files(self, pattern: str) -> Iterator[tuple[str, str]]:
        yield from git.files(self._remote.fetch(history=False), pattern)

    def read(self, ref: str, path: str) -> str | None:
        """Text of a file on the branch `ref`; None where the file is not there or not UTF-8."""
        return git.read(self._remote.fetch_branch(ref), path)

    def find(self, key: str) -> PullRequest | None:
        known = self._host.pulls(check_key(key))
        return self._whole(known[0].number) if known else None

    def changed_since(self, moment: datetime) -> Iterator[PullRequest]:
        for pull in self._host.changed(moment):
            if pull.key.startswith(BRANCHES):
                yield self._whole(pull.number)

    def propose(self, proposal: Proposal, manner: Manner = PLAIN) -> PullRequest:
        key = check_key(proposal.key)
        branches = self._remote.fetch(key, history=False)
        pull = self.find(key)
        if pull and pull.state == "closed" and pull.closed_by != OURS and not manner.reopen:
            by = f" by {pull.closed_by}" if pull.closed_by else ""
            raise Rejected(f"#{pull.number} was closed unmerged{by}; {key} is not proposed again")
        self._refuse_overwriting(key, branches, pull)
        tree, _ = git.apply_edits(branches, proposal.edits)
        if tree == branches.base.tree:
            raise Rejected(f"{branches.base_name} holds these values already")
        is_open = pull is not None and pull.state == "open"
        if not is_open and manner.limited:
            self._wait_for_room()
        head = self._pushed(key, branches, tree, proposal.title).decode()
        asked = self._owners(branches, proposal)
        title = pages.fitted_title(proposal.title or key, self._host.traits.largest_title)
        body = pages.page(proposal, manner, asked, self._host.traits.largest_body)
        draft = proposal.state is ProposalState.BLOCKED if manner.draft is None else manner.draft
        pull = self._opened(key, branches.base_name, title, body, draft, pull if is_open else None)
        self._label(pull, (*proposal.labels, *manner.labels), is_new_head=bool(pull.head) and pull.head != head)
        if not draft:
            self._ask(pull, asked)
        return replace(pull, head=head)

    def say(self, key: str, text: str) -> None:
        pull = self._newest(key)
        if pull is None:
            raise Rejected(f"no pull request for {key}")
        self._say(pull, text)

    def close(self, key: str, why: str) -> None:
        """Close it for a reason of ours, and take our branch away; merged or already closed ones stay as they are."""
        branches = self._remote.fetch(check_key(key), history=False)
        pull = self.find(key)
        if pull and pull.state == "open":
            self._say(pull, why)
            self._host.close(pull)
            pull = self._whole(pull.number)
        if pull and pull.closed_by == OURS and branches.head and git.is_ours(branches, self._who):
            self._remote.push(branches.repo, key, None, branches.head.id)

    def comments(self, key: str) -> Sequence[Comment]:
        pull = self._newest(key)
        return self._host.comments(pull) if pull else ()

    def seen(self, key: str, comment: Comment) -> None:
        pull = self._newest(key)
        if pull:
            self._host.seen(pull, comment)

    def may_write(self, person: str) -> bool:
        return self._host.may_write(person)

    def consents(self, key: str) -> Sequence[Consent]:
        pull = self._newest(key)
        head = self._remote.fetch(key, history=False).head if pull else None
        if pull is None or head is None:
            return ()
        commit, made_at = head.id.decode(), datetime.fromtimestamp(head.commit_time, UTC)
        given = self._host.consents(pull, APPROVED)
        now = [one for one in given if one.commit == commit or (not one.commit and one.at >= made_at)]
        return [replace(one, commit=commit) for one in sorted(now, key=lambda one: one.at)]

    def dashboard(self) -> str | None:
        issue = self._dashboard()
        if issue is None:
            return None
        return issue.body if issue.is_open else ""

    def show_dashboard(self, text: str) -> None:
        body = f"{text.rstrip()}\n\n{pages.DASHBOARD_MARK}\n"
        issue = self._dashboard()
        if issue is None:
            self._host.create_issue(pages.DASHBOARD_TITLE, body)
        elif issue.is_open and issue.body.replace("\r\n", "\n").strip() != body.strip():
            self._host.edit_issue(issue.number, body)

    def _dashboard(self) -> Issue | None:
        return self._host.issue(pages.DASHBOARD_TITLE, pages.DASHBOARD_MARK)

    def _newest(self, key: str) -> PullRequest | None:
        known = self._host.pulls(check_key(key))
        return known[0] if known else None

    def _whole(self, number: int) -> PullRequest:
        pull = self._host.pull(number)
        ours = pull.closed_by and pull.closed_by == self._host.me()
        return replace(pull, closed_by=OURS) if ours else pull

    def _refuse_overwriting(self, key: str, branches: git.Branches, pull: PullRequest | None) -> None:
        """A head that is not as we made it holds somebody's work: it is told once and left alone."""
        head = branches.head
        if head is None or git.is_ours(branches, self._who):
            return
        if pull and pull.state == "merged" and pull.head == head.id.decode():
            return
        author = head.author.decode("utf-8", "replace")
        if pull and pull.state == "open":
            self._say(pull, pages.human_push(key), mark="human-push")
        raise Rejected(f"{author} pushed to {key} (commit {head.id.decode()[:12]}); the branch is left untouched")

    def _pushed(self, key: str, branches: git.Branches, tree: ObjectID, title: str) -> bytes:
        """Head of the branch with that tree on the base; pushed only where it is not there yet."""
        head = branches.head
        if head and head.tree == tree and head.parents == [branches.base.id] and git.is_ours(branches, self._who):
            return head.id
        made = git.commit(branches, tree, self._who, self._clock.now(), key=key, title=title or key)
        self._remote.push(branches.repo, key, made, head.id if head else None)
        return made

    def _opened(self, key: str, base: str, title: str, body: str, draft: bool, pull: PullRequest | None) -> PullRequest:
        """The open pull request of the branch with these words; one that another run opened is taken up."""
        if pull is None and self._host.create(key, base, title, body, draft):
            return self._open(key)
        pull = pull or self._open(key)
        if (pull.title, pages.bare(pull.body), pull.draft) != (title, pages.bare(body), draft):
            self._host.edit(pull, title, body, draft)
        return pull

    def _open(self, key: str) -> PullRequest:
        number = next((one.number for one in self._host.pulls(key) if one.state == "open"), None)
        if number is None:
            raise Unavailable(f"the pull request of {key} was opened and is not listed yet; the next run finds it")
        return self._whole(number)

    def _label(self, pull: PullRequest, wanted: Sequence[str], *, is_new_head: bool) -> None:
        """Ours as they should be, those of people left; an approval ends with the commit it was given to."""
        of_people = [one for one in pull.labels if not pages.is_our_label(one) and one != APPROVED]
        kept = [APPROVED] if APPROVED in pull.labels and not is_new_head else []
        labels = sorted({*wanted, *of_people, *kept})
        if labels != sorted(pull.labels):
            self._host.set_labels(pull, labels)

    def _owners(self, branches: git.Branches, proposal: Proposal) -> tuple[str, ...]:
        """Who owns the edited files by the first CODEOWNERS file that the host would read."""
        traits = self._host.traits
        for place in traits.owner_files:
            text = git.read(branches, place)
            if text is not None:
                return owners(text, [edit.path for edit in proposal.edits], traits.owner_syntax)
        return ()

    def _ask(self, pull: PullRequest, asked: Sequence[str]) -> None:
        """Ask owners who were not asked before; whoever reviewed already is not asked again."""
        known = {one.lower() for one in (*pull.reviewers, pull.author, self._host.me())}
        names = [owner.removeprefix("@") for owner in asked if owner.startswith("@")]
        new = [name for name in names if name.lower() not in known]
        people = [one for one in new if "/" not in one]
        # A team that reviewed is told by nobody: it is asked with the first request only.
        teams = [] if pull.reviewers else [one for one in new if "/" in one]
        if people or teams:
            self._host.request_reviews(pull, people, teams)

    def _say(self, pull: PullRequest, text: str, mark: str = "") -> None:
        told = mark or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        comments = self._host.comments(pull)
        if not any(one.ours and (marker.found(one.text, pages.SAID) or {}).get("id") == told for one in comments):
            self._host.comment(pull, f"{text.rstrip()}\n\n{marker.marked(pages.SAID, {'id': told})}")

    def _wait_for_room(self) -> None:
        """Raises Unavailable, with the wait, when one more pull request would be too many for now."""
        limits = self._limits
        if limits.open_at_once is not None:
            waiting = sum(1 for one in self._host.changed(None) if one.key.startswith(BRANCHES))
            if waiting >= limits.open_at_once:
                reason = f"{waiting} pull requests are open, open_at_once is {limits.open_at_once}"
                raise Unavailable(f"{reason}: merge or close some", retry_after_seconds=FULL_SECONDS)
        if limits.per_hour is not None:
            since = self._clock.now() - HOUR
            mine = [one for one in self._host.changed(since) if one.key.startswith(BRANCHES)]
            opened = sorted(one.created_at for one in mine if one.created_at and one.created_at >= since)
            if len(opened) >= limits.per_hour:
                wait = (opened[-limits.per_hour] + HOUR - self._clock.now()).total_seconds()
                reason = f"{len(opened)} pull requests were opened within an hour, per_hour is {limits.per_hour}"
                raise Unavailable(f"{reason}: the next one waits", retry_after_seconds=max(1.0, wait))
