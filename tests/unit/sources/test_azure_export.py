"""Azure exports: which run counts, which cost comes from which export, and what their lines mean."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
import shutil
import tracemalloc
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain.delivery import Refusal
from finops_ai.domain.errors import Malformed
from finops_ai.domain.period import BillingPeriod
from tests.unit.sources.azure import (
    BILLING_ACCOUNT,
    COMMITTED,
    DEV,
    PROD,
    PURCHASE,
    azure,
    both,
    ea,
    mca,
    messages,
    read,
    refused,
    text,
    write_run,
)
from tests.unit.sources.exports import ALL, delivered, facts, sums

D = Decimal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A prefix whose name says nothing about the exports in it."""
    return tmp_path / "exports"


def put(root: Path, name: str, content: bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# Two exports, one truth


def test_billed_comes_from_actual_and_effective_from_amortized(root: Path) -> None:
    actual, amortized = both()
    write_run(root, actual, parts=2)
    write_run(root, amortized, dataset="AmortizedCost", parts=2)
    scan = read(root)
    assert sums(scan, "day") == {date(2026, 4, 1): D("32.4"), date(2026, 4, 2): D("2.4")}
    assert sums(scan, "day", "effective_cost") == {date(2026, 4, 1): D("14.4"), date(2026, 4, 2): D("20.4")}
    assert scan.control.rows == len(actual) + len(amortized)
    assert scan.control.by_account == {("USD", PROD): D("4.8"), ("USD", "4711"): D(30)}
    assert scan.problems == ()
    used = next(row for row in facts(scan) if row["pricing_category"] == "Committed" and row["sub_account_id"] == PROD)
    # One row tells both costs, and quantity and list price once.
    assert (used["billed_cost"], used["effective_cost"], used["consumed_quantity"]) == (0, 12, 48)
    assert (used["list_cost"], used["contracted_cost"]) == (D("28.8"), 24)
    kinds = sums(scan, lambda row: (row["charge_category"], row["pricing_category"], row["charge_frequency"]))
    assert kinds == {
        ("Usage", "Standard", "Usage-Based"): D("4.8"),
        ("Usage", "Committed", "Usage-Based"): 0,
        ("Purchase", "Standard", "Recurring"): 30,
    }


@pytest.mark.parametrize(
    ("dataset", "billed", "effective", "said"),
    [
        ("ActualCost", "34.8", "34.8", "no AmortizedCost for this month: effective cost is taken as billed"),
        ("AmortizedCost", "34.8", "34.8", "no ActualCost for this month: billed cost is taken as amortized"),
    ],
)
def test_what_only_one_export_tells_stands_for_both_and_is_told(
    root: Path, dataset: str, billed: str, effective: str, said: str
) -> None:
    actual, amortized = both()
    write_run(root, actual if dataset == "ActualCost" else amortized, dataset=dataset)
    scan = read(root)
    assert sums(scan, "billing_currency") == {"USD": D(billed)}
    assert sums(scan, "billing_currency", "effective_cost") == {"USD": D(effective)}
    assert said in messages(scan)
    assert "3 lines, 30.00 USD billed" in messages(scan), "what the commitments come to"


def test_days_that_amortized_does_not_know_yet_are_taken_from_actual_and_told(root: Path) -> None:
    actual, _ = both(("04/01/2026", "04/02/2026", "04/03/2026"))
    _, amortized = both(("04/01/2026", "04/02/2026"))
    write_run(root, actual, until="2026-04-03T00:00:00")
    write_run(root, amortized, dataset="AmortizedCost", until="2026-04-02T00:00:00")
    scan = read(root)
    assert sums(scan, "day", "effective_cost")[date(2026, 4, 3)] == D("2.4")
    assert sums(scan, "day")[date(2026, 4, 3)] == D("2.4")
    assert sums(scan, "billing_currency") == scan.control.billed_cost == {"USD": D("37.2")}
    assert scan.control.rows == len(actual) + len(amortized), "lines read again are not counted again"
    told = "AmortizedCost ends on 2026-04-02: effective cost of later days is taken from the other export (2.40 USD)"
    assert told in messages(scan)


def test_days_that_actual_does_not_know_yet_are_taken_from_amortized_and_told(root: Path) -> None:
    actual, _ = both(("04/01/2026",))
    _, amortized = both(("04/01/2026", "04/02/2026"))
    write_run(root, actual, until="2026-04-01T00:00:00")
    write_run(root, amortized, dataset="AmortizedCost", until="2026-04-02T00:00:00")
    scan = read(root)
    assert sums(scan, "day")[date(2026, 4, 2)] == sums(scan, "day", "effective_cost")[date(2026, 4, 2)] == D("20.4")
    assert sum(sums(scan, "billing_currency").values()) == sum(scan.control.billed_cost.values()) == D("52.8")
    assert sum(scan.control.by_account.values()) == D("52.8")
    assert "ActualCost ends on 2026-04-01: billed cost of later days" in messages(scan)


def test_a_subscription_in_one_export_alone_is_told(root: Path) -> None:
    write_run(root, [ea(), ea(SubscriptionId=DEV, Cost="7")])
    write_run(root, [ea()], dataset="AmortizedCost")
    assert "1 subscription(s) with 7.00 USD in ActualCost are not in AmortizedCost" in messages(read(root))


def test_focus_and_the_two_exports_tell_one_cube(root: Path) -> None:
    """Prefixes of accounts, column names and the two costs apart, the formats say the same."""
    actual, amortized = both()
    write_run(root / "two", actual)
    write_run(root / "two", amortized, dataset="AmortizedCost")
    common = {
        "BillingAccountId": BILLING_ACCOUNT,
        "BillingAccountName": "Acme",
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-04-01T00:00Z",
        "ServiceName": "Virtual Machines",
        "ServiceCategory": "Compute",
        "x_SkuMeterCategory": "Virtual Machines",
        "RegionId": "westeurope",
        "ProviderName": "Microsoft",
        "InvoiceIssuerName": "Microsoft",
        "SubAccountId": f"/subscriptions/{PROD}",
        "SubAccountName": "prod",
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ConsumedUnit": "1 Hour",
        "Tags": '{"cost-center": "search","env": "prod"}',
    }
    rows = []
    for day in ("2026-04-01T00:00Z", "2026-04-02T00:00:00Z"):
        for meter, category, billed, effective, quantity, listed, contracted in (
            ("D2s v5", "Standard", "2.4", "2.4", "24", "3", "2.4"),
            ("E8s", "Committed", "0", "12", "48", "28.8", "24"),
        ):
            rows.append(
                {
                    **common, "ChargePeriodStart": day, "x_SkuMeterName": meter, "PricingCategory": category,
                    "BilledCost": billed, "EffectiveCost": effective, "ConsumedQuantity": quantity,
                    "ListCost": listed, "ContractedCost": contracted,
                }
            )  # fmt: skip
    account = {**common, "SubAccountId": "", "ConsumedUnit": "", "Tags": "", "x_SkuMeterName": "D2s v5"}
    fee = {"BilledCost": "30", "EffectiveCost": "0", "ListCost": "30", "ContractedCost": "30", "ConsumedQuantity": ""}
    rows.append(
        {
            **account, **fee, "ChargeCategory": "Purchase", "ChargeFrequency": "Recurring",
            "PricingCategory": "Standard", "ChargePeriodStart": "2026-04-01T00:00Z",
        }
    )  # fmt: skip
    unused = {"BilledCost": "0", "EffectiveCost": "6", "ListCost": "0", "ContractedCost": "0", "ConsumedQuantity": ""}
    rows.append({**account, **unused, "PricingCategory": "Committed", "ChargePeriodStart": "2026-04-02T00:00Z"})
    put(root / "focus", "part_0_0001.csv", text(rows))
    two, focus = facts(read(root / "two")), facts(read(root / "focus"))

    def told(rows: list[dict[str, object]]) -> list[str]:
        return sorted(
            json.dumps({k: str(v) for k, v in row.items() if k != "dimension"}, sort_keys=True) for row in rows
        )

    assert told(two) == told(focus)


def test_focus_beside_actual_is_refused_because_it_would_count_twice(root: Path) -> None:
    write_run(root, [ea()])
    put(root, "focus/part_0_0001.csv", text([{**FOCUS_LINE}]))
    assert "tells in FOCUS what" in refused(root)


FOCUS_LINE = {
    "BilledCost": "1", "EffectiveCost": "1", "BillingAccountId": "1", "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-04-01", "ChargePeriodStart": "2026-04-01", "ChargeCategory": "Usage",
    "ProviderName": "Microsoft", "ServiceName": "Storage",
}  # fmt: skip


# Which run counts


def test_of_month_to_date_runs_the_newest_counts(root: Path) -> None:
    for day, run in ((10, "zz"), (30, "aa"), (20, "mm")):
        write_run(root, [ea(Cost=str(day))], run=run, submitted=f"2026-04-{day}T09:00:00Z")
    assert sums(read(root), "billing_currency") == {"USD": 30}


def test_a_run_delivered_again_unchanged_changes_nothing_but_its_name(root: Path) -> None:
    for number in (1, 2, 3):
        write_run(root, [ea()], run=f"run-{number}", submitted=f"2026-05-0{number}T09:00:00Z")
    scan = read(root)
    assert scan.control.rows == 1
    assert sums(scan, "billing_currency") == {"USD": D("2.4")}


def test_a_run_that_has_no_manifest_yet_is_still_being_written(root: Path) -> None:
    write_run(root, [ea()], submitted="2026-04-10T09:00:00Z")
    later = write_run(root, [ea(Cost="99")], run="run-2", submitted="2026-04-20T09:00:00Z")
    later.unlink()
    assert sums(read(root), "billing_currency") == {"USD": D("2.4")}


def test_a_daily_and_a_closing_export_of_one_scope_restate_one_another(root: Path) -> None:
    write_run(root, [ea(Cost="1")], export="daily", submitted="2026-04-30T09:00:00Z")
    write_run(root, [ea(Cost="2")], export="monthly", submitted="2026-05-05T09:00:00Z")
    assert sums(read(root), "billing_currency") == {"USD": 2}


def test_exports_of_two_subscriptions_add_up(root: Path) -> None:
    write_run(root, [ea(Cost="1")], export="a", scope=f"/subscriptions/{PROD}")
    write_run(root, [ea(Cost="2", SubscriptionId=DEV)], export="b", scope=f"/subscriptions/{DEV}")
    assert sums(read(root), "sub_account_id") == {PROD: 1, DEV: 2}


def test_an_export_within_another_is_refused(root: Path) -> None:
    write_run(root, [ea()], export="a", scope=f"/subscriptions/{PROD}")
    write_run(root, [ea()], export="b", scope=f"/subscriptions/{PROD}/resourceGroups/web")
    assert "is part of what a/" in refused(root)


@pytest.mark.parametrize("with_manifests", [True, False])
def test_one_subscription_in_two_exports_is_refused(root: Path, with_manifests: bool) -> None:
    write_run(root, [ea()], export="all", scope=BILLING_ACCOUNT)
    write_run(root, [ea()], export="one", scope=f"/subscriptions/{PROD}")
    if not with_manifests:
        for manifest in root.rglob("manifest.json"):
            manifest.unlink()
    (delivery,) = delivered(made := azure(root))
    with pytest.raises(Malformed, match=f"tells subscription {PROD}, as .* does, which would count twice"):
        made.charges(delivery)


def test_classic_exports_have_a_file_for_each_run_and_no_manifest(root: Path) -> None:
    for number, cost in enumerate(("1", "3", "2")):
        path = put(root, f"costs/20260401-20260430/costs_{number}0000000-aaaa-bbbb.csv", text([ea(Cost=cost)]))
        os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
    assert sums(read(root), "billing_currency") == {"USD": 2}
    assert "taken as ActualCost" in messages(read(root))


def test_classic_runs_of_one_time_are_refused(root: Path) -> None:
    for name in ("one", "two"):
        os.utime(put(root, f"costs/20260401-20260430/{name}.csv", text([ea()])), (1_000_000_000, 1_000_000_000))
    assert "which of them counts" in refused(root)


def test_classic_partitions_in_the_folder_of_a_run_add_up(root: Path) -> None:
    for number in (1, 2):
        put(root, f"amortized/20260401-20260430/run/costs_part_{number}.csv", text([ea(Cost=str(number))]))
    scan = read(root)
    assert sums(scan, "billing_currency") == {"USD": 3}
    assert "no ActualCost" in messages(scan)


def test_an_export_over_several_months_gives_each_its_own(root: Path) -> None:
    rows = [
        ea(BillingPeriodStartDate=f"0{month}/01/2026", Date=f"0{month}/02/2026", Cost=f"{month}") for month in (2, 3, 4)
    ]
    write_run(root, rows, days="20260201-20260430")
    made = azure(root)
    found = {str(item.billing_period): made.charges(item).control.billed_cost for item in delivered(made)}
    assert found == {f"2026-0{month}": {"USD": month} for month in (2, 3, 4)}


def test_files_without_a_folder_of_days_tell_their_months(root: Path) -> None:
    put(root, "EA_Actual_march.csv", text([ea(BillingPeriodStartDate="03/01/2026", Date="03/05/2026", Cost="3")]))
    put(root, "EA_Actual_april.csv", text([ea(BillingPeriodStartDate="", Cost="4")]))
    put(root, "EA_Amortized_april.csv", text([ea(Cost="5")]))
    put(root, "nothing_actual.csv", text([ea()]).splitlines(keepends=True)[0])
    made = azure(root)
    march, april = (made.charges(item) for item in delivered(made))
    assert [sums(month, "billing_currency")["USD"] for month in (march, april)] == [3, 4]
    assert sums(april, "billing_currency", "effective_cost") == {"USD": 5}


def test_rows_outside_the_month_belong_to_the_bill_that_brought_them(root: Path) -> None:
    write_run(root, [ea(), ea(Date="03/31/2026", Cost="1"), ea(Date="05/01/2026", Cost="2")])
    assert set(sums(read(root), "day")) == {date(2026, 3, 31), date(2026, 4, 1), date(2026, 5, 1)}


def test_only_months_from_since_are_listed_and_another_process_may_read_them(root: Path) -> None:
    write_run(root, [ea()], days="20260301-20260331", run="m")
    write_run(root, [ea()], run="a")
    made = azure(root)
    (april,) = made.deliveries(BillingPeriod(2026, 4))
    assert not isinstance(april, Refusal)
    assert azure(root).charges(april).control.rows == 1


def test_other_exports_in_the_prefix_are_no_bills(root: Path) -> None:
    write_run(root, [ea()])
    write_run(root, [{"MeterId": "1", "UnitPrice": "2"}], dataset="PriceSheet", export="prices")
    put(root, "readme.txt", b"hello")
    assert sums(read(root), "billing_currency") == {"USD": D("2.4")}


# What manifests must be


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda told: told["blobs"].append({"blobName": "x/run-1/part_9.csv.gz", "byteCount": 1}),
            "names a part that is missing",
        ),
        (lambda told: told["blobs"][0].update(byteCount=1), "its manifest says 1: deliver it again"),
        (lambda told: told["blobs"][0].update(blobName="a/run-1/../../x.csv"), "names a blob outside its folder"),
        (lambda told: told["blobs"][0].update(blobName="a/run-2/part_0_0001.csv.gz"), "names a blob of another run"),
        (lambda told: told["blobs"].append(told["blobs"][0]), "names a blob twice"),
        (lambda told: told.update(blobCount=3), "counts 3 blobs and names 1"),
    ],
)
def test_a_manifest_that_does_not_fit_its_files_is_refused(root: Path, spoil: object, said: str) -> None:
    write_run(root, [ea()], run="older", submitted="2026-04-10T09:00:00Z")
    manifest = write_run(root, [ea()])
    told = json.loads(manifest.read_text())
    spoil(told)  # type: ignore[operator]
    if "blobCount" not in said:
        told["blobCount"] = len(told["blobs"]) if "counts" not in said else 3
    manifest.write_text(json.dumps(told))
    assert said in refused(root)


