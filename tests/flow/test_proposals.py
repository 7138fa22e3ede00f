"""A proposal lives with its base: said again nothing doubles, a base that moved makes the branch anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dulwich import porcelain
from dulwich.objects import Commit
from dulwich.repo import Repo

from finops_ai.app.parts import installed_policies
from finops_ai.demo.files import DemoFiles, write_demo
from tests.conftest import Finops
from tests.flow.conftest import Program

pytestmark = pytest.mark.timeout(300)
KEY = "finops/rightsize/prod/search/deployment-search-api"


@pytest.fixture
def program(finops: Finops, ledger_url: str) -> Program:
    return Program(finops=finops, database_url=ledger_url)


@pytest.fixture
def files(finops: Finops) -> DemoFiles:
    return write_demo(finops.folder / "demo", policies=installed_policies())


def proposed(program: Program, files: DemoFiles) -> list[dict[str, str]]:
    known = ("--config", str(files.layout.config), "--as-of", str(files.as_of))
    for job in ("ingest", "recommend", "deliver"):
        program(*known, job)
    pulls: list[dict[str, str]] = program(*known, "pr", "list", "--output", "json").json
    return pulls


def head(files: DemoFiles, branch: str) -> Commit:
    with Repo(str(files.layout.repository)) as repository:
        commit = repository[repository.refs[f"refs/heads/{branch}".encode()]]
        assert isinstance(commit, Commit)
        return commit


def test_said_twice_nothing_doubles(program: Program, files: DemoFiles) -> None:
    first = proposed(program, files)
    commit = head(files, KEY)
    assert proposed(program, files) == first
    assert head(files, KEY) == commit
    assert len(list(files.layout.pulls.glob("*.json"))) == len(first)


def test_a_base_that_moved_makes_the_branch_anew(program: Program, files: DemoFiles, tmp_path: Path) -> None:
    first = proposed(program, files)
    path = "apps/search/search-api.yaml"
    with porcelain.clone(str(files.layout.repository), str(tmp_path / "checkout")) as checkout:
        file = tmp_path / "checkout" / path
        file.write_text(file.read_text(encoding="utf-8") + "# somebody else's line\n", encoding="utf-8")
        porcelain.add(checkout, [str(file)])
        made = porcelain.commit(checkout, message=b"Another line", author=b"A <a@b>", committer=b"A <a@b>")
        porcelain.push(checkout, str(files.layout.repository), b"refs/heads/main")
    proposed(program, files)
    assert head(files, KEY).parents == [made]
    assert len(list(files.layout.pulls.glob("*.json"))) == len(first)


def test_what_a_person_closed_is_remembered(program: Program, files: DemoFiles) -> None:
    proposed(program, files)
    pull = next(one for one in files.layout.pulls.glob("*.json") if json.loads(one.read_text())["key"] == KEY)
    pull.write_text(json.dumps({**json.loads(pull.read_text()), "state": "closed"}), encoding="utf-8")
    known = ("--config", str(files.layout.config), "--as-of", str(files.as_of))
    program(*known, "follow")
    states = {one["key"]: one["state"] for one in proposed(program, files)}
    assert states[KEY] == "closed"
    assert json.loads(pull.read_text())["state"] == "closed"
