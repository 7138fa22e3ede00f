"""Rhythms that are no weekday's: jobs on a base, jobs on another day, fees on working days and in idle series."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from finops_ai.detection.busy_days import job_above
from finops_ai.detection.calendar import calendar
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode
from finops_ai.domain.series import FloatArray
from tests.unit.detection.alike import SERIES, dates, found, nothing
from tests.unit.forecasting.bills import START

DAYS = 400
BASE, JOB = 100.0, 700.0


def noise(days: int, seed: int, size: float = 0.06) -> FloatArray:
    factors: FloatArray = np.exp(np.random.default_rng(seed).normal(0, size, (SERIES, days)))
    return factors


def jobs_on_a_base(days: int = DAYS) -> FloatArray:
    """Two to six days of work, then some days to a month of little else than storage, by no weekday."""
    random = np.random.default_rng(21)
    costs = np.full((SERIES, days), BASE)
    for row in costs:
        at = 0
        while at < days:
            at += int(random.geometric(1 / 12))
            long = int(random.integers(2, 7))
            row[at : at + long] = JOB * random.uniform(0.8, 1.2)
            at += long
    costs[:, -45:] = BASE
    return costs * noise(days, 22, 0.1)


class TestJobsOnABase:
    def test_a_job_like_the_others_is_no_news(self) -> None:
        def one_more(costs: FloatArray, _dates: list[date]) -> None:
            costs[-6:-2] = JOB

        assert not found(one_more, plain=jobs_on_a_base())

    @pytest.mark.parametrize(("times", "days"), [(4, 1), (2.5, 3), (2, 10)])
    def test_one_that_is_much_dearer_is(self, times: float, days: int) -> None:
        def dear(costs: FloatArray, _dates: list[date]) -> None:
            costs[-days - 2 : -2] = times * JOB

        (episode,) = found(dear, plain=jobs_on_a_base())
        assert episode.kind == "rise"
        assert float(episode.excess.amount) > 0.3 * days * JOB

    def test_the_cost_of_a_job_lies_between_the_two_kinds_of_days(self) -> None:
        line = above(jobs_on_a_base())
        assert (line > 1.3 * BASE).all()
        assert (line < 0.8 * JOB).all()

    def test_what_has_a_rhythm_or_changed_but_once_has_no_such_jobs(self) -> None:
        day = np.arange(DAYS)
        of_month = np.array([one.day for one in dates(DAYS)])
        shapes = {
            "a weekday": day % 7 == 2,
            "a fortnight": day % 14 < 2,
            "the month's first days": of_month <= 4,
            "one incident of three weeks": (day > DAYS - 60) & (day < DAYS - 39),
            "a new level": day > DAYS - 120,
            "nothing": day < 0,
        }
        for seed, (name, busy) in enumerate(shapes.items()):
            assert not above(np.where(busy, JOB, BASE) * noise(DAYS, seed)).any(), name
        assert not above(BASE * noise(DAYS, 31, 0.3)).any(), "noise"
        assert not above(BASE * np.exp(0.005 * day) * noise(DAYS, 32)).any(), "growth"


def above(costs: FloatArray) -> FloatArray:
    return job_above(costs, calendar(START, costs.shape[1]), DetectSettings())


WEDNESDAYS = np.array([one.weekday() == 2 for one in dates(DAYS)])
LAST_WEDNESDAY = int(np.flatnonzero(WEDNESDAYS)[-2])


class TestWorkOnAnotherDay:
    plain = np.where(WEDNESDAYS, 500.0, 100.0) * noise(DAYS, 41, 0.04)

    def test_a_weekly_job_that_ran_two_days_late_is_a_drop_for_a_while_and_never_a_rise(self) -> None:
        def late(costs: FloatArray, _dates: list[date]) -> None:
            move(costs, LAST_WEDNESDAY, 2)

        assert all(one.kind == "drop" for one in found(late, plain=self.plain[:, : LAST_WEDNESDAY + 4]))

    def test_a_job_that_was_rescheduled_is_news_in_its_first_week_only(self) -> None:
        weeks = [LAST_WEDNESDAY - 7 * k for k in range(4)]

        def rescheduled(costs: FloatArray, _dates: list[date]) -> None:
            for at in weeks:
                move(costs, at, -1)

        told = found(rescheduled, plain=self.plain[:, : LAST_WEDNESDAY + 4])
        assert [one.kind for one in told] == ["rise"]
        assert told[0].last_day <= START + timedelta(days=weeks[-1])

    def test_what_is_dearer_than_the_job_that_is_missing_is_news(self) -> None:
        def dear(costs: FloatArray, _dates: list[date]) -> None:
            move(costs, LAST_WEDNESDAY, 2)
            costs[LAST_WEDNESDAY + 2] *= 3

        told = found(dear, plain=self.plain[:, : LAST_WEDNESDAY + 4])
        assert any(one.kind == "rise" and one.last_day == START + timedelta(days=LAST_WEDNESDAY + 2) for one in told)


def move(costs: FloatArray, at: int, by: int) -> None:
    costs[at], costs[at + by] = costs[at + by], costs[at]


def test_a_fee_of_the_first_working_day_is_expected_after_a_weekend() -> None:
    until = (date(2025, 11, 6) - START).days
    first = [min(d for d in dates(until) if (d.year, d.month) == (2025, m) and d.weekday() < 5) for m in range(1, 12)]
    due = np.array([one in first for one in dates(until)])
    assert first[-1] == date(2025, 11, 3)
    assert not found(nothing, plain=(100 + 900 * due) * noise(until, 51, 0.04))


@pytest.mark.parametrize(("times", "is_news"), [(1, False), (5, True)])
def test_a_series_that_costs_once_a_month_is_judged_from_its_third_fee_on(times: float, is_news: bool) -> None:
    of_month = np.array([one.day for one in dates(200)])
    plain = np.where(of_month == 12, 80.0, 0.0) * noise(200, 61, 0.03)

    def dearer(costs: FloatArray, _dates: list[date]) -> None:
        costs[np.flatnonzero(of_month == 12)[-1]] *= times

    assert bool(found(dearer, plain=plain)) is is_news


DAY = np.arange(DAYS)
WEEKDAY, OF_MONTH = (np.array([getter(one) for one in dates(DAYS)]) for getter in (date.weekday, lambda one: one.day))
LAST_OF_MONTH = np.array([(one + timedelta(days=7)).month != one.month for one in dates(DAYS)])
CLOCKS = {
    "second Tuesdays": (WEEKDAY == 1) & (OF_MONTH > 7) & (OF_MONTH <= 14),
    "last Fridays": (WEEKDAY == 4) & LAST_OF_MONTH,
    "every third week": DAY % 21 == 5,
    "every fourth week": DAY % 28 == 5,
}
MORE_CLOCKS = {
    "every third day": DAY % 3 == 1,
    "every fifth day": DAY % 5 == 1,
    "every tenth day": DAY % 10 == 1,
    "every fourth week for two days": DAY % 28 < 2,
}


@pytest.mark.parametrize(("times", "is_news"), [(1, False), (4, True)])
@pytest.mark.parametrize("clock", CLOCKS)
def test_what_runs_by_another_clock_than_the_month_is_no_news_the_third_time(
    clock: str, times: float, is_news: bool
) -> None:
    runs = CLOCKS[clock].copy()
    *_, third, second, last = np.flatnonzero(runs).tolist()
    runs[:third] = False
    known = (np.where(runs, 500.0, 100.0) * noise(DAYS, 71, 0.04))[:, : last + 3]

    def dearer(costs: FloatArray, _dates: list[date]) -> None:
        costs[last] *= times

    newest = [one for one in found(dearer, plain=known) if one.last_day >= START + timedelta(days=second + 1)]
    assert bool(newest) is is_news


@pytest.mark.parametrize(("times", "is_news"), [(1, False), (2, True)])
@pytest.mark.parametrize("clock", MORE_CLOCKS)
def test_what_a_clock_s_day_costs_is_news_on_any_other_day(clock: str, times: float, is_news: bool) -> None:
    """Jobs that run now and then may cost on any day what they cost on the dearest; those by a clock may not."""
    runs = MORE_CLOCKS[clock]
    off = int(np.flatnonzero(~runs)[-2])

    def dearer(costs: FloatArray, _dates: list[date]) -> None:
        costs[off] *= times

    assert bool(found(dearer, plain=np.where(runs, 500.0, 100.0) * noise(DAYS, 81, 0.04))) is is_news


@pytest.mark.parametrize("factor", [0.2, 4.0])
@pytest.mark.parametrize("clock", [*CLOCKS, "every tenth day"])
def test_an_incident_makes_no_clock_forgotten(clock: str, factor: float) -> None:
    """Eight days that are another matter, one of the clock's among them; its next day is no news."""
    runs = (CLOCKS | MORE_CLOCKS)[clock]
    *_, before, last = np.flatnonzero(runs[:-2]).tolist()
    known = (np.where(runs, 500.0, 100.0) * noise(DAYS, 91, 0.04))[:, : last + 3]

    def incident(costs: FloatArray, _dates: list[date]) -> None:
        costs[before - 1 : before + 7] *= factor

    assert not [one for one in found(incident, plain=known) if one.last_day >= START + timedelta(days=last)]


@pytest.mark.parametrize("clock", [*CLOCKS, *MORE_CLOCKS])
def test_a_job_that_does_not_come_is_told_as_a_drop_and_the_third_time_it_is_gone(clock: str) -> None:
    runs, steady = (CLOCKS | MORE_CLOCKS)[clock], noise(DAYS, 91, 0.04)
    *_, third, _, last = np.flatnonzero(np.diff(runs[:-2].astype(int)) == 1).tolist()  # the day before it runs
    known = (np.where(runs, 500.0, 100.0) * steady)[:, : last + 4]

    def ended(since: int) -> list[Episode]:
        def change(costs: FloatArray, _dates: list[date]) -> None:
            costs[since:] = 100 * steady[0, since : last + 4]

        newest = START + timedelta(days=last)
        return [one for one in found(change, plain=known) if one.last_day > newest]

    (told,) = ended(last)
    assert told.kind == "drop"
    assert not ended(third)
