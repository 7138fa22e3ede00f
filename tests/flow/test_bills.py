"""Bills in, answers out: every figure of the shared exports, restatements, refusals, through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.flow.conftest import Configure

pytestmark = pytest.mark.shared

DOUBLES = Decimal("1e-8")
EXACT = Decimal(0)

FOLDERS = {
    "aws-cur-legacy": ("aws_cur", "aws-cur-legacy/cur", EXACT),
    "aws-cur2": ("aws_cur", "aws-cur2/data-exports", DOUBLES),
    "aws-focus": ("focus_files", "aws-focus/data-exports/acme-focus", DOUBLES),
    "focus-1.0": ("focus_files", "focus/focus-1.0.csv.gz", EXACT),
    "focus-1.1": ("focus_files", "focus/focus-1.1.csv.gz", EXACT),
    "focus-1.2": ("focus_files", "focus/focus-1.2.csv.gz", EXACT),
    "focus-all": ("focus_files", "focus/focus-1.2-all.parquet", EXACT),
}
KEYS = {"by_day": "day", "by_account": "sub_account_id", "by_cost_center": "x_cost_center", "by_model": "x_ai_model"}


def truth_of(name: str, shared: Path) -> Mapping[str, Any]:
    if name.startswith("focus"):
        every = json.loads((shared / "data/focus/totals.json").read_text())
        return every["focus-1.2-all.parquet" if name == "focus-all" else "focus-1.x csv (month 2026-04)"]
    return json.loads((shared / "data" / name / "totals.json").read_text())


def near(found: Mapping[str, Decimal], wanted: Mapping[str, str], tolerance: Decimal) -> bool:
    keys = {key for key, value in wanted.items() if Decimal(value)} | {key for key, value in found.items() if value}
    zero = Decimal(0)
    return all(abs(found.get(key, zero) - Decimal(wanted.get(key, "0"))) <= tolerance for key in keys)


def summed(rows: list[dict[str, Any]], key: str, basis: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for row in rows:
        found[row[key]] = found.get(row[key], Decimal(0)) + Decimal(row[f"{basis}_cost"])
    return found


@pytest.mark.parametrize("name", FOLDERS)
def test_every_figure_of_the_totals_is_met(name: str, shared: Path, configure: Configure) -> None:
    kind, path, tolerance = FOLDERS[name]
    truth = truth_of(name, shared)
    bill = configure(f"""
        sources:
          - {{name: bill, kind: {kind}, uri: "file://{shared / "data" / path}"}}
    """)
    first = bill("ingest", "--output", "json").json
    assert {entry["status"] for entry in first} == {"loaded"}
    keys = ("day", "sub_account_id", "x_cost_center", "x_ai_model", "x_service_code", "service_name", "currency")
    rows = bill("costs", "--group-by", ",".join(keys), "--output", "json").json
    assert {row["currency"] for row in rows} == {"USD"}
    for basis in ("billed", "effective"):
        for figure, key in {**KEYS, "by_service": "x_service_code"}.items():
            wanted = truth[basis].get(figure, {})
            if figure == "by_service" and name.startswith("focus"):
                # FOCUS files name services, totals name their codes: the figures must be the same ones.
                amounts = sorted(amount for amount in summed(rows, "service_name", basis).values() if amount)
                assert amounts == sorted(Decimal(value) for value in wanted.values() if Decimal(value))
                continue
            assert near(summed(rows, key, basis), wanted, tolerance), (figure, basis)
        total = sum((Decimal(row[f"{basis}_cost"]) for row in rows), Decimal(0))
        assert abs(total - Decimal(truth[basis]["total"])) <= tolerance
    centers = bill("costs", "--group-by", "x_cost_center", "--output", "json").json
    for basis in ("billed", "effective"):
        assert summed(centers, "x_cost_center", basis) == summed(rows, "x_cost_center", basis)
    again = bill("ingest", "--output", "json").json
    assert {entry["status"] for entry in again} == {"unchanged"}
    assert [entry["billed_cost"] for entry in again] == [entry["billed_cost"] for entry in first]
    assert bill("costs", "--group-by", ",".join(keys), "--output", "json").json == rows


def test_a_restated_month_replaces_and_the_past_still_answers(
    shared: Path, configure: Configure, tmp_path: Path
) -> None:
    export = tmp_path / "cur"
    shutil.copytree(shared / "data/aws-cur-legacy/cur", export)
    april = export / "acme-cur/20260401-20260501"
    current = (april / "acme-cur-Manifest.json").read_bytes()
    superseded = next(
        path
        for path in april.glob("*/acme-cur-Manifest.json")
        if json.loads(path.read_text())["assemblyId"] != json.loads(current)["assemblyId"]
    )
    (april / "acme-cur-Manifest.json").write_bytes(superseded.read_bytes())
    bill = configure(f"""
        sources:
          - {{name: bill, kind: aws_cur, uri: "file://{export}"}}
    """)
    bill("--as-of", "2026-05-02", "ingest")
    old = bill("--as-of", "2026-05-03", "costs", "--group-by", "billing_period", "--output", "json").json
    (april / "acme-cur-Manifest.json").write_bytes(current)
    second = bill("--as-of", "2026-05-06", "ingest", "--output", "json").json
    assert {entry["billing_period"]: entry["status"] for entry in second} == {
        "2026-02": "unchanged",
        "2026-03": "unchanged",
        "2026-04": "loaded",
    }
    new = bill("--as-of", "2026-05-06", "costs", "--group-by", "billing_period", "--output", "json").json
    assert new[:2] == old[:2]
    assert new[2] != old[2]
    truth = truth_of("aws-cur-legacy", shared)
    assert sum(Decimal(row["billed_cost"]) for row in new) == Decimal(truth["billed"]["total"])
    assert bill("--as-of", "2026-05-05", "costs", "--group-by", "billing_period", "--output", "json").json == old


def test_a_bad_restatement_is_refused_and_the_last_version_answers(
    shared: Path, configure: Configure, tmp_path: Path
) -> None:
    export = tmp_path / "cur"
    shutil.copytree(shared / "data/aws-cur-legacy/cur", export)
    bill = configure(f"""
        sources:
          - {{name: bill, kind: aws_cur, uri: "file://{export}"}}
    """)
    bill("ingest")
    before = bill("costs", "--group-by", "billing_period", "--output", "json").json
    manifest = export / "acme-cur/20260401-20260501/acme-cur-Manifest.json"
    part = export.parent / json.loads(manifest.read_text())["reportKeys"][0]
    part.write_bytes(part.read_bytes()[:-200])
    refused = bill("ingest", "--output", "json", code=6).json
    april = next(entry for entry in refused if entry["billing_period"] == "2026-04")
    assert april["status"] == "refused"
    assert part.name in april["problems"][0]["file"]
    assert {entry["status"] for entry in refused if entry is not april} == {"unchanged"}
    assert bill("costs", "--group-by", "billing_period", "--output", "json").json == before
