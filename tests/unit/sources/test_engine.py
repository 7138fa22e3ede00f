"""A scan's engine may have served another scan before: nothing of that is left, and nobody shares one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from finops_ai.domain.errors import Malformed, Unavailable
from finops_ai.sources.staging import Engine, engine

SETTINGS = "SELECT current_setting('preserve_insertion_order'), current_setting('TimeZone')"


def leave_something(duck: Engine) -> None:
    duck.con.execute("CREATE TEMP TABLE left_behind AS SELECT 1 AS one; CREATE TEMP VIEW seen AS SELECT 2 AS two")
    duck.con.execute("SET preserve_insertion_order = true")
    (duck.scratch / "part").write_text("x")


def is_new(duck: Engine) -> bool:
    named = duck.con.execute("SELECT count(*) FROM duckdb_tables() WHERE NOT internal").fetchall()
    seen = duck.con.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall()
    settings = duck.con.execute(SETTINGS).fetchall()
    return (named, seen, settings, list(duck.scratch.iterdir())) == ([(0,)], [(0,)], [(False, "UTC")], [])


@pytest.mark.parametrize("error", [None, Malformed, Unavailable, ValueError])
def test_the_next_scan_finds_nothing_of_the_one_before(error: type[Exception] | None) -> None:
    for _ in range(3):
        try:
            with engine() as duck:
                assert is_new(duck)
                leave_something(duck)
                if error is not None:
                    raise error("no")
        except (Malformed, Unavailable, ValueError):
            assert error is not None
        assert not duck.scratch.exists()


def test_two_scans_at_once_do_not_meet() -> None:
    with engine() as one, engine() as other:
        leave_something(one)
        assert is_new(other)
        one.con.execute("SET memory_limit = '64MB'")
        (limit,) = other.con.execute("SELECT current_setting('memory_limit')").fetchall()
        assert limit == ("610.3 MiB",)
        one.con.execute("SET memory_limit = '640MB'")


def test_settings_of_an_engine_of_ones_own_stay_there() -> None:
    with engine(kept=False) as duck:
        duck.con.execute("SET threads = 1; SET disabled_optimizers = 'join_order'")
    with engine() as duck:
        assert duck.con.execute("SELECT current_setting('disabled_optimizers')").fetchall() == [("",)]


def test_an_engine_whose_folder_was_tidied_away_serves_no_more_scans() -> None:
    with engine() as duck:
        folder = duck.scratch.parent
    shutil.rmtree(folder)
    with engine() as duck:
        assert is_new(duck)
        leave_something(duck)
        assert duck.scratch.parent != folder


OPEN = """
import sys, time
from finops_ai.sources.staging import engine
with engine() as duck:
    (duck.scratch / "part.csv").write_bytes(bytes(100_000))
    print(duck.scratch, flush=True)
    time.sleep(600)
"""


def opened(temporary: Path) -> subprocess.Popen[str]:
    """A process in the middle of a scan whose temporary folder is `temporary`."""
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(str(temporary))
    return process


def test_what_a_killed_scan_left_is_gone_with_the_next_and_a_live_one_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = opened(tmp_path)
    left = set(tmp_path.iterdir())
    assert [path.name[:12] for path in left] == ["finops-scan-"]
    live = opened(tmp_path)
    kept = set(tmp_path.iterdir()) - left
    try:
        dead.kill()
        dead.communicate()
        assert set(tmp_path.iterdir()) == left | kept, "a killed process removes nothing"
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with engine(kept=False):
            now = set(tmp_path.iterdir())
            assert not now & left
            assert kept < now
        assert [file.stat().st_size for file in tmp_path.rglob("part.csv")] == [100_000]
    finally:
        live.kill()
        live.communicate()
