"""Hourly series: judged by earlier hours only, from their first days on, and never with anything that is no number."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.app.evaluation import read_split
from finops_ai.app.evaluation_detection import run
from finops_ai.detection.hours import WEEK, alerts, judge_hours
from finops_ai.detection.settings import DetectSettings

HOURS = 24 * 7 * 6


def _hours(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    clock = np.arange(HOURS) % 24
    return np.stack([(10 + 5 * np.sin(clock / 4)) * np.exp(random.normal(0, 0.05, HOURS)) for _ in range(4)])


def test_an_hour_is_judged_by_earlier_hours_only() -> None:
    values = _hours(1)
    values[2, 900:906] *= 4
    whole = judge_hours(values, DetectSettings())
    scrambled = values.copy()
    scrambled[:, 940:] = 1e6
    assert np.array_equal(judge_hours(scrambled, DetectSettings())[:, :936], whole[:, :936])
    loud = np.argwhere(alerts(whole, DetectSettings()))
    assert [2, 900] in loud.tolist()
    assert len(loud) <= 2


def test_one_calm_hour_does_not_end_a_rise_and_a_few_do() -> None:
    values = _hours(4)
    values[1, 900:948] *= 1.25
    values[1, 930] /= 1.25
    found = judge_hours(values, DetectSettings())[1]
    assert found[912:948].max() < 1e-3
    assert found[952:].min() > 1e-3


def test_a_rise_that_is_over_is_over_however_large_it_was() -> None:
    """The mean of the last three days is still high, and one hour above what is usual is no part of it."""
    for seed in range(4, 8):
        values = _hours(seed)
        values[1, 900:948] *= 1.5
        assert judge_hours(values, DetectSettings())[1, 952:].min() > 1e-3


def _jobs(seed: int) -> np.ndarray:
    """Six series with a job in every twentieth hour, by no clock, of sizes that vary by half; and six with a clock."""
    random = np.random.default_rng(seed)
    sizes = random.lognormal(2, 0.5, (6, HOURS))
    return np.concatenate([np.where(random.uniform(size=sizes.shape) < 0.05, sizes, 0.0), *([_hours(seed)] * 2)])[:12]


def test_jobs_by_no_clock_are_known_by_their_size() -> None:
    values = _jobs(6)
    quiet = judge_hours(values, DetectSettings())
    assert np.argwhere(alerts(quiet, DetectSettings())).tolist() == []
    values[0, 700:703] = 150.0
    values[1, 800:830] = 100.0
    whole = judge_hours(values, DetectSettings())
    told = np.argwhere(alerts(whole, DetectSettings()))
    assert {(row, hour // 24) for row, hour in told.tolist()} <= {(0, 29), (1, 33), (1, 34), (1, 35)}
    assert {row for row, _ in told.tolist()} == {0, 1}
    scrambled = values.copy()
    scrambled[:, 744:] = np.random.default_rng(7).uniform(0, 9, values[:, 744:].shape)
    assert np.array_equal(judge_hours(scrambled, DetectSettings())[:, :744], whole[:, :744])


FORTNIGHT = 24 * 14


def _fortnights(seed: int, *, weekend: float) -> np.ndarray:
    """Twelve series of two weeks, each from another Monday on; NaN where there is none."""
    random = np.random.default_rng(seed)
    values = np.full((12, 24 * 7 * 40), np.nan)
    hours = np.arange(FORTNIGHT)
    shape = (10 + 5 * np.sin(hours % 24 / 4)) * np.where(hours // 24 % 7 >= 5, weekend, 1.0)
    for i, row in enumerate(values):
        begin = 24 * 7 * 3 * i
        row[begin : begin + FORTNIGHT] = shape * np.exp(random.normal(0, 0.05, FORTNIGHT))
    return values


def _begins(values: np.ndarray) -> np.ndarray:
    return np.argmax(np.isfinite(values), axis=1)


def test_a_series_of_two_weeks_is_judged_from_its_first_days_on() -> None:
    values = _fortnights(2, weekend=1.0)
    for row, begin in zip(values, _begins(values), strict=True):
        row[begin + 100 : begin + 106] *= 3  # its fifth day
    loud = alerts(judge_hours(values, DetectSettings()), DetectSettings())
    assert all(row[begin + 100] for row, begin in zip(loud, _begins(values), strict=True))
    assert loud.sum() <= 1.5 * len(values)


def test_a_first_weekend_is_less_of_a_surprise_than_a_working_day() -> None:
    values = _fortnights(3, weekend=1.5)
    saturday = np.zeros(values.shape, dtype=np.bool_)
    for row, begin in zip(saturday, _begins(values), strict=True):
        row[begin + 24 * 5 : begin + 24 * 6] = True
    told, otherwise = (
        alerts(judge_hours(values, DetectSettings(), begin=begin), DetectSettings())[saturday].sum()
        for begin in (0, 24 * 4)  # as it is, and as if the week had begun on a Friday
    )
    assert told < otherwise


def test_hours_that_no_bill_names_have_no_verdict(tmp_path: Path) -> None:
    first, hours = datetime(2026, 3, 2), np.setdiff1d(np.arange(600), np.arange(500, 530))  # noqa: DTZ001
    table = pa.table(
        {
            "series_id": ["a"] * len(hours),
            "ts": pa.array([first + timedelta(hours=int(hour)) for hour in hours], pa.timestamp("us")),
            "cost": [10 + math.sin(hour) for hour in hours],
        }
    )
    pq.write_table(table, tmp_path / "costs.parquet")
    (tmp_path / "series.csv").write_text("series_id,score_from\na,2026-03-05\n")
    task = {"freq": "h", "score_from": "2026-03-05 00:00:00", "score_to": "2026-03-26 23:00:00"}
    (tmp_path / "task.json").write_text(json.dumps(task))
    run(read_split(tmp_path), tmp_path / "verdicts.csv", jobs=1, progress=lambda _: None)
    told = [line.split(",")[1] for line in (tmp_path / "verdicts.csv").read_text("utf-8").splitlines()[1:]]
    assert told == [str(first + timedelta(hours=int(hour))) for hour in hours if hour >= 72]


def _on_a_base(seed: int) -> np.ndarray:
    """Six series of 12 weeks with a job of one to three hours on a base in three days of five, by no clock."""
    random = np.random.default_rng(seed)
    values = 3 * np.exp(random.normal(0, 0.05, (6, 2 * HOURS)))
    for row in values:
        for begin in random.integers(0, 2 * HOURS - 6, 50):
            row[begin : begin + random.integers(1, 4)] += random.uniform(5, 7)
    return values


def test_jobs_on_a_base_are_known_by_their_size_and_one_that_does_not_end_becomes_strange() -> None:
    values = _on_a_base(9)
    assert len([1 for _, hour in _loud(values) if hour >= 5 * WEEK]) <= 5  # of about 170 jobs
    values[2, 1500:1530] = 10.0
    values[4, 1500:1502] = 40.0
    p_value = judge_hours(values, DetectSettings())
    assert p_value[2, 1500] > 0.1  # a job like any other ...
    assert p_value[2, 1508:1512].max() < 1e-3  # ... for as long as one of those lasts
    assert [4, 1500] in _loud(values)


def test_machines_between_two_levels_are_hardly_news_and_a_third_is() -> None:
    loud = 0
    for seed in (10, 11, 12):
        random = np.random.default_rng(seed)
        high = np.cumsum(random.uniform(size=(4, 2 * HOURS)) < 1 / 30, axis=1) % 2
        values = (4 + 6 * high) * np.exp(random.normal(0, 0.05, high.shape))
        loud += len([1 for _, hour in _loud(values) if hour >= 5 * WEEK])
        values[1, 1500:1510] = 30.0
        assert 1 in {row for row, hour in _loud(values) if 1500 <= hour < 1510}
    assert loud <= 16  # of about 470 changes


def _steep(seed: int, shift: Sequence[float]) -> np.ndarray:
    """Four series that climb fivefold within two hours of each working morning, `shift` hours later on each day."""
    random = np.random.default_rng(seed)
    hours = 2 * HOURS
    at = np.arange(hours)
    clock = at % 24 - np.resize(shift, hours // 24)[at // 24]
    works = at // 24 % 7 < 5
    day = 2 + 8 * works * (np.clip((clock - 6) / 2, 0, 1) - np.clip((clock - 18) / 2, 0, 1))
    return np.stack([day * np.exp(random.normal(0, 0.05, hours)) for _ in range(4)])


def _loud(values: np.ndarray) -> list[list[int]]:
    found = alerts(judge_hours(values, DetectSettings()), DetectSettings())
    return np.argwhere(found).tolist()


def test_a_morning_that_begins_twenty_minutes_late_or_early_is_no_news() -> None:
    shift = [0.0, 0.1, -0.1, 0.05, -0.05, 0.0, 0.0] * 12
    calm = len(_loud(_steep(5, shift)))
    for day, by in ((72, 0.3), (73, -0.3)):
        moved = [*shift[:day], by, *shift[day + 1 :]]
        assert len(_loud(_steep(5, moved))) <= calm + 1


def test_a_holiday_that_costs_what_a_sunday_does_is_no_fall_and_less_is() -> None:
    values = _steep(6, [0.0])
    sunday = np.s_[69 * 24 : 70 * 24]
    wednesday = np.s_[72 * 24 : 73 * 24]
    holiday, outage = values.copy(), values.copy()
    holiday[:, wednesday] = values[:, sunday]
    outage[1, wednesday] = values[1, sunday] / 10
    assert [hour for _, hour in _loud(holiday) if hour >= wednesday.start] == []
    assert 1 in {row for row, hour in _loud(outage) if wednesday.start <= hour < wednesday.stop}


def test_a_level_that_stays_for_weeks_is_how_it_is_then() -> None:
    random = np.random.default_rng(7)
    values = 10 * np.exp(random.normal(0, 0.03, (4, 2 * HOURS)))
    values[2, 800:] *= 2
    p_value = judge_hours(values, DetectSettings())[2]
    assert (p_value[800:820] < 1e-6).all()
    assert np.median(p_value[800 + 28 * 24 :]) > 0.01  # four weeks on, an hour is judged by the new level
    values[2, 1900:1912] *= 2
    assert [2, 1900] in _loud(values)


def test_a_large_rise_is_told_within_a_day_of_a_small_one_and_a_like_one_is_not() -> None:
    values = _hours(8)
    values[1, [900, 912]] *= 2
    values[3, 900] *= 2
    values[3, 910:914] *= 30
    found = [(row, hour) for row, hour in _loud(values) if 890 <= hour < 940]
    assert [one for one in found if one[0] == 1] == [(1, 900)]
    assert [one for one in found if one[0] == 3] == [(3, 900), (3, 910)]


COSTS = st.one_of(st.just(0.0), st.just(math.nan), st.just(math.inf), st.floats(-1e12, 1e12), st.floats(0, 10))


@settings(max_examples=20)
@given(drawn=st.lists(COSTS, min_size=1, max_size=60), hours=st.sampled_from([1, 300, 400, 800]))
def test_odd_hours_give_p_values(drawn: list[float], hours: int) -> None:
    found = judge_hours(np.resize(np.array(drawn), hours)[None], DetectSettings())
    assert ((found > 0) & (found <= 1)).all()
