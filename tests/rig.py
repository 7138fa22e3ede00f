"""The real servers and judges that .ci/rig/install brings: where they are, or why a test must skip."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RIG = ROOT / ".rig"

PROGRAMS = {
    "azurite": RIG / "node/node_modules/.bin/azurite-blob",
    "local-bigquery": RIG / "bigquery/bin/local-bigquery",
    "focus-validator": RIG / "validator/bin/python",
}
"""What is installed beside the checkout; everything else is looked for on the path."""


def need(name: str) -> Path:
    """The program of that name. Where it is missing the test skips with the reason, or fails if FINOPS_RIG=required."""
    found = PROGRAMS.get(name) or shutil.which(name)
    if found and Path(found).exists():
        return Path(found)
    return _missing(name)


def need_spark() -> None:
    """Spark and Java in the tests' own environment."""
    try:
        import pyspark  # noqa: F401
    except ImportError:
        _missing("spark")
    need("java")


def _missing(name: str) -> Path:
    told = RIG / f"{name.removeprefix('local-').removeprefix('focus-')}.missing"
    why = told.read_text(encoding="utf-8").strip() if told.exists() else "run make rig"
    if os.environ.get("FINOPS_RIG") == "required":
        pytest.fail(f"{name} is not installed: {why}")
    pytest.skip(f"{name} is not installed: {why}")
