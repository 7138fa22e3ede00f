"""A bill that comes on days of its own: charged on any other day it is news, however usual its size."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.series import FloatArray
from tests.unit.detection.alike import SERIES, dates, found, nothing

DAYS = 430
FEE = 350.0
OF_MONTH = np.array([one.day for one in dates(DAYS)])
WEEKDAY = np.array([one.weekday() for one in dates(DAYS)])
MONTHLY, WEEKLY = OF_MONTH == 12, WEEKDAY == 2


def bill(own: FloatArray, seed: int = 1, size: float = 0.03) -> FloatArray:
    return np.where(own, FEE, 0.0) * np.exp(np.random.default_rng(seed).normal(0, size, (SERIES, DAYS)))


@pytest.mark.parametrize("own", [MONTHLY, WEEKLY], ids=["a month", "a week"])
class TestChargedOnAnotherDay:
    def test_the_same_again_is_told(self, own: FloatArray) -> None:
        (episode,) = found(lambda costs, _: np.put(costs, DAYS - 4, FEE), plain=bill(own))
        assert (episode.opened_on, float(episode.expected.amount)) == (dates(DAYS)[DAYS - 4], 0.0)
        assert float(episode.excess.amount) == pytest.approx(FEE)

    def test_it_is_over_after_three_days_on_which_nothing_was_due(self, own: FloatArray) -> None:
        def told(ago: int) -> Episode:
            (episode,) = found(lambda costs, _: np.put(costs, DAYS - ago, FEE), plain=bill(own))
            return episode

        assert [told(ago).state for ago in (1, 2)] == [EpisodeState.OPEN] * 2
        assert told(1).projected.amount > told(2).projected.amount > told(2).excess.amount
        assert (told(4).state, told(4).projected) == (EpisodeState.RESOLVED, told(4).excess)

    def test_on_its_own_days_it_is_no_news(self, own: FloatArray) -> None:
        assert not found(nothing, plain=bill(own))

    def test_late_is_no_news(self, own: FloatArray) -> None:
        due = int(np.flatnonzero(own[: DAYS - 6])[-1])

        def four_days_late(costs: FloatArray, _dates: list[date]) -> None:
            costs[due], costs[due + 4] = 0.0, costs[due]

        assert not found(four_days_late, plain=bill(own))

    def test_an_incident_of_last_quarter_does_not_free_it_from_its_days(self, own: FloatArray) -> None:
        def twice(costs: FloatArray, _dates: list[date]) -> None:
            costs[DAYS - 120 : DAYS - 106] = 2 * FEE
            costs[DAYS - 4] = FEE

        assert [one.opened_on for one in found(twice, plain=bill(own))] == [dates(DAYS)[DAYS - 4]]


def test_a_new_day_is_news_once() -> None:
    """A second fee is told when it first comes, and not a month later."""
    first, again = np.flatnonzero((OF_MONTH == 2) & (np.arange(DAYS) > DAYS - 40))
    told = found(lambda costs, _: np.put(costs, [first, again], FEE), plain=bill(MONTHLY))
    assert [one.opened_on for one in told] == [dates(DAYS)[first]]


def test_work_without_days_of_its_own_may_run_on_any() -> None:
    random = np.random.default_rng(3)
    now_and_then = random.uniform(size=(SERIES, DAYS)) < 0.07
    now_and_then[:, -8:] = False
    assert not found(lambda costs, _: np.put(costs, DAYS - 4, FEE), plain=bill(now_and_then))


@pytest.mark.parametrize("jitter", [1, 3])
def test_a_fee_that_comes_about_its_day_is_no_news(jitter: int) -> None:
    random = np.random.default_rng(jitter)
    own = np.zeros((SERIES, DAYS), dtype=np.bool_)
    for at in np.flatnonzero(MONTHLY):
        own[np.arange(SERIES), np.minimum(at + random.integers(-jitter, jitter + 1, SERIES), DAYS - 1)] = True
    assert not found(nothing, plain=bill(own))
