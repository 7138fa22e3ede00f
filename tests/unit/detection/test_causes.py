"""Causes add up to the excess exactly and name what carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.detection.causes import causes, finish, where
from finops_ai.detection.contributors import Breakdown, Share
from finops_ai.detection.episodes import advance
from finops_ai.detection.explain import explain
from finops_ai.detection.like_days import like_days
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Cause
from finops_ai.domain.forecast import Score
from finops_ai.domain.money import EXACT, Money, total
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from tests.unit.forecasting.bills import one_series

FIRST = date(2026, 3, 2)  # a Monday
BEFORE = [FIRST - timedelta(days=n) for n in range(28, 0, -1)]
DURING = [FIRST + timedelta(days=n) for n in range(3)]


def _weights(during: list[date]) -> Mapping[date, Decimal]:
    """Nothing is known of what was expected of the days, so that they are like the same weekdays of four weeks."""
    return like_days(Days(during[0], during[-1] + timedelta(days=1)), one_series([0.0]), {}).weights


def _usd(amount: Decimal | str | int) -> Money:
    return Money(Decimal(amount), "USD")


def _breakdown(keys: tuple[str, ...], usual: dict[str, int], now: dict[str, int], unit: int | None = None) -> Breakdown:
    """Every day the same; quantity is cost / `unit` before, and as before now."""

    def shares(days: list[date], costs: dict[str, int], quantities: dict[str, int]) -> list[Share]:
        return [
            Share(day, (name,) * len(keys), Decimal(cost), Decimal(quantities[name]) if unit else None)
            for day in days
            for name, cost in costs.items()
        ]

    return Breakdown(
        keys=keys,
        weights=_weights(DURING),
        baseline=shares(BEFORE, usual, usual),
        during=shares(DURING, now, {name: usual.get(name, 1) for name in now}),
    )


def test_who_did_it_and_by_how_much() -> None:
    found = causes(
        _breakdown(("service_name",), {"ec2": 100, "s3": 50}, {"ec2": 400, "s3": 50}),
        expected=_usd(450),
        observed=_usd(1350),
    )
    assert [(dict(one.what), one.excess.amount) for one in found] == [
        ({"service_name": "ec2"}, Decimal(900)),
        ({"service_name": "s3"}, Decimal(0)),
    ]
    assert where(found) == {"service_name": "ec2"}


def test_what_is_new_is_called_new() -> None:
    found = causes(
        _breakdown(("sub_account_id",), {"one": 100}, {"one": 100, "two": 70}), expected=_usd(300), observed=_usd(510)
    )
    assert found[0].what == {"sub_account_id": "two"}
    assert found[0].note == "new: nothing in the 28 days before"
    assert found[1].note == ""


def test_a_meter_that_costs_nothing_is_no_cause() -> None:
    """A gateway's money stands on the request; its tokens are counted and cost nothing."""
    meters = ("requests", "input")
    days = [(day, 100 if day in BEFORE else 250) for day in (*BEFORE, *DURING)]
    shares = [
        Share(day, (meter,), Decimal(cost if meter == "requests" else 0), Decimal(10), unit=meter)
        for day, cost in days
        for meter in meters
    ]
    breakdown = Breakdown(
        keys=("x_sku_group",),
        weights=_weights(DURING),
        baseline=[share for share in shares if share.day in BEFORE],
        during=[share for share in shares if share.day in DURING],
    )
    (one,) = causes(breakdown, expected=_usd(300), observed=_usd(750))
    assert (one.what, one.excess.amount) == ({"x_sku_group": "requests"}, Decimal(450))


def test_price_and_quantity_share_the_excess() -> None:
    dearer = causes(_breakdown(("x",), {"a": 100}, {"a": 150}, unit=1), expected=_usd(300), observed=_usd(450))[0]
    assert (dearer.quantity_effect, dearer.price_effect) == (_usd(0), _usd(150))
    more = Breakdown(
        keys=("x",),
        weights=_weights(DURING),
        baseline=[Share(day, ("a",), Decimal(100), Decimal(10)) for day in BEFORE],
        during=[Share(day, ("a",), Decimal(240), Decimal(20)) for day in DURING],
    )
    one = causes(more, expected=_usd(300), observed=_usd(720))[0]
    assert one.quantity_effect is not None
    assert one.price_effect is not None
    assert (one.quantity_effect.amount, one.price_effect.amount) == (Decimal(300), Decimal(120))


def test_expected_follows_the_weekday() -> None:
    weekend_only = Breakdown(
        keys=("x",),
        weights=_weights(DURING),
        baseline=[
            *(Share(day, ("batch",), Decimal(70)) for day in BEFORE if day.weekday() > 4),
            *(Share(day, ("web",), Decimal(10)) for day in BEFORE),
        ],
        during=[Share(day, ("batch",), Decimal(70)) for day in DURING]
        + [Share(day, ("web",), Decimal(10)) for day in DURING],
    )
    found = causes(weekend_only, expected=_usd(30), observed=_usd(240))
    assert [(one.what["x"], one.expected.amount) for one in found] == [("batch", Decimal(0)), ("web", Decimal(30))]


AMOUNTS = st.decimals(min_value=-1000, max_value=10**6, places=9, allow_nan=False)


