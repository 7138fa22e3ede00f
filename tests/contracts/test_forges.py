"""Every forge, on a real Git repository: one branch and one pull request per workload, whatever happens between."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain.errors import Malformed, Rejected, Unavailable
from finops_ai.domain.money import Money
from finops_ai.domain.proposal import (
    Change,
    Decision,
    FileEdit,
    Proposal,
    ProposalState,
    Recommendation,
    Saving,
    Verdict,
)
from finops_ai.domain.usage import Workload
from finops_ai.forges import folder, folder_records, git

KEY = "finops/rightsize/shop/default/deployment-web"
WEB = "# web\r\ncpu: 500m\r\n"
PATH = "apps/web.yaml"
ZERO = Money(Decimal(0), "USD")


@dataclass
class Ticking:
    """A clock that is a minute later at every look."""

    at: datetime = datetime(2026, 5, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


@dataclass
class Rig:
    """A bare repository with one commit, a person's clone of it, and the forge under test."""

    root: Path
    url: str = ""
    base: str | None = None
    world: Any = field(default_factory=lambda: type("World", (), {"clock": Ticking()})())

    def build(self) -> None:
        self.root.mkdir()
        self.git("init", "--quiet", "--initial-branch=trunk", "person", cwd=self.root)
        self.write(PATH, WEB)
        self.write("apps/api.yaml", "cpu: 1\n")
        self.write("readme.md", "hello\n")
        (self.person / "logo.yaml").write_bytes(b"\xff\xfe")
        self.commit("first")
        self.git("clone", "--quiet", "--bare", "person", "remote.git", cwd=self.root)
        self.git("remote", "add", "origin", "../remote.git")

    @property
    def person(self) -> Path:
        return self.root / "person"

    @property
    def pulls(self) -> Path:
        return self.root / "pulls"

    @property
    def forge(self) -> folder.FolderForge:
        url = self.url or str(self.root / "remote.git")
        chosen = folder.Settings(name="local", repository=url, pulls=str(self.pulls), base=self.base)
        made = folder.make(chosen, self.world)
        assert isinstance(made, folder.FolderForge)
        return made

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        who = ["-c", "user.name=Person", "-c", "user.email=person@example.com", "-c", "core.autocrlf=false"]
        done = subprocess.run(["git", *who, *arguments], cwd=cwd or self.person, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def write(self, path: str, text: str) -> None:
        target = self.person / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())

    def commit(self, message: str) -> None:
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", message)

    def base_moves(self, path: str, text: str) -> None:
        self.write(path, text)
        self.commit(f"change {path}")
        self.git("push", "--quiet", "origin", "trunk")

    def take_branch(self) -> None:
        self.git("fetch", "--quiet", "origin")
        self.git("checkout", "--quiet", "-B", "theirs", f"origin/{KEY}")

    def remote(self, *arguments: str) -> str:
        return self.git(*arguments, cwd=self.root / "remote.git")

    def heads(self) -> dict[str, str]:
        lines = self.remote("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads").splitlines()
        return dict(line.split() for line in lines)

    def record(self, number: int = 1) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.pulls / f"{number}.json").read_bytes())
        return loaded

    def snapshot(self) -> dict[str, Any]:
        files = {path.name: path.read_bytes() for path in sorted(self.pulls.iterdir())} if self.pulls.exists() else {}
        return {**self.heads(), **files}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    rig = Rig(tmp_path_factory.mktemp("forge") / "rig")
    rig.build()
    return rig


@pytest.fixture
def rig(built: Rig, tmp_path: Path) -> Rig:
    return Rig(shutil.copytree(built.root, tmp_path / "rig"))


def proposal(cpu: str = "200m", *, before: str = WEB, path: str = PATH, **changed: Any) -> Proposal:
    saving = Saving(low=ZERO, high=ZERO, rate="list")
    recommendation = Recommendation(
        workload=Workload("shop", "default", "Deployment", "web"),
        changes=(Change(container="app", path="requests.cpu", now="500m", proposed=cpu),),
        saving=saving,
        evidence={},
        risk="low",
        reasons=(),
        strategy="steady",
    )
    made = Proposal(
        key=KEY,
        recommendation=recommendation,
        edits=(FileEdit(path=path, before=before, after=before.replace("500m", cpu)),),
        verdicts=(),
        state=ProposalState.OPEN,
        title=f"cpu to {cpu}",
        body=f"The *body* of {cpu}.",
        labels=("finops",),
    )
    return replace(made, **changed)


