"""Every benchmark runs on small inputs and tells a ratio."""

from __future__ import annotations

import pytest

from tests.benchmarks import pages
from tests.benchmarks.__main__ import LONG, SUITES, measure, table


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(600)  # a crowded machine is no failure
@pytest.mark.parametrize("suite", [*SUITES, *LONG])
def test_a_benchmark_tells_a_ratio(suite: str) -> None:
    if (
        suite in ("pages", "detection", "archetypes", "hours", "today", "regimes", "cycles", "replanted")
        and not pages.FOLDER.is_dir()
    ):
        pytest.skip(f"no accuracy set in {pages.FOLDER}")
    rows = measure([suite], quick=True)
    assert rows
    assert all(row["ratio"] > 0 for row in rows)
    assert suite in table(rows)