@settings(max_examples=150)
@given(
    usual=st.dictionaries(st.sampled_from("abcdefgh"), AMOUNTS, max_size=8),
    now=st.dictionaries(st.sampled_from("abcdefgh"), AMOUNTS, max_size=8),
    quantities=st.dictionaries(st.sampled_from("abcdefgh"), AMOUNTS, max_size=8),
    expected=st.decimals(min_value=-100, max_value=10**7, places=6),
    uncovered=st.decimals(min_value=-5, max_value=5, places=18),
    top=st.integers(0, 9),
)
def test_causes_add_up_to_the_last_digit(
    usual: dict[str, Decimal],
    now: dict[str, Decimal],
    quantities: dict[str, Decimal],
    expected: Decimal,
    uncovered: Decimal,
    top: int,
) -> None:
    observed = total([*now.values(), uncovered])
    breakdown = Breakdown(
        keys=("x",),
        weights=_weights(DURING[:1]),
        baseline=[Share(day, (name,), cost, quantities.get(name)) for day in BEFORE for name, cost in usual.items()],
        during=[Share(DURING[0], (name,), cost, quantities.get(name)) for name, cost in now.items()],
    )
    found = causes(breakdown, expected=_usd(expected), observed=_usd(observed), top=top)
    assert total(one.excess.amount for one in found) == EXACT.subtract(observed, expected)
    assert total(one.observed.amount for one in found) == observed
    for one in found:
        assert one.excess == one.observed - one.expected
        if one.quantity_effect is not None and one.price_effect is not None:
            assert one.quantity_effect + one.price_effect == one.excess


def test_price_volume_and_mix_add_up_for_every_cause_and_for_the_rest() -> None:
    """Twice the tokens, all of the growth at the dearer model, whose price fell."""
    usual = {"large": (10, 100), "small": (1, 100), "tiny": (1, 200)}
    now = {"large": (18, 200), "small": (1, 100), "tiny": (5, 500)}
    breakdown = Breakdown(
        keys=("x_ai_model",),
        weights=_weights(DURING[:1]),
        baseline=[Share(d, (m,), Decimal(c), Decimal(q), "Tokens") for d in BEFORE for m, (c, q) in usual.items()],
        during=[Share(DURING[0], (m,), Decimal(c), Decimal(q), "Tokens") for m, (c, q) in now.items()],
    )
    found = causes(breakdown, expected=_usd(12), observed=_usd(24), top=1)
    large, rest = found
    assert (large.what, large.excess) == ({"x_ai_model": "large"}, _usd(8))
    assert (large.quantity_effect, large.price_effect, large.mix_effect) == (_usd(10), _usd(-2), _usd(0))
    assert (rest.quantity_effect, rest.price_effect, rest.mix_effect) == (_usd("1.5"), _usd("2.5"), _usd("-0.5"))
    assert large.note == "200 Tokens instead of 100"


def test_quantities_of_different_units_say_nothing_of_the_price() -> None:
    breakdown = Breakdown(
        keys=("x",),
        weights=_weights(DURING[:1]),
        baseline=[Share(day, ("a",), Decimal(5), Decimal(1), unit) for day in BEFORE for unit in ("Hours", "GB")],
        during=[Share(DURING[0], ("a",), Decimal(9), Decimal(1), unit) for unit in ("Hours", "GB")],
    )
    (one,) = causes(breakdown, expected=_usd(10), observed=_usd(18))
    assert (one.quantity_effect, one.price_effect, one.mix_effect) == (None, None, None)


def test_the_place_of_the_fault_comes_first() -> None:
    found = causes(
        _breakdown(("x",), {"a": 10, "b": 1000}, {"a": 40, "b": 1060}),
        expected=_usd(3030),
        observed=_usd(3300),
        first=[("a",)],
    )
    assert [one.what["x"] for one in found] == ["a", "b"]


def test_a_finished_episode_is_exact_and_explains_itself() -> None:
    scope = Scope((("x_cost_center", "search"),))
    score = Score(
        scope=scope,
        currency="USD",
        day=FIRST,
        observed=400.1,
        expected=150.0,
        upper=200.0,
        z=9.0,
        p_value=1e-9,
        scorer="day@baseline/1",
    )
    series = one_series([150.0] * 60 + [400.1], scope=scope, start=FIRST - timedelta(days=60))
    as_of = datetime(2026, 3, 3, 6, tzinfo=UTC)
    (opened,) = advance([], [score], [series], as_of=as_of, settings=DetectSettings())
    exact = Decimal("400.100000000000000001")
    breakdown = Breakdown(
        keys=("service_name",),
        weights=_weights([FIRST]),
        baseline=[Share(day, (name,), Decimal(75)) for day in BEFORE for name in ("ec2", "s3")],
        during=[Share(FIRST, ("ec2",), exact - 75), Share(FIRST, ("s3",), Decimal(75))],
    )
    done = finish(opened, observed=exact, breakdown=breakdown)
    assert done.excess.amount == Decimal("250.100000000000000001")
    assert total(one.excess.amount for one in done.causes) == done.excess.amount
    assert done.where == {"x_cost_center": "search", "service_name": "ec2"}
    assert done.projected - done.excess == opened.projected - opened.excess

    told = explain(done, series, [score])
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["excess"] == "250.100000000000000001"
    assert told["counterfactual"] == "without ec2: 0.0 of the band instead of 5.0"
    assert [day["upper"] for day in told["days"]] == [200.0]


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ({"x_sku_group": "hours", "region_id": "eu"}, ("hours", "eu")),
        ({"x_sku_group": "", "x_ai_model": "(none)", "region_id": "eu"}, ("eu",)),
        ({"x_ai_model": "(none)"}, ("(none)",)),
        ({"x_sku_group": ""}, ("not named on the bill",)),
    ],
)
def test_a_cause_has_a_name(what: dict[str, str], names: tuple[str, ...]) -> None:
    assert Cause(what=what, expected=_usd(1), observed=_usd(2), excess=_usd(1)).names == names
