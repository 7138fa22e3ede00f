"""Bills that other tools are known to have counted wrong, each as small as it goes, and what they really come to.

Threads are named as owner/repository#number. Mistakes of one format alone are replayed beside the tests of that source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops_ai.sources.base import Scan
from tests.unit.sources import azure
from tests.unit.sources.exports import (
    ALL,
    charge,
    csv_text,
    cur,
    focus,
    line,
    scanned,
    sums,
    write_lines,
)
from tests.unit.sources.gcp_export import credit, gcp, jsonl, labels, row


def of_aws(root: Path, rows: Sequence[Mapping[str, str]], **report: Any) -> Scan:
    write_lines(root, rows, **report)
    return scanned(cur(root, ALL))


def of_focus(root: Path, rows: Sequence[Mapping[str, str]]) -> Scan:
    (root / "focus.csv").write_text(csv_text(rows))
    return scanned(focus(root, ALL))


def of_azure(root: Path, actual: Sequence[Mapping[str, str]], amortized: Sequence[Mapping[str, str]] = ()) -> Scan:
    azure.write_run(root, actual)
    azure.write_run(root, amortized or actual, dataset="AmortizedCost")
    return scanned(azure.azure(root, ALL))


def of_gcp(root: Path, rows: Sequence[Mapping[str, object]]) -> Scan:
    (root / "rows.jsonl").write_bytes(jsonl(rows))
    return scanned(gcp(root, ALL))


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """`read` makes the bill in a folder and reads it; `billed`, `effective` and `rows` are what it comes to."""

    threads: str
    read: Callable[[Path], Scan]
    billed: Mapping[str, str]
    rows: int
    effective: Mapping[str, str] | None = None


TAGGED = {f"tag_t{number}": f"value-{number}" for number in range(40)}

MISTAKES = {
    "currencies added up, FOCUS": Mistake(
        threads="microsoft/finops-toolkit#2093",
        read=lambda root: of_focus(root, [charge(BilledCost="1"), charge(BilledCost="2", BillingCurrency="EUR")]),
        billed={"USD": "1", "EUR": "2"},
        effective={"USD": "1.25", "EUR": "1.25"},
        rows=2,
    ),
    "currencies added up, Azure": Mistake(
        threads="microsoft/finops-toolkit#2093",
        read=lambda root: of_azure(root, [azure.ea(Cost="1"), azure.ea(Cost="2", BillingCurrency="GBP")]),
        billed={"USD": "1", "GBP": "2"},
        rows=4,
    ),
    "a join with what is looked up multiplies rows, AWS tags": Mistake(
        threads="microsoft/finops-toolkit#1920",
        read=lambda root: of_aws(root, [line("Usage", "1", **TAGGED), line("Usage", "2")]),
        billed={"USD": "3"},
        rows=2,
    ),
    "a join with what is looked up multiplies rows, GCP labels and credits": Mistake(
        threads="microsoft/finops-toolkit#1920",
        read=lambda root: of_gcp(
            root, [row(cost=8.0, labels=labels(a="1", b="2", c="3"), credits=[credit(-1.0), credit(-1.0)])]
        ),
        billed={"USD": "6"},
        rows=1,
    ),
    "lines alike are taken for repeats, AWS": Mistake(
        threads="project-koku/koku#3155 (mended too far)",
        read=lambda root: of_aws(root, [line("Usage", "1.5")] * 3),
        billed={"USD": "4.5"},
        rows=3,
    ),
    "lines alike are taken for repeats, Azure": Mistake(
        threads="microsoft/finops-toolkit#320",
        read=lambda root: of_azure(root, [azure.ea(Cost="2.4")] * 3),
        billed={"USD": "7.2"},
        rows=6,
    ),
    "lines alike are taken for repeats, FOCUS": Mistake(
        threads="FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec#810",
        read=lambda root: of_focus(root, [charge()] * 3),
        billed={"USD": "4.5"},
        effective={"USD": "3.75"},
        rows=3,
    ),
    "lines that say little are lost, FOCUS": Mistake(
        threads="microsoft/finops-toolkit#2096",
        read=lambda root: of_focus(
            root,
            [
                charge(),
                charge(ServiceName="", SubAccountId="", Tags="", ConsumedUnit="", ChargeCategory="Something new"),
            ],
        ),
        billed={"USD": "3"},
        effective={"USD": "2.5"},
        rows=2,
    ),
    "lines that say little are lost, AWS": Mistake(
        threads="microsoft/finops-toolkit#2096; opencost/opencost#3839 (five types of line called cost)",
        read=lambda root: of_aws(
            root,
            [
                *(line(kind, "1") for kind in ("Usage", "Tax", "Fee", "BundledDiscount", "Credit", "Refund", "New")),
                line("Usage", "1", line_item_usage_account_id="", line_item_product_code="", product_product_name=""),
            ],
        ),
        billed={"USD": "8"},
        rows=8,
    ),
    "a commitment's fee and what it covers both count, AWS": Mistake(
        threads="hystax/optscale#558",
        read=lambda root: of_aws(
            root,
            [
                line("SavingsPlanCoveredUsage", "4", savings_plan_savings_plan_effective_cost="2.8"),
                line("SavingsPlanNegation", "-4"),
                line(
                    "SavingsPlanRecurringFee",
                    "3",
                    savings_plan_total_commitment_to_date="3",
                    savings_plan_used_commitment="2.8",
                ),
            ],
        ),
        billed={"USD": "3"},
        effective={"USD": "3.0"},
        rows=3,
    ),
    "a commitment's fee and what it covers both count, Azure": Mistake(
        threads="microsoft/finops-toolkit#1736",
        read=lambda root: of_azure(root, *azure.both()),
        billed={"USD": "34.8"},
        effective={"USD": "34.8"},
        rows=10,
    ),
    "a refund counts as a cost": Mistake(
        threads="kubecost/kubecost#1812",
        read=lambda root: of_azure(root, [azure.ea(Cost="5"), azure.ea(Cost="-5", ChargeType="Refund")]),
        billed={"USD": "0"},
        rows=4,
    ),
    "the cost of pods is added to that of their instance": Mistake(
        threads="aws-solutions-library-samples/cloud-intelligence-dashboards-framework#749; opencost/opencost#2890",
        read=lambda root: of_aws(
            root,
            [
                line("Usage", "10"),
                line("Usage", "6", split_line_item_parent_resource_id="i-1"),
                line("Usage", "4", line_item_operation="EKSPod-EC2"),
            ],
        ),
        billed={"USD": "10"},
        rows=1,
    ),
    "a restated assembly is added to the one before": Mistake(
        threads="project-koku/koku#3098; aws-solutions/workload-discovery-on-aws#445",
        read=lambda root: (
            write_lines(root, [line("Usage", "100")], assembly="one"),
            of_aws(root, [line("Usage", "90")], assembly="two"),
        )[1],
        billed={"USD": "90"},
        rows=1,
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_of_others_is_not_ours(mistake: Mistake, tmp_path: Path) -> None:
    scan = mistake.read(tmp_path)
    for basis, expected in (("billed", mistake.billed), ("effective", mistake.effective or mistake.billed)):
        found = sums(scan, "billing_currency", f"{basis}_cost")
        assert found == {currency: Decimal(cost) for currency, cost in expected.items()}, (basis, mistake.threads)
    assert scan.control.rows == mistake.rows
