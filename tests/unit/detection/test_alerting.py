"""Who is told what, and how often: an episode pages once, a budget holds, nothing is lost without a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.detection.alert_budget import AlertBudget
from finops_ai.detection.answers import Answers
from finops_ai.detection.routes import Route
from finops_ai.detection.telling import AlertSettings
from finops_ai.detection.windows import Maintenance, QuietHours
from finops_ai.domain.episode import Episode, EpisodeState, Severity
from finops_ai.domain.page_decision import PageDecision, Snooze, Told
from tests.unit.detection.told import MONDAY, TOP, Team, an_episode, usd

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OPENED, UPDATED, RESOLVED = "episode_opened", "episode_updated", "episode_resolved"


def team(**changes: object) -> Team:
    return Team(replace(AlertSettings(top=TOP, digest_at=time(9)), **changes))  # type: ignore[arg-type]


def test_an_episode_opens_grows_and_ends_with_one_page() -> None:
    us = team()
    assert us.hears(an_episode()) == [(OPENED, "e1")]
    assert us.hears(an_episode(dollars=2500), at=MONDAY + HOUR) == []
    assert us.hears(an_episode(dollars=20_000), at=MONDAY + 2 * HOUR) == [(UPDATED, "e1")]
    assert us.hears(an_episode(dollars=500), at=MONDAY + 3 * HOUR) == []
    assert us.hears(an_episode(dollars=20_000), at=MONDAY + 4 * HOUR) == []  # no graver than what was told
    assert us.hears(an_episode(over=True), at=MONDAY + DAY) == [(RESOLVED, "e1")]
    assert us.hears(an_episode(over=True), at=MONDAY + 2 * DAY) == []
    assert us.hears(an_episode(days=5), at=MONDAY + 4 * DAY) == [(OPENED, "e1")]  # it came back
    assert len(us.pages) == 2


def test_somebody_took_it() -> None:
    us = team()
    us.hears(an_episode())
    taken = an_episode(state=EpisodeState.ACKNOWLEDGED)
    assert us.hears(taken, at=MONDAY + HOUR) == []  # who takes it is heard at once, not by detection
    assert us.hears(taken, at=MONDAY + 2 * HOUR) == []
    assert us.hears(an_episode(over=True), at=MONDAY + DAY) == [(RESOLVED, "e1")]


def test_what_was_over_before_it_was_found_wakes_nobody() -> None:
    assert team().hears(an_episode(over=True)) == []


def test_a_run_again_says_the_same_and_an_earlier_one_nothing_that_was_said_later() -> None:
    us = team()
    first = us.decided([an_episode()], MONDAY)
    us.hears(an_episode())
    assert us.decided([an_episode()], MONDAY) == first
    assert us.decided([an_episode(dollars=3000)], MONDAY - DAY).speeches == ()
    assert us.decided([an_episode(dollars=3000)], MONDAY + DAY).speeches == ()


def test_the_budget_goes_to_the_dearest_and_the_rest_to_the_digest_with_the_reason() -> None:
    us = team(budget=AlertBudget(pages=2))
    said = us.hears(*(an_episode(f"e{n}", dollars=1000 * n) for n in range(1, 6)))
    assert said[:2] == [(OPENED, "e5"), (OPENED, "e4")]
    assert said[2:] == [("digest", "digest/2026-03-02")]
    assert us.last("e3").told is Told.DIGEST
    assert "the 2 pages of seven days are spent" in us.last("e3").reason
    assert us.last("e3").sinks == ("mail",)


def test_overflow_pages_when_there_is_room_again_but_not_after_its_week() -> None:
    us = team(budget=AlertBudget(pages=1))
    us.hears(an_episode("a", dollars=9000), an_episode("b", dollars=8000))
    still = [an_episode(key, dollars=9000 if key == "a" else 8000, days=7) for key in "ab"]
    assert us.hears(*still, at=MONDAY + 7 * DAY - HOUR) == []
    assert us.hears(*still, at=MONDAY + 7 * DAY) == []
    assert us.hears(still[0], an_episode("b", dollars=80_000, days=8), at=MONDAY + 8 * DAY) == [(OPENED, "b")]
    assert len(us.pages) == 2


def test_a_critical_one_breaks_through_only_where_that_is_configured_and_says_so() -> None:
    dear, dearest = an_episode("a", dollars=50_000), an_episode("b", dollars=90_000)
    us = team(budget=AlertBudget(pages=0))
    assert [kind for kind, _ in us.hears(dear)] == ["digest"]
    us = team(budget=AlertBudget(pages=0, break_through={"USD": Decimal(60_000)}))
    assert (OPENED, "b") in us.hears(dear, dearest)
    assert us.last("b").reason == "beyond the budget of 0 pages in seven days"
    assert us.last("a").told is Told.DIGEST


def test_a_page_must_be_as_sure_as_the_number_of_scopes_asks_for() -> None:
    us = team(budget=AlertBudget(pages=3, false_discovery=0.1))
    us.hears(an_episode("doubtful", p_value=1e-3, dollars=9000), an_episode("sure"), scopes=1000)
    assert us.last("sure").told is Told.PAGED
    assert "not sure enough to keep false pages within 10%" in us.last("doubtful").reason


def test_a_storm_is_one_message_and_one_page() -> None:
    us = team(storm=3, budget=AlertBudget(pages=1))
    many = [an_episode(f"e{n}", dollars=1000 * n) for n in range(1, 5)]
    assert us.hears(*many) == [("storm_opened", "storm/2026-03-02")]
    assert len(us.pages) == 1
    assert us.last("e1").told is Told.STORM
    late = an_episode("late", dollars=1500)
    assert us.hears(*many, late, at=MONDAY + HOUR) == [("storm_updated", "storm/2026-03-02")]
    over = [an_episode(one.key, over=True) for one in (*many, late)]
    assert us.hears(*over[:2], *many[2:], late, at=MONDAY + DAY) == [("storm_updated", "storm/2026-03-02")]
    assert us.hears(*over, at=MONDAY + 2 * DAY) == [("storm_resolved", "storm/2026-03-02")]
    assert us.hears(*over, at=MONDAY + 3 * DAY) == []


def test_what_is_graver_than_its_storm_pages_by_itself() -> None:
    us = team(storm=3)
    many = [an_episode(f"e{n}", dollars=2000) for n in range(4)]
    us.hears(*many)
    grown = an_episode("e0", dollars=20_000)
    assert us.hears(grown, *many[1:], at=MONDAY + HOUR) == [(OPENED, "e0")]


def test_quiet_hours_hold_a_page_until_they_end_but_not_a_critical_one() -> None:
    night = QuietHours(start=time(22), end=time(7), time_zone="Europe/Berlin")
    us = team(quiet=(night,))
    at = datetime(2026, 3, 2, 23, 30, tzinfo=MONDAY.tzinfo)  # half past midnight in Berlin
    said = us.hears(an_episode(), an_episode("worst", dollars=20_000), at=at)
    assert (OPENED, "worst") in said
    assert (OPENED, "e1") not in said
    assert us.last("e1").reason == "quiet hours 22:00 to 07:00 Europe/Berlin"
    assert us.hears(an_episode(), at=at.replace(hour=5) + DAY) == []
    assert us.hears(an_episode(), at=at.replace(hour=6, minute=0) + DAY) == [(OPENED, "e1")]


@pytest.mark.parametrize(
    ("hour", "weekday", "quiet"),
    [(23, 0, True), (3, 0, False), (3, 1, True), (23, 1, False), (12, 0, False), (22, 0, True), (7, 1, False)],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(hour: int, weekday: int, quiet: bool) -> None:
    monday_night = QuietHours(start=time(22), end=time(7), time_zone="UTC", days=frozenset({0}))
    assert monday_night.at(MONDAY.replace(hour=hour) + weekday * DAY) is quiet


def test_maintenance_holds_what_happened_in_it_even_when_the_bill_comes_late() -> None:
    start = MONDAY - 2 * DAY
    window = Maintenance(start=start, end=start + DAY, note="node upgrade", match={"x_cost_center": ("e*",)})
    us = team(maintenance=(window,), top=replace(TOP, digest=()))
    within = an_episode(opened_on=start.date(), days=1)
    assert us.hears(within, an_episode("other", opened_on=start.date())) == [(OPENED, "other")]
    assert us.last("e1").reason == "maintenance: node upgrade"
    assert us.hears(an_episode(opened_on=start.date(), days=4), at=MONDAY + 2 * DAY) == [(OPENED, "e1")]


def test_a_snooze_ends_with_its_day_or_when_the_episode_outgrows_it() -> None:
    until = (MONDAY + 2 * DAY).date()
    put_off = Answers(snoozed={"e1": Snooze(episode_key="e1", at=MONDAY, until=until, projected=usd(2000))})
    us = team()
    assert us.hears(an_episode(), answers=put_off) == []
    assert us.last("e1").told is Told.HELD
    assert us.hears(an_episode(dollars=6000), at=MONDAY + 2 * DAY, answers=put_off) == []
    assert us.decided([an_episode(dollars=6001)], MONDAY + 2 * DAY, put_off).speeches[0].kind == OPENED
    assert us.hears(an_episode(), at=MONDAY + 3 * DAY, answers=put_off) == [(OPENED, "e1")]


def test_what_was_put_off_after_its_page_is_paged_again_when_that_ends_and_told_its_end() -> None:
    until = (MONDAY + 2 * DAY).date()
    later = Snooze(episode_key="e1", at=MONDAY + HOUR, until=until, projected=usd(2000))
    put_off = Answers(snoozed={"e1": later})
    us = team(budget=AlertBudget(pages=1))
    assert us.hears(an_episode()) == [(OPENED, "e1")]
    assert us.hears(an_episode(dollars=5000), at=MONDAY + 2 * DAY, answers=put_off) == []
    assert us.hears(an_episode(), at=MONDAY + 3 * DAY, answers=put_off) == []  # the week's page is spent
    assert us.hears(an_episode(), at=MONDAY + 7 * DAY, answers=put_off) == [(OPENED, "e1")]
    assert us.hears(an_episode(), at=MONDAY + 8 * DAY, answers=put_off) == []
    assert us.hears(an_episode(over=True), at=MONDAY + 9 * DAY, answers=put_off) == [(RESOLVED, "e1")]


def test_a_page_that_became_part_of_a_storm_is_told_its_end_as_well() -> None:
    later = Snooze(episode_key="e1", at=MONDAY + HOUR, until=MONDAY.date(), projected=usd(2000))
    us, others = team(storm=3), [an_episode("e2"), an_episode("e3")]
    us.hears(an_episode())
    after = Answers(snoozed={"e1": later})
    assert us.hears(an_episode(), *others, at=MONDAY + DAY, answers=after) == [("storm_opened", "storm/2026-03-03")]
    over = [an_episode(key, over=True) for key in ("e1", "e2", "e3")]
    assert us.hears(*over, at=MONDAY + 2 * DAY) == [(RESOLVED, "e1"), ("storm_resolved", "storm/2026-03-03")]


def test_a_digest_comes_once_a_day_and_tells_each_once() -> None:
    us = team(digest_at=time(8), digest_zone="America/New_York")
    small = an_episode(dollars=50)
    assert us.hears(small, at=MONDAY) == []  # four in the morning there
    assert us.last("e1").reason == "below what pages (warning)"
    assert us.hears(small, at=MONDAY + 4 * HOUR) == [("digest", "digest/2026-03-02")]
    assert us.hears(small, an_episode("e2", dollars=40), at=MONDAY + 5 * HOUR) == []
    assert us.hears(small, at=MONDAY + DAY + 5 * HOUR) == []  # e2 is not known any more
    assert us.hears(small, an_episode("e3", dollars=40), at=MONDAY + 2 * DAY + 5 * HOUR) == [
        ("digest", "digest/2026-03-04")
    ]


def test_doubts_about_the_data_go_to_its_owner_and_never_to_on_call() -> None:
    gap = an_episode("gap", kind="gap", severity=Severity.CRITICAL)
    us = team()
    assert us.hears(gap) == [("digest", "digest/2026-03-02")]
    owners = Route(team="data", match={"kind": ("gap", "tag_loss")}, sinks=("mail",))
    us = team(top=replace(TOP, routes=(owners,)))
    us.hears(gap.with_(severity=Severity.INFO))
    assert [(one.team, one.told, one.sinks) for one in us.history] == [("data", Told.PAGED, ("mail",))]


def test_a_route_without_sinks_pages_nobody_and_takes_nothing_from_the_budget() -> None:
    mute = Route(match={"x_cost_center": ("e1",)}, sinks=())
    us = team(top=replace(TOP, routes=(mute,)), budget=AlertBudget(pages=1))
    assert us.hears(an_episode(dollars=90_000), an_episode("e2")) == [(OPENED, "e2"), ("digest", "digest/2026-03-02")]
    assert us.last("e1").reason == "its route names no sink"


def test_who_was_told_is_told_the_end_wherever_routes_lead_by_then() -> None:
    us = team()
    us.hears(an_episode())
    us.settings = replace(us.settings, top=Route(team="others", sinks=("chat",)))
    done = us.decided([an_episode(over=True)], MONDAY + DAY)
    assert [(one.kind, one.team, one.sinks) for one in done.speeches] == [(RESOLVED, "on-call", ("pager", "mail"))]


def test_a_team_under_another_name_is_not_paged_anew() -> None:
    us = team()
    us.hears(an_episode())
    us.settings = replace(us.settings, top=replace(TOP, team="platform", sinks=("pager",)))
    assert us.hears(an_episode(), at=MONDAY + HOUR) == []
    us.settings = replace(us.settings, top=replace(TOP, team="owners", sinks=("chat",)))
    assert us.hears(an_episode(), at=MONDAY + 2 * HOUR) == [(OPENED, "e1")]
    assert us.hears(an_episode(over=True), at=MONDAY + DAY) == [(RESOLVED, "e1")] * 2


def test_what_falls_and_rises_again_below_its_peak_is_in_one_digest_only() -> None:
    us = team(budget=AlertBudget(pages=0))
    assert us.hears(an_episode(dollars=2000)) == [("digest", "digest/2026-03-02")]
    for n, dollars in enumerate((500, 2000, 400), start=1):
        assert us.hears(an_episode(dollars=dollars), at=MONDAY + n * DAY) == []
    assert us.hears(an_episode(dollars=20_000), at=MONDAY + 4 * DAY) == [("digest", "digest/2026-03-06")]


MORNINGS = st.lists(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from([50, 500, 5_000, 50_000]), st.booleans()), max_size=8),
    min_size=3,
    max_size=16,
)


def _episodes(day: int, told: Sequence[tuple[int, int, bool]]) -> list[Episode]:
    """The last word on each key of a morning."""
    made = {
        key: an_episode(f"e{key}", dollars=dollars, over=over, days=day + 1, p_value=10.0 ** -(3 + key % 7))
        for key, dollars, over in told
    }
    return list(made.values())


@settings(max_examples=100)
@given(
    mornings=MORNINGS,
    pages=st.integers(0, 4),
    storm=st.sampled_from([0, 3]),
    hours=st.sampled_from([1, 13, 24, 50]),
    again=st.randoms(use_true_random=False),
)
def test_no_seven_days_hold_more_pages_than_the_budget_whatever_runs_again(
    mornings: list[list[tuple[int, int, bool]]], pages: int, storm: int, hours: int, again: object
) -> None:
    us = team(budget=AlertBudget(pages=pages, false_discovery=0.5), storm=storm)
    at = [MONDAY + n * hours * HOUR for n in range(len(mornings))]
    for n, told in enumerate(mornings):
        us.hears(*_episodes(n, told), at=at[n])
    whole = list(us.history)
    order = list(range(len(mornings)))
    again.shuffle(order)  # type: ignore[attr-defined]
    for n in order:
        us.hears(*_episodes(n, mornings[n]), at=at[n])
    assert _sorted(us.history) == _sorted(whole)
    for start in us.pages:
        assert sum(start <= page < start + 7 * DAY for page in us.pages) <= pages


def _sorted(history: list[PageDecision]) -> list[PageDecision]:
    return sorted(history, key=lambda one: (one.at, one.team, one.key))
