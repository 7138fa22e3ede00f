"""Negotiated discounts in AWS reports: told as lines or as net columns, the invoice is counted once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.sources.base import Scan
from tests.unit.sources.exports import Row, cur, legacy_csv, line, packed, scanned, sums, write_lines, write_report

D = Decimal

NET = "lineItem/NetUnblendedCost"


def total(scan: Scan, measure: str) -> Decimal:
    return sums(scan, lambda _: "", measure)[""]


def read(root: Path, rows: list[Row]) -> Scan:
    write_lines(root, rows)
    return scanned(cur(root))


def test_without_discount_lines_the_invoice_is_net(tmp_path: Path) -> None:
    scan = read(tmp_path, [line(cost="10", **{NET: "8.5", "pricing_public_on_demand_cost": "12"})])
    assert scan.control.billed_cost == {"USD": D("8.5")}
    assert scan.control.by_account == {("USD", "000000000002"): D("8.5")}
    measures = ("billed_cost", "effective_cost", "contracted_cost", "list_cost")
    assert [total(scan, measure) for measure in measures] == [D("8.5"), D("8.5"), D("8.5"), D("12")]


def test_list_cost_stays_gross_where_no_public_price_is_told(tmp_path: Path) -> None:
    assert total(read(tmp_path, [line(cost="10", **{NET: "8.5"})]), "list_cost") == D("10")


@pytest.mark.parametrize("kind", ["EdpDiscount", "PrivateRateDiscount", "BundledDiscount", "SppDiscount"])
@pytest.mark.parametrize("net_of_discount", ["0", "", "-1.5"])
def test_with_discount_lines_the_invoice_is_unblended(tmp_path: Path, kind: str, net_of_discount: str) -> None:
    scan = read(tmp_path, [line(cost="10", **{NET: "8.5"}), line(kind, "-1.5", **{NET: net_of_discount})])
    assert scan.control.billed_cost == {"USD": D("8.5")}
    assert total(scan, "billed_cost") == total(scan, "effective_cost") == D("8.5")


def test_a_discount_line_in_another_part_decides_too(tmp_path: Path) -> None:
    parts = {
        "a-1.csv.gz": packed(legacy_csv([line(cost="10", **{NET: "8.5"})])),
        "a-2.csv.gz": packed(legacy_csv([line("EdpDiscount", "-1.5")])),
    }
    write_report(tmp_path, parts)
    assert scanned(cur(tmp_path)).control.billed_cost == {"USD": D("8.5")}


def test_a_line_that_tells_no_net_cost_is_invoiced_as_it_stands(tmp_path: Path) -> None:
    scan = read(tmp_path, [line(cost="10", **{NET: "8.5"}), line("Tax", "2", **{NET: ""}), line("Credit", "-1")])
    assert scan.control.billed_cost == {"USD": D("9.5")}


def test_commitments_are_worth_their_net_cost(tmp_path: Path) -> None:
    plan = {"savingsPlan/SavingsPlanARN": "arn:sp", "savings_plan_savings_plan_effective_cost": "6"}
    reserved = {"reservation_reservation_a_r_n": "arn:ri"}
    unused = {
        "reservation_unused_amortized_upfront_fee_for_billing_period": "4",
        "reservation_unused_recurring_fee": "2",
        "reservation/NetUnusedAmortizedUpfrontFeeForBillingPeriod": "3",
        "reservation/NetUnusedRecurringFee": "1.5",
    }
    covered = {**plan, NET: "9", "savingsPlan/NetSavingsPlanEffectiveCost": "5"}
    discounted = {**reserved, NET: "0", "reservation_effective_cost": "3", "reservation/NetEffectiveCost": "2.5"}
    rows = [
        line("SavingsPlanCoveredUsage", "10", **covered),
        line("SavingsPlanNegation", "-10", **{**plan, NET: "-9"}),
        line("DiscountedUsage", "0", **discounted),
        line("RIFee", "20", **{**reserved, **unused, NET: "18"}),
    ]
    scan = read(tmp_path, rows)
    assert total(scan, "billed_cost") == D("18")
    assert total(scan, "effective_cost") == D("5") + D("2.5") + D("4.5")


COSTS = st.decimals(min_value=-1000, max_value=1000, places=10)


@settings(max_examples=25)
@given(lines=st.lists(st.tuples(COSTS, st.none() | COSTS), min_size=1, max_size=6), apart=st.booleans())
def test_every_line_counts_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[D, D | None]], apart: bool
) -> None:
    rows = [line(cost=str(gross), **{NET: "" if net is None else str(net)}) for gross, net in lines]
    if apart:
        rows.append(line("EdpDiscount", "-1"))
    expected = sum((gross if apart or net is None else net for gross, net in lines), D(-1 if apart else 0))
    scan = read(tmp_path_factory.mktemp("net"), rows)
    assert scan.control.billed_cost == {"USD": expected}
    assert total(scan, "billed_cost") == expected
