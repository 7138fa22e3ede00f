"""What no bill may break: sum in = sum out, whatever the lines, their order and how they are cut into files."""

from __future__ import annotations

import random
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_ai.domain.money import total
from finops_ai.sources.base import Scan
from tests.unit.sources.exports import (
    ALL,
    Row,
    by_tag,
    charge,
    csv_text,
    cur,
    cur2_table,
    facts,
    focus,
    line,
    scanned,
    sums,
    write_export,
    write_lines,
)

TYPES = ["Usage", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee",
         "SavingsPlanUpfrontFee", "RIFee", "Fee", "Tax", "Credit", "Refund", "EdpDiscount", "Mystery"]  # fmt: skip

money = st.decimals("-1e9", "1e9", places=10, allow_nan=False, allow_infinity=False).map(lambda d: format(d, "f"))
days = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(str)
tag = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
maybe_money = st.one_of(st.just(""), money)

cur_lines = st.builds(
    line,
    line_item_line_item_type=st.sampled_from(TYPES),
    cost=money,
    line_item_usage_start_date=days,
    line_item_currency_code=st.sampled_from(["USD", "CNY"]),
    line_item_product_code=st.sampled_from(["AmazonEC2", "ComputeSavingsPlans", "odd code"]),
    tag_model=tag,
    pricing_public_on_demand_cost=maybe_money,
    reservation_effective_cost=maybe_money,
    reservation_reservation_a_r_n=st.sampled_from(["", "arn"]),
    savings_plan_savings_plan_effective_cost=maybe_money,
    savings_plan_total_commitment_to_date=maybe_money,
    savings_plan_used_commitment=maybe_money,
)
charges = st.builds(
    charge,
    BilledCost=money,
    EffectiveCost=money,
    ListCost=maybe_money,
    ContractedCost=maybe_money,
    ChargeCategory=st.sampled_from(["Usage", "Purchase", "Tax", "Credit", "", "odd"]),
    ChargePeriodStart=days,
    BillingCurrency=st.sampled_from(["USD", "EUR"]),
    ServiceName=tag.map(lambda text: text.strip() or "none"),
)

few = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])


def amount(text: str) -> Decimal:
    return Decimal(text or 0)


def by_currency(rows: list[Row], currency: str, cost: str) -> dict[str, Decimal]:
    names = {row[currency] for row in rows}
    return {name: total(amount(row[cost]) for row in rows if row[currency] == name) for name in names}


def amortised(row: Row) -> Decimal:
    """The rules of the amortised cost, written again from the documentation."""
    match row["line_item_line_item_type"]:
        case "SavingsPlanCoveredUsage":
            return amount(row["savings_plan_savings_plan_effective_cost"])
        case "SavingsPlanRecurringFee":
            return amount(row["savings_plan_total_commitment_to_date"]) - amount(row["savings_plan_used_commitment"])
        case "SavingsPlanNegation" | "SavingsPlanUpfrontFee" | "RIFee":
            return Decimal(0)
        case "DiscountedUsage":
            return amount(row["reservation_effective_cost"])
        case "Fee" if row["reservation_reservation_a_r_n"]:
            return Decimal(0)
        case "Refund" if row["line_item_product_code"] == "ComputeSavingsPlans":
            return Decimal(0)
    return amount(row["line_item_unblended_cost"])


@few
@given(st.lists(cur_lines, min_size=1, max_size=12), st.integers(1, 4), st.randoms(use_true_random=False))
def test_a_report_keeps_every_cent_however_it_is_cut(rows: list[Row], parts: int, chance: random.Random) -> None:
    shuffled = chance.sample(rows, len(rows))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_lines(root / "whole", rows)
        write_lines(root / "cut", shuffled, parts=min(parts, len(rows)))
        whole, cut = scanned(cur(root / "whole")), scanned(cur(root / "cut"))
    assert cut.dimensions.equals(whole.dimensions)
    assert cut.facts.equals(whole.facts)
    expected = by_currency(rows, "line_item_currency_code", "line_item_unblended_cost")
    assert whole.control.billed_cost == expected
    assert whole.control.rows == len(rows)
    assert sums(whole, "billing_currency") == expected
    effective = total(amortised(row) for row in rows)
    assert total(sums(whole, "billing_currency", "effective_cost").values()) == effective
    tagged = total(amount(row["line_item_unblended_cost"]) for row in rows
                   if row["tag_model"] and row["line_item_line_item_type"] not in
                   ("SavingsPlanCoveredUsage", "SavingsPlanNegation"))  # fmt: skip
    assert total(cost for name, cost in sums(whole, by_tag("model", "")).items() if name) == tagged
    well_formed(whole)


@few
@given(st.lists(charges, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_focus_keeps_every_cent_however_it_is_ordered(rows: list[Row], chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, ordered in (("a", rows), ("b", chance.sample(rows, len(rows)))):
            Path(folder, f"{name}.csv").write_text(csv_text(ordered), newline="")
        one, other = (scanned(focus(Path(folder, f"{name}.csv"))) for name in "ab")
    assert other.facts.equals(one.facts)
    assert other.dimensions.equals(one.dimensions)
    assert (
        sums(one, "billing_currency") == by_currency(rows, "BillingCurrency", "BilledCost") == one.control.billed_cost
    )
    assert sums(one, "billing_currency", "effective_cost") == by_currency(rows, "BillingCurrency", "EffectiveCost")
    well_formed(one)


@few
@given(st.lists(st.dictionaries(tag.filter(bool), tag, max_size=4), min_size=1, max_size=8))
def test_labels_never_move_money(labels: list[dict[str, str]]) -> None:
    rows = [line("Usage", "1", **{f"tag_{key}": value for key, value in tags.items()}) for tags in labels]
    with tempfile.TemporaryDirectory() as folder:
        write_export(Path(folder), {"a.parquet": cur2_table(rows)})
        scan = scanned(cur(Path(folder), ALL))
    assert scan.control.billed_cost == {"USD": len(labels)} == sums(scan, "billing_currency")
    well_formed(scan)


def well_formed(scan: Scan) -> None:
    """A dense dictionary of distinct tuples, and one fact for each pair of dimension and day."""
    assert scan.dimensions["dimension"].to_pylist() == list(range(scan.dimensions.num_rows))
    tuples = [tuple(row.values()) for row in scan.dimensions.drop_columns("dimension").to_pylist()]
    assert len(set(tuples)) == len(tuples)
    assert all(isinstance(value, str) for row in tuples for value in row)
    pairs = [(row["dimension"], row["day"]) for row in facts(scan)]
    assert len(set(pairs)) == len(pairs)
