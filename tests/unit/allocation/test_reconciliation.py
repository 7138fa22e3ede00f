"""A gateway against the bill: ways in which others told wrong model costs, each found in its bucket, to the digit."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.allocation.model_prices import ModelPrice, PriceTable
from finops_ai.allocation.reconciliation import Buckets, Reconciled, Use, reconcile
from finops_ai.allocation.unit_costs import Charge

DAY = date(2026, 4, 1)
METERS = {
    "input": Decimal(3),
    "cached input": Decimal("0.3"),
    "cache write 5m input": Decimal("3.75"),
    "output": Decimal(15),
    "image input": Decimal(5),
}
PRICES = PriceTable.of([ModelPrice(model="sonnet", valid_from=date(2026, 1, 1), meters=METERS)], {"chat": "sonnet"})
MILLION = 1_000_000


def use(
    meter: str,
    quantity: int,
    cost: str = "0",
    *,
    status: str = "success",
    model: str = "sonnet",
    unit: str = "Tokens",
    day: date = DAY,
) -> Use:
    told = Charge(
        keys=(),
        day=day,
        currency="USD",
        unit=unit if quantity else "",
        meter=(meter, "", "", ""),
        sku=meter,
        model=model,
        cost=Decimal(cost),
        quantity=Decimal(quantity),
    )
    return Use(charge=told, status=status)


def spend(amount: str, **told: Any) -> Use:
    return use("requests", 1, amount, unit="Requests", **told)


def only(gateway: list[Use], bill: list[Use], prices: PriceTable = PRICES) -> Reconciled:
    (row,) = reconcile(gateway, bill, prices)
    assert row.buckets.total() == row.difference
    return row


def told(row: Reconciled) -> dict[str, Decimal]:
    return {bucket.name: amount for bucket in fields(Buckets) if (amount := getattr(row.buckets, bucket.name))}


MILLION_IN = use("input", MILLION, "3")

CASES: dict[str, tuple[list[Use], list[Use], dict[str, str]]] = {
    "agreement": ([spend("3"), use("input", MILLION)], [MILLION_IN], {}),
    # The gateway adds 8.5 %: its own price is not the one of the day.
    "markup": ([spend("3.255"), use("input", MILLION)], [MILLION_IN], {"gateway_price": "-0.255"}),
    # Cache reads priced as fresh input: 5.94 for 0.54.
    "cache reads at full price": (
        [spend("5.94"), use("cached input", 1_800_000)],
        [use("cached input", 1_800_000, "0.54")],
        {"gateway_price": "-5.40"},
    ),
    # Cached tokens priced as cached and again as input.
    "overlapping buckets": (
        [spend("3.3"), use("cached input", MILLION)],
        [use("cached input", MILLION, "0.3")],
        {"gateway_price": "-3"},
    ),
    # The gateway never learnt that tokens were read from the cache.
    "cache never logged": (
        [spend("3"), use("input", MILLION)],
        [use("input", 400_000, "1.2"), use("cached input", 600_000, "0.18")],
        {"cache": "-1.62"},
    ),
    # Cache writes missed: a real 4.57 told as 1.06.
    "cache writes never logged": (
        [spend("0.3"), use("cached input", MILLION)],
        [use("cached input", MILLION, "0.3"), use("cache write 5m input", MILLION, "3.75")],
        {"requests": "0.3", "cache": "3.45"},
    ),
    # A hundred times too much: cents taken for dollars.
    "cents as dollars": ([spend("300"), use("input", MILLION)], [MILLION_IN], {"gateway_price": "-297"}),
    # 26 for 770: most requests never passed the gateway.
    "requests not seen": ([spend("0.3"), use("input", 100_000)], [MILLION_IN], {"requests": "2.7"}),
    # Retries logged as if each had been served.
    "failed requests priced": (
        [spend("3"), spend("1.5", status="failure"), use("input", MILLION), use("input", MILLION, status="failure")],
        [MILLION_IN],
        {"failed": "-1.5"},
    ),
    # The gateway's own cache answered; nothing was asked of the provider.
    "answers from the gateway's cache priced": (
        [spend("3"), spend("3", status="cached"), use("input", MILLION), use("input", MILLION, status="cached")],
        [MILLION_IN],
        {"cached": "-3"},
    ),
    # Half price on the bill: a batch or a discount that no list price knows.
    "discount": ([spend("3"), use("input", MILLION)], [use("input", MILLION, "1.5")], {"price": "-1.5"}),
    "rounded bill": (
        [spend("0.000003"), use("input", 1)],
        [use("input", 1, "0.0000031")],
        {"rounding": "0.0000001"},
    ),
    "searches and fees": (
        [spend("3"), use("input", MILLION)],
        [MILLION_IN, use("web search", 10, "0.1", unit="Searches"), use("fee", 0, "2")],
        {"unmetered": "2.1"},
    ),
    # A price that nobody knows is not zero, and not guessed.
    "no price": ([spend("0"), use("video input", MILLION)], [use("video input", MILLION, "9")], {"unpriced": "9"}),
    "only on the gateway": ([spend("3"), use("input", MILLION)], [], {"requests": "-3"}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_wrong_cost_falls_into_its_bucket(case: str) -> None:
    gateway, bill, expected = CASES[case]
    assert told(only(gateway, bill)) == {name: Decimal(amount) for name, amount in expected.items()}


def test_a_price_change_explains_its_day_and_no_other() -> None:
    """History keeps the price it had: a change of price is one day's, not every day's."""
    later = date(2026, 4, 2)
    prices = PriceTable.of(
        [
            ModelPrice(model="sonnet", valid_from=date(2026, 1, 1), meters=METERS),
            ModelPrice(model="sonnet", valid_from=later, meters={"input": Decimal(6)}),
        ],
        {},
    )
    gateway = [spend("3"), use("input", MILLION), spend("3", day=later), use("input", MILLION, day=later)]
    before, after = reconcile(gateway, [MILLION_IN, use("input", MILLION, "6", day=later)], prices)
    assert told(before) == {}
    assert told(after) == {"gateway_price": Decimal(3)}
    assert [before.expected, after.expected] == [Decimal(3), Decimal(6)]


def test_models_are_matched_by_the_price_table() -> None:
    (row,) = reconcile([spend("3", model="chat"), use("input", MILLION, model="provider/chat")], [MILLION_IN], PRICES)
    assert (row.model, row.difference) == ("sonnet", Decimal(0))


def test_a_row_says_it_all() -> None:
    row = only(*CASES["markup"][:2]).row()
    assert (row["gateway_spend"], row["expected_cost"], row["billed_cost"], row["difference"]) == (
        Decimal("3.255"),
        Decimal(3),
        Decimal(3),
        Decimal("-0.255"),
    )
    assert only(*CASES["no price"][:2]).row()["expected_cost"] is None


AMOUNTS = st.decimals(0, 1000, places=9, allow_nan=False)
SIDE = st.lists(st.tuples(st.sampled_from([*METERS, "fee"]), st.integers(0, 10**9), AMOUNTS), max_size=6)


@given(SIDE, SIDE, st.lists(st.tuples(AMOUNTS, st.sampled_from(["success", "failure", "cached"])), max_size=3))
def test_buckets_add_up_whatever_is_told(logged: list[Any], billed: list[Any], spent: list[Any]) -> None:
    gateway = [use(meter, quantity) for meter, quantity, _ in logged] + [spend(str(a), status=s) for a, s in spent]
    bill = [use(meter, 0 if meter == "fee" else quantity, str(cost)) for meter, quantity, cost in billed]
    for row in reconcile(gateway, bill, PRICES):
        assert row.buckets.total() == row.difference
