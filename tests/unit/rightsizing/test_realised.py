"""Realised savings: unbiased, ranged as promised, and never more in the ledger than the bill fell by."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finops_ai.domain.money import total
from finops_ai.domain.realised import Realised
from finops_ai.rightsizing.realised import COUNTERFACTUAL, DIFFERENCE, effect
from finops_ai.rightsizing.savings import Bill, Merge, ledger, name_of, stage
from finops_ai.rightsizing.told import told
from tests.unit.rightsizing.panels import AFTER, BEFORE, START, Panel, panel

RUNS = 40


def months(one: Panel) -> list[Realised]:
    return ledger(one.bill, one.merges)


def test_the_range_covers_the_truth_in_four_of_five_and_the_estimate_is_not_biased() -> None:
    """160 merges; the wide bounds are three standard errors, `benchmarks savings` measures it over thousands."""
    inside, errors = [], []
    for seed in range(RUNS):
        one = panel(seed, clusters=3)
        for row in months(one):
            true = one.true[row.key]
            inside.append(float(row.low.amount) <= true <= float(row.high.amount))
            errors.append(float(row.estimate.amount) / true - 1)
    assert len(inside) == RUNS * 4
    assert 0.70 <= np.mean(inside) <= 0.90
    assert abs(np.mean(errors)) < 0.03


@pytest.mark.parametrize("seed", range(12))
def test_the_ledger_never_books_more_than_the_bill_fell(seed: int) -> None:
    one = panel(seed, share=[0.0, 0.1, 0.4][seed % 3], to_idle=[0.0, 0.5, 1.0, 2.0][seed % 4])
    rows = months(one)
    paid = sum(one.bill.workloads[name_of(merge.recommendation.workload)] for merge in one.merges)
    scope = paid + one.bill.idle["c0"]
    fall = scope[:BEFORE].mean() * AFTER - scope[BEFORE + 1 :].sum()
    assert float(total(row.booked.amount for row in rows)) <= max(fall, 0) + 0.05 * len(rows)
    assert all(row.booked.amount <= max(row.estimate.amount, Decimal(0)) for row in rows)
    assert all(row.booked.amount <= row.counterfactual.amount for row in rows)


def test_what_moved_to_idle_is_not_booked() -> None:
    kept, moved = (total(row.booked.amount for row in months(panel(3, to_idle=part))) for part in (0.0, 1.0))
    assert kept > 0
    assert moved < kept / 4


def test_without_controls_the_method_says_so_and_still_finds_the_saving() -> None:
    one = panel(1, clusters=2, workloads=1, treated=1, noise=0.01)
    merge = one.merges[0]
    name = name_of(merge.recommendation.workload)
    alone = Bill(days=one.bill.days, currency="USD", workloads={name: one.bill.workloads[name]}, idle={})
    row = ledger(alone, one.merges)[0]
    assert row.method == COUNTERFACTUAL
    assert row.controls == 0
    assert float(row.low.amount) <= one.true[merge.key] <= float(row.high.amount)
    assert months(one)[0].method == DIFFERENCE


def test_a_month_is_shown_week_by_week_and_a_stage_once_it_is_billed() -> None:
    for after, weeks in ((6, 0), (7, 1), (27, 3), (28, 4)):
        one = panel(5, after=after)
        rows = months(one)
        assert {len(row.days) for row in rows} == ({7 * weeks} if weeks else set())
        assert (stage(one.bill, one.merges[0], one.merges, 7) is not None) == (weeks >= 1)
        assert (stage(one.bill, one.merges[0], one.merges, 28) is not None) == (weeks == 4)
    proved = months(panel(5))[0]
    assert proved.proved_on is not None
    assert START + timedelta(days=BEFORE + 7) <= proved.proved_on <= START + timedelta(days=BEFORE + 28)


def test_the_next_change_of_a_workload_ends_what_is_told_of_the_last() -> None:
    one = panel(2)
    first = one.merges[0]
    second = Merge(key=first.key, on=first.on + timedelta(days=15), recommendation=first.recommendation)
    rows = [row for row in ledger(one.bill, [*one.merges, second]) if row.key == first.key]
    assert [(row.merged_on, len(row.days)) for row in rows] == [(first.on, 14), (second.on, 7)]


def test_a_workload_that_is_too_young_or_not_on_the_bill_has_no_saving() -> None:
    one = panel(4)
    young = {name: values.copy() for name, values in one.bill.workloads.items()}
    name = name_of(one.merges[0].recommendation.workload)
    young[name][: BEFORE - 10] = 0
    bill = Bill(days=one.bill.days, currency="USD", workloads=young, idle={})
    assert one.merges[0].key not in {row.key for row in ledger(bill, one.merges)}
    gone = {other: values for other, values in young.items() if other != name}
    rows = ledger(Bill(days=one.bill.days, currency="USD", workloads=gone, idle={}), one.merges)
    assert one.merges[0].key not in {row.key for row in rows}


@given(st.integers(0, 10**6), st.floats(0, 1e9), st.integers(14, 70), st.integers(7, 40), st.integers(0, 4))
@example(0, 5e-324, 62, 7, 1)
@settings(max_examples=60)
def test_an_effect_is_a_range_around_its_estimate_or_nothing(
    seed: int, scale: float, before: int, after: int, controls: int
) -> None:
    random = np.random.default_rng(seed)
    own = random.poisson(1.0, before + after) * scale
    others = random.poisson(2.0, (controls, before + after)).astype(float)
    found = effect(own[:before], own[before:], others[:, :before], others[:, before:])
    if found is not None:
        assert np.isfinite([found.low, found.high, found.estimate]).all()
        assert found.low <= found.estimate + 1e-6 * (1 + abs(found.estimate))
        assert found.estimate <= found.high + 1e-6 * (1 + abs(found.estimate))
        assert found.estimate == pytest.approx(found.counterfactual - found.actual)


def test_what_is_said_names_range_method_and_proof() -> None:
    text = told(months(panel(5))[0], "month")
    assert "**The first month after the merge**" in text
    assert "80% range" in text
    assert DIFFERENCE in text
    assert "; proved." in text
