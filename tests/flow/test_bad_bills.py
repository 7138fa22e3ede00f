"""A bill that cannot be trusted is refused whole, told with its place, and the last good version answers on."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from finops_ai.demo.company import simulate
from finops_ai.demo.exports import write_exports
from tests.flow.conftest import Configure

COST = "lineItem/UnblendedCost"
DAY = date(2026, 4, 29)

Spoil = Callable[[Path, Path], None]
"""Takes the period's manifest and its first part."""


def rewritten(change: Callable[[list[dict[str, str]]], None], *, encoding: str = "utf-8") -> Spoil:
    def spoil(_: Path, part: Path) -> None:
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(part.read_bytes()).decode())))
        change(rows)
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        part.write_bytes(gzip.compress(text.getvalue().encode(encoding)))

    return spoil


def cost(value: str) -> Spoil:
    def change(rows: list[dict[str, str]]) -> None:
        rows[2][COST] = value

    return rewritten(change)


def without_costs(rows: list[dict[str, str]]) -> None:
    for row in rows:
        del row[COST]


def manifest(change: Callable[[list[str]], list[str]]) -> Spoil:
    def spoil(file: Path, _: Path) -> None:
        told = json.loads(file.read_text())
        told["reportKeys"] = change(told["reportKeys"])
        file.write_text(json.dumps(told))

    return spoil


SPOILS: dict[str, tuple[Spoil, str]] = {
    "truncated": (lambda _, part: part.write_bytes(part.read_bytes()[:-100]) and None, "cut short"),
    "zero byte": (lambda _, part: part.write_bytes(b"") and None, "empty"),
    "missing part": (lambda _, part: part.unlink(), "part"),
    "missing cost column": (rewritten(without_costs), "unblended"),
    "text": (cost("twelve"), "twelve"),
    "empty": (cost(""), COST),
    "NaN": (cost("NaN"), "NaN"),
    "infinite": (cost("Infinity"), "Infinity"),
    "beyond any bill": (cost("1e400"), "1e400"),
    "German decimals": (cost("12,5"), "12,5"),
    "another encoding": (rewritten(lambda rows: None, encoding="utf-16"), "UTF-8"),
    "a part twice": (manifest(lambda keys: [*keys, keys[0]]), "twice"),
    "a key that climbs out": (manifest(lambda keys: [*keys, "../../../etc/passwd"]), "passwd"),
}


@pytest.mark.parametrize("name", SPOILS)
def test_it_is_refused_and_nothing_else_changes(name: str, configure: Configure, tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    company = simulate(as_of=DAY, start=date(2026, 3, 1), seed=7, incidents=False)
    write_exports(company, exports, aws_layout="legacy")
    program = configure(f"""
        sources:
          - {{name: bill, kind: aws_cur, uri: "file://{exports / "aws"}"}}
    """)
    program("ingest")
    before = program("costs", "--group-by", "billing_period", "--output", "json").json
    april = next(path for path in sorted(exports.rglob("*Manifest.json")) if path.parent.name == "20260401-20260501")
    spoil, told = SPOILS[name]
    spoil(april, next(iter(sorted(april.parent.glob("*/*.csv.gz")))))
    entries = {entry["billing_period"]: entry for entry in program("ingest", "--output", "json", code=6).json}
    assert entries["2026-03"]["status"] == "unchanged"
    refused = entries["2026-04"]
    assert refused["status"] == "refused"
    assert told.lower() in json.dumps(refused["problems"]).lower()
    if name in ("text", "empty", "NaN", "infinite", "beyond any bill", "German decimals"):
        problem = refused["problems"][0]
        assert problem["line"] == 4
        assert problem["column"] == COST
        assert refused["rows_rejected"] == 1
    assert program("costs", "--group-by", "billing_period", "--output", "json").json == before
