"""Dated currency rates: what is read, what answers, and that no cent is lost, added across currencies or made up."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.allocation.rates import Rate, RateTable, converted, frozen, parse, unknown
from finops_ai.domain.errors import Malformed
from finops_ai.domain.money import EXACT, total

HEADER = "period,currency,reporting_currency,rate\n"


def table(*lines: str) -> RateTable:
    return RateTable(parse(HEADER + "\n".join(lines), "rates.csv"))


def test_a_months_rate_stands_before_those_of_its_days() -> None:
    rates = table("2026-03,USD,EUR,0.9", "2026-03-02,USD,EUR,0.8", "2026-04-01,USD,EUR,0.7")
    assert rates.rate("USD", "EUR", date(2026, 3, 2)) == Decimal("0.9")
    assert rates.rate("USD", "EUR", date(2026, 4, 1)) == Decimal("0.7")


def test_a_day_without_a_rate_takes_the_last_one_of_a_week_at_most() -> None:
    rates = table("2026-04-03,USD,EUR,0.7", "2026-04-06,USD,EUR,0.8")
    assert rates.rate("USD", "EUR", date(2026, 4, 5)) == Decimal("0.7")
    assert rates.rate("USD", "EUR", date(2026, 4, 13)) == Decimal("0.8")
    assert rates.rate("USD", "EUR", date(2026, 4, 14)) is None
    assert rates.rate("USD", "EUR", date(2026, 4, 2)) is None


def test_the_other_direction_stands_in_to_18_decimals_and_nothing_goes_by_way_of_a_third() -> None:
    rates = table("2026-04,EUR,USD,1.1", "2026-04,GBP,EUR,1.15")
    assert rates.rate("USD", "EUR", date(2026, 4, 5)) == Decimal("0.909090909090909091")
    assert rates.rate("GBP", "USD", date(2026, 4, 5)) is None
    assert rates.rate("USD", "USD", date(2026, 4, 5)) == 1


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("2026-13,USD,EUR,1", "period"),
        ("2026-02-30,USD,EUR,1", "period"),
        ("2026,USD,EUR,1", "period"),
        ("2026-03,US,EUR,1", "currency"),
        ("2026-03,USD,usd,1", "reporting_currency"),
        ("2026-03,USD,EUR,0", "rate"),
        ("2026-03,USD,EUR,-1", "rate"),
        ("2026-03,USD,EUR,NaN", "rate"),
        ("2026-03,USD,EUR,1e400", "rate"),
        ('2026-03,USD,EUR,"0,9"', "rate"),
        ("2026-03,USD,EUR,0.0000000000000000001", "rate"),
        ("2026-03,USD,EUR", "rate"),
        ("2026-02,USD,EUR,2", "period"),
    ],
)
def test_a_wrong_line_is_told_with_its_place(line: str, column: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(f"{HEADER}2026-02,USD,EUR,1\n{line}\n", "rates.csv")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == ("rates.csv", 3, column)


def test_a_final_month_keeps_its_rate_and_an_open_one_may_be_corrected() -> None:
    kept = parse(f"{HEADER}2026-02,USD,EUR,0.9\n2026-03,USD,EUR,0.8\n", "rates.csv")
    told = parse(f"{HEADER}2026-02,USD,EUR,0.91\n2026-03,USD,EUR,0.81\n2026-01,USD,EUR,1\n", "rates.csv")
    (problem,) = frozen(told, kept, date(2026, 3, 1), "rates.csv")
    assert "2026-02 was 0.9" in problem.message


amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=18)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "x_cost_center": st.sampled_from(["search", "(untagged)"]),
            "day": st.dates(date(2026, 3, 1), date(2026, 4, 30)),
            "currency": st.sampled_from(["USD", "EUR", "JPY"]),
            "billed_cost": amounts,
            "effective_cost": amounts,
        }
    ),
    max_size=30,
)


@given(rows)
def test_costs_come_out_as_they_went_in_beside_their_worth(charges: list[dict[str, object]]) -> None:
    rates = table("2026-03,USD,EUR,0.9", "2026-04-10,USD,EUR,0.8")
    result = converted(charges, ["x_cost_center"], "EUR", rates)
    for currency in ("USD", "EUR", "JPY"):
        told = total(row["billed_cost"] for row in result if row["currency"] == currency)
        assert told == total(row["billed_cost"] for row in charges if row["currency"] == currency)  # type: ignore[misc]
    assert {row["currency"] for row in result} == {row["currency"] for row in charges}
    known = [(row["billed_cost"], rates.rate(row["currency"], "EUR", row["day"])) for row in charges]  # type: ignore[arg-type]
    by_hand = total(EXACT.multiply(cost, rate) for cost, rate in known if rate is not None)  # type: ignore[arg-type]
    worth = total(row["x_reporting_billed_cost"] or Decimal(0) for row in result)
    assert abs(worth - by_hand) <= Decimal("1e-18") * max(1, len(result))
    assert all(
        (row["x_reporting_billed_cost"] is None) == (row["x_reporting_effective_cost"] is None) for row in result
    )
    assert "EUR" not in set(unknown(result))


def test_what_has_no_rate_stands_in_a_row_of_its_own() -> None:
    day = date(2026, 4, 30)
    charges = [
        {"day": day - timedelta(days=back), "currency": "USD", "billed_cost": Decimal(10), "effective_cost": Decimal(9)}
        for back in (0, 40)
    ]
    known, missing = converted(charges, [], "EUR", table("2026-04,USD,EUR,0.5"))
    assert (known["billed_cost"], known["x_reporting_billed_cost"], known["x_reporting_effective_cost"]) == (
        10,
        5,
        Decimal("4.5"),
    )
    assert (missing["billed_cost"], missing["x_reporting_billed_cost"]) == (10, None)
    assert list(unknown([known, missing])) == ["USD"]


def test_the_same_rate_told_in_another_way_is_the_same() -> None:
    one = Rate(currency="USD", reporting_currency="EUR", period="2026-02", rate=Decimal("0.90"))
    assert frozen(parse(f"{HEADER}2026-02,usd,eur,0.9\n", "r"), [one], date(2027, 1, 1), "r") == []
