"""Every format at once in one ledger: formats that tell the same charges agree, and what attributes counts nothing."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from tests.flow.conftest import Configure, Program

pytestmark = pytest.mark.shared

GCP = "gcp-detailed/gcp_billing_export_resource_v1_01AB23_45CD67_89EF01"

COUNTED: Mapping[str, tuple[str, str]] = {
    "cur": ("aws_cur", "aws-cur-legacy"),
    "cur2": ("aws_cur", "aws-cur2"),
    "aws-focus": ("focus_files", "aws-focus"),
    "focus": ("focus_files", "focus/focus-1.2-all.parquet"),
    "azure": ("azure_export", "azure/exports"),
    "azure-focus": ("azure_export", "azure/focus-1.0r2"),
    "gcp-parquet": ("gcp_billing", f"{GCP}.parquet"),
    "gcp-standard": ("gcp_billing", "gcp-standard"),
    "nise-aws": ("aws_cur", "nise/aws"),
    "nise-azure": ("azure_export", "nise/azure"),
    "nise-gcp": ("gcp_billing", "nise/gcp"),
    "openai": ("openai_usage", "llm-usage/openai"),
    "anthropic": ("anthropic_usage", "llm-usage/anthropic"),
}
"""Name to kind and place of what bills; `gcp-jsonl`, which needs a folder of its own, comes to these."""

ATTRIBUTING: Mapping[str, tuple[str, str]] = {
    "k8s": ("opencost", "opencost/allocation"),
    "gateway": ("litellm", "llm-usage/litellm"),
}
"""What only says whose the cost is that others bill."""

DOUBLES = Decimal("1e-8")
"""How far apart two files may be of which one holds doubles."""

Cell = tuple[str, ...]
Row = Mapping[str, str]


@pytest.fixture
def ledger(shared: Path, configure: Configure, tmp_path: Path) -> Program:
    data = shared / "data"
    for file in data.glob(f"{GCP}*.jsonl.gz"):  # the same rows lie beside them as Parquet
        shutil.copy(file, tmp_path)
    places = {name: (kind, data / place) for name, (kind, place) in {**COUNTED, **ATTRIBUTING}.items()}
    places["gcp-jsonl"] = ("gcp_billing", tmp_path)
    lines = [f'  - {{name: {name}, kind: {kind}, uri: "{uri.as_uri()}"}}' for name, (kind, uri) in places.items()]
    return configure("\n".join(["sources:", *lines]))


def asked(program: Program, *arguments: str) -> list[Row]:
    rows: list[Row] = program("costs", *arguments, "--output", "json").json
    return rows


def cells(rows: Iterable[Row], basis: str, source: str, provider: str = "", but: str = "") -> dict[Cell, Decimal]:
    """Cost by day, account, service and currency; what no sub account has is the billing account's."""
    found: dict[Cell, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["source"] == source and row["provider_name"].startswith(provider) and row["charge_category"] != but:
            account = row["sub_account_id"] or row["billing_account_id"]
            found[row["day"], account, row["service_name"], row["currency"]] += Decimal(row[f"{basis}_cost"])
    return found


def apart(one: Mapping[Cell, Decimal], other: Mapping[Cell, Decimal], by: Decimal = Decimal(0)) -> dict[Cell, Decimal]:
    differences = {cell: one.get(cell, Decimal(0)) - other.get(cell, Decimal(0)) for cell in one.keys() | other.keys()}
    return {cell: difference for cell, difference in differences.items() if abs(difference) > by}


def sustained_use(shared: Path) -> dict[Cell, Decimal]:
    """The credits for sustained use, straight from the rows."""
    found: dict[Cell, Decimal] = defaultdict(Decimal)
    for file in (shared / "data").glob(f"{GCP}*.jsonl.gz"):
        for line in gzip.decompress(file.read_bytes()).splitlines():
            row = json.loads(line, parse_float=Decimal)
            for credit in row["credits"]:
                if credit["type"] == "SUSTAINED_USAGE_DISCOUNT":
                    day, account, service = row["usage_start_time"][:10], row["project"]["id"], row["service"]
                    found[day, account, service["description"], row["currency"]] += credit["amount"]
    return found


def test_formats_agree_and_nothing_counts_twice(ledger: Program, shared: Path) -> None:
    entries = ledger("ingest", "--output", "json").json
    assert {entry["status"] for entry in entries} == {"loaded"}
    keys = "source,provider_name,day,billing_account_id,sub_account_id,service_name,charge_category"
    counted = asked(ledger, "-g", keys)
    credits_of_gcp = sustained_use(shared)
    for basis in ("billed", "effective"):
        bills = {name: cells(counted, basis, name) for name in (*COUNTED, "gcp-jsonl")}
        focus = {name: cells(counted, basis, "focus", name) for name in ("AWS", "Google Cloud")}
        focus["Microsoft"] = cells(counted, basis, "focus", "Microsoft", but="Tax")  # Azure's own exports tell no tax
        assert sum(map(len, focus.values())) == len(bills["focus"])
        for other in (bills["cur2"], bills["aws-focus"], focus["AWS"]):
            assert apart(bills["cur"], other, DOUBLES) == {}, basis
        for other in (bills["azure-focus"], focus["Microsoft"]):
            assert apart(bills["azure"], other, DOUBLES) == {}, basis
        assert apart(bills["gcp-jsonl"], bills["gcp-parquet"]) == {}
        april = {cell: cost for cell, cost in bills["gcp-jsonl"].items() if cell[0].startswith("2026-04")}
        assert apart(april, bills["gcp-standard"]) == {}
        assert apart(bills["gcp-jsonl"], focus["Google Cloud"]) == credits_of_gcp

    billed: dict[Cell, Decimal] = defaultdict(Decimal)
    for entry in entries:
        for currency, cost in entry["billed_cost"].items():
            billed[entry["source"], currency] += Decimal(cost)
    sums: dict[Cell, Decimal] = defaultdict(Decimal)
    for row in counted:
        sums[row["source"], row["currency"]] += Decimal(row["billed_cost"])
    for name in ATTRIBUTING:
        (row,) = asked(ledger, "--where", f"source={name}")
        assert Decimal(row["billed_cost"]) == billed.pop((name, row["currency"])) > 0
    assert sums == billed
    assert {name for name, _ in billed} == {*COUNTED, "gcp-jsonl"}
    for row in asked(ledger):
        assert Decimal(row["billed_cost"]) == sum(cost for (_, code), cost in billed.items() if code == row["currency"])