def test_a_manifest_that_is_no_json_refuses_its_month_until_a_later_run(root: Path) -> None:
    write_run(root, [ea()], run="a", submitted="2026-04-10T09:00:00Z")
    write_run(root, [ea()], run="b").write_text('{"blobs": [')
    assert "manifest is not JSON" in str(list(azure(root).deliveries(None)))
    write_run(root, [ea(Cost="5")], run="c", submitted="2099-01-01T00:00:00Z")
    assert sums(read(root), "billing_currency") == {"USD": 5}


def test_a_part_with_fewer_rows_than_the_manifest_counts_is_refused(root: Path) -> None:
    write_run(root, [ea(), ea()], dataRowCount=3)
    (delivery,) = delivered(made := azure(root))
    with pytest.raises(Malformed, match="counts 3 rows and its files hold 2"):
        made.charges(delivery)


def test_a_missing_part_of_an_older_run_does_not_matter(root: Path) -> None:
    old = write_run(root, [ea()], run="old", submitted="2026-04-10T09:00:00Z")
    shutil.move(old.parent / "part_0_0001.csv.gz", root / "gone.bin")
    write_run(root, [ea(Cost="5")], run="new")
    assert sums(read(root), "billing_currency") == {"USD": 5}


def test_an_empty_run_after_full_ones_is_refused_and_alone_it_is_no_bill(root: Path) -> None:
    write_run(root, [ea()], run="full", submitted="2026-04-10T09:00:00Z")
    empty = write_run(root, [], run="empty", parts=0)
    assert "holds no rows, unlike those before" in refused(root)
    shutil.rmtree(empty.parents[1] / "full")
    assert list(azure(root).deliveries(None)) == []


