"""Google's change of the commitment model moves gross cost by eight percent and net cost by nothing: no false step."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.flow.conftest import Configure
from tests.unit.sources.gcp_export import Row, credit, jsonl, labels, row, write

pytestmark = pytest.mark.timeout(600)

CHANGE = date(2026, 3, 20)
DAYS = 110
FEE = {"id": "F", "description": "Commitment - dollar based v1: GCE for 1 year"}


def lines(day: date) -> list[Row]:
    """An hour of use that a commitment covers and one that it does not, as billed on that day."""
    at = {
        "usage_start_time": f"{day} 07:00:00 UTC",
        "usage_end_time": f"{day} 08:00:00 UTC",
        "export_time": f"{day + timedelta(days=1)} 01:00:00 UTC",
        "invoice": {"month": f"{day:%Y%m}"},
    }
    more = 1 + 0.02 * (day.toordinal() % 5)
    owner = labels(cost_center="search")
    if day < CHANGE:
        return [
            row(
                **at,
                labels=owner,
                cost=240.1 * more,
                credits=[credit(-240.1 * more, "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE")],
            ),
            row(**at, labels=[], cost=140.06 * more, sku=FEE),
            row(**at, labels=owner, cost=100 * more),
        ]
    return [
        row(
            **at,
            labels=owner,
            cost=140.06 * more,
            cost_at_effective_price_default=240.1 * more,
            consumption_model={"id": "C", "description": "CUD"},
        ),
        row(
            **at,
            labels=[],
            cost=140.06 * more,
            sku=FEE,
            credits=[credit(-140.06 * more, "FEE_UTILIZATION_OFFSET")],
        ),
        row(**at, labels=owner, cost=100 * more, consumption_model={"id": "D", "description": "Default"}),
    ]


def test_the_day_of_the_change_opens_no_episode(configure: Configure, tmp_path: Path) -> None:
    first = CHANGE - timedelta(days=DAYS - 20)
    days = [first + timedelta(days=n) for n in range(DAYS)]
    write(tmp_path / "gcp", {"all.jsonl": jsonl([line for day in days for line in lines(day)])})
    run = configure(f"""
        sources: [{{name: gcp, kind: gcp_billing, uri: "file://{tmp_path / "gcp"}"}}]
    """)
    run("ingest", "--as-of", str(days[-1] + timedelta(days=2)))
    by_day = run("costs", "--group-by", "day", "--start", str(days[0]), "--end", str(CHANGE), "--output", "json").json
    assert len(by_day) == DAYS - 20
    for after in (5, 19):
        run("detect", "--as-of", str(CHANGE + timedelta(days=after)))
    assert run("episodes", "list", "--as-of", str(days[-1]), "--output", "json").json == []
