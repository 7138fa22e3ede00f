"""The floors of the house hold, and the linter that guards them can tell when they do not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT

BREACHES = {
    "an engine reads the ledger": ("detection/base.py", "import finops_ai.ledger.tables", "the house has floors"),
    "siblings meet": ("sinks/base.py", "import finops_ai.forges.base", "the house has floors"),
    "a source reads the configuration": ("sources/base.py", "import finops_ai.config", "the house has floors"),
    "a noun touches the world": ("domain/money.py", "import finops_ai.world.clock", "the house has floors"),
    "a new room without a floor": ("billing.py", '"""Nowhere."""', "the house has floors"),
    "a circle": ("domain/errors.py", "import finops_ai.domain.money", "there are no circles"),
    "an engine speaks SQL": ("forecasting/base.py", "import sqlalchemy", "engines and nouns are pure"),
    "a noun speaks HTTP, late": ("domain/scope.py", "def f():\n    import httpx", "engines and nouns are pure"),
    "a sink with its own client": ("sinks/base.py", "import httpx", "plug-ins touch the network"),
    "a job chooses its parts": ("jobs/run.py", "import finops_ai.kinds", "jobs are handed their parts"),
    "a page knows a table": ("cli/main.py", "import finops_ai.ledger.tables", "only the ledger knows its tables"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts, to be broken."""
    shutil.copytree(ROOT / "finops_ai", tmp_path / "finops_ai", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_floors_hold() -> None:
    linted = lint(ROOT)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(("path", "line", "contract"), BREACHES.values(), ids=BREACHES)
def test_a_breach_is_found(copy: Path, path: str, line: str, contract: str) -> None:
    file = copy / "finops_ai" / path
    with file.open("a", encoding="utf-8") as text:
        text.write(f"\n{line}\n")
    linted = lint(copy)
    broken = [row for row in linted.stdout.splitlines() if row.endswith("BROKEN")]
    assert linted.returncode == 1, linted.stdout
    assert any(row.startswith(contract) for row in broken), linted.stdout
