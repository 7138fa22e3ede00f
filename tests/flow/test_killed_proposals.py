"""`recommend` and `deliver` killed -9 at any write to a Git host: one branch and one pull request per workload.

FINOPS_KILLS=20 runs the whole of it, on every host; without it a few kills on one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from finops_ai.app.parts import installed_policies
from finops_ai.demo.files import DemoFiles, write_demo
from tests.conftest import Finops
from tests.git_hosts.repository import Repository
from tests.git_hosts.rig import TOKEN, Rig, host

KILLS = int(os.environ.get("FINOPS_KILLS", "3"))
VENDORS = ("github", "gitlab", "gitea") if "FINOPS_KILLS" in os.environ else ("github",)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + KILLS * 60)]


class Killer:
    """Kills the process that writes, at a write chosen by chance, before or after its effect."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.process: subprocess.Popen[str] | None = None
        self.left: int | None = None
        self.killed: list[str] = []

    def arm(self, process: subprocess.Popen[str]) -> None:
        self.process, self.left = process, self.chance.randrange(12)

    def __call__(self, phase: str, what: str) -> Any:
        if self.left is None or not what or what.startswith("GET"):
            return None
        self.left -= 1
        if self.left >= 0 or self.process is None:
            return None
        self.left = None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.killed.append(f"{phase} {what.split('/')[0]}{what.rsplit('/', 1)[-1]}")
        return "drop"


def configured(files: DemoFiles, rig: Rig) -> None:
    """The demo's configuration, with a Git host in place of its folder."""
    text = files.layout.config.read_text(encoding="utf-8")
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if "kind: folder, repository:" in line)
    lines[at] = f"  - {json.dumps({**rig.settings, 'name': 'platform'})}"
    files.layout.config.write_text("\n".join(lines) + "\n", encoding="utf-8")


def base_moves(rig: Rig, folder: Path, turn: int) -> None:
    """A line of somebody's in every manifest, so that every branch has to be made anew."""
    git = rig.repository.git
    if not folder.exists():
        git("clone", "--quiet", str(rig.repository.bare), str(folder), cwd=folder.parent)
    for manifest in folder.rglob("*.y*ml"):
        manifest.write_bytes(manifest.read_bytes() + f"# turn {turn}\n".encode())
    git("commit", "--quiet", "--all", "--message", f"turn {turn}", cwd=folder)
    git("push", "--quiet", "origin", "HEAD", cwd=folder)


@pytest.mark.parametrize("vendor", VENDORS)
def test_one_pull_request_per_workload(vendor: str, finops: Finops, ledger_url: str, tmp_path: Path) -> None:
    files = write_demo(finops.folder / "demo", policies=installed_policies())
    built = tmp_path / "built"
    Repository(root=built, name="acme/none", token="").build({"x": "y"})
    shutil.copytree(files.layout.repository, built / "acme" / "infra.git")
    with host(vendor, built, tmp_path / "host") as rig:
        rig.repository.git("config", "http.receivepack", "true", cwd=rig.repository.bare)
        configured(files, rig)
        environ = finops.environ({"FINOPS_DATABASE_URL": ledger_url, **rig.environ})
        engine = sa.create_engine(ledger_url)
        killer = Killer(random.Random(vendor))
        said = ""

        def call(job: str, *, armed: bool = False) -> int:
            nonlocal said
            command = [sys.executable, "-m", "finops_ai", "--config", str(files.layout.config)]
            command += ["--as-of", str(files.as_of), job]
            process = subprocess.Popen(
                command, cwd=finops.folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            if armed:
                killer.arm(process)
            said += process.communicate(timeout=200)[0]
            killer.left = None
            # The lease of a dead process ends by itself; nobody waits for it here.
            with engine.begin() as connection:
                connection.execute(sa.text("UPDATE message SET lease_until = as_of, not_before = NULL"))
            return process.returncode

        assert call("ingest") == 0, said
        rig.state.fault = killer
        for turn in range(KILLS):
            assert call("recommend") == 0, said
            call("deliver", armed=True)
            base_moves(rig, tmp_path / "checkout", turn)
        rig.state.fault = None
        for job in ("recommend", "deliver", "follow", "deliver"):
            assert call(job) == 0, said
        with engine.connect() as connection:
            keys = set(connection.scalars(sa.text("SELECT key FROM v_proposal WHERE state IN ('open', 'blocked')")))
            left = connection.scalar(
                sa.text("SELECT count(*) FROM v_message WHERE kind = 'proposal' AND state <> 'sent'")
            )
        engine.dispose()
        heads = rig.repository.heads()
        base = next(name for name in heads if name not in keys)
        assert left == 0
        assert keys == heads.keys() - {base}
        assert sorted(one.branch for one in rig.state.pulls) == sorted(keys)
        for pull in rig.state.pulls:
            assert (pull.state, pull.head) == ("open", heads[pull.branch])
            assert {"finops", "rightsizing"} <= set(pull.labels)
            count = rig.repository.git("rev-list", "--count", f"{base}..{pull.branch}", cwd=rig.repository.bare)
            assert count == "1"
        assert len(rig.state.issues) == 1
        assert killer.killed, "nothing was killed"
        assert rig.vendor.description.violations == []
        assert TOKEN not in said
        with_token = [path for _, path, body in rig.state.asked if TOKEN in path or TOKEN.encode() in body]
        assert with_token == []
        print(f"{vendor}: {len(killer.killed)} kills: {', '.join(killer.killed)}; {len(keys)} pull requests")
