"""An episode that ended says truly why: the cost went back, or its level became the normal one."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from finops_ai.detection.levels import accepted
from finops_ai.domain.episode import Episode, EpisodeState, Severity
from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries

DAYS = Days(date(2026, 4, 1), date(2026, 5, 1))


def usd(amount):
    return Money(Decimal(amount), "USD")


def an_episode(state=EpisodeState.RESOLVED):
    """Ten days of 180 where 100 was expected."""
    return Episode(
        key="k",
        scope=Scope(),
        cost_basis="effective",
        kind="rise",
        state=state,
        severity=Severity.WARNING,
        opened_on=date(2026, 4, 10),
        last_day=date(2026, 4, 19),
        resolved_on=date(2026, 4, 22),
        expected=usd(1000),
        observed=usd(1800),
        excess=usd(800),
        projected=usd(800),
        p_value=1e-6,
        forecaster="baseline/1",
        threshold="",
    )


def costs(after):
    values = np.full(len(DAYS), 100.0)
    values[9:19], values[19:] = 180.0, after
    return CostSeries(
        scope=Scope(),
        cost_basis="effective",
        currency="USD",
        days=DAYS,
        values=values,
        complete_through=date(2026, 4, 27),
    )


@pytest.mark.parametrize(("after", "told"), [(180.0, True), (150.0, True), (110.0, False), (100.0, False)])
def test_a_level_that_stayed_is_told_as_such(after, told):
    assert accepted(an_episode(), costs(after)) is told


def test_an_open_episode_is_not_accepted():
    assert accepted(an_episode(EpisodeState.OPEN), costs(180.0)) is False


def test_days_that_are_not_complete_say_nothing():
    late = costs(180.0)
    early = CostSeries(
        scope=late.scope,
        cost_basis=late.cost_basis,
        currency=late.currency,
        days=late.days,
        values=late.values,
        complete_through=date(2026, 4, 19),
    )
    assert accepted(an_episode(), early) is False
