"""Every Git host, over HTTP against its published API description, with real pushes into a real repository."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain import marker
from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.domain.proposal import FileEdit, ProposalState
from finops_ai.forges.base import APPROVED, Manner
from tests.git_hosts.proposals import FILES, KEY, PATH, WEB, proposal
from tests.git_hosts.repository import Repository
from tests.git_hosts.rig import TOKEN, VENDORS, Rig, host


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hosts") / "built"
    Repository(root=root, name="acme/infra", token=TOKEN).build(FILES)
    return root


AS_AN_APP = pytest.mark.parametrize("rig", ["github app"], indirect=True)


@pytest.fixture(params=VENDORS)
def rig(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Iterator[Rig]:
    with host(request.param, built, tmp_path / "host") as made:
        yield made
        assert made.vendor.description.violations == []
        for method, path, body in made.state.asked:
            assert TOKEN not in path, f"{method} {path}"
            assert TOKEN.encode() not in body, f"{method} {path}"


def only(rig: Rig) -> Any:
    assert len(rig.state.pulls) == 1
    return rig.state.pulls[0]


def test_a_proposal_is_one_commit_and_one_pull_request(rig: Rig) -> None:
    forge = rig.forge()
    pull = forge.propose(proposal())
    made = only(rig)
    assert rig.repository.heads()[KEY] == pull.head == made.head
    assert rig.repository.show(KEY, PATH) == WEB.replace("500m", "200m")
    assert (pull.number, pull.state, pull.title, pull.draft) == (1, "open", "cpu to 200m", False)
    assert sorted(made.labels) == ["finops", "risk:low"]
    assert (made.base, made.author) == ("trunk", rig.vendor.me)
    assert "The *body* of 200m." in made.body
    told = marker.found(made.body, "finops:pull")
    assert told is not None
    assert told["changes"] == [["app", "requests.cpu", "500m", "200m"]]
    assert (told["saving"], told["verdicts"]) == (["40", "40", "USD", "list"], [])
    assert list(forge.files("apps/*.yaml")) == [("apps/api.yaml", "cpu: 1\n"), (PATH, WEB)]
    assert forge.read(KEY, PATH) == WEB.replace("500m", "200m")


@AS_AN_APP
def test_an_app_has_its_own_name_and_a_token_of_an_hour(rig: Rig) -> None:
    forge = rig.forge()
    forge.propose(proposal())
    assert only(rig).author == "finops[bot]"
    forge.say(KEY, "said once")
    forge.say(KEY, "said once")
    assert [one.author for one in only(rig).notes] == ["finops[bot]"]
    minted = [path for _, path, _ in rig.state.asked if path.endswith("/access_tokens")]
    assert len(minted) == 1
    rig.clock.ahead = timedelta(minutes=56)
    forge.propose(proposal("300m"))
    assert len([path for _, path, _ in rig.state.asked if path.endswith("/access_tokens")]) == 2


@AS_AN_APP
def test_a_key_that_is_none_is_told(rig: Rig) -> None:
    rig.environ = {"APP_KEY": "-----BEGIN PRIVATE KEY-----\nnot a key\n-----END PRIVATE KEY-----"}
    with pytest.raises(ConfigError, match=r"env APP_KEY: not the private RSA key \(PEM\) of an App") as error:
        rig.forge().propose(proposal())
    assert "not a key\n" not in str(error.value)


def test_owners_of_the_file_are_asked_once_and_named(rig: Rig) -> None:
    rig.forge().propose(proposal())
    made = only(rig)
    assert made.reviewers == ["alice"]
    assert "@alice, @acme/platform" in made.body
    assert "nobody" not in made.body
    rig.state.approve(made, "alice")
    made.reviewers.clear()
    rig.forge().propose(proposal("300m"))
    assert made.reviewers == []


def test_said_again_nothing_is_written(rig: Rig) -> None:
    first = rig.forge().propose(proposal())
    before = rig.repository.heads()
    rig.state.asked.clear()
    assert rig.forge().propose(proposal()).number == first.number
    writes = [path for method, path, _ in rig.state.asked if method != "GET" and "upload-pack" not in path]
    assert [path for path in writes if "access_tokens" not in path] == []
    assert rig.repository.heads() == before


def test_new_figures_and_a_base_that_moved_make_the_commit_anew_in_the_same_pull_request(rig: Rig) -> None:
    rig.forge().propose(proposal())
    rig.repository.base_moves({"apps/api.yaml": "cpu: 2\n"})
    rig.forge().propose(proposal("300m"))
    made = only(rig)
    assert made.title.endswith("cpu to 300m")
    assert rig.repository.git("rev-parse", f"{KEY}^", cwd=rig.repository.bare) == rig.repository.heads()["trunk"]
    assert made.head == rig.repository.heads()[KEY]


def test_what_a_person_pushed_is_left_alone_and_told_once(rig: Rig) -> None:
    rig.forge().propose(proposal())
    theirs = rig.repository.person_pushes(KEY, {"apps/api.yaml": "cpu: 3\n"})
    for cpu in ("200m", "300m", "300m"):
        with pytest.raises(Rejected, match="left untouched"):
            rig.forge().propose(proposal(cpu))
    assert rig.repository.heads()[KEY] == theirs
    assert len([one for one in only(rig).notes if "leaves the branch" in one.text]) == 1
    rig.forge().close(KEY, "obsolete")
    assert rig.repository.heads()[KEY] == theirs


def test_what_a_person_closed_is_remembered_until_it_may_come_again(rig: Rig) -> None:
    rig.forge().propose(proposal())
    rig.state.close(only(rig), "alice")
    with pytest.raises(Rejected, match="#1 was closed unmerged by alice"):
        rig.forge().propose(proposal("300m"))
    found = rig.forge().find(KEY)
    assert found is not None
    assert (found.state, found.closed_by, len(rig.state.pulls)) == ("closed", "alice", 1)
    again = rig.forge().propose(proposal("400m"), Manner(reopen=True))
    assert (again.number, again.state) == (2, "open")


def test_what_we_closed_ourselves_may_come_again(rig: Rig) -> None:
    forge = rig.forge()
    forge.propose(proposal())
    for _ in range(2):
        forge.close(KEY, "The workload is gone.")
    assert KEY not in rig.repository.heads()
    assert [one.text.splitlines()[0] for one in only(rig).notes] == ["The workload is gone."]
    found = forge.find(KEY)
    assert found is not None
    assert (found.state, found.closed_by) == ("closed", "finops")
    assert forge.propose(proposal("300m")).number == 2


def test_the_end_is_told_with_who_and_which_commit(rig: Rig) -> None:
    forge = rig.forge()
    forge.propose(proposal())
    before = rig.clock.now() - timedelta(minutes=1)
    rig.state.merge(only(rig), "alice")
    found = forge.find(KEY)
    assert found is not None
    assert (found.state, found.merged_by, found.merge_commit) == ("merged", "alice", rig.repository.heads()["trunk"])
    assert found.merged_at is not None
    assert found.merged_at >= before
    assert [one.number for one in forge.changed_since(before)] == [1]
    assert list(forge.changed_since(rig.clock.now() + timedelta(hours=1))) == []
    edit = FileEdit(path=PATH, before=WEB.replace("500m", "200m"), after=WEB.replace("500m", "100m"))
    assert forge.propose(proposal(edits=(edit,))).number == 2


def test_a_pull_request_of_a_fork_with_the_same_branch_is_not_ours(rig: Rig) -> None:
    forge = rig.forge()
    forge.propose(proposal())
    stranger = rig.state.create("eve", KEY, "trunk", "mine", "cpu to 9")
    stranger.is_fork = True
    stranger.state = "closed"
    found = forge.find(KEY)
    assert found is not None
    assert found.number == 1
    assert [one.number for one in forge.changed_since(rig.clock.now() - timedelta(hours=1))] == [1]


def test_one_that_a_person_opened_from_our_branch_is_taken_up(rig: Rig) -> None:
    rig.state.fault = lambda phase, what: "drop" if (phase, what) == ("after", "push") else None
    with pytest.raises(Unavailable):
        rig.forge().propose(proposal())
    rig.state.fault = None
    rig.state.create("bob", KEY, "trunk", "a button was pressed", "")
    pull = rig.forge().propose(proposal())
    assert (pull.number, only(rig).title) == (1, "cpu to 200m")


def test_blocked_is_a_draft_until_it_is_not(rig: Rig) -> None:
    blocked = proposal(state=ProposalState.BLOCKED)
    rig.forge().propose(blocked)
    assert only(rig).draft
    assert only(rig).reviewers == []
    rig.forge().propose(proposal())
    assert not only(rig).draft
    rig.forge().propose(blocked)
    assert only(rig).draft


def test_labels_of_people_stay_and_an_approval_ends_with_its_commit(rig: Rig) -> None:
    rig.forge().propose(proposal(), Manner(draft=True, labels=("finops:needs-approval",)))
    made = only(rig)
    rig.state.label(made, "alice", "keep-me")
    rig.clock.ahead = timedelta(seconds=-5)
    rig.state.label(made, "alice", APPROVED)
    assert [(one.by, one.how) for one in rig.forge().consents(KEY)] == [("alice", "label")]
    rig.state.approve(made, "bob")
    assert {(one.by, one.commit) for one in rig.forge().consents(KEY)} == {("alice", made.head), ("bob", made.head)}
    rig.clock.ahead = timedelta(seconds=5)
    rig.forge().propose(proposal("300m"))
    assert sorted(made.labels) == ["finops", "keep-me", "risk:low"]
    assert rig.forge().consents(KEY) == []


def test_comments_are_read_with_their_authors_rights(rig: Rig) -> None:
    forge = rig.forge()
    forge.propose(proposal())
    rig.state.note(only(rig), "bob", "finops explain")
    forge.say(KEY, "Measured: 4 USD.")
    forge.say(KEY, "Measured: 4 USD.")
    said = forge.comments(KEY)
    assert [(one.author, one.ours) for one in said] == [("bob", False), (rig.vendor.me, True)]
    for _ in range(2):
        forge.seen(KEY, said[0])
    assert only(rig).notes[0].seen_by == [rig.vendor.me]
    assert [forge.may_write(one) for one in ("alice", "bob", "eve", "no/such?x")] == [True, True, False, False]


def test_lists_are_read_to_their_end(rig: Rig) -> None:
    forge = rig.forge()
    forge.propose(proposal())
    forge.say(KEY, "said first")
    for number in range(130):
        rig.state.note(only(rig), "bob", f"comment {number}")
        rig.state.label_id(f"label {number}")
    forge.say(KEY, "said first")
    forge.propose(proposal("300m", labels=("finops", "label 129")))
    assert len(forge.comments(KEY)) == 131
    assert "label 129" in only(rig).labels
    for number in range(120):
        old = rig.state.create(rig.vendor.me, KEY, "trunk", f"old {number}", "")
        old.branch, old.state = f"finops/old-{number}", "closed"
    found = forge.find(KEY)
    assert found is not None
    assert found.number == 1
    assert forge.dashboard() is None


def test_the_overview_is_one_issue(rig: Rig) -> None:
    forge = rig.forge()
    assert forge.dashboard() is None
    for text in ("first", "second", "second"):
        forge.show_dashboard(text)
    assert [one.body.split("\n")[0] for one in rig.state.issues] == ["second"]
    assert (forge.dashboard() or "").startswith("second")
    rig.state.issues[0].state = "closed"
    assert forge.dashboard() == ""
    forge.show_dashboard("third")
    assert [one.body.split("\n")[0] for one in rig.state.issues] == ["second"]


def test_limits_are_told_with_the_wait(rig: Rig) -> None:
    rig.forge(per_hour=1).propose(proposal())
    other = proposal(key=KEY.replace("web", "api"), path="apps/api.yaml", before="cpu: 1\n")
    other = replace(other, edits=(FileEdit(path="apps/api.yaml", before="cpu: 1\n", after="cpu: 2\n"),))
    with pytest.raises(Unavailable, match="per_hour is 1") as told:
        rig.forge(per_hour=1).propose(other)
    assert 3000 < (told.value.retry_after_seconds or 0) <= 3700
    with pytest.raises(Unavailable, match="open_at_once is 1"):
        rig.forge(open_at_once=1).propose(other)
    assert list(rig.repository.heads()) == [KEY, "trunk"]
    rig.forge(per_hour=1, open_at_once=1).propose(proposal("300m"))
    rig.forge(per_hour=2).propose(other)
    assert len(rig.state.pulls) == 2


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"Retry-After": "77"}, 77),
        (403, {"Retry-After": "31"}, 31),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, 90),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": "soon"}, 90),
        (403, {}, 60),
    ],
)
def test_a_rate_limit_is_told_with_its_wait(rig: Rig, status: int, headers: dict[str, str], wait: float) -> None:
    reset = str(int(rig.clock.now().timestamp()) + 90)
    told = {name: reset if value == "soon" else value for name, value in headers.items()}
    message = {"message": "You have exceeded a secondary rate limit." if not headers else "slow down"}
    rig.state.fault = lambda phase, what: (status, told, message) if what != "push" else None
    with pytest.raises(Unavailable) as error:
        rig.forge().propose(proposal())
    assert error.value.retry_after_seconds == pytest.approx(wait, abs=3)
    assert rig.clock.slept == []


# The Git client leaves the connection of an answer 401 to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("where", ["git", "api"])
def test_a_token_that_is_refused_stands_in_no_error(rig: Rig, where: str) -> None:
    forge = rig.forge()
    forge.propose(proposal())
    if where == "api":
        echo = {"message": f"Bad credentials: {TOKEN}"}
        rig.state.fault = lambda phase, what: (401, {}, echo) if what != "push" else None
    else:
        rig.repository.token = "changed-meanwhile"
    with pytest.raises(Unavailable) as error:
        forge.propose(proposal("300m"))
    rig.repository.token = TOKEN
    assert TOKEN not in str(error.value)
    assert TOKEN not in repr(error.value.__cause__)
    del error
    gc.collect()


RUN = """
    import json, sys
    from finops_ai.domain.errors import FinopsError
    from tests.git_hosts.proposals import KEY, proposal
    from tests.git_hosts.rig import Rig
    from types import SimpleNamespace
    told = json.loads(sys.argv[1])
    vendor = SimpleNamespace(name=told["vendor"], state=SimpleNamespace(repository=SimpleNamespace(name="acme/infra")))
    rig = Rig(vendor=vendor, url=told["url"], environ=told["environ"])
    print("ready", flush=True)
    forge = rig.forge()
    forge.propose(proposal())
    forge.say(KEY, "said once")
    forge.show_dashboard("all of it")
    print("done", flush=True)
