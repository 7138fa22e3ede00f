"""What recurs by another clock than week and year is forecast so; what does not, two incidents among it, has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest

from finops_ai.domain.cycles import Cycles, Expected
from finops_ai.domain.day_places import in_months, weekdays, working_days
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.settings import ForecastSettings

MONDAY = date(2024, 1, 1)
SERIES, AHEAD = 6, 42
NOISE = 0.05


def error(shape: FloatArray, known: int, size: float = NOISE, seed: int = 1) -> float:
    """Mean error of the forecast of `shape` (known + AHEAD,) with noise, as a share of its mean cost."""
    noise = np.exp(np.random.default_rng(seed).normal(0, size, (SERIES, len(shape))))
    told = Baseline(ForecastSettings()).forecast((shape * noise)[:, :known], MONDAY, AHEAD, list("abcdef"))
    return float(np.abs(told - shape[known:]).mean() / shape[known:].mean())


def days(known: int) -> FloatArray:
    return np.arange(known + AHEAD)


def month_day(known: int) -> FloatArray:
    """Days of the month before each."""
    return in_months(MONDAY, known + AHEAD)[1]


def weekday(known: int) -> FloatArray:
    return weekdays(MONDAY, known + AHEAD)


@pytest.mark.parametrize("known", [80, 81, 200, 365])
def test_work_on_every_second_day(known: int) -> None:
    assert error(np.where(days(known) % 2 == 0, 300.0, 0.0), known) < 0.1


@pytest.mark.parametrize("known", [120, 126, 200, 365])
@pytest.mark.parametrize("base", [0.0, 100.0])
def test_a_job_every_second_week(known: int, base: float) -> None:
    assert error(base + np.where(days(known) % 14 == 9, 900.0, 0.0), known) < 0.2


def test_the_second_week_of_a_sprint_is_dearer() -> None:
    sprint = np.where(days(300) % 14 >= 7, 1.4, 1.0) * np.where(days(300) % 7 < 5, 200.0, 40.0)
    assert error(sprint, 300) < 0.06


CLOCKS: dict[str, Callable[[int], FloatArray]] = {
    "every third day": lambda n: days(n) % 3 == 1,
    "every fifth day": lambda n: days(n) % 5 == 1,
    "every tenth day": lambda n: days(n) % 10 == 1,
    "every third week": lambda n: days(n) % 21 == 9,
    "every fourth week": lambda n: days(n) % 28 == 9,
    "the second Tuesday": lambda n: (weekday(n) == 1) & (month_day(n) // 7 == 1),
    "the last Friday": lambda n: (weekday(n) == 4) & (in_months(MONDAY, n + AHEAD)[2] < 7),
    "the first working day": lambda n: working_days(MONDAY, n + AHEAD)[0] == 0,
    "the third day of every three in a month": lambda n: month_day(n) % 3 == 2,
}


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("known", [200, 300, 365])
@pytest.mark.parametrize("base", [0.0, 100.0])
def test_jobs_by_other_clocks(clock: str, known: int, base: float) -> None:
    assert error(base + np.where(CLOCKS[clock](known), 900.0, 0.0), known) < 0.2


@pytest.mark.parametrize("known", [200, 300, 365])
def test_the_course_of_a_month(known: int) -> None:
    """Use that grows through the month and begins anew: no day is far from its neighbours."""
    assert error(100.0 + 5 * month_day(known), known) < 0.08


def test_a_fee_beside_a_sprint() -> None:
    both = 100.0 + np.where(days(300) % 14 == 9, 900.0, 0.0) + np.where(month_day(300) == 0, 2_000.0, 0.0)
    assert error(both, 300) < 0.1


def test_a_job_that_stopped_is_not_forecast_for_long() -> None:
    job = 100 + np.where((days(300) % 14 == 9) & (days(300) < 240), 900.0, 0.0)
    assert error(job, 300) < 0.1


def test_a_gap_in_the_bill_makes_no_clock_forgotten() -> None:
    """Two fortnights of which nothing is known: what was expected of their places is what they are remembered by."""
    sprints = 100.0 + np.where(days(300) % 14 == 9, 900.0, 0.0)
    noise = np.exp(np.random.default_rng(2).normal(0, NOISE, (SERIES, 300)))
    known = sprints[:300] * noise
    known[:, 270:298] = np.nan
    told = Baseline(ForecastSettings()).forecast(known, MONDAY, AHEAD, list("abcdef"))
    assert np.abs(told - sprints[300:]).mean() / sprints.mean() < 0.1


@pytest.mark.parametrize("factor", [0.2, 5.0])
@pytest.mark.parametrize("clock", ["every tenth day", "every third week", "the last Friday"])
def test_an_incident_makes_no_clock_forgotten(clock: str, factor: float) -> None:
    """Eight days that are another matter altogether, one of the clock's days among them."""
    jobs = 100.0 + np.where(CLOCKS[clock](360), 500.0, 0.0)
    noise = np.exp(np.random.default_rng(3).normal(0, NOISE, (SERIES, 360)))
    known = jobs[:360] * noise
    at = int(np.flatnonzero(jobs[:340] > 100.0)[-1])
    known[:, at - 1 : at + 7] *= factor
    told = Baseline(ForecastSettings()).forecast(known, MONDAY, AHEAD, list("abcdef"))
    assert np.abs(told - jobs[360:]).mean() / jobs.mean() < 0.1


