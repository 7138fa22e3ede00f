"""`evaluate forecast` replays a split by what was known each morning; the judge's files are none of its business."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finops_ai.app.evaluation import read_split
from finops_ai.domain.errors import Malformed
from tests.conftest import Finops

FIRST = date(2025, 1, 1)
DAYS, SERIES = 300, 8
ORIGIN = date(2025, 7, 1)


def _split(
    folder: Path, *, scrambled_from: int | None = None, last_begins: int = 0, there: tuple[float, float] = (0.7, 0.7)
) -> Path:
    """Eight series whose days are there in part on the first morning and whole on the second; the last may begin later.

    `there` are the least and the largest share of a day on its first morning.
    """
    folder.mkdir()
    random = np.random.default_rng(5)
    costs = 10 ** random.uniform(0, 3, (SERIES, 1)) * np.exp(random.normal(0, 0.1, (SERIES, DAYS)))
    rows = []
    for key in range(SERIES):
        for day in range(last_begins if key == SERIES - 1 else 0, DAYS):
            for lag, share in ((1, random.uniform(*there)), (2, 1.0)):
                known = day + lag
                cost = float(costs[key, day]) * share
                if scrambled_from is not None and known > scrambled_from:
                    cost = float(random.uniform(0, 1e6))
                rows.append((f"s{key}", day, known, cost))
    midnight = datetime(FIRST.year, FIRST.month, FIRST.day)  # noqa: DTZ001
    names, used, known, cost = zip(*rows, strict=True)
    table = pa.table(
        {
            "series_id": list(names),
            "usage_date": [midnight + timedelta(days=day) for day in used],
            "known_on": [midnight + timedelta(days=day) for day in known],
            "cost": list(cost),
        }
    )
    pq.write_table(table, folder / "costs_log.parquet")
    (folder / "series.csv").write_text("series_id,provider\n" + "".join(f"s{i},p{i % 2}\n" for i in range(SERIES)))
    (folder / "calendar.csv").write_text("series_id,start,end,note\ns3,2025-07-10,2025-07-16,decommission\n")
    task = {"freq": "d", "first": "2025-01-01", "score_from": "2025-03-01", "score_to": "2025-10-20"}
    (folder / "task.json").write_text(json.dumps(task))
    (folder / "events.csv").write_text("not a table of events at all\x00")
    return folder


def _forecast(finops: Finops, split: Path, name: str, *more: str) -> Path:
    output = split.parent / name
    done = finops("evaluate", "forecast", "--input", split, "--output", output, *more)
    assert done.exit_code == 0, done.stderr
    return output


@pytest.mark.slow
def test_forecasts_are_written_in_the_judges_form_and_blind_to_the_future(finops: Finops) -> None:
    at = (ORIGIN - FIRST).days
    split = _split(finops.folder / "split")
    first = _forecast(finops, split, "one.csv", "--origins", ORIGIN.isoformat())
    again = _forecast(finops, split, "again.csv", "--origins", ORIGIN.isoformat())
    assert first.read_bytes() == again.read_bytes()
    scrambled = _split(finops.folder / "scrambled", scrambled_from=at)
    second = _forecast(finops, scrambled, "two.csv", "--origins", ORIGIN.isoformat())
    assert first.read_bytes() == second.read_bytes()
    with first.open() as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0])[:3] == ["series_id", "origin", "date"]
    assert len(rows) == SERIES * 90
    assert {row["origin"] for row in rows} == {ORIGIN.isoformat()}
    assert min(row["date"] for row in rows) == ORIGIN.isoformat()
    for row in rows:
        quantiles = [float(value) for name, value in row.items() if name.startswith("q")]
        assert len(quantiles) == 7
        assert quantiles == sorted(quantiles)
    retired = [float(row["q0.5"]) for row in rows if row["series_id"] == "s3" and row["date"] >= "2025-07-10"]
    assert max(retired) == 0


@pytest.mark.slow
def test_a_sample_leaves_series_out_and_default_origins_are_firsts(finops: Finops) -> None:
    split = _split(finops.folder / "split")
    output = _forecast(finops, split, "some.csv", "--sample", "4")
    with output.open() as lines:
        rows = list(csv.DictReader(lines))
    assert {row["series_id"] for row in rows} == {"s0", "s4"}
    assert {row["origin"] for row in rows} == {f"2025-0{month}-01" for month in range(3, 8)}


def test_what_no_bill_has_named_yet_is_not_forecast(finops: Finops) -> None:
    split = _split(finops.folder / "split", last_begins=(ORIGIN - FIRST).days + 5)
    output = _forecast(finops, split, "young.csv", "--origins", f"{ORIGIN},{ORIGIN + timedelta(days=10)}")
    with output.open() as lines:
        told = {(row["series_id"], row["origin"]) for row in csv.DictReader(lines)}
    assert {origin for key, origin in told if key == f"s{SERIES - 1}"} == {"2025-07-11"}
    assert len(told) == 2 * SERIES - 1


def test_a_months_total_is_told_by_day_of_the_month_and_better_at_its_end(finops: Finops) -> None:
    split = _split(finops.folder / "split")
    more = ("--months", "1", "--every", "20", "--output", "json")
    done = finops("evaluate", "month", "--input", split, "--sample", "4", *more)
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["day"] for row in rows] == [1, 21]  # of September, the last whole month
    assert {row["totals"] for row in rows} == {2}
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in ("inside_80", "inside_95"))
    assert float(rows[-1]["error"]) < 0.05


@pytest.mark.slow
def test_a_months_band_knows_that_its_last_day_is_not_whole(finops: Finops) -> None:
    split = _split(finops.folder / "split", there=(0.4, 0.95))
    done = finops("evaluate", "month", "--input", split, "--months", "2", "--every", "29", "--output", "json")
    assert done.exit_code == 0, done.stderr
    late = {row["day"]: row for row in json.loads(done.stdout)}[30]
    assert late["totals"] == 2 * SERIES
    assert 0.65 < float(late["inside_80"]) < 0.95
    assert float(late["inside_95"]) > 0.85


@pytest.mark.slow
def test_forecasts_that_add_up_are_held_against_those_that_do_not(finops: Finops) -> None:
    split = _split(finops.folder / "split")
    owners = "".join(f"s{i},p{i % 2},o{i % 2},c{i % 3},v{i}\n" for i in range(SERIES))
    (split / "series.csv").write_text("series_id,provider,org,cost_center,service\n" + owners)
    more = ("--origins", ORIGIN.isoformat(), "--output", "json")
    done = finops("evaluate", "coherence", "--input", split, *more)
    assert done.exit_code == 0, done.stderr
    rows = {row["level"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {"total", "cost_center", "cost_center x service"}
    assert {row["cents_off"] for row in rows.values()} == {0}
    assert rows["cost_center x service"]["forecasts"] == SERIES
    for row in rows.values():
        assert float(row["mase"]) < 1.25 * float(row["mase_alone"])
        assert 0 <= float(row["inside_80"]) <= float(row["inside_95"]) <= 1
    again = finops("evaluate", "coherence", "--input", split, *more)
    assert again.stdout == done.stdout


def test_as_of_is_the_last_amount_known_that_morning(tmp_path: Path) -> None:
    split = read_split(_split(tmp_path / "split"))
    known, later = split.log.as_of(100), split.log.as_of(101)
    assert known.shape == (SERIES, 100)
    np.testing.assert_array_equal(known[:, :99], later[:, :99])
    np.testing.assert_allclose(known[:, 99], 0.7 * later[:, 99])
    view = split.log.revisions(100, split.codes("provider"))
    np.testing.assert_array_equal(view.by_age[0, :, -1], known[:, 99])
    assert np.isnan(view.by_age[1, :, -1]).all()
    np.testing.assert_array_equal(view.by_age[1, :, -2], known[:, 98])


def test_an_odd_split_is_refused_by_file_and_line(tmp_path: Path) -> None:
    split = _split(tmp_path / "split")
    (split / "calendar.csv").write_text("series_id,start,end,note\ns1,2025-07-10,2025-07-09,x\n")
    with pytest.raises(Malformed, match=r"calendar\.csv:2"):
        read_split(split)
    (split / "series.csv").write_text("series_id\ns0\n")
    with pytest.raises(Malformed, match="does not name"):
        read_split(split)
    (split / "task.json").write_text("[]")
    with pytest.raises(Malformed, match=r"task\.json"):
        read_split(split)
