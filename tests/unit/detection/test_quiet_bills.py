"""Bills on which nothing is wrong raise few alarms, and one thing gone wrong on them is found."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from finops_ai.detection.errors import by_weekday
from finops_ai.detection.occasions import habitual
from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode
from finops_ai.domain.period import end_of_day
from finops_ai.domain.series import CostSeries
from tests.unit.detection.quiet_bills import DAYS, KINDS, bills
from tests.unit.forecasting.bills import START, one_series

EACH, WINDOW = 8, 28
ENDS = range(DAYS - 4 * WINDOW, DAYS + 1, WINDOW)
MOST, MOST_OF_A_KIND = 0.6, 1.3
"""Opened episodes per series-year, over all kinds and on the worst one; a first charge is news, and not counted."""
SETTINGS = DetectSettings(judge_days=WINDOW, second_opinions=0)


def _opened(series: list[CostSeries], end: int) -> list[Episode]:
    """Episodes that the last WINDOW days before day `end` open."""
    known = [one_series(one.values[:end], scope=one.scope) for one in series]
    today = START + timedelta(days=end - 1)
    return list(detect(known, [], as_of=end_of_day(today), settings=SETTINGS).episodes)


def test_quiet_bills_of_twelve_kinds_keep_near_the_stated_number_of_false_episodes() -> None:
    made = bills(EACH, seed=11)
    opened = dict.fromkeys(KINDS, 0)
    first_charges = []
    for end in ENDS:
        for episode in _opened([one for found in made.values() for one in found], end):
            if episode.kind == "new_spend":
                first_charges.append(episode.scope)
            else:
                opened[dict(episode.scope.pairs)["kind"]] += 1
    years = EACH * WINDOW * len(ENDS) / 365.25
    rates = {kind: count / years for kind, count in opened.items()}
    assert sum(rates.values()) / len(rates) <= MOST, rates
    assert max(rates.values()) <= MOST_OF_A_KIND, rates
    assert len(set(first_charges)) == len(first_charges)
    assert {dict(scope.pairs)["kind"] for scope in first_charges} <= {"young"}


def test_a_week_of_four_times_the_cost_is_found_on_most_kinds() -> None:
    made = bills(EACH, seed=12)
    end = DAYS - 60
    changed = []
    for found in made.values():
        for one in found:
            values = one.values.copy()
            usual = np.mean(np.abs(values[end - 60 : end - 7]))
            values[end - 5 : end] += 3 * usual
            changed.append(one_series(values, scope=one.scope))
    fresh = START + timedelta(days=end - 6)
    told = {
        dict(e.scope.pairs)["kind"] + dict(e.scope.pairs)["number"]
        for e in _opened(changed, end)
        if e.last_day >= fresh
    }
    assert len(told) >= 0.8 * len(changed)


def test_what_came_in_six_weeks_of_half_a_year_is_no_news_and_what_came_in_five_is() -> None:
    left = np.zeros((3, 220))
    for row, count in enumerate((6, 5, 6)):
        left[row, 204 - 21 * np.arange(1, count + 1)] = 1.0
    left[2, 210] = 5.0  # an incident vouches for no more than was there before
    excused = habitual(left, np.full(3, 0.1), DetectSettings())
    assert excused[:, 205].tolist() == [1.0, 0.0, 1.0]
    assert excused[2, 210] == 1.0
    assert excused[:, :180].max() == 0.0


def test_two_incidents_of_a_week_do_not_excuse_the_next() -> None:
    left = np.zeros((1, 220))
    left[0, 80:87] = left[0, 150:157] = 1.0
    assert habitual(left, np.array([0.1]), DetectSettings()).max() == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_weekdays_that_err_more_are_known_and_chance_is_not_taken_for_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    weekday = np.arange(210) % 7
    even = random.normal(0, 0.1, (2, 210))
    even[1, weekday > 4] *= 8
    calm, uneven = by_weekday(even, weekday)
    assert calm == pytest.approx(np.ones(7), abs=0.35)
    assert uneven[5:].min() > 2.0
    assert uneven[:5].max() < 1.4
    assert uneven.min() >= 1.0