def test_a_prefix_without_exports_is_refused(root: Path) -> None:
    put(root, "readme.txt", b"hello")
    assert "holds no cost export with rows" in refused(root)


# What lines mean


def test_mca_prices_are_in_another_currency_than_the_bill(root: Path) -> None:
    rows = [
        mca(),
        mca(billingCurrency="USD", costInBillingCurrency="2.4", exchangeRatePricingToBilling="1", tags=""),
        mca(paygCostInBillingCurrency="9", costInBillingCurrency="1"),
        mca(exchangeRatePricingToBilling="", meterName="no rate"),
    ]
    write_run(root, rows)
    scan = read(root)
    assert sums(scan, "billing_currency") == {"EUR": D("5.32"), "USD": D("2.4")}
    assert sums(scan, "billing_currency", "list_cost") == {"EUR": D("2.7") + 9 + D("2.16"), "USD": 3}
    assert {row["region_id"] for row in facts(scan)} == {"westeurope"}
    assert {row["billing_account_id"] for row in facts(scan)} == {"4711:4712_2019-05-31"}


def test_every_charge_type_has_its_place(root: Path) -> None:
    rows = [
        ea(ChargeType=kind, Frequency=frequency, PricingModel=model, Cost=cost)
        for kind, frequency, model, cost in (
            ("Usage", "UsageBased", "Spot", "1"),
            ("usage", "UsageBased", "SavingsPlan", "2"),
            ("Purchase", "OneTime", "SavingsPlan", "3"),
            ("Refund", "OneTime", "Reservation", "-4"),
            ("RoundingAdjustment", "OneTime", "", "0.005"),
            ("Tax", "OneTime", "", "6"),
            ("UnusedSavingsPlan", "UsageBased", "SavingsPlan", "7"),
            ("Surprise", "UsageBased", "OnDemand", "8"),
        )
    ]
    write_run(root, rows)
    scan = read(root)
    names = ("charge_category", "charge_class", "charge_frequency", "pricing_category")
    assert sums(scan, lambda row: tuple(row[name] for name in names)) == {
        ("Usage", "", "Usage-Based", "Dynamic"): 1,
        ("Usage", "", "Usage-Based", "Committed"): 9,
        ("Purchase", "", "One-Time", "Standard"): 3,
        ("Purchase", "Correction", "One-Time", "Standard"): -4,
        ("Adjustment", "", "One-Time", ""): D("0.005"),
        ("Tax", "", "One-Time", ""): 6,
        ("Usage", "", "Usage-Based", "Standard"): 8,
    }
    assert "unknown charge type Surprise is taken as usage: 1 line, 8.00 USD billed" in messages(scan)
    assert "does not belong into ActualCost: is this AmortizedCost?: 1 line" in messages(scan)


