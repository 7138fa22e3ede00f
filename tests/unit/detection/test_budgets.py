"""Budgets speak once a month each: when they are likely to be passed, and when they are."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.detection.budgets import EXCEEDED, PROJECTED, advance_budgets
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.budget import Budget, Standing
from finops_ai.domain.episode import Episode, EpisodeState, Severity
from finops_ai.domain.period import BillingPeriod
from finops_ai.reporting.page import PageContext, page_body
from tests.ledger.nouns import usd

APRIL = BillingPeriod(2026, 4)
SEARCH = Budget(name="search", where={"x_cost_center": "search"}, amount=usd(1000), hard=True, owner="team-search")
SETTINGS = DetectSettings()


def stand(spent: float, end: float, sure: float, *, budget: Budget = SEARCH, month: BillingPeriod = APRIL) -> Standing:
    def money(amount: float):
        return usd(str(Decimal(str(amount)).quantize(Decimal("0.01"))))

    return Standing(
        budget=budget,
        month=month,
        complete_through=date(2026, 4, 10),
        cost_basis="effective",
        spent=money(spent),
        month_end=money(end),
        low_80=money(end * 0.9),
        high_80=money(end * 1.1),
        sure=sure,
        exceeds_on=date(2026, 4, 25) if end > 1000 else None,
        forecaster="boosted/1",
    )


def on(day: int, previous: list[Episode], *standings: Standing) -> list[Episode]:
    as_of = datetime(2026, 4, 1, 6, tzinfo=UTC) + timedelta(days=day - 1)
    return advance_budgets(previous, standings, as_of=as_of, settings=SETTINGS)


def test_a_month_from_likely_to_exceeded_to_over() -> None:
    assert on(5, [], stand(200, 1200, 0.5)) == []  # not sure enough
    (likely,) = on(6, [], stand(250, 1300, 0.9))
    assert (likely.kind, likely.state, likely.severity) == (PROJECTED, EpisodeState.OPEN, Severity.WARNING)
    assert (likely.excess, likely.where["owner"], likely.opened_on) == (usd("300.00"), "team-search", date(2026, 4, 5))
    assert "at least 90% sure" in likely.threshold
    (still,) = on(7, [likely], stand(280, 1250, 0.5))  # a little less sure does not take it back
    assert (still.key, still.state, still.opened_on) == (likely.key, EpisodeState.OPEN, likely.opened_on)
    exceeded, ended = on(20, [still], stand(1001, 1500, 0.975))[::-1]
    assert (ended.key, ended.state) == (likely.key, EpisodeState.RESOLVED)
    assert (exceeded.kind, exceeded.state, exceeded.severity) == (EXCEEDED, EpisodeState.OPEN, Severity.ERROR)
    assert exceeded.excess == usd("1.00")
    assert [one.state for one in on(36, [ended, exceeded], stand(1500, 1500, 0.975))][1] is EpisodeState.OPEN
    over = on(40, [ended, exceeded], stand(1500, 1500, 0.975))
    assert {one.state for one in over} == {EpisodeState.RESOLVED}


def test_a_plan_warns_and_no_more_whatever_it_costs() -> None:
    plan = Budget(name="plan", amount=usd(1000))
    (one,) = on(20, [], stand(90_000, 150_000, 0.975, budget=plan))
    assert one.severity is Severity.WARNING


def test_a_budget_that_is_gone_ends_its_episodes() -> None:
    (one,) = on(20, [], stand(1200, 1500, 0.975))
    (gone,) = on(21, [one])
    assert (gone.key, gone.state) == (one.key, EpisodeState.RESOLVED)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.floats(0, 2000), st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 0.975])),
        max_size=12,
    )
)
def test_whatever_is_restated_there_is_one_episode_of_a_kind_and_month(steps: list[tuple[int, float, float]]) -> None:
    day, known = 2, []
    for ahead, spent, sure in steps:
        day = min(day + ahead, 29)
        known = on(day, known, stand(spent, spent * 1.2, sure))
        assert on(day, known, stand(spent, spent * 1.2, sure)) == known
        assert len({one.kind for one in known}) == len(known)
        assert all(one.excess == one.observed - one.expected for one in known)
        assert sum(one.state is EpisodeState.OPEN for one in known) <= 1


@pytest.mark.parametrize("kind", [PROJECTED, EXCEEDED])
def test_its_page_says_what_is_spent_and_what_is_to_come(kind: str) -> None:
    (one,) = on(20, [], stand(1001, 1500, 0.975) if kind == EXCEEDED else stand(900, 1500, 0.9))
    body = page_body(one, context=PageContext(as_of=datetime(2026, 4, 20, tzinfo=UTC), complete_through=None))
    assert body["title"].startswith("Budget search: +$")
    assert "$1,000" in body["summary"]
    assert "$1,500" in body["summary"]
    assert (body["kind"], body["where"]["budget"]) == (kind, "search")
