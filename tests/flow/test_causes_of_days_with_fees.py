"""On a day with a fee, or with a job that does not come every week, what was expected anyway is no cause."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from finops_ai.detection.routes import Route
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.money import total
from finops_ai.jobs.detect import detect
from finops_ai.jobs.run import Turn
from finops_ai.jobs.voice import Voice
from tests.ledger.bills import bill, charge, load

FIRST, TODAY = date(2025, 5, 1), date(2026, 4, 17)
FEE, HOURS, DISKS = 900.0, 100.0, 50.0
RUNS = {
    "the 15th of each month": lambda day: day.day == 15,
    "every tenth day": lambda day: (TODAY - day).days % 10 == 2,
}


@pytest.mark.parametrize(
    ("clock", "hours", "fee", "cause"),
    [
        ("the 15th of each month", 4.0, 1.0, "hours"),
        ("the 15th of each month", 1.0, 2.0, "fee"),
        ("every tenth day", 4.0, 1.0, "hours"),
        ("every tenth day", 1.0, 2.0, "fee"),
        ("every tenth day", 1.0, 0.0, "fee"),
    ],
)
def test_the_part_that_differs_is_the_cause(
    ledger: sa.Engine, clock: str, hours: float, fee: float, cause: str
) -> None:
    """Hours that cost four times as much, a charge that came twice, and one that did not come."""
    random, at = np.random.default_rng(5), datetime.combine(TODAY, time(5), tzinfo=UTC)
    days = [FIRST + timedelta(days=n) for n in range((TODAY - FIRST).days)]
    last = TODAY - timedelta(days=2)
    assert RUNS[clock](last)
    by_month: dict[str, list[dict[str, Any]]] = {}
    for day in days:
        costs = {
            "hours": HOURS * random.normal(1, 0.03) * (hours if day == last else 1),
            "disks": DISKS * random.normal(1, 0.03),
            "fee": FEE * (fee if day == last else 1) if RUNS[clock](day) else 0.0,
        }
        by_month.setdefault(f"{day:%Y-%m}", []).extend(
            charge(day, Decimal(str(round(cost, 2))), service_name="Compute", x_sku_group=name)
            for name, cost in costs.items()
            if cost
        )
    for month, rows in by_month.items():
        load(ledger, bill(*rows), period=month, known_at=at, fingerprint=month)
    turn = Turn(engine=ledger, as_of=at + timedelta(hours=1), now=lambda: at)
    voice = Voice(settings=AlertSettings(top=Route()))
    found = detect(turn, cost_basis="effective", settle_days={}, settings=DetectSettings(floor=50.0), voice=voice)
    (episode,) = [row for row in found.results if row["opened_on"] == last]
    assert episode["main_cause"] == cause
    assert total(each["excess"] for each in episode["causes"]) == episode["excess"]
    carried = {name: each["excess"] for each in episode["causes"] for name in each["what"].values()}
    assert abs(float(carried[cause] / episode["excess"]) - 1) < 0.2
