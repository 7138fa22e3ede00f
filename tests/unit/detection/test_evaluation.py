"""The replay of a split: the same bytes twice, nothing of the future, nothing that is no number."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_ai.app.evaluation import read_split
from finops_ai.app.evaluation_detection import COLUMNS, run
from finops_ai.detection.panel import Filling, panels
from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.verdicts import judge
from finops_ai.domain.errors import UsageError
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.period import Days, end_of_day
from finops_ai.domain.scope import Scope
from tests.unit.forecasting.bills import START, one_series

FIRST = date(2025, 1, 6)
DAYS, SCORED = 150, 130
SHARES = (0.6, 0.95, 1.0)

Row = tuple[str, date, date, float]


def _bill() -> list[Row]:
    """Three series that appear 60 % and 95 % whole, one with an incident that lasts."""
    rows = []
    random = np.random.default_rng(3)
    for name in ("a", "b", "c"):
        for t in range(DAYS):
            day = FIRST + timedelta(days=t)
            cost = 200 * math.exp(random.normal(0, 0.04)) * (3 if name == "b" and 138 <= t < 142 else 1)
            rows += [
                (
                    name,
                    day,
                    day + timedelta(days=age + 1),
                    cost * share * (1 if share == 1 else random.uniform(0.98, 1)),
                )
                for age, share in enumerate(SHARES)
            ]
    return rows


def _split(folder: Path, rows: list[Row]) -> Path:
    folder.mkdir()
    table = pa.table(
        {
            "series_id": [row[0] for row in rows],
            "usage_date": pa.array([row[1] for row in rows], pa.date32()),
            "known_on": pa.array([row[2] for row in rows], pa.date32()),
            "cost": [row[3] for row in rows],
        }
    )
    pq.write_table(table, folder / "costs_log.parquet")
    keys = sorted({row[0] for row in rows})
    (folder / "series.csv").write_text("series_id,provider\n" + "".join(f"{key},aws\n" for key in keys))
    task = {
        "freq": "d",
        "first": FIRST.isoformat(),
        "score_from": (FIRST + timedelta(days=SCORED)).isoformat(),
        "score_to": (FIRST + timedelta(days=DAYS - 1)).isoformat(),
    }
    (folder / "task.json").write_text(json.dumps(task))
    return folder


def _replayed(folder: Path, rows: list[Row], jobs: int = 1) -> list[dict[str, str]]:
    output = _split(folder, rows) / "verdicts.csv"
    run(read_split(folder), output, jobs=jobs, progress=lambda _: None)
    with output.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_incident_is_told_on_its_first_morning_and_once(tmp_path: Path) -> None:
    told = _replayed(tmp_path / "split", _bill())
    assert tuple(told[0]) == COLUMNS
    loud = [(row["series_id"], row["date"], row["known_on"]) for row in told if row["alert"] == "1"]
    day = FIRST + timedelta(days=138)
    assert loud[0] == ("b", day.isoformat(), (day + timedelta(days=1)).isoformat())
    assert all(row["date"] < row["known_on"] for row in told)
    assert {row["series_id"] for row in told if row["alert"] == "1"} == {"b"}
    assert len(loud) <= 2  # again only because it became graver


def test_twice_and_with_two_processes_the_bytes_are_the_same(tmp_path: Path) -> None:
    rows = _bill()
    assert _replayed(tmp_path / "one", rows) == _replayed(tmp_path / "two", rows, jobs=2)


def test_without_pyod_the_scores_are_the_same_and_what_changed_is_told(tmp_path: Path) -> None:
    rows, said = _bill(), []
    with_it = _replayed(tmp_path / "with", rows)
    output = tmp_path / "without.csv"
    run(read_split(tmp_path / "with"), output, jobs=1, progress=said.append, pyod=False)
    with output.open(newline="") as file:
        alone = list(csv.DictReader(file))
    told = [
        {(row["series_id"], row["date"], row["known_on"]): row["score"] for row in rows} for rows in (with_it, alone)
    ]
    assert all(told[0][at] == told[1][at] for at in told[0].keys() & told[1].keys())
    assert len(told[0].keys() ^ told[1].keys()) <= 2  # days older than three are written for their alert only
    loud = sum(row["alert"] == "1" for row in alone)
    assert said[-1].startswith(f"alerts without PyOD: {loud}, with its opinion ")


def test_pyod_cannot_be_left_out_where_it_is_not_asked(tmp_path: Path) -> None:
    hourly = replace(read_split(_split(tmp_path / "split", _bill())), step=timedelta(hours=1))
    with pytest.raises(UsageError, match="PyOD is not asked about hours"):
        run(hourly, tmp_path / "none.csv", jobs=1, progress=lambda _: None, pyod=False)


def test_a_day_that_is_told_twice_counts_once(tmp_path: Path) -> None:
    rows = _bill()
    assert _replayed(tmp_path / "one", rows) == _replayed(tmp_path / "two", [row for row in rows for _ in range(2)])


def test_an_incident_that_the_bill_takes_back_may_have_days_of_which_nothing_is_known(tmp_path: Path) -> None:
    hole = FIRST + timedelta(days=140)
    rows = [row for row in _bill() if row[:2] != ("b", hole)]
    rows += [("b", hole, hole + timedelta(days=1), math.nan)]
    back = [FIRST + timedelta(days=t) for t in (138, 139, 141)]
    rows += [("b", day, FIRST + timedelta(days=145), 200.0) for day in back]
    told = _replayed(tmp_path / "split", rows)
    assert any(row["series_id"] == "b" and row["alert"] == "1" for row in told)
    assert all(math.isfinite(float(row["score"])) for row in told)


def test_a_series_that_begins_is_news_once_as_it_is_in_the_ledger(tmp_path: Path) -> None:
    begun = FIRST + timedelta(days=137)
    new = [("d", *row[1:]) for row in _bill() if row[0] == "a" and row[1] >= begun]
    told = _replayed(tmp_path / "split", [*_bill(), *new])
    loud = [row for row in told if row["series_id"] == "d" and row["alert"] == "1"]
    assert len(loud) == 1
    assert loud[0]["date"] == (begun + timedelta(days=1)).isoformat(), "one day alone may be an odd charge"


@pytest.mark.parametrize("morning", [131, 139, 145])
def test_scrambling_what_comes_later_changes_no_earlier_answer(tmp_path: Path, morning: int) -> None:
    rows, cut = _bill(), FIRST + timedelta(days=morning)
    random = np.random.default_rng(9)
    scrambled = [(*row[:3], row[3] if row[2] <= cut else float(random.uniform(0, 1e6))) for row in rows]
    before, after = (
        [row for row in _replayed(tmp_path / name, told) if row["known_on"] <= cut.isoformat()]
        for name, told in (("true", rows), ("scrambled", scrambled))
    )
    assert before == after
    assert before


THIRTY_YEARS = 30 * 365 + 7
COSTS = st.one_of(st.just(0.0), st.just(math.nan), st.just(math.inf), st.floats(-1e12, 1e12), st.floats(0, 10))
SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as drawn": lambda v: v,
    "constant": lambda v: np.full_like(v, v[0]),
    "zero": np.zeros_like,
    "negative": lambda v: -np.abs(v),
    "a jump": lambda v: np.where(np.arange(len(v)) > len(v) - 4, 1e12, 1.0),
}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    drawn=st.lists(COSTS, min_size=1, max_size=40),
    days=st.sampled_from([1, 2, 8, 30, 60, 200, THIRTY_YEARS]),
    shape=st.sampled_from(sorted(SHAPES)),
    share=st.floats(1e-6, 1.0),
)
def test_odd_series_are_judged_or_not_but_never_give_anything_that_is_no_number(
    drawn: list[float], days: int, shape: str, share: float
) -> None:
    values = SHAPES[shape](np.resize(np.array(drawn), days))
    series = [one_series(values, scope=Scope((("a", "odd"),))), one_series([5.0], scope=Scope((("a", "new"),)))]
    fills = Filling(share=np.array([share, 1.0]), spread=np.array([0.1, 0.0]))
    today = START + timedelta(days=days)
    event = KnownEvent(scope=Scope(), days=Days(START, START + timedelta(days=1)), note="")
    with np.errstate(all="raise", under="ignore"):
        (found,) = judge(
            panels(series, [fills, None], [event], today=today, size=9, settings=DetectSettings()), DetectSettings()
        )
    for one in (found.p_value, found.errors, found.expected, found.upper, found.observed):
        assert np.isfinite(one).all()
    assert ((found.p_value > 0) & (found.p_value <= 1)).all()
    for episode in detect(series, [], as_of=end_of_day(today), settings=DetectSettings()).episodes:
        assert math.isfinite(float(episode.excess.amount))
