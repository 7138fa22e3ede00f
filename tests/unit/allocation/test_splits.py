"""Shared costs: every cent lands once, with whom the method says."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.allocation.splits import Pool, share
from finops_ai.domain.errors import ConfigError, UsageError

MEASURES = ("billed_cost", "effective_cost")


def row(owner: str, cost: str, service: str = "EC2", currency: str = "USD", **more: Any) -> dict[str, Any]:
    amount = Decimal(cost)
    return {"x_cost_center": owner, "service_name": service, "currency": currency, **more} | dict.fromkeys(
        MEASURES, amount
    )


def pool(**changes: Any) -> Pool:
    return Pool(**{"name": "support", "match": {"service_name": "Support*"}, "method": "even", **changes})


def owners(rows: Iterable[Mapping[str, Any]], pool: str | None = None) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in rows:
        if pool is None or one["x_shared_from"] == pool:
            found[one["x_cost_center"]] += one["effective_cost"]
    return dict(found)


ROWS = [row("a", "30"), row("b", "10"), row("(untagged)", "60"), row("(untagged)", "10", "Support (Enterprise)")]


def test_even_split_goes_to_every_direct_cost_center_and_not_to_the_untagged() -> None:
    assert owners(share(ROWS, [pool()]), "support") == {"a": Decimal(5), "b": Decimal(5)}
    assert owners(share(ROWS, [pool()]))["(untagged)"] == 60


def test_proportional_split_follows_direct_effective_cost() -> None:
    assert owners(share(ROWS, [pool(method="proportional")]), "support") == {"a": Decimal("7.5"), "b": Decimal("2.5")}


def test_proportional_split_is_even_where_nobody_spent() -> None:
    rows = [row("a", "0"), row("b", "-5"), row("platform", "1", "Support")]
    found = owners(share(rows, [pool(method="proportional")]), "support")
    assert found == {"a": Decimal("0.5"), "b": Decimal("0.5")}


def test_a_credit_holder_carries_nothing_while_others_spend() -> None:
    rows = [row("a", "10"), row("b", "-5"), row("platform", "8", "Support")]
    assert owners(share(rows, [pool(method="proportional")]), "support") == {"a": Decimal(8)}


@pytest.mark.parametrize("shares", [{"x": Decimal("0.6"), "y": Decimal("0.4")}, {"x": Decimal(60), "y": Decimal(40)}])
def test_fixed_split_takes_fractions_or_percent(shares: dict[str, Decimal]) -> None:
    found = owners(share(ROWS, [pool(method="fixed", shares=shares)]), "support")
    assert found == {"x": Decimal(6), "y": Decimal(4)}


def test_cents_that_do_not_divide_go_to_the_first() -> None:
    rows = [row(name, "1") for name in "abc"] + [row("shared", "1", "Support")]
    found = owners(share(rows, [pool()]), "support")
    assert sum(found.values()) == 1
    assert found["a"] - found["c"] == Decimal("1e-18")


def test_a_split_stays_within_its_day_and_its_currency() -> None:
    monday, tuesday = date(2026, 5, 18), date(2026, 5, 19)
    rows = [
        row("a", "10", day=monday),
        row("b", "10", day=tuesday),
        row("c", "10", currency="EUR", day=monday),
        row("shared", "4", "Support", day=monday),
        row("shared", "6", "Support", day=tuesday),
    ]
    parts = [one for one in share(rows, [pool()]) if one["x_shared_from"]]
    assert [(p["x_cost_center"], p["day"], p["currency"], p["effective_cost"]) for p in parts] == [
        ("a", monday, "USD", Decimal(4)),
        ("b", tuesday, "USD", Decimal(6)),
    ]


def test_a_day_without_owners_borrows_those_of_the_range() -> None:
    rows = [row("a", "10", day=date(2026, 5, 18)), row("shared", "4", "Support", day=date(2026, 5, 1))]
    assert owners(share(rows, [pool()]), "support") == {"a": Decimal(4)}


def test_what_nobody_can_receive_stays_where_it_was() -> None:
    rows = [row("(untagged)", "4", "Support"), row("platform", "5", "Support")]
    assert owners(share(rows, [pool()])) == {"(untagged)": Decimal(4), "platform": Decimal(5)}


def test_the_first_pool_that_matches_has_the_row() -> None:
    everything = pool(name="rest", match={"service_name": "*"}, to=("z",))
    found = share([row("a", "1"), row("a", "2", "Support")], [pool(to=("y",)), everything])
    assert owners(found) == {"y": Decimal(2), "z": Decimal(1)}


def test_a_glob_on_the_cost_center_leaves_the_untagged_alone() -> None:
    rows = [row("shared-net", "4"), row("a", "1"), row("(untagged)", "9")]
    found = share(rows, [pool(match={"x_cost_center": "*"}, to=("z",))])
    assert owners(found) == {"(untagged)": Decimal(9), "z": Decimal(5)}


def test_other_measures_are_split_and_null_stays_null() -> None:
    rows = [row("a", "1", consumed_quantity=Decimal(2)), row("b", "1", consumed_quantity=None)]
    rows.append(row("shared", "2", "Support", consumed_quantity=Decimal(8)))
    parts = [one for one in share(rows, [pool()]) if one["x_shared_from"]]
    assert [one["consumed_quantity"] for one in parts] == [Decimal(4), Decimal(4)]
    rows[-1]["consumed_quantity"] = None
    assert share(rows, [pool()])[-1]["consumed_quantity"] is None


def test_rows_that_were_grouped_without_the_matched_key_are_an_error() -> None:
    rows = [{"x_cost_center": "a", "currency": "USD", "effective_cost": Decimal(1)}]
    with pytest.raises(UsageError, match="without service_name: group by it too"):
        share(rows, [pool()])


@pytest.mark.parametrize(
    "wrong",
    [
        {"match": {}},
        {"to": ("a", "(untagged)")},
        {"to": ("a", "a")},
        {"match": {"x_cost_center": "(untagged)"}},
        {"shares": {"a": Decimal(1)}},
        {"method": "fixed"},
        {"method": "fixed", "shares": {"a": Decimal("0.5")}},
        {"method": "fixed", "shares": {"a": Decimal(2), "b": Decimal(-1)}},
        {"method": "fixed", "shares": {"a": Decimal(1)}, "to": ("a",)},
    ],
)
def test_a_pool_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"allocation\.pools\.support"):
        pool(**wrong)


def exact_sum(amounts: Iterable[Decimal]) -> Fraction:
    """Fractions never round; decimals would after 28 digits."""
    return sum(map(Fraction, amounts), Fraction(0))


def conserved(rows: list[dict[str, Any]], pools: list[Pool]) -> None:
    found = share(rows, pools)
    for measure in MEASURES:
        for currency in {one["currency"] for one in rows}:
            before = exact_sum(one[measure] for one in rows if one["currency"] == currency)
            assert exact_sum(one[measure] for one in found if one["currency"] == currency) == before
    direct = [one for one in rows if one["x_cost_center"] == "(untagged)" and one["service_name"] != "Support"]
    kept = [one for one in found if one["x_cost_center"] == "(untagged)" and one["service_name"] != "Support"]
    assert exact_sum(one["billed_cost"] for one in kept) == exact_sum(one["billed_cost"] for one in direct)
    assert not any(one["x_shared_from"] and one["x_cost_center"] == "(untagged)" for one in found)


def test_ten_thousand_random_splits_conserve_every_cent() -> None:
    chance = random.Random(20260525)
    names = ["a", "b", "c", "d", "(untagged)"]
    for _ in range(10_000):
        count = chance.randint(1, 3)
        weights = [Decimal(chance.randint(1, 999)) for _ in range(count)]
        parts = [weight / 1000 for weight in weights[:-1]]
        shares = dict(zip("xyz", [*parts, 1 - sum(parts)], strict=False)) if sum(parts) <= 1 else {"x": Decimal(1)}
        pools = [
            chance.choice(
                [
                    pool(),
                    pool(method="proportional"),
                    pool(to=tuple("abcdef"[:count])),
                    pool(method="fixed", shares=shares),
                ]
            )
        ]
        rows = [
            row(
                chance.choice(names),
                f"{chance.randint(-(10**12), 10**12)}e-{chance.randint(0, 12)}",
                chance.choice(["EC2", "Support"]),
                chance.choice(["USD", "EUR"]),
                day=date(2026, 5, chance.randint(1, 2)),
            )
            for _ in range(chance.randint(1, 5))
        ]
        conserved(rows, pools)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "(untagged)"]),
            st.decimals(-(10**9), 10**9, places=18),
            st.sampled_from(["EC2", "Support"]),
        ),
        max_size=8,
    ),
    st.sampled_from(["even", "proportional"]),
)
def test_splits_conserve_amounts_of_every_scale(rows: list[tuple[str, Decimal, str]], method: Any) -> None:
    conserved([row(owner, str(cost), service) for owner, cost, service in rows], [pool(method=method)])
