"""The demo's exports: read again by other means, they say exactly what was simulated."""

import csv
import gzip
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from finops_ai.demo.company import Company, simulate
from finops_ai.demo.exports import Bill, write_exports
from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.money import total
from finops_ai.domain.period import BillingPeriod

AS_OF = date(2026, 4, 29)
EARLY_APRIL = date(2026, 4, 3)
MARCH = BillingPeriod(2026, 3)


@pytest.fixture(scope="module")
def company() -> Company:
    return simulate(as_of=AS_OF)


@pytest.fixture(scope="module")
def cur2(company, tmp_path_factory) -> tuple[Path, tuple[Bill, ...]]:
    folder = tmp_path_factory.mktemp("cur2")
    return folder, write_exports(company, folder)


@pytest.fixture(scope="module")
def legacy(company, tmp_path_factory) -> tuple[Path, tuple[Bill, ...]]:
    folder = tmp_path_factory.mktemp("legacy")
    return folder, write_exports(company, folder, aws_layout="legacy")


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def csv_rows(path):
    return list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))


def cur2_rows(folder):
    """Rows by billing period, found by manifest; costs as decimals of the shortest text of the double."""
    for manifest in sorted(folder.rglob("*-Manifest.json")):
        told = json.loads(manifest.read_text())
        paths = [folder / "aws" / uri.removeprefix("s3://pelican-billing/") for uri in told["dataFiles"]]
        rows = chain.from_iterable(pq.read_table(path).to_pylist() for path in paths)
        yield (
            told["billingPeriod"],
            [
                {name: Decimal(repr(value)) if isinstance(value, float) else value for name, value in row.items()}
                for row in rows
            ],
        )


def legacy_rows(folder):
    for manifest in sorted(folder.glob("aws/cur/*/*/*-Manifest.json")):
        told = json.loads(manifest.read_text())
        start = told["billingPeriod"]["start"]
        yield (
            f"{start[:4]}-{start[4:6]}",
            list(chain.from_iterable(csv_rows(folder / "aws" / key) for key in told["reportKeys"])),
        )


def amortised(kind, cost, plan_effective, plan_fee, plan_used, reservation_effective, unused):
    """The rule of the Cloud Intelligence Dashboards' summary view."""
    return {
        "SavingsPlanCoveredUsage": plan_effective,
        "SavingsPlanNegation": Decimal(0),
        "SavingsPlanRecurringFee": (plan_fee or 0) - (plan_used or 0),
        "DiscountedUsage": reservation_effective,
        "RIFee": unused,
    }.get(kind, cost)


def by_owner(pairs):
    owners = {}
    for owner, cost in pairs:
        owners.setdefault(owner or UNTAGGED, []).append(cost)
    return {owner: total(costs) for owner, costs in owners.items()}


def test_cur2_says_what_was_simulated(cur2):
    folder, bills = cur2
    read = dict(cur2_rows(folder))
    aws = [bill for bill in bills if bill.source == "aws"]
    assert list(read) == [str(bill.billing_period) for bill in aws]
    for bill in aws:
        rows = read[str(bill.billing_period)]
        assert len(rows) == bill.rows
        assert total(row["line_item_unblended_cost"] for row in rows) == bill.billed_cost
        effective = by_owner(
            (
                dict(row["resource_tags"]).get("user_cost_center"),
                amortised(
                    row["line_item_line_item_type"],
                    row["line_item_unblended_cost"],
                    row["savings_plan_savings_plan_effective_cost"],
                    row["savings_plan_total_commitment_to_date"],
                    row["savings_plan_used_commitment"],
                    row["reservation_effective_cost"],
                    row["reservation_unused_recurring_fee"],
                ),
            )
            for row in rows
        )
        assert effective == bill.effective_by_cost_center
        assert total(effective.values()) == bill.effective_cost


def test_legacy_says_the_same(legacy, cur2):
    folder, bills = legacy
    assert bills == cur2[1]
    read = dict(legacy_rows(folder))
    for bill in (bill for bill in bills if bill.source == "aws"):
        rows = [
            {
                name: Decimal(value) if name.endswith(("Cost", "Fee", "Commitment")) and value else value
                for name, value in row.items()
            }
            for row in read[str(bill.billing_period)]
        ]
        assert len(rows) == bill.rows
        assert total(row["lineItem/UnblendedCost"] for row in rows) == bill.billed_cost
        effective = by_owner(
            (
                row["resourceTags/user:cost-center"],
                amortised(
                    row["lineItem/LineItemType"],
                    row["lineItem/UnblendedCost"],
                    row["savingsPlan/SavingsPlanEffectiveCost"],
                    Decimal(row["savingsPlan/TotalCommitmentToDate"] or 0),
                    Decimal(row["savingsPlan/UsedCommitment"] or 0),
                    row["reservation/EffectiveCost"],
                    row["reservation/UnusedRecurringFee"],
                ),
            )
            for row in rows
        )
        assert effective == bill.effective_by_cost_center


