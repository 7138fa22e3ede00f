"""Fixtures of every suite; unit tests get no sockets, all others loopback only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

pytest_plugins = ("tests.database", "tests.played")

# The command runs some hundred times as a process of its own. Where the surroundings forbid Python to keep what it
# compiled, every one of them would compile the whole program again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes says what else the machine does, not whether the product keeps its promise.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(ROOT / "tests" / "unit"):
            item.add_marker(pytest.mark.disable_socket)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How one call of the command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finops:
    """The `finops-ai` command as a process of its own, in a working directory and home that only this test sees."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / ".finops"

    def environ(self, extra: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FINOPS_", "AWS_"))}
        return {**inherited, "FINOPS_HOME": str(self.home), "COLUMNS": "200", **extra}

    def __call__(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout_seconds: float = 110,
    ) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "finops_ai", *map(str, arguments)],
            cwd=self.folder,
            env=self.environ(env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout_seconds,
        )
        return Ran(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared sample exports beside the checkout; FINOPS_SHARED names another place."""
    folder = Path(os.environ.get("FINOPS_SHARED") or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no sample exports in {folder}: set FINOPS_SHARED to the folder that holds data/")
    return folder


@pytest.fixture
def as_of() -> datetime:
    """The instant of knowledge of tests that do not care which: the end of the sample exports."""
    return datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC)


@pytest.fixture
def finops(tmp_path: Path) -> Finops:
    return Finops(folder=tmp_path)
