"""Every notebook runs from top to bottom on what the demo leaves behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import Finops
from tests.house.tree import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_notebooks_run_on_the_demo(finops: Finops) -> None:
    demo = finops("demo", "--folder", "demo", timeout_seconds=240)
    assert demo.exit_code == 0, demo.stderr
    assert NOTEBOOKS
    for notebook in NOTEBOOKS:
        done = subprocess.run(
            [sys.executable, notebook],
            cwd=finops.folder,
            env=finops.environ({"DEMO_FOLDER": "demo", "MPLBACKEND": "Agg"}),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{notebook.name}:\n{done.stderr}"
