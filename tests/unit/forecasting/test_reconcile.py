"""What is shown adds up to the cent at every level, and no accuracy is lost for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.forecasting.coherence import Coherent, coherent, sums_of
from finops_ai.forecasting.reconcile import Sum, reconcile

START = date(2026, 4, 1)
DAYS = 9


def _forecast(scope: Scope, median: np.ndarray, width: np.ndarray, currency: str = "EUR") -> Forecast:
    offsets = np.array([-1.96, -1.28, -0.67, 0, 0.67, 1.28, 1.96])[:, None]
    quantiles = np.maximum(median + offsets * width, np.minimum(median, 0))
    end = START + timedelta(days=len(median) - 1)
    return Forecast(
        scope=scope,
        cost_basis="effective",
        currency=currency,
        issued_on=START,
        forecaster="combination/1",
        days=Days(START, START + timedelta(days=len(median))),
        quantiles=quantiles,
        total_quantiles={end: quantiles.sum(axis=1)},
        measured_coverage={},
    )


def _family(seed: int, centers: int, services: int, models: int, *, credits: bool = False) -> list[Forecast]:
    random = np.random.default_rng(seed)
    scopes = [Scope()]
    scopes += [Scope((("x_cost_center", f"c{i}"),)) for i in range(centers)]
    scopes += [Scope((("x_ai_model", f"m{i}"),)) for i in range(models)]
    scopes += [
        Scope((("x_cost_center", f"c{i}"), ("service_name", f"s{j}"))) for i in range(centers) for j in range(services)
    ]
    made = []
    for scope in scopes:
        size = 10.0 ** random.uniform(-2, 5)
        median = size * random.uniform(0, 1, DAYS) * (random.random(DAYS) < 0.8)
        if credits and random.random() < 0.3:
            median -= size
        made.append(_forecast(scope, median, np.abs(median) * random.uniform(0, 0.5)))
    return made


def _now_and_then(family: list[Forecast], seed: int) -> list[Forecast]:
    """The same with some totals that come to more than the medians of their days."""
    random = np.random.default_rng(seed)
    more = [10.0 ** random.uniform(-1, 5) * (random.random() < 0.4) for _ in family]
    return [
        replace(one, total_quantiles={day: values + extra for day, values in one.total_quantiles.items()})
        for one, extra in zip(family, more, strict=True)
    ]


def _adds_up(found: list[Coherent]) -> None:
    end = START + timedelta(days=DAYS - 1)
    for one in sums_of([each.forecast.scope for each in found]):
        kids = [found[i] for i in one.children]
        np.testing.assert_array_equal(found[one.parent].table, np.sum([kid.table for kid in kids], axis=0))
        if end in found[one.parent].forecast.total_quantiles:
            assert found[one.parent].total(end) == sum(kid.total(end) for kid in kids)
    for each in found:
        for day, values in each.forecast.total_quantiles.items():
            assert (np.diff(values) >= 0).all()
            size = np.abs(each.forecast.median).sum() + abs(values[3])
            assert each.total(day) / 100 == pytest.approx(values[3], abs=0.2 + 1e-9 * size)
        assert (np.diff(each.table, axis=0) >= 0).all()
        median = each.forecast.median
        np.testing.assert_allclose(
            each.table[LEVELS.index(0.5)] / 100, median, atol=0.05 + 1e-9 * np.abs(median).max(initial=0)
        )
        assert (np.diff(each.forecast.quantiles, axis=0) >= 0).all()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    centers=st.integers(1, 5),
    services=st.integers(1, 4),
    models=st.integers(1, 4),
    credits=st.booleans(),
    now_and_then=st.booleans(),
)
def test_every_level_of_every_day_and_every_total_adds_up(
    seed: int, centers: int, services: int, models: int, credits: bool, now_and_then: bool
) -> None:
    family = _family(seed, centers, services, models, credits=credits)
    _adds_up(coherent(_now_and_then(family, seed) if now_and_then else family))


def test_what_cannot_be_negative_is_not_made_so_by_a_parent_that_can() -> None:
    """Three cost centers of a service each that only costs, one of them told at less than nothing, and one AI model."""
    _adds_up(coherent(_family(2155, 3, 1, 1, credits=True)))


def test_nothing_negative_comes_of_positive_forecasts() -> None:
    for seed in range(20):
        for each in coherent(_family(seed, 4, 3, 2)):
            assert each.forecast.quantiles.min() >= -1e-6 * max(1.0, each.forecast.quantiles.max())


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), credits=st.booleans(), days=st.integers(1, 3))
def test_no_day_comes_to_less_than_is_billed_of_it(seed: int, credits: bool, days: int) -> None:
    family = _family(seed, 3, 3, 2, credits=credits)
    random = np.random.default_rng(seed)
    billed = np.zeros((len(family), DAYS))
    leaves = [i for i, one in enumerate(family) if len(one.scope.pairs) == 2]
    some = random.random((len(leaves), days)) < 0.7
    billed[leaves, :days] = 10.0 ** random.uniform(-2, 5, some.shape) * some
    models = [i for i, one in enumerate(family) if one.scope.get("x_ai_model")]
    part = random.random(days)
    billed[models, :days] = [part * billed[leaves, :days].sum(axis=0), (1 - part) * billed[leaves, :days].sum(axis=0)]
    for one in reversed(sums_of([one.scope for one in family])):
        billed[one.parent] = billed[list(one.children)].sum(axis=0)
    found = coherent(family, list(billed))
    _adds_up(found)
    for made, floor in zip(found, billed, strict=True):
        least = np.where(floor > 0, floor * (1 - 1e-6) - 1e-6, -np.inf)
        assert (made.forecast.median >= least).all()
        assert (made.forecast.quantiles >= least).all()


def test_the_surer_forecast_moves_less() -> None:
    values = np.array([[100.0], [60.0], [60.0]])
    made = reconcile(values, np.array([1.0, 1.0, 18.0]), [Sum(parent=0, children=(1, 2))], np.zeros((3, 1)))
    moved = np.abs(made - values)[:, 0]
    assert moved[2] > 10 * moved[1]
    np.testing.assert_allclose(made[0], made[1] + made[2])


def test_a_scope_of_dollars_beside_one_of_millions_moves_by_what_it_is_unsure_of() -> None:
    sums = [Sum(parent=0, children=(1, 2)), Sum(parent=3, children=(4, 5))]
    values = np.array([[3.1e6], [1e6], [2e6], [10.5], [4.0], [6.0]])
    error = np.array([1e5, 5e4, 1e5, 2.0, 0.1, 0.2])
    made = reconcile(values, np.square(error), sums, np.full((6, 1), -np.inf))
    assert made[3, 0] == pytest.approx(made[4:, 0].sum())
    assert np.all(np.abs(made - values)[4:, 0] < 0.1 * error[4:])  # the sum above them gives way


def test_reconciled_forecasts_are_no_worse() -> None:
    random = np.random.default_rng(7)
    before, after = [], []
    for _ in range(300):
        truth = random.lognormal(4, 1, (6, DAYS))
        everything = np.concatenate([[truth.sum(axis=0)], truth])
        sigma = np.r_[0.1, random.uniform(0.05, 0.4, 6)][:, None] * everything.mean(axis=1, keepdims=True)
        said = everything + random.normal(0, 1, everything.shape) * sigma
        made = reconcile(said, sigma[:, 0] ** 2, [Sum(parent=0, children=tuple(range(1, 7)))], np.full((7, 1), -np.inf))
        before.append(np.abs(said - everything) / sigma)
        after.append(np.abs(made - everything) / sigma)
    assert np.mean(after) < np.mean(before)
    assert np.mean([each[0] for each in after]) < np.mean([each[0] for each in before])


def test_currencies_never_meet() -> None:
    center = Scope((("x_cost_center", "a"),))
    ten, five = np.full(DAYS, 10.0), np.full(DAYS, 5.0)
    found = coherent([_forecast(Scope(), ten, five), _forecast(center, five, five, "USD")])
    assert found[0].forecast.median.tolist() == ten.tolist()
    assert found[1].forecast.median.tolist() == five.tolist()


def test_no_forecast_is_no_family() -> None:
    assert coherent([]) == []