@pytest.mark.parametrize(
    ("columns", "service", "category"),
    [
        (
            {"MeterCategory": "Cognitive Services", "MeterName": "gpt-4o-0806-Inp-glbl"},
            "Azure OpenAI Service",
            "AI and Machine Learning",
        ),
        (
            {"MeterCategory": "Cognitive Services", "MeterSubCategory": "Azure OpenAI"},
            "Azure OpenAI Service",
            "AI and Machine Learning",
        ),
        (
            {"MeterCategory": "Cognitive Services", "MeterName": "S1 Text Records"},
            "Azure AI Services",
            "AI and Machine Learning",
        ),
        ({"MeterCategory": "New Thing", "ServiceFamily": "Containers"}, "New Thing", "Compute"),
        (
            {"MeterCategory": "", "Product": "Elastic Cloud", "ServiceFamily": "Azure Marketplace Services"},
            "Elastic Cloud",
            "Other",
        ),
        ({"MeterCategory": "", "Product": "", "ConsumedService": "", "ServiceFamily": ""}, "Azure", "Other"),
    ],
)
def test_services_are_named_as_focus_names_them(
    root: Path, columns: dict[str, str], service: str, category: str
) -> None:
    write_run(root, [ea(**columns)])
    assert [(row["service_name"], row["service_category"]) for row in facts(read(root))] == [(service, category)]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ('"cost-center": "a","model": "b"', {"cost-center": "a", "model": "b"}),
        ('{"Cost_Center": "a"}', {"cost-center": "a"}),
        (' "cost-center" : "a{}\\"},{" ', {"cost-center": 'a{}"},{'}),
        ('""', {}),
        ("", {}),
        ("{}", {}),
        ('{"сost-center": "cyrillic", "cost\u2011center": "hyphen"}', {}),
        (
            '{"cost-center": "\u202e<script>\u0000"}'.replace("\u0000", "\\u0000"),
            {"cost-center": "\u202e<script>\ufffd"},
        ),
        ('{"cost-center": {"nested": 1}}', {"cost-center": '{"nested":1}'}),
        ('{"cost-center": null, "model": "m"}', {"model": "m"}),
    ],
)
def test_tags_are_read_with_and_without_braces(root: Path, tags: str, expected: dict[str, str]) -> None:
    write_run(root, [ea(Tags=tags)])
    scan = read(root)
    assert [row["tags"] for row in facts(scan)] == [expected]
    assert "tags are not JSON" not in messages(scan)


