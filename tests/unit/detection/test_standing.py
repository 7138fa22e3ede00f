"""A machine that was forgotten bills the same every day; jobs that happen to cost the same are no such machine."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.period import end_of_day
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray
from tests.unit.forecasting.bills import START, one_series

DAYS, SERIES = 330, 6
SETTINGS = DetectSettings(second_opinions=0)
FORGOTTEN = DAYS - 12
CHARGE = 91.7


def jobs(seed: int, *, longest: int = 4, sizes: tuple[float, ...] = (), steady: bool = False) -> FloatArray:
    """Jobs of one to `longest` days with two to seven days of rest, (SERIES, DAYS): of any size, or of one of `sizes`;
    `steady` ones cost the same on each of their days."""
    random = np.random.default_rng(seed)
    costs = np.zeros((SERIES, DAYS))
    for row in costs:
        at = int(random.integers(0, 6))
        while at < DAYS:
            busy = int(random.integers(1, longest + 1))
            size = random.choice(sizes) if sizes else 400 * np.exp(random.normal(0, 0.5))
            noise = 0.0 if sizes or steady else 0.1
            row[at : at + busy] = size * np.exp(random.normal(0, noise, len(row[at : at + busy])))
            at += busy + int(random.integers(2, 8))
    return costs


def told(costs: FloatArray, *, end: int = DAYS) -> list[Episode]:
    series = [one_series(row[:end], scope=Scope((("job", str(i)),))) for i, row in enumerate(costs)]
    today = START + timedelta(days=end)
    return list(detect(series, [], as_of=end_of_day(today), settings=SETTINGS).episodes)


def forgotten(costs: FloatArray, since: int = FORGOTTEN) -> FloatArray:
    """The first series with a machine that nobody stopped, below its jobs; no job ran the week it was forgotten."""
    changed = costs.copy()
    changed[0, since - 2 : since + 6] = 0.0
    changed[0, since:] += CHARGE
    return changed


@pytest.mark.parametrize("seed", range(2))
def test_a_forgotten_machine_is_told_with_what_it_costs_and_since_when(seed: int) -> None:
    (episode,) = told(forgotten(jobs(seed)))
    assert dict(episode.scope.pairs) == {"job": "0"}
    assert (episode.kind, episode.state) == ("rise", EpisodeState.OPEN)
    assert episode.opened_on == START + timedelta(days=FORGOTTEN)
    assert float(episode.excess.amount) == pytest.approx(CHARGE * (DAYS - FORGOTTEN), rel=0.01)
    assert f"a standing charge of 91.70 USD a day since {episode.opened_on}" in episode.threshold


def test_it_is_told_within_a_week_and_not_before_it_is_a_pattern() -> None:
    costs = forgotten(jobs(1))
    assert not told(costs, end=FORGOTTEN + 2)
    assert told(costs, end=FORGOTTEN + 6)


def test_a_month_that_is_trued_up_later_does_not_end_it() -> None:
    costs = jobs(1)
    since = (date(START.year, START.month, 1) + timedelta(days=32 * 10)).replace(day=1)
    first = (since - START).days
    assert 200 < first < DAYS - 10
    costs = forgotten(costs, since=first - 4)
    costs[0, :first] *= 1.024
    (episode,) = told(costs, end=first + 4)
    assert episode.opened_on == START + timedelta(days=first - 4)


def test_what_has_stood_for_two_months_is_how_things_are() -> None:
    costs = jobs(1)
    costs[0, 200:] += CHARGE
    assert not [one for one in told(costs) if one.state is not EpisodeState.RESOLVED]


@pytest.mark.parametrize("seed", range(3))
def test_jobs_of_equal_price_are_no_standing_charge(seed: int) -> None:
    for costs in (
        jobs(seed, sizes=(120.0,)),
        jobs(seed, sizes=(60.0, 120.0, 240.0), longest=6),
        jobs(seed, steady=True, longest=9),
    ):
        assert not [one for end in range(270, DAYS, 20) for one in told(costs, end=end) if "standing" in one.threshold]