def test_files_and_read(rig: Rig) -> None:
    assert list(rig.forge.files("**/*.yaml")) == [("apps/api.yaml", "cpu: 1\n"), (PATH, WEB)]
    assert [path for path, _ in rig.forge.files("*.md")] == ["readme.md"]
    assert [path for path, _ in rig.forge.files("apps/?eb.*")] == [PATH]
    assert rig.forge.read("trunk", PATH) == WEB
    assert rig.forge.read("trunk", "logo.yaml") is None
    assert rig.forge.read("trunk", "no/such.yaml") is None
    assert rig.forge.read("trunk", "readme.md/below") is None


def test_a_proposal_is_one_commit_on_the_base_with_only_its_bytes_changed(rig: Rig) -> None:
    pull = rig.forge.propose(proposal())
    assert (pull.key, pull.number, pull.state, pull.title) == (KEY, 1, "open", "cpu to 200m")
    assert rig.heads() == {"trunk": rig.git("rev-parse", "trunk"), KEY: pull.head}
    assert rig.remote("rev-list", f"trunk..{KEY}").split() == [pull.head]
    assert rig.remote("diff", "--numstat", "trunk", KEY) == f"1\t1\t{PATH}"
    assert rig.forge.read(KEY, PATH) == WEB.replace("500m", "200m")
    assert rig.remote("log", "-1", "--format=%an <%ae> %s", KEY) == "finops-ai <finops-ai@localhost> cpu to 200m"
    assert f"Finops-Proposal: {KEY}" in rig.remote("log", "-1", "--format=%B", KEY)
    rig.remote("fsck", "--strict")
    rig.git("apply", "--check", str(rig.pulls / "1.patch"))
    assert "The *body* of 200m." in (rig.pulls / "1.md").read_text()
    assert Path(pull.url.removeprefix("file://")) == rig.pulls / "1.md"


@pytest.mark.parametrize("form", ["path", "file"])
def test_repository_by_path_or_file_url(rig: Rig, form: str) -> None:
    rig.url = (rig.root / "remote.git").as_uri() if form == "file" else str(rig.root / "remote.git")
    assert rig.forge.propose(proposal()).state == "open"


def test_again_changes_nothing_at_all(rig: Rig) -> None:
    first = rig.forge.propose(proposal())
    before = rig.snapshot()
    for _ in range(3):
        assert rig.forge.propose(proposal()) == first
        assert rig.forge.find(KEY) == first
    assert rig.snapshot() == before


def test_find_before_anything(rig: Rig) -> None:
    assert rig.forge.find(KEY) is None


def test_new_figures_replace_the_commit_in_the_same_pull_request(rig: Rig) -> None:
    first = rig.forge.propose(proposal())
    second = rig.forge.propose(proposal("300m"))
    assert second.number == first.number
    assert second.head != first.head
    assert rig.remote("rev-list", "--count", f"trunk..{KEY}") == "1"
    assert rig.record()["title"] == "cpu to 300m"
    assert rig.record()["created_at"] < rig.record()["updated_at"]


def test_base_moved_elsewhere_is_rebuilt_on_it(rig: Rig) -> None:
    rig.forge.propose(proposal())
    rig.base_moves("apps/api.yaml", "cpu: 2\n")
    pull = rig.forge.propose(proposal())
    assert pull.number == 1
    assert rig.remote("rev-parse", f"{KEY}^") == rig.heads()["trunk"]
    assert rig.remote("diff", "--numstat", "trunk", KEY) == f"1\t1\t{PATH}"


def test_base_moved_in_the_same_file_is_refused_not_reverted(rig: Rig) -> None:
    rig.base_moves(PATH, WEB + "image: new\r\n")
    with pytest.raises(Rejected, match="changed on trunk since it was read"):
        rig.forge.propose(proposal())
    assert KEY not in rig.heads()
    rig.forge.propose(proposal(before=WEB + "image: new\r\n"))
    assert "image: new" in (rig.forge.read(KEY, PATH) or "")


