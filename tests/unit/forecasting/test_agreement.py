"""Scopes within scopes are forecast as one: medians add up before bands are drawn, and bands hold for what is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.forecasting.coherence import sums_of
from finops_ai.forecasting.run import forecast_all
from finops_ai.forecasting.settings import ForecastSettings
from tests.unit.forecasting.bills import START, Bill, Incident, one_series

CHEAP = ForecastSettings(prophet_series=0, boosted=False)
LOW_80, HIGH_80 = LEVELS.index(0.1), LEVELS.index(0.9)
HORIZON = 30


def _found(
    bill: Bill, through: int, settings: ForecastSettings = CHEAP, announced: Sequence[KnownEvent] = ()
) -> dict[Scope, Forecast]:
    made = forecast_all(
        bill.series(through=through),
        horizon_days=HORIZON,
        issued_on=START + timedelta(days=through),
        settings=settings,
        announced=announced,
    )
    return {one.scope: one for one in made}


def _away(found: dict[Scope, Forecast]) -> float:
    scopes = list(found)
    return max(
        float(np.abs(found[scopes[law.parent]].median - sum(found[scopes[i]].median for i in law.children)).max())
        for law in sums_of(scopes)
    )


def test_medians_add_up_and_did_not_by_themselves() -> None:
    bill = Bill(days=300)
    assert _away(_found(bill, 300)) < 1e-6
    assert _away(_found(bill, 300, replace(CHEAP, reconciled=False))) > 1


def test_a_scope_without_relatives_is_left_alone() -> None:
    values = Bill(days=200).costs()["search", "ec2", "clip"]
    lone = one_series(values, scope=Scope((("x_cost_center", "lone"),)))
    both = [
        forecast_all([lone], horizon_days=HORIZON, issued_on=START, settings=settings)[0]
        for settings in (CHEAP, replace(CHEAP, reconciled=False))
    ]
    assert both[0].quantiles.tobytes() == both[1].quantiles.tobytes()


def test_bands_hold_for_forecasts_that_add_up() -> None:
    inside = []
    for seed in range(6):
        bill = Bill(days=360, seed=seed)
        came = {one.scope: one.values[330:] for one in bill.series()}
        inside += [
            ((one.quantiles[LOW_80] <= came[scope]) & (came[scope] <= one.quantiles[HIGH_80])).mean()
            for scope, one in _found(bill, 330).items()
        ]
    assert 0.70 < float(np.mean(inside)) < 0.92


def test_one_incident_does_not_make_a_clean_sibling_move() -> None:
    fault = Incident(leaf=("search", "ec2", "clip"), first=START + timedelta(days=290), days=10, factor=6)
    sibling = Scope((("x_cost_center", "vision"), ("service_name", "ec2")))
    calm, stirred = _found(Bill(days=300), 300)[sibling], _found(Bill(days=300, incidents=(fault,)), 300)[sibling]
    assert abs(float(stirred.median.sum() / calm.median.sum()) - 1) < 0.05


def test_coverage_is_measured_on_all_of_the_past_and_not_on_its_last_incident() -> None:
    """Ten dear days at the end are outside any band; the other hundreds of days still are what was measured."""
    fault = Incident(leaf=("search", "ec2", "clip"), first=START + timedelta(days=470), days=10, factor=20)
    total = _found(Bill(incidents=(fault,)), 480)[Scope()]
    assert 0.5 < total.measured_coverage[0.8] < 0.95


def test_an_announced_end_takes_its_cost_from_every_scope_around_it_and_from_no_sibling() -> None:
    bill, first = Bill(days=300), START + timedelta(days=310)
    over = Scope((("x_cost_center", "search"), ("service_name", "bedrock")))
    event = KnownEvent(scope=over, days=Days(first, first + timedelta(days=1)), note="decommission", ends_use=True)
    before = _found(bill, 300)
    after = _found(bill, 300, announced=(event,))
    lost = before[over].median[10:].sum()
    assert np.abs(after[over].median[10:]).max() < 0.005
    for scope in (Scope(), Scope((("x_cost_center", "search"),))):
        fall = before[scope].median[10:].sum() - after[scope].median[10:].sum()
        assert 0.9 < fall / lost < 1.1
    sibling = Scope((("x_cost_center", "search"), ("service_name", "ec2")))
    assert abs(after[sibling].median.sum() / before[sibling].median.sum() - 1) < 0.02
    assert _away(after) < 1e-6


def _event(scope: Scope, first: int, **effect: object) -> KnownEvent:
    start = START + timedelta(days=first)
    return KnownEvent(scope=scope, days=Days(start, start + timedelta(days=1)), note="planned", **effect)  # type: ignore[arg-type]


def test_an_announced_sum_moves_the_scope_and_all_around_it_by_that_sum() -> None:
    bill = Bill(days=300)
    scope = Scope((("service_name", "ec2"), ("x_cost_center", "search")))
    launch = _event(scope, 310, adds=Money(Decimal(500), "USD"))
    before, after = _found(bill, 300), _found(bill, 300, announced=(launch,))
    for one in (
        Scope(),
        Scope((("x_cost_center", "search"),)),
        Scope((("x_cost_center", "search"), ("service_name", "ec2"))),
    ):
        moved = after[one].median - before[one].median
        assert np.abs(moved[:10]).max() < 5
        assert np.abs(moved[10:] - 500).max() < 25
    vision = Scope((("x_cost_center", "vision"),))
    assert np.abs(after[vision].median - before[vision].median).max() < 10
    assert _away(after) < 1e-6


def test_a_sum_of_what_never_cost_anything_moves_what_will_hold_it() -> None:
    launch = _event(Scope((("x_cost_center", "new"),)), 310, adds=Money(Decimal(800), "USD"))
    other = _event(Scope((("x_cost_center", "new"),)), 310, adds=Money(Decimal(800), "EUR"))
    bill = Bill(days=300)
    before, after, foreign = (_found(bill, 300, announced=each) for each in ((), (launch,), (other,)))
    alone = _found(bill, 300, replace(CHEAP, reconciled=False))
    assert np.abs(after[Scope()].median[10:] - alone[Scope()].median[10:] - 800).max() < 2
    assert foreign[Scope()].median.tobytes() == before[Scope()].median.tobytes()


@pytest.mark.parametrize("seed", [1, 3, 7])
def test_an_announced_price_changes_what_it_is_the_price_of(seed: int) -> None:
    bill = Bill(days=300, seed=seed)
    scope = Scope((("x_cost_center", "search"), ("service_name", "bedrock")))
    cut = _event(Scope((("service_name", "bedrock"),)), 310, times=Decimal("0.8"))
    before, after = _found(bill, 300), _found(bill, 300, announced=(cut,))
    saved = 0.2 * before[scope].median[10:]
    away = {
        one: np.abs(before[one].median[10:] - after[one].median[10:] - saved)
        for one in (scope, Scope((("x_cost_center", "search"),)), Scope())
    }
    assert away[scope].max() < 0.1 * saved.max()
    assert all(days.mean() < 0.1 * saved.mean() for days in away.values())


def test_what_began_before_the_forecast_is_in_the_costs_already() -> None:
    bill = Bill(days=300)
    begun = _event(Scope((("x_cost_center", "search"),)), 295, adds=Money(Decimal(500), "USD"))
    before, after = _found(bill, 300), _found(bill, 300, announced=(begun,))
    assert after[Scope()].median.tobytes() == before[Scope()].median.tobytes()
