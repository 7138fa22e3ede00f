"""Every notebook runs from top to bottom on what the demo leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finops
from tests.house.tree import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("demo")
def test_notebooks_run_on_the_demo(played: tuple[Path, Any, Any]) -> None:
    demo = played[0]
    finops = Finops(folder=demo.parent)
    assert NOTEBOOKS
    for notebook in NOTEBOOKS:
        done = subprocess.run(
            [sys.executable, notebook],
            cwd=finops.folder,
            env=finops.environ({"DEMO_FOLDER": demo.name, "MPLBACKEND": "Agg"}),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{notebook.name}:\n{done.stderr}"