@pytest.mark.parametrize("act", ["commit", "amend", "amend as us", "reset", "merge base"])
def test_what_a_person_did_to_the_branch_is_left_untouched(rig: Rig, act: str) -> None:
    rig.forge.propose(proposal())
    if act == "merge base":
        rig.base_moves("apps/api.yaml", "cpu: 2\n")
    rig.take_branch()
    if act == "reset":
        rig.git("reset", "--quiet", "--hard", "trunk")
    elif act == "merge base":
        rig.git("merge", "--quiet", "--no-edit", "trunk")
    else:
        rig.write(PATH, WEB.replace("500m", "250m"))
        rig.git("add", ".")
        us = ["-c", "user.name=finops-ai", "-c", "user.email=finops-ai@localhost"] if act == "amend as us" else []
        rig.git(*us, "commit", "--quiet", "--message", "mine", *(["--amend", "--no-edit"] if "amend" in act else []))
    rig.git("push", "--quiet", "--force", "origin", f"theirs:{KEY}")
    before = rig.heads()
    for cpu in ("200m", "300m"):
        with pytest.raises(Rejected, match="left untouched"):
            rig.forge.propose(proposal(cpu))
    assert rig.heads() == before
    rig.forge.close(KEY, "obsolete")
    assert rig.heads() == before


def test_closed_unmerged_is_remembered(rig: Rig) -> None:
    rig.forge.propose(proposal())
    path = rig.pulls / "1.json"
    path.write_text(json.dumps(rig.record() | {"state": "closed"}))
    before = rig.heads()
    with pytest.raises(Rejected, match="#1 was closed unmerged"):
        rig.forge.propose(proposal("300m"))
    found = rig.forge.find(KEY)
    assert found is not None
    assert found.state == "closed"
    assert rig.heads() == before
    assert not (rig.pulls / "2.json").exists()


def test_deleting_the_branch_closes_it(rig: Rig) -> None:
    rig.forge.propose(proposal())
    rig.git("push", "--quiet", "origin", "--delete", KEY)
    with pytest.raises(Rejected, match="closed unmerged"):
        rig.forge.propose(proposal())
    assert rig.heads().keys() == {"trunk"}


@pytest.mark.parametrize("way", ["merge", "fast-forward", "squash", "rebase"])
@pytest.mark.parametrize("keeps_branch", [True, False])
def test_merged_in_any_way_is_recognised(rig: Rig, way: str, keeps_branch: bool) -> None:
    rig.forge.propose(proposal())
    rig.base_moves("apps/api.yaml", "cpu: 2\n") if way != "fast-forward" else None
    rig.git("fetch", "--quiet", "origin")
    match way:
        case "merge":
            rig.git("merge", "--quiet", "--no-edit", f"origin/{KEY}")
        case "fast-forward":
            rig.git("merge", "--quiet", "--ff-only", f"origin/{KEY}")
        case "squash":
            rig.git("merge", "--quiet", "--squash", f"origin/{KEY}")
            rig.commit("squashed")
        case "rebase":
            rig.git("cherry-pick", f"origin/{KEY}")
    rig.git("push", "--quiet", "origin", "trunk")
    if not keeps_branch:
        rig.git("push", "--quiet", "origin", "--delete", KEY)
    found = rig.forge.find(KEY)
    assert found is not None
    assert found.state == "merged"
    merged = WEB.replace("500m", "200m")
    with pytest.raises(Rejected, match="holds these values already"):
        rig.forge.propose(proposal(before=merged))
    edit = FileEdit(path=PATH, before=merged, after=merged.replace("200m", "100m"))
    again = rig.forge.propose(proposal(edits=(edit,)))
    assert (again.number, again.state) == (2, "open")
    assert rig.record(1)["state"] == "merged"


class Crash(Exception):
    """Stands for kill -9."""


