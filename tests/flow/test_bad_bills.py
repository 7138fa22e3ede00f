"""A bill that cannot be trusted is refused whole, told with its place, and the last good version answers on."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from finops_ai.demo.company import simulate
from finops_ai.demo.exports import write_exports
from tests.conftest import Finops
from tests.database import NewDatabase, name_of
from tests.flow.conftest import Program, configured

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """Two months that were read, the database that has them, and what it answers."""

    exports: Path
    database_url: str
    costs: Any


def billed(folder: Path, database_url: str) -> Program:
    """A program whose bill lies in `folder`/exports/aws."""
    text = f'sources:\n  - {{name: bill, kind: aws_cur, uri: "file://{folder / "exports" / "aws"}"}}\n'
    return configured(Finops(folder=folder), database_url, text)


def costs(program: Program) -> Any:
    return program("costs", "--group-by", "billing_period", "--output", "json").json


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase, template: str) -> Good:
    """Read once; every case spoils a copy of the files beside a copy of the database."""
    folder = tmp_path_factory.mktemp("good")
    company = simulate(as_of=DAY, start=date(2026, 3, 1), seed=7, incidents=False)
    write_exports(company, folder / "exports", aws_layout="legacy")
    program = billed(folder, new_database(template))
    program("ingest")
    return Good(exports=folder / "exports", database_url=program.database_url, costs=costs(program))


@pytest.mark.parametrize("name", SPOILS)
def test_it_is_refused_and_nothing_else_changes(
    name: str, good: Good, new_database: NewDatabase, tmp_path: Path
) -> None:
    exports = tmp_path / "exports"
    shutil.copytree(good.exports, exports)
    program = billed(tmp_path, new_database(name_of(good.database_url)))
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
    assert costs(program) == good.costs