@pytest.mark.parametrize(
    "tags", ['"cost-center"', '{"cost-center": "a"', '"a": "b"}, {"c": "d"', "cost-center=a", "[1]"]
)
def test_tags_that_are_no_json_are_left_out_and_told(root: Path, tags: str) -> None:
    write_run(root, [ea(Tags=tags), ea()])
    scan = read(root)
    assert sums(scan, lambda row: row["tags"].get("cost-center", "")) == {"": D("2.4"), "search": D("2.4")}
    assert "tags are not JSON and were left out: 1 line, 2.40 USD billed" in messages(scan)


def test_look_alikes_of_a_tag_key_are_kept_apart(root: Path) -> None:
    write_run(root, [ea(Tags='"cost-center": "a","c\u043est-center": "b","cost\u2010center": "c"')])
    (row,) = facts(read(root, ALL))
    assert row["tags"] == {"cost-center": "a", "c\u043est-center": "b", "cost\u2010center": "c"}


# How files are written


def test_german_headers_and_decimals(root: Path) -> None:
    rows = [
        {
            "Abonnement-GUID (SubscriptionGuid)": PROD, "UsageDateTime (UsageDateTime)": "2026-04-02",
            "Kategorie der Verbrauchseinheit (MeterCategory)": "Load Balancer", "UsageQuantity (UsageQuantity)": "3,5",
            "Ressourcensatz (ResourceRate)": "0,025", "PreTaxCost (PreTaxCost)": cost, "Tags (Tags)": "",
            "Currency": "EUR", "Maßeinheit (UnitOfMeasure)": "1 Hour",
        }
        for cost in ("0,075", "-1,5", "1234,125", "2E-05")
    ]  # fmt: skip
    put(root, "actual.csv", text(rows))
    scan = read(root)
    assert sums(scan, "billing_currency") == {"EUR": D("1232.70002")}
    assert sums(scan, "billing_currency", "consumed_quantity") == {"EUR": 14}
    put(root, "actual.csv", text(rows, delimiter=";"))
    assert sums(read(root), "billing_currency") == {"EUR": D("1232.70002")}


