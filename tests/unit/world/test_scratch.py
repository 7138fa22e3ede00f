"""Folders for work on disk: what a killed process left goes, what anybody else has or made stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from finops_ai.world.scratch import HELD, Scratch, scratch, sweep

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from finops_ai.world.scratch import Scratch
made = Scratch("test", within=Path(sys.argv[1]))
(made.path / "large").write_bytes(bytes(1000))
print(made.path.parent, flush=True)
time.sleep(600)
"""

Hold = Callable[[], tuple[subprocess.Popen[str], Path]]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Starts a process that holds a folder in `tmp_path`, and tells where."""
    running = []

    def start() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in running:
        process.kill()
        process.communicate()


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_folder_goes_with_its_block_and_with_its_owner(tmp_path: Path) -> None:
    with scratch("test", within=tmp_path) as path:
        (path / "file").write_text("x")
        assert path.is_dir()
    assert list(tmp_path.iterdir()) == []
    made = Scratch("test", within=tmp_path)
    assert made.path.is_dir()
    del made
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_a_live_one_has_stays(hold: Hold, tmp_path: Path) -> None:
    (dead, left), (_, alive) = hold(), hold()
    killed(dead)
    with scratch("test", within=tmp_path) as mine:
        assert sorted(tmp_path.iterdir()) == sorted([alive, mine.parent])
        assert not left.exists()
        assert len((alive / "work" / "large").read_bytes()) == 1000


def test_a_folder_is_used_by_whoever_inherited_it(tmp_path: Path) -> None:
    """A child that was forked may still write; the lock is gone when the last of them is."""
    code = HOLDER.replace("import sys, time", "import os, sys, time").replace(
        "print(", "child = os.fork()\nif child:\n    print(child, "
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child, folder = parent.stdout.readline().split()
    killed(parent)
    sweep(tmp_path)
    assert Path(folder).exists()
    os.kill(int(child), signal.SIGKILL)
    parent.communicate()  # the pipe closes with the last one that had it
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_not_known_as_left_is_touched(hold: Hold, tmp_path: Path) -> None:
    dead, left = hold()
    killed(dead)
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    shutil.copytree(left, elsewhere)
    shutil.copytree(left, tmp_path / "somebody-else's")
    (tmp_path / "finops-linked").symlink_to(elsewhere, target_is_directory=True)
    (tmp_path / "finops-scan-of-an-earlier-version").mkdir()
    (tmp_path / "finops-file").write_text("x")
    made_elsewhere = tmp_path / "finops-scan-of-another-machine"
    shutil.copytree(left, made_elsewhere)
    (made_elsewhere / HELD).write_text("another kernel\n")
    pipe = tmp_path / "finops-pipe"
    pipe.mkdir()
    os.mkfifo(pipe / HELD)
    kept = {path.name for path in tmp_path.iterdir()} - {left.name}
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert (elsewhere / "work" / "large").exists()
    assert (made_elsewhere / "work" / "large").exists()


def test_what_a_leftover_points_to_stays(hold: Hold, tmp_path: Path) -> None:
    dead, left = hold()
    bills = tmp_path / "bills"
    bills.mkdir()
    (bills / "bill.parquet").write_text("x")
    (left / "work" / "000000.parquet").symlink_to(bills / "bill.parquet")
    (left / "work" / "folder").symlink_to(bills, target_is_directory=True)
    killed(dead)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [bills]
    assert (bills / "bill.parquet").read_text() == "x"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_a_folder_of_another_user_stays(hold: Hold, tmp_path: Path) -> None:
    dead, left = hold()
    killed(dead)
    os.chown(left, 12345, 12345)
    sweep(tmp_path)
    assert (left / "work" / "large").exists()


def test_what_cannot_be_removed_hinders_nobody_and_may_be_tried_again(hold: Hold, tmp_path: Path) -> None:
    dead, left = hold()
    killed(dead)
    shutil.rmtree(left / "work")
    (left / "work").write_text("no folder")
    with scratch("test", within=tmp_path) as mine:
        assert mine.is_dir()
    assert (left / HELD).exists()
    (left / "work").unlink()
    sweep(tmp_path)
    sweep(tmp_path / "no such folder")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_being_made_is_not_swept(tmp_path: Path) -> None:
    done = threading.Event()

    def always() -> None:
        while not done.is_set():
            sweep(tmp_path)

    sweepers = [threading.Thread(target=always) for _ in range(2)]
    for each in sweepers:
        each.start()
    try:
        for _ in range(300):
            with scratch("test", within=tmp_path) as path:
                (path / "file").write_text("x")
                assert (path / "file").read_text() == "x"
    finally:
        done.set()
        for each in sweepers:
            each.join()
    assert list(tmp_path.iterdir()) == []
