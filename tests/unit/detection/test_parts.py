"""A cost center of services that each keep a rhythm of their own: it may cost what they may, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pytest

from finops_ai.detection.run import Detection, detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.day_places import in_months, weekdays
from finops_ai.domain.episode import Episode
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from tests.unit.forecasting.bills import START, one_series

DAYS, SEEDS = 420, range(3)
SETTINGS = DetectSettings(floor=20.0, second_opinions=0)
CENTER = Scope((("x_cost_center", "search"),))
TOTAL = Scope()
T, WEEKDAY = np.arange(DAYS), weekdays(START, DAYS)
TO_END = in_months(START, DAYS)[2]
RHYTHMS = {
    "offices": np.where(WEEKDAY < 5, 200.0, 60.0),
    "sprints": np.where(T % 14 == 3, 600.0, 120.0),
    "closings": np.where((WEEKDAY == 4) & (TO_END < 7), 700.0, 100.0),
}

Services = dict[str, FloatArray]


def services(seed: int) -> Services:
    random = np.random.default_rng([39, seed])
    return {name: costs * np.exp(random.normal(0, 0.06, DAYS)) for name, costs in RHYTHMS.items()}


def part(name: str) -> Scope:
    return Scope((*CENTER.pairs, ("service_name", name)))


def series(bill: Services, known: int, *, currency: str = "USD") -> list[CostSeries]:
    """The services, their cost center and the total."""
    whole = np.sum(list(bill.values()), axis=0)
    scopes = {TOTAL: whole, CENTER: whole, **{part(name): costs for name, costs in bill.items()}}
    return [one_series(costs[:known], scope=scope, currency=currency) for scope, costs in scopes.items()]


def morning(known: int) -> datetime:
    return datetime.combine(START + timedelta(days=known), time(6), tzinfo=UTC)


def judged(told: list[CostSeries], known: int, previous: tuple[Episode, ...] = ()) -> Detection:
    return detect(told, previous, as_of=morning(known), settings=SETTINGS)


def lived(bill: Services, pick: Callable[[CostSeries], bool] = lambda _: True) -> list[Episode]:
    """All that opened in the last half year, looked at every other week."""
    told: tuple[Episode, ...] = ()
    for known in range(DAYS - 182, DAYS + 1, 14):
        told = judged([one for one in series(bill, known) if pick(one)], known, told).episodes
    return [one for one in told if one.opened_on > START + timedelta(days=DAYS - 182)]


def test_what_services_do_by_their_own_clocks_is_no_news_of_the_cost_center() -> None:
    alone = [one for seed in SEEDS for one in lived(services(seed), lambda one: one.scope == CENTER)]
    together = [one for seed in SEEDS for one in lived(services(seed))]
    assert alone, "one clock for all of a cost center would do: nothing is tested"
    assert not together


@pytest.mark.parametrize("name", RHYTHMS)
def test_a_service_that_costs_more_is_told_there(name: str) -> None:
    bill = services(7)
    bill[name][-4:-2] += 400.0
    (episode,) = judged(series(bill, DAYS), DAYS).episodes
    assert episode.scope == part(name)
    assert set(episode.seen_in) <= {CENTER, TOTAL}


def test_what_is_too_little_in_each_service_is_told_of_the_whole() -> None:
    """A rise that no service shows by itself is not lost because each of them may err."""
    random = np.random.default_rng(8)
    many = {f"service {i}": 100.0 * np.exp(random.normal(0, 0.08, DAYS)) for i in range(12)}
    for costs in many.values():
        costs[-3:] *= 1.15
    (episode,) = judged(series(many, DAYS), DAYS).episodes
    assert episode.scope in (CENTER, TOTAL)
    assert float(episode.excess.amount) == pytest.approx(3 * 12 * 15, rel=0.4)


def test_parts_that_do_not_add_up_excuse_nothing() -> None:
    """Where some services of a cost center are not known, the others do not say what it may cost."""
    bill = services(7)
    bill["offices"][-3] += 2_500.0
    known = [one for one in series(bill, DAYS) if one.scope != part("offices")]
    assert {one.scope for one in judged(known, DAYS).episodes} & {CENTER, TOTAL}


def test_two_currencies_are_never_parts_of_one_whole() -> None:
    usd, eur = services(1), services(2)
    alone = judged(series(usd, DAYS), DAYS), judged(series(eur, DAYS, currency="EUR"), DAYS)
    both = judged([*series(usd, DAYS), *series(eur, DAYS, currency="EUR")], DAYS)
    assert both.episodes == (*alone[0].episodes, *alone[1].episodes)


def test_the_order_in_which_series_come_changes_nothing() -> None:
    bill = services(7)
    bill["offices"][-4:-2] += 400.0
    told = series(bill, DAYS)
    assert judged(told, DAYS).episodes == judged(told[::-1], DAYS).episodes


@pytest.mark.parametrize("evening", [True, False], ids=["before the day is over", "the next morning"])
@pytest.mark.parametrize(("seed", "day"), [(1, 331), (2, 359), (3, 331)])
def test_what_a_service_costs_too_much_is_what_its_cost_center_does(seed: int, day: int, evening: bool) -> None:
    """On a last Friday, and while another service, not looked at for itself, costs less than a week before."""
    bill = services(seed)
    bill["offices"][day] += 400.0
    bill["sprints"][day] = 0.98 * bill["sprints"][day - 7]
    known = START + timedelta(days=day - evening)
    billed = [replace(one, complete_through=known) for one in series(bill, day + 1)]
    as_of = datetime.combine(START + timedelta(days=day if evening else day + 1), time(20), tzinfo=UTC)
    scores = detect(billed, (), as_of=as_of, settings=SETTINGS).scores
    excess = {one.scope: one.observed - one.expected for one in scores if one.day == START + timedelta(days=day)}
    assert excess[part("offices")] == pytest.approx(400.0, rel=0.05)
    assert excess[CENTER] == pytest.approx(excess[part("offices")], rel=0.02)
    assert excess[TOTAL] == pytest.approx(excess[CENTER])


ACCOUNT = Scope((("sub_account_id", "111122223333"),))


def accounts(bill: Services, known: int) -> tuple[list[CostSeries], list[CostSeries]]:
    """An account of several cost centers, and its services, which are not judged."""
    told = {one.scope: one for one in series(bill, known)}
    parts = [
        replace(one, scope=Scope((*ACCOUNT.pairs, *one.scope.pairs[1:])))
        for one in told.values()
        if one.scope not in (CENTER, TOTAL)
    ]
    return [replace(told[CENTER], scope=ACCOUNT)], parts


def test_an_account_may_cost_what_its_services_may_which_are_no_scopes_of_their_own() -> None:
    alone, together = [], []
    for seed in SEEDS:
        for known in range(DAYS - 182, DAYS + 1, 14):
            account, parts = accounts(services(seed), known)
            alone += judged(account, known).episodes
            together += detect(account, (), as_of=morning(known), settings=SETTINGS, beside=parts).episodes
    assert alone
    assert not together


def test_a_part_that_is_strange_is_told_of_its_account() -> None:
    bill = services(7)
    bill["offices"][-4:-2] += 500.0
    account, parts = accounts(bill, DAYS)
    found = detect(account, (), as_of=morning(DAYS), settings=SETTINGS, beside=parts)
    assert {one.scope for one in found.scores} == {ACCOUNT}
    (episode,) = found.episodes
    assert float(episode.excess.amount) == pytest.approx(1_000.0, rel=0.1)


def test_an_account_that_is_a_cost_center_is_told_as_that() -> None:
    bill = services(7)
    for costs in bill.values():
        costs[-4:-2] += 200.0
    account, parts = accounts(bill, DAYS)
    (episode,) = detect(
        [*account, *series(bill, DAYS)], (), as_of=morning(DAYS), settings=SETTINGS, beside=parts
    ).episodes
    assert episode.scope == CENTER
    assert ACCOUNT in episode.seen_in
