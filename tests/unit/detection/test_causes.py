"""Causes add up to the excess exactly and name what carries it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.detection.causes import Breakdown, Share, causes, finish, pick_breakdown, where
from finops_ai.detection.episodes import advance
from finops_ai.detection.explain import explain
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.forecast import Score
from finops_ai.domain.money import EXACT, Money, total
from finops_ai.domain.scope import Scope
from tests.unit.forecasting.bills import one_series

FIRST = date(2026, 3, 2)  # a Monday
BEFORE = [FIRST - timedelta(days=n) for n in range(28, 0, -1)]
DURING = [FIRST + timedelta(days=n) for n in range(3)]


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
        baseline_days=BEFORE,
        episode_days=DURING,
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


def test_price_and_quantity_share_the_excess() -> None:
    dearer = causes(_breakdown(("x",), {"a": 100}, {"a": 150}, unit=1), expected=_usd(300), observed=_usd(450))[0]
    assert (dearer.quantity_effect, dearer.price_effect) == (_usd(0), _usd(150))
    more = Breakdown(
        keys=("x",),
        baseline_days=BEFORE,
        episode_days=DURING,
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
        baseline_days=BEFORE,
        episode_days=DURING,
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


@settings(max_examples=150, deadline=None)
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
        baseline_days=BEFORE,
        episode_days=DURING[:1],
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


def test_the_breakdown_that_concentrates_the_excess_comes_first() -> None:
    regions = _breakdown(("region_id",), {"eu": 50, "us": 50, "ap": 50}, {"eu": 90, "us": 95, "ap": 85})
    services = _breakdown(("service_name",), {"ec2": 75, "s3": 75}, {"ec2": 195, "s3": 75})
    both = _breakdown(("service_name", "region_id"), {"ec2": 75, "s3": 75}, {"ec2": 195, "s3": 75})
    single = _breakdown(("x_ai_model",), {"clip": 150}, {"clip": 270})
    ranked = pick_breakdown([single, regions, both, services])
    assert [one.keys for one in ranked] == [
        ("service_name",),
        ("service_name", "region_id"),
        ("region_id",),
        ("x_ai_model",),
    ]


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
        baseline_days=BEFORE,
        episode_days=[FIRST],
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
