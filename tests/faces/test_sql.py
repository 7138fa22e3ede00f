"""The command that prints a scan's SQL for other engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
import sqlglot

from finops_ai.sources import base
from tests.conftest import Finops

BILL = Path(__file__).resolve().parents[1] / "golden/sources"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    export, focus = BILL / "aws_cur/export/bill", BILL / "gcp_billing"
    sources = [
        {"name": "cur", "kind": "aws_cur", "uri": str(export)},
        {"name": "gcp", "kind": "gcp_billing", "uri": str(focus)},
    ]
    path = tmp_path / "finops.yaml"
    path.write_text(json.dumps({"sources": sources}))
    return path


def test_an_unknown_dialect_is_told_the_known(finops: Finops, config: Path) -> None:
    ran = finops("--config", config, "sql", "cur", "--dialect", "oracle")
    assert ran.exit_code == 2
    assert all(one in ran.stderr for one in get_args(base.Dialect))


def test_a_query_for_another_engine(finops: Finops, config: Path) -> None:
    ran = finops("--config", config, "sql", "cur", "--dialect", "trino", "--table", "lake.billing.cur2")
    assert ran.exit_code == 0, ran.stderr
    tree = sqlglot.parse_one(ran.stdout, read="trino")
    names = [column.alias_or_name for column in tree.expressions]
    assert {"BilledCost", "EffectiveCost", "ChargePeriodStart", "BillingPeriodStart", "Tags"} <= set(names)
    assert "FROM lake.billing.cur2" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nobody",), "no source named 'nobody'"),
        (("gcp",), "laid out here"),
        (("cur", "--period", "april"), "YYYY-MM"),
        (("cur", "--table", "a", "--table", "b"), "name a table for each"),
    ],
)
def test_what_cannot_be_asked(finops: Finops, config: Path, arguments: tuple[str, ...], says: str) -> None:
    ran = finops("--config", config, "sql", *arguments)
    assert ran.exit_code == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
