"""What a unit of use costs: two bases that reconcile, estimates apart, and what nobody knows left unknown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.allocation.model_prices import ModelPrice, PriceTable
from finops_ai.allocation.unit_costs import ALL, Charge, UnitCost, charge_of, unit_costs
from finops_ai.domain.money import total

DAY = date(2026, 4, 1)
NOTHING = PriceTable.of((), {})
PRICES = PriceTable.of(
    [
        ModelPrice(model="own-llama", valid_from=date(2026, 1, 1), meters={"input": Decimal(1), "output": Decimal(3)}),
        ModelPrice(
            model="gpt-4o", valid_from=date(2024, 8, 6), meters={"input": Decimal("2.5")}, batch_factor=Decimal("0.5")
        ),
        ModelPrice(model="gpt-4o", valid_from=date(2026, 4, 2), meters={"input": Decimal("2.0")}),
    ],
    {"chat": "gpt-4o"},
)


def charge(meter: str = "input", cost: str = "0", quantity: int = 0, unit: str = "Tokens", **changed: Any) -> Charge:
    direction = meter.rpartition(" ")[2].capitalize() if unit == "Tokens" else ""
    told: dict[str, Any] = {
        "keys": ("gpt-4o",),
        "day": DAY,
        "currency": "USD",
        "unit": unit if quantity else "",
        "meter": (meter if unit == "Tokens" else "", direction, "", ""),
        "sku": meter,
        "model": "gpt-4o",
        "cost": Decimal(cost),
        "quantity": Decimal(quantity),
    }
    return Charge(**{**told, **changed})


def found(charges: Sequence[Charge], prices: PriceTable = NOTHING) -> dict[tuple[str, str], UnitCost]:
    return {(one.unit, one.meter[0]): one for one in unit_costs(charges, prices)}


def test_two_bases_and_what_lies_between_them() -> None:
    told = found(
        [
            charge("input", "3", 1_000_000),
            charge("output", "1", 100_000),
            charge("search", "1", 10, "Searches"),
            charge("fee", "0.5"),
        ]
    )
    whole = told["Tokens", "(all)"]
    assert (whole.usage_cost, whole.allocated_cost) == (Decimal(4), Decimal("5.5"))
    row = told["Tokens", "output"].row(["x_ai_model"])
    assert (row["per"], row["usage_unit_cost"], row["allocated_unit_cost"]) == ("1M tokens", 10, Decimal("13.75"))
    assert told["Searches", "(all)"].row(["x_ai_model"])["usage_unit_cost"] == Decimal("0.1")
    assert told["Searches", "(all)"].allocated_cost is None


def test_an_own_model_is_priced_by_its_machines() -> None:
    """The bill tells GPU hours and the gateway tells tokens: together they are a price per million tokens."""
    machine = charge("p4d.24xlarge", "240", 80, "GPU-Hours", model="own-llama")
    tokens = [
        charge("input", "9", 30_000_000, model="own-llama", counted=False),
        charge("output", "0", 30_000_000, model="own-llama", counted=False),
    ]
    told = found([machine, *tokens], PRICES)
    assert told["GPU-Hours", "(all)"].row(["k"])["usage_unit_cost"] == 3
    assert told["Tokens", "(all)"].allocated_cost == 240
    assert told["Tokens", "(all)"].usage_cost is None  # a gateway's own idea of cost is no cost
    assert told["Tokens", "input"].row(["k"])["allocated_unit_cost"] == 2  # by list price, 1 to 3
    assert told["Tokens", "output"].row(["k"])["allocated_unit_cost"] == 6


def test_tokens_are_taken_from_one_side_only() -> None:
    billed = charge("input", "2.5", 1_000_000, model="gpt-4o-2024-08-06", keys=("gpt-4o-2024-08-06",))
    logged = charge("input", "2.4", 900_000, model="openai/chat", keys=("chat",), counted=False)
    assert {one.keys for one in unit_costs([billed, logged], PRICES)} == {("gpt-4o-2024-08-06",)}


def test_what_costs_nothing_on_the_bill_is_unknown_and_estimated_apart() -> None:
    told = found([charge("input", "0", 2_000_000)], PRICES)["Tokens", "input"]
    assert (told.usage_cost, told.allocated_cost, told.estimate) == (None, None, Decimal(5))
    assert found([charge("input", "0", 2_000_000, model="never-heard-of")], PRICES)["Tokens", "input"].estimate is None


def test_days_without_a_cost_do_not_make_the_others_cheaper() -> None:
    told = found([charge("input", "2.5", 1_000_000), charge("input", "0", 1_000_000, day=date(2026, 4, 2))], PRICES)
    row = told["Tokens", "input"].row(["k"])
    assert (row["quantity"], row["usage_unit_cost"]) == (2_000_000, Decimal("2.5"))
    assert (row["estimated_cost"], row["estimated_unit_cost"]) == (2, 2)  # the second day at its own price


def test_prices_hold_from_their_day_on() -> None:
    """A price change never costs history anew."""
    assert [PRICES.price("gpt-4o", "input", day).amount for day in (DAY, date(2026, 4, 2))] == [Decimal("2.5"), 2]  # type: ignore[union-attr]
    assert PRICES.price("gpt-4o", "input", date(2024, 8, 5)) is None
    assert PRICES.price("gpt-4o-2024-08-06", "input", DAY, batch=True).amount == Decimal("1.25")  # type: ignore[union-attr]
    assert PRICES.price("gpt-4o", "input", date(2026, 4, 2), batch=True) is None
    assert PRICES.price("gpt-4o", "audio input", DAY) is None


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("openai/gpt-4o", "gpt-4o"),
        ("GPT-4o-2024-08-06", "gpt-4o"),
        ("chat", "gpt-4o"),
        ("claude-x-20250929", "claude-x"),
        ("", ""),
    ],
)
def test_one_name_for_a_model(name: str, canonical: str) -> None:
    assert PRICES.canonical(name) == canonical


def test_two_currencies_are_never_added() -> None:
    told = unit_costs(
        [charge("input", "1", 10), charge("input", "2", 10, currency="EUR"), charge("output", "0", 5)], NOTHING
    )
    assert {(one.currency, one.usage_cost) for one in told if one.meter == ALL} == {
        ("USD", Decimal(1)),
        ("EUR", Decimal(2)),
    }


@pytest.mark.parametrize(
    ("sku", "unit", "quantity", "hours"),
    [
        ("BoxUsage:p4d.24xlarge", "Hrs", "2", "16"),
        ("Nvidia Tesla A100 GPU running in Americas", "hour", "3", "3"),
        ("GPU", "seconds", "7200", "2"),
        ("BoxUsage:m5.large", "Hrs", "2", None),
        ("SpotUsage:g5.12xlarge", "Hrs", "1", "4"),
        ("BoxUsage:p9.mega", "Hrs", "1", None),
    ],
)
def test_gpu_hours_are_counted_by_device(sku: str, unit: str, quantity: str, hours: str | None) -> None:
    keys = (
        "x_sku_group",
        "consumed_unit",
        "tag:token-direction",
        "tag:token-cache-action",
        "tag:modality",
        "tag:model",
        "tag:batch",
        "tag:service-tier",
    )
    row = {
        **dict.fromkeys(keys, "(untagged)"),
        "x_sku_group": sku,
        "consumed_unit": unit,
        "consumed_quantity": Decimal(quantity),
    }
    told = charge_of(
        {**row, "day": DAY, "currency": "USD", "billed_cost": Decimal(1)}, (), cost_basis="billed", counted=True
    )
    assert (told.unit, told.quantity) == (("GPU-Hours", Decimal(hours)) if hours else (unit, Decimal(quantity)))


COSTS = st.decimals(-50, 1000, places=12, allow_nan=False)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["input", "cached input", "output", "requests", "fee"]),
            COSTS,
            st.integers(0, 10**9),
            st.sampled_from(["USD", "EUR"]),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_both_bases_reconcile_whatever_is_charged(rows: list[Any]) -> None:
    units = {"requests": "Requests", "fee": ""}
    charges = [
        charge(
            meter,
            str(cost),
            0 if meter == "fee" else quantity,
            units.get(meter, "Tokens"),
            keys=(key,),
            currency=currency,
            counted=counted,
        )
        for key, meter, cost, quantity, currency, counted in rows
    ]
    told = unit_costs(charges, PRICES)
    for whole in (one for one in told if one.meter == ALL):
        of_unit = [
            one for one in told if (one.keys, one.currency, one.unit) == (whole.keys, whole.currency, whole.unit)
        ]
        parts = [one for one in of_unit if one.meter != ALL] or [whole]
        assert total(one.quantity for one in parts) == whole.quantity
        assert total(one.usage_cost or Decimal(0) for one in parts) == (whole.usage_cost or 0)
        if whole.allocated_cost is not None:
            assert total(one.allocated_cost or Decimal(0) for one in parts) == whole.allocated_cost
            assert whole.allocated_cost == total(
                one.cost for one in charges if one.counted and (one.keys, one.currency) == (whole.keys, whole.currency)
            )
