"""Any page can be made again as it was known: rendered, restated, rendered again as of then, byte for byte."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from finops_ai.app.parts import installed_policies
from finops_ai.demo.files import write_demo
from tests.conftest import ROOT, Finops
from tests.flow.conftest import Program

pytestmark = pytest.mark.timeout(600)

EARLIER, LATER = date(2026, 4, 20), date(2026, 4, 29)


def pages(program: Program, as_of: date) -> dict[str, bytes]:
    """Everything a person can look at, as known on a day."""
    known = ("--config", str(program.finops.folder / "demo" / "finops.yaml"), "--as-of", str(as_of))
    report = program(*known, "report", "--output", "json").json
    found = {row["format"]: Path(row["file"]).read_bytes() for row in report if row["format"] != "csv"}
    reads = (
        ("costs", "--group-by", "day,x_cost_center,x_ai_model,service_name"),
        ("episodes", "list"),
        ("forecast", "--dry-run"),
    )
    for words in reads:
        found[words[0]] = program(*known, *words, "--output", "json").stdout.encode()
    return found


def test_a_page_is_the_same_after_the_bill_was_restated(finops: Finops, ledger_url: str) -> None:
    program = Program(finops=finops, database_url=ledger_url)
    folder = finops.folder / "demo"
    assert installed_policies() == ROOT / "config" / "policies"
    files = write_demo(folder, policies=installed_policies(), known_on=EARLIER)
    known = ("--config", str(files.layout.config))
    program(*known, "--as-of", str(EARLIER), "run", "all")
    then = pages(program, EARLIER)
    write_demo(folder, policies=installed_policies())
    program(*known, "--as-of", str(LATER), "run", "all")
    assert pages(program, LATER)["costs"] != then["costs"]
    again = pages(program, EARLIER)
    assert {name for name in then if again[name] != then[name]} == set()