@pytest.mark.parametrize(
    ("costs", "quantity", "delimiter", "total"),
    [
        (("1,234", "5,678"), "1", ",", None),  # thousands, or a little more than one?
        (("1,234", "5,678"), "1", ";", "6.912"),
        (("1,5", "2.5"), "1", ",", None),
        (("1.234,56", "1,5"), "1", ",", None),
        (("1,5", "2"), "0.5", ",", None),
        (("1,5,0", "2,5"), "1", ",", None),
        (("1,5", "2,25"), "1", ",", "3.75"),
        ((",5", "0,25"), "1", ",", "0.75"),
    ],
)
def test_decimal_commas_are_read_only_where_nothing_else_can_be_meant(
    root: Path, costs: tuple[str, str], quantity: str, delimiter: str, total: str | None
) -> None:
    prices = {"UnitPrice": "", "PayGPrice": ""}
    put(root, "actual.csv", text([ea(Cost=cost, Quantity=quantity, **prices) for cost in costs], delimiter=delimiter))
    (delivery,) = delivered(made := azure(root))
    if total is None:
        with pytest.raises(Malformed, match="is not a plain decimal number"):
            made.charges(delivery)
    else:
        assert sums(made.charges(delivery), "billing_currency") == {"USD": D(total)}


@settings(max_examples=15)
@given(
    st.lists(
        st.decimals(min_value=D("-99999999"), max_value=D("99999999"), places=7, allow_nan=False),
        min_size=1,
        max_size=20,
    )
)
def test_any_costs_add_up_in_both_notations(tmp_path_factory: pytest.TempPathFactory, costs: list[Decimal]) -> None:
    for comma in (False, True):
        root = tmp_path_factory.mktemp("x") / "exports"
        told = [format(cost, "f").replace(".", "," if comma else ".") for cost in costs]
        prices = {"UnitPrice": "", "PayGPrice": ""}
        put(root, "actual.csv", text([ea(Cost=cost, Quantity="1", **prices) for cost in told]))
        assert sums(read(root), "billing_currency") == {"USD": sum(costs)}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("04/02/2026", date(2026, 4, 2)),
        ("4/2/2026", date(2026, 4, 2)),
        ("04/02/2026 00:00:00", date(2026, 4, 2)),
        ("2026-04-02", date(2026, 4, 2)),
        ("2026-04-02T00:00:00Z", date(2026, 4, 2)),
        ("2026-04-02T00:00Z", date(2026, 4, 2)),
        ("13/04/2026", None),
        ("02.04.2026", None),
        ("04/31/2026", None),
        ("4/2/26", date(2026, 4, 2)),
        ("", None),
    ],
)
def test_days_are_american_or_iso(root: Path, day: str, expected: date | None) -> None:
    write_run(root, [ea(Date=day)])
    (delivery,) = delivered(made := azure(root))
    if expected is None:
        with pytest.raises(Malformed, match=r"Date: (is not an ISO 8601 date|is empty)"):
            made.charges(delivery)
    else:
        assert set(sums(made.charges(delivery), "day")) == {expected}