"""


def test_killed_anywhere_the_next_run_makes_it_right(rig: Rig) -> None:
    """kill -9 before and after the effect of every write in turn, until a run comes through."""
    import json

    told = json.dumps({"vendor": rig.vendor.name, "url": rig.url, "environ": rig.environ})
    command = [sys.executable, "-c", textwrap.dedent(RUN), told]
    children: list[subprocess.Popen[str]] = []
    done: set[tuple[str, str]] = set()

    def kill(phase: str, what: str) -> Any:
        is_write = what == "push" or (not what.startswith("GET") and what.split(" ")[0] in ("POST", "PUT", "PATCH"))
        if not what or not is_write or "access_tokens" in what or (phase, what) in done:
            return None
        done.add((phase, what))
        os.kill(children[-1].pid, signal.SIGKILL)
        children[-1].wait()
        return "drop"

    rig.state.fault = kill
    for _ in range(40):
        children.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        out, err = children[-1].communicate(timeout=60)
        assert TOKEN not in out + err
        if children[-1].returncode == 0:
            break
        assert children[-1].returncode == -signal.SIGKILL, err
    else:
        pytest.fail("it never came through")
    assert len(done) >= 8, sorted(done)
    made = only(rig)
    assert rig.repository.heads()[KEY] == made.head
    assert rig.repository.git("rev-list", "--count", f"trunk..{KEY}", cwd=rig.repository.bare) == "1"
    assert sorted(made.labels) == ["finops", "risk:low"]
    assert made.reviewers == ["alice"]
    assert [one.text.split("\n")[0] for one in made.notes] == ["said once"]
    assert [one.body.split("\n")[0] for one in rig.state.issues] == ["all of it"]