@pytest.mark.parametrize("step", ["push", "patch", "md", "json", "json linked"])
def test_a_crash_anywhere_is_completed_by_the_next_run(rig: Rig, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    push, put, link = git.Remote.push, folder_records.replaced, Path.hardlink_to

    def dying_push(*arguments: Any) -> None:
        push(*arguments)
        raise Crash

    def dying_replace(path: Path, text: str, **options: Any) -> None:
        if path.suffix == f".{step}":
            raise Crash
        put(path, text, **options)

    def dying_link(self: Path, target: Path) -> None:
        link(self, target)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(git.Remote, "push", dying_push if step == "push" else push)
        patched.setattr(folder_records, "replaced", dying_replace)
        patched.setattr(Path, "hardlink_to", dying_link if step == "json linked" else link)
        with pytest.raises(Crash):
            rig.forge.propose(proposal())
    head = rig.heads()[KEY]
    pull = rig.forge.propose(proposal())
    assert (pull.number, pull.head) == (1, head)
    assert sorted(path.name for path in rig.pulls.iterdir()) == ["1.json", "1.md", "1.patch"]
    assert rig.remote("rev-list", "--count", f"trunk..{KEY}") == "1"


def test_a_branch_that_moves_while_we_write_is_not_overwritten(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.forge.propose(proposal())
    push = git.Remote.push

    def late(*arguments: Any) -> None:
        rig.take_branch()
        rig.git("commit", "--quiet", "--allow-empty", "--message", "mine")
        rig.git("push", "--quiet", "origin", f"theirs:{KEY}")
        push(*arguments)

    monkeypatch.setattr(git.Remote, "push", late)
    with pytest.raises(Rejected, match="moved while it was being written"):
        rig.forge.propose(proposal("300m"))
    assert rig.remote("log", "-1", "--format=%s", KEY) == "mine"


def test_close_takes_our_branch_away_and_allows_a_new_one(rig: Rig) -> None:
    rig.forge.propose(proposal())
    rig.forge.close(KEY, "The workload is gone.")
    rig.forge.close(KEY, "The workload is gone.")
    assert rig.heads().keys() == {"trunk"}
    assert [one["text"] for one in rig.record()["comments"]] == ["The workload is gone."]
    assert rig.record()["state"] == "closed"
    assert rig.forge.propose(proposal("300m")).number == 2


def test_say_is_told_once(rig: Rig) -> None:
    rig.forge.propose(proposal())
    rig.forge.say(KEY, "Measured: 4 USD saved.")
    before = rig.snapshot()
    rig.forge.say(KEY, "Measured: 4 USD saved.")
    assert rig.snapshot() == before
    assert "Measured: 4 USD saved." in (rig.pulls / "1.md").read_text()
    with pytest.raises(Rejected, match="no pull request"):
        rig.forge.say(KEY.replace("web", "api"), "x")


def test_a_blocked_proposal_is_a_draft_with_its_verdicts(rig: Rig) -> None:
    deny = Verdict(rule="cost-tags", decision=Decision.DENY, message="no label")
    rig.forge.propose(proposal(state=ProposalState.BLOCKED, verdicts=(deny,)))
    assert rig.record()["draft"] is True
    assert rig.record()["verdicts"] == ["deny: cost-tags: no label"]
    rig.forge.propose(proposal())
    assert rig.record()["draft"] is False


@pytest.mark.parametrize(
    "path", ["../x.yaml", "/etc/x", "a/../../x", ".git/config", "a/.GIT/hooks/x", "", "a//b", "a\\b", "a/\0b", "./a"]
)
def test_paths_that_leave_the_repository_are_refused(rig: Rig, path: str) -> None:
    with pytest.raises(Rejected, match="not a path inside"):
        rig.forge.propose(proposal(edits=(FileEdit(path=path, before="", after="x"),)))
    assert KEY not in rig.heads()


def test_links_are_not_followed(rig: Rig) -> None:
    (rig.person / "link.yaml").symlink_to("/etc/passwd")
    rig.commit("link")
    rig.git("push", "--quiet", "origin", "trunk")
    assert "link.yaml" not in dict(rig.forge.files("**"))
    with pytest.raises(Rejected, match="not a file"):
        rig.forge.propose(proposal(edits=(FileEdit(path="link.yaml", before="/etc/passwd", after="x"),)))


@pytest.mark.parametrize(
    "key", ["", "x y", "a..b", "-x", "a;touch x", "$(id)", "a/.b", "x.lock", "a/b.lock/c", "a\n", "HEAD^"]
)
def test_keys_that_are_no_safe_branch_are_refused(rig: Rig, key: str) -> None:
    with pytest.raises(Rejected, match="not a safe branch name"):
        rig.forge.propose(proposal(key=key))


@pytest.mark.parametrize("what", ["missing", "not a repository", "no such base"])
def test_a_repository_that_does_not_answer(rig: Rig, what: str) -> None:
    rig.url = {"missing": str(rig.root / "no.git"), "not a repository": rig.root.as_uri()}.get(what, "")
    rig.base = "main" if what == "no such base" else None
    with pytest.raises(Unavailable, match=r"no\.git|does not answer|no branch main"):
        rig.forge.propose(proposal())
    with pytest.raises(Unavailable):
        list(rig.forge.files("**"))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"state": "open", "key": "x"}', '{"state": "shut", "key": "x"}'])
def test_a_damaged_record_is_told_not_overwritten(rig: Rig, content: str) -> None:
    rig.pulls.mkdir()
    (rig.pulls / "1.json").write_text(content)
    with pytest.raises(Malformed, match=r"1\.json"):
        rig.forge.propose(proposal())
    assert (rig.pulls / "1.json").read_text() == content
    assert KEY not in rig.heads()