def test_headers_match_in_any_case_and_under_their_older_names(root: Path) -> None:
    older = {
        "BillingCurrency": "BILLINGCURRENCYCODE", "Cost": "costinbillingcurrency", "SubscriptionId": "SubscriptionGuid",
        "Date": "USAGEDATETIME", "Quantity": "usageQuantity",
    }  # fmt: skip
    write_run(root, [{older.get(name, name.lower()): value for name, value in ea().items()}])
    assert sums(read(root), "sub_account_id", "consumed_quantity") == {PROD: 24}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"Cost": "CostX"}, "CostInBillingCurrency: column is missing"),
        ({"Date": "Day"}, "Date: column is missing"),
        ({"BillingCurrency": "Money"}, "BillingCurrency: column is missing"),
        ({"ConsumedService": "SUBSCRIPTIONID"}, "is the same column as 'SubscriptionId'"),
        ({"ConsumedService": "Abonnement (Cost)"}, "is the same column as 'Cost'"),
    ],
)
def test_a_drifted_header_is_refused_by_name(root: Path, spoil: dict[str, str], said: str) -> None:
    write_run(root, [{spoil.get(name, name): value for name, value in ea().items()}])
    (delivery,) = delivered(made := azure(root))
    with pytest.raises(Malformed) as caught:
        made.charges(delivery)
    assert said in str(caught.value)


