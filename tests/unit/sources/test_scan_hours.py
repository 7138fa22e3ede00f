"""On which hour a charge stands, when a source is asked for hours: that of its beginning, in UTC."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from finops_ai.sources import focus_files, litellm
from finops_ai.sources.base import Scan
from finops_ai.sources.scan import scan
from tests.unit.sources.exports import ALL, WORLD, Row, charge, csv_text, delivered
from tests.unit.sources.test_litellm import request, write

HOURS = replace(ALL, hours=True)
Told = dict[datetime, float]

offsets = st.integers(-14 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
first, last = datetime(2001, 1, 2), datetime(2098, 12, 30)  # noqa: DTZ001 - bounds have no zone
instants = st.datetimes(first, last, timezones=offsets).map(lambda at: at.replace(microsecond=0))


def by_hour(found: Scan) -> Told:
    """Billed cost of every hour that has some."""
    told: Told = {}
    assert found.hours is not None
    for row in found.hours.to_pylist():
        start = datetime(row["day"].year, row["day"].month, row["day"].day, tzinfo=UTC)
        for hour, cost in enumerate(row["billed_cost"]):
            if cost:
                at = start + timedelta(hours=hour)
                told[at] = told.get(at, 0.0) + cost
    return told


def read(*rows: Row) -> Told:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bill.csv"
        file.write_text(csv_text(rows), encoding="utf-8")
        return by_hour(scan([(file.name, file)], focus_files.MAPPING, HOURS))


@settings(max_examples=40)
@given(begun=st.lists(instants, min_size=1, max_size=6))
def test_whatever_the_offset_it_is_the_hour_in_utc(begun: list[datetime]) -> None:
    expected: Told = {}
    for at in begun:
        hour = at.astimezone(UTC).replace(minute=0, second=0)
        expected[hour] = expected.get(hour, 0.0) + 1.5
    assert read(*(charge(ChargePeriodStart=at.isoformat()) for at in begun)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("said", "hour"),
    [
        ("2026-04-01", 0),
        ("2026-04-01T17:59:59.999Z", 17),
        ("2026-04-01 17:05:00", 17),
        ("2026-04-01T23:30:00-01:00", 24),
        ("2026-04-01T00:30:00+05:30", -5),
    ],
)
def test_texts(said: str, hour: int) -> None:
    assert read(charge(ChargePeriodStart=said)) == {datetime(2026, 4, 1, tzinfo=UTC) + timedelta(hours=hour): 1.5}


def test_times_of_parquet(tmp_path: Path) -> None:
    at = datetime(2026, 4, 1, 17, 5, tzinfo=UTC)
    row = {name: [value] for name, value in charge().items()}
    table = pa.table({**row, "ChargePeriodStart": pa.array([at], pa.timestamp("us", tz="UTC"))})
    parquet.write_table(table, tmp_path / "bill.parquet")
    found = scan([("bill.parquet", tmp_path / "bill.parquet")], focus_files.MAPPING, HOURS)
    assert by_hour(found) == {at.replace(minute=0): 1.5}


def test_a_request_through_a_gateway_stands_on_the_hour_it_began(tmp_path: Path) -> None:
    rows = [
        request(1, startTime="2026-04-01T10:59:59.900Z", spend=1.0),
        request(2, startTime="2026-04-01T11:00:00Z", spend=2.0),
        request(3, startTime="2026-04-01T11:30:00Z", spend=4.0),
    ]
    made = litellm.make(litellm.Settings(name="gateway", uri=str(write(tmp_path, *rows))), WORLD, HOURS)
    (delivery,) = delivered(made)
    ten = datetime(2026, 4, 1, 10, tzinfo=UTC)
    assert by_hour(made.charges(delivery)) == {ten: 1.0, ten + timedelta(hours=1): 6.0}