def test_a_clock_that_moved_is_expected_in_its_new_place() -> None:
    """A sprint's end on another weekday: three times it is wrong on both, the fourth time it is right."""
    day = days(300)
    assert error(100.0 + np.where(day % 14 == np.where(day < 240, 9, 3), 900.0, 0.0), 300) < 0.1


def believed(surprise: FloatArray, known: FloatArray | None = None) -> FloatArray:
    """Share of the days on which a clock is believed of each series, from surprises (series, days)."""
    size, length = surprise.shape
    memory, found, none = Cycles(size, MONDAY, length + 1), np.zeros(size), np.zeros(size)
    seen = np.ones(surprise.shape, dtype=np.bool_) if known is None else known
    for day, one in enumerate(surprise.T):
        found += (memory.ahead(day, 1)[0] != 0) | memory.course
        memory.learn(day, np.where(seen[:, day], one, 0.0), Expected(none, none), np.ones(size), seen[:, day])
    return found / length


@pytest.mark.parametrize("kind", ["noise", "sluggish", "weekly", "heavy"])
def test_chance_and_weeks_have_no_clock(kind: str) -> None:
    random = np.random.default_rng(4)
    noise = random.normal(0, 1, (300, 400))
    if kind == "sluggish":
        for t in range(1, 400):
            noise[:, t] += 0.95 * noise[:, t - 1]
    elif kind == "weekly":
        noise += 3 * np.sin(np.arange(400) * 2 * np.pi / 7)
    elif kind == "heavy":
        noise = random.standard_t(2, (300, 400))
    assert believed(noise).mean() < 0.004


def test_two_incidents_two_weeks_apart_are_no_habit_and_three_are() -> None:
    surprise = np.random.default_rng(5).normal(0, 0.1, (2, 150))
    surprise[:, [90, 104]] = 3.0
    surprise[1, 118] = 3.0
    share = believed(surprise)
    assert share[0] == 0
    assert share[1] > 0


def test_unknown_days_teach_nothing() -> None:
    surprise = np.where(np.arange(200) % 2 == 0, 1.0, -1.0) * np.ones((3, 1))
    known = np.random.default_rng(6).uniform(size=surprise.shape) > 0.1
    assert (believed(surprise, known) > 0.5).all()
    assert (believed(surprise, np.zeros_like(known)) == 0).all()


def test_a_clock_is_found_in_thirty_years() -> None:
    """Weights of days grow, and are brought back before they are no numbers."""
    share = believed(np.where(np.arange(10_950) % 14 == 0, 3.0, 0.0)[None])
    assert share[0] > 0.9 / 14
