"""Clusters split: the bill's cents, all of them, by the attribution's weights; what cannot be split stays in sight."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.allocation.kubernetes import COSTS, IDLE, UNMATCHED, Nodes, Split, attribute, clusters_named
from finops_ai.domain.errors import UsageError
from finops_ai.domain.money import total

DAY = date(2026, 4, 1)
TAGS = ("eks:cluster-name", "goog-k8s-cluster-name")
NODES = (Nodes(cluster="prod", match={"sub_account_id": "7*"}),)


def bill(cost: Any = 100, **keys: Any) -> dict[str, Any]:
    untagged = {f"tag:{tag}": "(untagged)" for tag in TAGS}
    row = {"day": DAY, "currency": "USD", "sub_account_id": "7", "service_category": "Compute"}
    costs = {**dict.fromkeys(COSTS, Decimal(cost)), "billed_cost": Decimal(cost) * 2}
    return {**row, "charge_category": "Usage", "x_cost_center": "nodes", **untagged, **costs, **keys}


def told(namespace: str, cost: Any = 1, **keys: Any) -> dict[str, Any]:
    row = {"day": DAY, "source": "k8s", "currency": "USD", "cluster": "prod", "namespace": namespace}
    return {**row, "x_sku_group": "CPU", "x_cost_center": namespace, "effective_cost": Decimal(cost), **keys}


def by(found: Split, *keys: str, cost: str = "effective_cost") -> dict[Any, Decimal]:
    sums: dict[Any, list[Decimal]] = {}
    for part in found.parts:
        values = tuple(part[key] for key in keys)
        sums.setdefault(values if len(values) > 1 else values[0], []).append(part[cost])
    return {values: total(costs) for values, costs in sums.items()}


def test_the_bill_gives_the_amounts_and_the_attribution_the_shares() -> None:
    found = attribute([bill()], [told("a", 1), told("b", 2), told("__idle__", 5)], NODES, ["namespace"])
    assert by(found, "cluster", "namespace") == {
        ("prod", "a"): Decimal("12.5"),
        ("prod", "b"): 25,
        ("prod", IDLE): Decimal("62.5"),
    }
    assert by(found, "namespace", cost="billed_cost") == {"a": 25, "b": 50, IDLE: 125}


def test_what_is_of_no_cluster_stays_as_it_is() -> None:
    other = bill(sub_account_id="8", consumed_quantity=Decimal(3))
    found = attribute([other, bill()], [told("a")], NODES, ["namespace"])
    assert found.rest == [other]


def test_days_of_which_nothing_is_told_stay_whole() -> None:
    later = date(2026, 4, 2)
    found = attribute([bill(), bill(7, day=later)], [told("a")], NODES, ["namespace", "x_cost_center"])
    assert by(found, "day", "namespace", "x_cost_center") == {(DAY, "a", "a"): 100, (later, UNMATCHED, UNMATCHED): 7}


def test_weights_are_those_of_the_resource_that_is_billed() -> None:
    attribution = [told("a", 1), told("a", 9, x_sku_group="GPU"), told("b", 1), told("b", 99, x_sku_group="Storage")]
    rules = (
        Nodes(cluster="prod", match={"x_sku_group": "*gpu*"}, weigh_by="gpu"),
        Nodes(cluster="prod", match={"x_sku_group": "*core*"}, weigh_by="cpu"),
        Nodes(cluster="prod", match={"x_sku_group": "*ram*"}, weigh_by="memory"),
        Nodes(cluster="prod", match={"x_sku_group": "*"}),
    )
    rows = [bill(x_sku_group=name) for name in ("A100 GPU", "N2 Core", "N2 Ram", "BoxUsage:g5")]
    found = attribute(rows, attribution, rules, ["namespace"], ["x_sku_group"])
    assert by(found, "x_sku_group", "namespace") == {
        ("A100 GPU", "a"): 100,
        ("N2 Core", "a"): 50,
        ("N2 Core", "b"): 50,
        ("N2 Ram", UNMATCHED): 100,
        ("BoxUsage:g5", "a"): pytest.approx(Decimal(1000) / 11),
        ("BoxUsage:g5", "b"): pytest.approx(Decimal(100) / 11),
    }


@pytest.mark.parametrize("tag", TAGS)
def test_without_a_rule_the_tags_of_clouds_tell_whose_nodes_they_are(tag: str) -> None:
    mine = bill(**{f"tag:{tag}": "prod"})
    others = [
        bill(**{f"tag:{tag}": "PROD"}),
        bill(**{f"tag:{tag}": "prod"}, service_category="Networking"),
        bill(**{f"tag:{tag}": "prod"}, charge_category="Purchase"),
        bill(),
    ]
    found = attribute([mine, *others], [told("a")], (Nodes(cluster="prod", tags=TAGS),), ["namespace"])
    assert by(found, "cluster", "namespace") == {("prod", "a"): 100}
    assert found.rest == others


def test_a_rule_stands_in_for_the_tags_of_its_cluster() -> None:
    tagged = bill(sub_account_id="8", **{"tag:eks:cluster-name": "prod"})
    (rule,) = NODES
    assert attribute([tagged], [told("a")], [replace(rule, tags=TAGS)], ["namespace"]).rest == [tagged]


def test_a_glob_never_matches_what_is_not_there() -> None:
    rules = (Nodes(cluster="prod", match={"tag:team": "*"}),)
    rows = [bill(**{"tag:team": "(untagged)"}), bill(1, **{"tag:team": "x"})]
    assert by(attribute(rows, [told("a")], rules, ["namespace"]), "namespace") == {"a": 1}


def test_the_first_of_two_clusters_has_a_charge_and_that_is_told() -> None:
    rules = (*NODES, Nodes(cluster="dev", match={"sub_account_id": "*"}))
    found = attribute([bill(), bill(5, sub_account_id="8")], [told("a")], rules, ["namespace"])
    assert by(found, "cluster", "namespace") == {("prod", "a"): 100, ("dev", UNMATCHED): 5}
    (warning,) = found.told
    assert "'prod' and 'dev' both match 1 charges" in warning


def test_negative_idle_weighs_nothing_and_keeps_its_sign_in_the_reconciliation() -> None:
    found = attribute([bill()], [told("a", 4), told("__idle__", -1)], NODES, ["namespace"])
    assert by(found, "namespace") == {"a": 100}
    assert found.reconciliation[0]["attribution_cost"] == 3


def test_credits_on_nodes_are_split_like_nodes() -> None:
    assert by(attribute([bill(-8)], [told("a", 1), told("b", 3)], NODES, ["namespace"]), "namespace") == {
        "a": -2,
        "b": -6,
    }


def test_currencies_are_never_added() -> None:
    found = attribute([bill(), bill(10, currency="EUR")], [told("a")], NODES, ["namespace"])
    assert by(found, "currency") == {"USD": 100, "EUR": 10}
    assert {row["currency"]: row["factor"] for row in found.reconciliation} == {"USD": 100, "EUR": None}


@pytest.mark.parametrize("other", [{"source": "kubecost"}, {"currency": "EUR"}])
def test_weights_of_two_sources_or_currencies_are_never_added(other: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="'prod' is told by"):
        attribute([bill()], [told("a"), told("a", **other)], NODES, ["namespace"])


def test_a_rule_may_choose_the_source() -> None:
    rules = (Nodes(cluster="prod", source="kubecost", match={"sub_account_id": "7"}),)
    found = attribute([bill()], [told("a"), told("b", source="kubecost")], rules, ["namespace"])
    assert by(found, "namespace") == {"b": 100}


def test_the_reconciliation_has_both_sides() -> None:
    later, never = date(2026, 4, 2), date(2026, 4, 3)
    attribution = [told("a", 30), told("a", 5, x_sku_group="Storage"), told("__idle__", 10), told("a", 8, day=never)]
    found = attribute([bill(), bill(7, day=later)], attribution, NODES, ["namespace"])
    seen = [
        tuple(
            row[key]
            for key in ("day", "effective_cost", "workloads", "idle", "unmatched", "attribution_cost", "factor")
        )
        for row in found.reconciliation
    ]
    assert seen == [
        (DAY, 100, 75, 25, 0, 40, Decimal("2.5")),
        (later, 7, 0, 0, 7, None, None),
        (never, 0, 0, 0, 0, 8, None),
    ]


def test_who_is_named_by_none_stays_with_the_owner_of_the_nodes() -> None:
    attribution = [told("a", 1), told("kube-system", 1, x_cost_center="(untagged)"), told("__idle__", 2)]
    later = bill(3, day=date(2026, 4, 2))
    found = attribute([bill(), later], attribution, NODES, ["x_cost_center"], ["x_cost_center"], leave=True)
    assert by(found, "x_cost_center") == {"a": 25, "nodes": 78}


def test_rules_tell_what_they_look_at() -> None:
    assert NODES[0].keys == ("sub_account_id",)
    assert Nodes(cluster="prod", tags=TAGS).keys == ("service_category", "charge_category", *(f"tag:{t}" for t in TAGS))
    assert clusters_named([told("a"), told("b", cluster="(untagged)"), told("c", cluster="dev")]) == ["dev", "prod"]


money = st.decimals(min_value=-(10**9), max_value=10**9, places=10)
weight = st.decimals(min_value=-1000, max_value=1000, places=6)


@given(costs=st.lists(money, min_size=1, max_size=4), weights=st.lists(weight, max_size=6))
def test_every_cent_lands_once(costs: Sequence[Decimal], weights: Sequence[Decimal]) -> None:
    attribution = [told(f"n{number}", cost) for number, cost in enumerate(weights)]
    check([bill(cost) for cost in costs], attribution)


def test_ten_thousand_random_splits_lose_nothing() -> None:
    chance = random.Random(11)

    def some(digits: int, places: int) -> Decimal:
        return Decimal(chance.randint(-(10 ** (digits - 1)), 10**digits)).scaleb(-chance.randint(2, places))

    for _ in range(10_000):
        names = ["__idle__", "a", "b", "c"][: chance.randint(0, 4)]
        check([bill(some(16, 16)) for _ in range(chance.randint(1, 2))], [told(name, some(8, 6)) for name in names])


def check(rows: Sequence[dict[str, Any]], attribution: Sequence[dict[str, Any]]) -> None:
    found = attribute(rows, attribution, NODES, ["namespace"])
    for cost in COSTS:
        assert total(part[cost] for part in found.parts) == total(row[cost] for row in rows)
    (line,) = found.reconciliation
    assert total(line[fate] for fate in ("workloads", "idle", "unmatched")) == line["effective_cost"]
    assert line["effective_cost"] == total(row["effective_cost"] for row in rows)
