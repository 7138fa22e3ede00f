"""What tests share is made by one worker: the groups they name hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GROUPED = """
import os
import time

import pytest


@pytest.mark.xdist_group("server")
@pytest.mark.parametrize("number", range(4))
def test_asks_the_server(number):
    time.sleep(0.2)
    with open("workers", "a") as told:
        told.write(os.environ["PYTEST_XDIST_WORKER"] + chr(10))
"""


def test_tests_of_one_group_run_in_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    ran = subprocess.run([*command, "test_grouped.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    workers = (tmp_path / "workers").read_text().split()
    assert len(workers) == 4
    assert len(set(workers)) == 1