def test_350_columns_and_tags_of_77_kilobytes(root: Path) -> None:
    tags = ",".join(f'"key-{number:04d}": "{"v" * 64}"' for number in range(1000)) + ',"cost-center": "big"'
    assert len(tags) > 77_000
    write_run(root, [{**ea(Tags=tags), **{f"Extra{number}": "x" for number in range(330)}}])
    assert [row["tags"] for row in facts(read(root))] == [{"cost-center": "big"}]


def test_parts_of_one_run_may_have_different_columns(root: Path) -> None:
    write_run(root, [ea(Cost="1"), {**mca(billingCurrency="USD"), "chargeType": "Usage"}], parts=2)
    scan = read(root)
    assert scan.control.rows == 2
    assert sums(scan, "billing_currency") == {"USD": D("3.16")}


def test_negative_lines_and_refunds_are_kept_with_their_sign(root: Path) -> None:
    write_run(
        root,
        [ea(Cost="-2.4", Quantity="-24"), ea(**{**PURCHASE, "ChargeType": "Refund", "Cost": "-30"})],
    )
    scan = read(root)
    assert sums(scan, "charge_class") == {"": D("-2.4"), "Correction": -30}
    assert sums(scan, "charge_class", "list_cost") == {"": -3, "Correction": -30}


def test_the_same_truth_whatever_the_order_and_the_number_of_parts(root: Path, tmp_path: Path) -> None:
    actual, amortized = both()
    cubes = []
    for name, turned, parts in (("one", False, 1), ("two", True, 3)):
        for dataset, rows in (("ActualCost", actual), ("AmortizedCost", amortized)):
            write_run(tmp_path / name / "in", rows[::-1] if turned else rows, dataset=dataset, parts=parts)
        scan = read(tmp_path / name / "in")
        cubes.append((scan.dimensions.to_pylist(), scan.facts.to_pylist(), dataclasses.replace(scan.control)))
    assert cubes[0] == cubes[1]


def test_parts_that_are_cut_short_or_swell_without_end_are_refused_in_bounded_memory(root: Path) -> None:
    manifest = write_run(root, [ea()])
    part = manifest.parent / "part_0_0001.csv.gz"
    whole = part.read_bytes()
    told = json.loads(manifest.read_text())
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb") as packed:
        packed.write(text([ea()]))
        for _ in range(300):
            packed.write(b"0" * (1 << 20))
    for content, said in ((whole[:-9], "is cut short"), (bomb.getvalue(), "unpacks to more than")):
        part.write_bytes(content)
        told["blobs"][0]["byteCount"] = len(content)
        manifest.write_text(json.dumps(told))
        (delivery,) = delivered(made := azure(root))
        tracemalloc.start()
        with pytest.raises(Malformed, match=said):
            made.charges(delivery)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
        tracemalloc.stop()


def test_rejected_lines_are_counted_where_that_is_allowed(root: Path) -> None:
    write_run(root, [ea(), ea(Cost="twelve"), ea(**COMMITTED)])
    scan = read(root, max_rejected_rows=1)
    assert (scan.rows_rejected, scan.control.rows) == (1, 2)