def test_the_other_provider_says_it_in_focus(cur2):
    folder, bills = cur2
    for bill in (bill for bill in bills if bill.source == "northwind"):
        rows = csv_rows(folder / "northwind" / f"northwind-focus-{bill.billing_period}.csv.gz")
        assert len(rows) == bill.rows
        assert len(rows[0]) == 57
        assert total(Decimal(row["BilledCost"]) for row in rows) == bill.billed_cost
        tags = ((json.loads(row["Tags"]).get("cost_center"), Decimal(row["EffectiveCost"])) for row in rows)
        assert by_owner(tags) == bill.effective_by_cost_center
        for row in rows:
            assert Decimal(row["ContractedUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(
                row["ContractedCost"]
            )
            assert Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ListCost"])
            assert row["BillingPeriodStart"] == f"{bill.billing_period}-01T00:00:00Z"


def test_bytes_depend_on_the_arguments_only(company, cur2, tmp_path):
    write_exports(simulate(as_of=AS_OF), tmp_path)
    assert content(tmp_path) == content(cur2[0])
    assert sum(len(data) for data in content(tmp_path).values()) < 5_000_000


def test_writing_again_touches_nothing(company, tmp_path):
    write_exports(company, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    write_exports(company, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_later_day_restates_the_months_that_went_on_and_no_other(company, tmp_path):
    first = write_exports(company, tmp_path, known_on=EARLY_APRIL)
    before, manifests = content(tmp_path), dict(cur2_rows(tmp_path))
    second = write_exports(company, tmp_path)
    after = content(tmp_path)
    changed = {str(path) for path in after if after[path] != before.get(path)}
    assert changed
    assert all("2026-03" in path or "2026-04" in path for path in changed)
    aws_march = [next(b for b in bills if (b.source, b.billing_period) == ("aws", MARCH)) for bills in (first, second)]
    assert aws_march[1].billed_cost - aws_march[0].billed_cost == Decimal("537.25") - Decimal("137.5") - 250
    assert len(dict(cur2_rows(tmp_path))["2026-03"]) == len(manifests["2026-03"]) + 3


def test_legacy_keeps_the_assembly_that_was_superseded(company, tmp_path):
    write_exports(company, tmp_path, known_on=EARLY_APRIL, aws_layout="legacy")
    month = tmp_path / "aws/cur/pelican-cur/20260301-20260401"
    before = json.loads((month / "pelican-cur-Manifest.json").read_text())["assemblyId"]
    write_exports(company, tmp_path, aws_layout="legacy")
    current = json.loads((month / "pelican-cur-Manifest.json").read_text())["assemblyId"]
    assert current != before
    assert {path.name for path in month.iterdir() if path.is_dir()} == {before, current}
    for manifest in month.glob("*/pelican-cur-Manifest.json"):
        told = json.loads(manifest.read_text())
        assert all((tmp_path / "aws" / key).is_file() for key in told["reportKeys"])
        header = csv_rows(tmp_path / "aws" / told["reportKeys"][0])[0]
        assert [f"{column['category']}/{column['name']}" for column in told["columns"]] == list(header)


def test_files_carry_the_time_of_their_publication(company, tmp_path):
    write_exports(company, tmp_path)
    january = (tmp_path / "northwind/northwind-focus-2026-01.csv.gz").stat().st_mtime
    april = (tmp_path / "northwind/northwind-focus-2026-04.csv.gz").stat().st_mtime
    assert [datetime.fromtimestamp(moment, UTC).date() for moment in (january, april)] == [date(2026, 2, 8), AS_OF]


@pytest.mark.shared
def test_columns_are_those_of_the_providers(shared, cur2, legacy):
    folder, _ = cur2
    ours = pq.read_schema(next(folder.rglob("*.parquet")))
    theirs = pq.read_schema(next((shared / "data/aws-cur2").rglob("*.parquet")))
    assert {field.name: str(field.type) for field in ours}.items() <= {f.name: str(f.type) for f in theirs}.items()
    focus = csv_rows(next((folder / "northwind").iterdir()))[0]
    assert list(focus) == list(csv_rows(shared / "data/focus/focus-1.2.csv.gz")[0])
    headers = csv_rows(next(legacy[0].rglob("*-00001.csv.gz")))[0]
    assert set(headers) <= set(csv_rows(next((shared / "data/aws-cur-legacy").rglob("*-00001.csv.gz")))[0])
