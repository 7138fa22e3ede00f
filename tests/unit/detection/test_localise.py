"""The place of a planted fault is found: one value, a pair of values, a price, two that hide each other."""

from __future__ import annotations

import numpy as np
import pytest

from finops_ai.detection.localise import Parts, localise
from finops_ai.detection.shapes import Metered, shape
from finops_ai.domain.episode import EpisodeState
from tests.ledger.nouns import an_episode, usd
from tests.unit.detection.faults import KEYS, KINDS, plant

SEEDS = 100


@pytest.mark.parametrize("kind", KINDS)
def test_the_true_dimension_comes_first_in_nine_of_ten(kind: str) -> None:
    found = [(fault, localise(fault.parts, KEYS)[0]) for seed in range(SEEDS) for fault in [plant(seed, kind)]]
    assert np.mean([fault.found_by(place) for fault, place in found]) >= 0.9


def test_two_that_hide_each_other_are_both_named() -> None:
    random = np.random.default_rng(5)
    accounts = [f"a{n % 8}" for n in range(40)]
    expected = 100 * np.exp(random.normal(0, 0.02, 40))
    observed = expected * np.exp(random.normal(0, 0.02, 40))
    observed[[a == "a2" for a in accounts]] += 60
    observed[[a == "a5" for a in accounts]] -= 60
    values = {"sub_account_id": accounts, "region_id": [f"r{n % 3}" for n in range(40)]}
    first = localise(Parts(values=values, expected=expected, observed=observed), ("region_id", "sub_account_id"))[0]
    assert first.keys == ("sub_account_id",)
    assert set(first.elements) == {("a2",), ("a5",)}


def test_what_is_all_new_is_found_and_nothing_is_said_of_no_change() -> None:
    values = {"region_id": ["eu", "eu", "us", "ap"], "service_name": ["a", "b", "a", "a"]}
    usual, now = np.array([10.0, 20.0, 30.0, 0.0]), np.array([10.0, 20.0, 30.0, 50.0])
    place = localise(Parts(values=values, expected=usual, observed=now), ("service_name", "region_id"))[0]
    assert (place.keys, place.elements) == (("region_id",), (("ap",),))
    assert localise(Parts(values=values, expected=usual, observed=usual), ("service_name",)) == []


@pytest.mark.parametrize(
    ("dearer", "listed", "more", "told"),
    [(2.0, 2.0, 1.0, "price"), (2.0, 1.0, 1.0, "commitment"), (1.0, 1.0, 2.0, "spike"), (1.6, 1.6, 1.4, "spike")],
)
def test_price_and_commitment_are_told_from_volume(dearer: float, listed: float, more: float, told: str) -> None:
    usual = np.array([50.0, 50.0])
    metered = Metered(
        usual_cost=usual,
        cost=usual * dearer * more,
        usual_list=usual * 1.5,
        list_cost=usual * 1.5 * listed * more,
        usual_quantity=usual * 10,
        quantity=usual * 10 * more,
    )
    one = an_episode(kind="rise", excess=usd(str(100 * (dearer * more - 1))))
    assert shape(one, metered) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "drop"}, "drop"),
        ({"kind": "drift"}, "drift"),
        ({"kind": "new_spend"}, "new"),
        ({"kind": "gap"}, ""),
        ({"kind": "rise", "accepted": True, "state": EpisodeState.RESOLVED}, "step"),
        ({"kind": "rise", "state": EpisodeState.RESOLVED}, "spike"),
    ],
)
def test_shapes_follow_the_kind_and_the_days(changes: dict[str, object], told: str) -> None:
    assert shape(an_episode(**changes), None) == told
