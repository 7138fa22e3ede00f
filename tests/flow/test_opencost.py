"""Kubernetes beside the cloud's bill, through the command line: every figure, never counted twice, every cent split."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain.money import total
from tests.flow.conftest import Configure, Program
from tests.unit.sources.exports import legacy_csv, line, write_report
from tests.unit.sources.test_opencost import allocation, answer, write

KEYS = {
    "by_day": "day",
    "by_namespace": "tag:namespace",
    "by_cost_center": "x_cost_center",
    "by_model": "x_ai_model",
    "by_cluster": "tag:cluster",
}
DUST = Decimal("1e-15")
"""The last of 18 decimals lands here or there, as parts of a cost are split or the whole."""

APRIL = ("--start", "2026-04-01", "--end", "2026-05-01")


def amounts(rows: Iterable[Mapping[str, str]], *keys: str, cost: str = "effective_cost") -> dict[Any, Decimal]:
    sums: dict[Any, list[Decimal]] = defaultdict(list)
    for row in rows:
        values = tuple(row[key] for key in keys)
        sums[values if len(values) > 1 else "".join(values)].append(Decimal(row[cost]))
    return {values: total(costs) for values, costs in sums.items()}


def asked(program: Program, *arguments: str) -> Any:
    return program(*arguments, "--output", "json").json


@pytest.fixture
def acme(shared: Path, configure: Configure) -> Program:
    return configure(f"""
        sources:
          - {{name: k8s, kind: opencost, uri: "file://{shared / "data/opencost/allocation"}"}}
          - {{name: bill, kind: aws_cur, uri: "file://{shared / "data/aws-cur2/data-exports"}"}}
        allocation:
          kubernetes:
            - {{cluster: prod-use1, match: {{sub_account_id: "912345600003", x_service_code: AmazonEC2}}}}
    """)


@pytest.mark.shared
def test_every_figure_of_the_totals_is_met_and_the_bill_is_not_counted_twice(acme: Program, shared: Path) -> None:
    truth = json.loads((shared / "data/opencost/totals.json").read_text())
    first, *bills = asked(acme, "ingest")
    assert (first["rows"], first["billed_cost"], first["problems"]) == (
        truth["allocations"],
        {"USD": truth["total"]},
        [],
    )
    for figure, key in KEYS.items():
        found = amounts(asked(acme, "costs", "--where", "source=k8s", "--group-by", key), key)
        assert found == {name: Decimal(cost) for name, cost in truth[figure].items()}, figure
    billed = total(Decimal(bill["billed_cost"]["USD"]) for bill in bills)
    assert amounts(asked(acme, "costs"), "currency", cost="billed_cost") == {"USD": billed}
    assert {entry["status"] for entry in asked(acme, "ingest")} == {"unchanged"}


@pytest.mark.shared
def test_alone_the_cost_of_workloads_counts(shared: Path, configure: Configure) -> None:
    program = configure(f"""
        sources:
          - {{name: k8s, kind: opencost, uri: "file://{shared / "data/opencost/allocation"}"}}
    """)
    program("ingest")
    truth = json.loads((shared / "data/opencost/totals.json").read_text())
    assert amounts(asked(program, "costs"), "currency") == {"USD": Decimal(truth["total"])}
    assert asked(program, "kubernetes", *APRIL) == []


@pytest.mark.shared
def test_workloads_idle_and_the_rest_are_the_bill_of_every_day(acme: Program, shared: Path) -> None:
    acme("ingest")
    where = ("--where", "sub_account_id=912345600003", "--where", "x_service_code=AmazonEC2")
    days = ("--start", "2026-03-20", "--end", "2026-05-01")
    bill = amounts(asked(acme, "costs", *days, *where, "--group-by", "day"), "day")
    parts = asked(acme, "kubernetes", *days, "--group-by", "day,cluster,namespace,workload,x_cost_center,x_ai_model")
    assert amounts(parts, "day") == bill
    reconciled = asked(acme, "kubernetes", *days, "--reconcile")
    for row in reconciled:
        fates = total(Decimal(row[fate]) for fate in ("workloads", "idle", "unmatched"))
        assert fates == Decimal(row["effective_cost"]) == bill[row["day"]]
        assert (Decimal(row["unmatched"]) == 0) == (row["day"] >= "2026-04-01")
    shares = weights_of(shared / "data/opencost/allocation")
    april = [row for row in parts if row["day"] >= "2026-04-01"]
    for day, by_owner in shares.items():
        whole = sum(by_owner.values())
        for owner, found in amounts([row for row in april if row["day"] == day], "x_cost_center").items():
            assert abs(found - exactly(bill[day], by_owner[owner] / whole)) < DUST, (day, owner)


def weights_of(folder: Path) -> dict[str, dict[str, Fraction]]:
    """Cost of CPU, memory and GPU by day and cost center, read apart from the program."""
    found: dict[str, dict[str, Fraction]] = {}
    for path in sorted(folder.glob("*.json.gz")):
        for one_set in json.loads(gzip.decompress(path.read_bytes()), parse_float=str)["data"]:
            for name, one in one_set.items():
                owner = one["properties"].get("labels", {}).get("cost_center", "(untagged)")
                owner = "(idle)" if name.endswith("__idle__") else owner
                names = [f"{part}Cost{suffix}" for part in ("cpu", "ram", "gpu") for suffix in ("", "Adjustment")]
                day = found.setdefault(one["window"]["start"][:10], defaultdict(Fraction))
                day[owner] += sum(Fraction(one.get(cost, 0)) for cost in names)
    return found


def exactly(cost: Decimal, share: Fraction) -> Decimal:
    part = Fraction(cost) * share
    return Decimal(part.numerator) / Decimal(part.denominator)


@pytest.mark.shared
def test_showback_moves_the_cost_of_nodes_to_who_ran_on_them_and_keeps_the_sum(acme: Program) -> None:
    acme("ingest")
    owners = amounts(asked(acme, "showback", *APRIL), "x_cost_center")
    billed = amounts(asked(acme, "costs", *APRIL, "--group-by", "x_cost_center"), "x_cost_center")
    split = amounts(asked(acme, "kubernetes", *APRIL, "--group-by", "x_cost_center"), "x_cost_center")
    assert total(owners.values()) == total(billed.values())
    assert abs(owners["search"] - total([billed["search"], split["search"]])) < DUST
    assert owners["ml-train"] < billed["ml-train"]
    assert not {"(idle)", "(unmatched)"} & owners.keys()


@pytest.fixture
def cluster(configure: Configure, tmp_path: Path) -> Program:
    """A bill with tagged nodes (on demand, spot, under a savings plan) and the pods' lines of split cost allocation."""
    node = {"resourceTags/aws:eks:cluster-name": "prod", "tag_cost_center": "platform"}
    usage = {"line_item_operation": "RunInstances", **node}
    lines = []
    for day in ("2026-04-01", "2026-04-02"):
        at = {"line_item_usage_start_date": f"{day}T00:00:00Z"}
        covered = {"savings_plan_savings_plan_effective_cost": "6.01", "line_item_unblended_cost": "9"}
        lines += [
            line("Usage", "10.03", **usage, **at),
            line("Usage", "3.7", **{**usage, "line_item_usage_type": "SpotUsage:g5.xlarge"}, **at),
            line("SavingsPlanCoveredUsage", **covered, **usage, **at),
            line("SavingsPlanNegation", "-9", **at),
            line("Usage", "5", **{**at, "tag_cost_center": "web"}),
            line("Usage", "2.5", **{**at, **node, "line_item_product_code": "AWSELB"}),
            *(
                line("Usage", "4", **{**at, **node, "line_item_operation": "EKSPod-EC2", "tag_cost_center": owner})
                for owner in ("a", "b")
            ),
        ]
    write_report(tmp_path / "cur", {"acme-00001.csv": legacy_csv(lines).encode()})
    idle = {"name": "prod/__idle__", "properties": {"cluster": "prod"}, "cpuCost": 1, "totalCost": 1}
    told = [
        allocation("2026-04-01", "a", {"cost_center": "a"}, cpuCost=1, pvCost=100),
        allocation("2026-04-01", "b", {"cost_center": "b"}, cpuCost=0.5, ramCost=0.5),
        {**idle, "window": allocation("2026-04-01")["window"]},
    ]
    write(tmp_path / "answers", answer(told))
    return configure(f"""
        sources:
          - {{name: k8s, kind: opencost, uri: "file://{tmp_path / "answers"}"}}
          - {{name: bill, kind: aws_cur, uri: "file://{tmp_path / "cur"}"}}
    """)


TWO_DAYS = ("--start", "2026-04-01", "--end", "2026-04-03")


def test_tagged_nodes_are_split_and_the_lines_of_pods_add_nothing(cluster: Program) -> None:
    cluster("ingest")
    parts = asked(cluster, "kubernetes", *TWO_DAYS, "--group-by", "day,cluster,namespace")
    third = Decimal("19.74") / 3  # 10.03 on demand, 3.70 spot, 6.01 under the plan
    assert amounts(parts, "day", "cluster", "namespace") == {
        ("2026-04-01", "prod", "(idle)"): third,
        ("2026-04-01", "prod", "a"): third,
        ("2026-04-01", "prod", "b"): third,
        ("2026-04-02", "prod", "(unmatched)"): Decimal("19.74"),
    }
    assert amounts(asked(cluster, "costs", *TWO_DAYS), "currency") == {"USD": Decimal("54.48")}


def test_idle_and_unmatched_nodes_stay_with_their_owner_in_the_showback(cluster: Program) -> None:
    cluster("ingest")
    third = Decimal("19.74") / 3
    assert amounts(asked(cluster, "showback", *TWO_DAYS), "x_cost_center") == {
        "a": third,
        "b": third,
        "platform": third + Decimal("19.74") + 5,
        "web": 10,
        "(untagged)": 0,
    }


def test_a_restated_answer_changes_the_split_and_the_past_still_answers(cluster: Program, tmp_path: Path) -> None:
    cluster("--as-of", "2026-04-03", "ingest")
    keys = (*TWO_DAYS, "--group-by", "namespace")
    before = asked(cluster, "--as-of", "2026-04-03", "kubernetes", *keys)
    write(tmp_path / "answers", answer([allocation("2026-04-01", "a", cpuCost=1)]))
    assert asked(cluster, "--as-of", "2026-04-05", "ingest")[0]["status"] == "loaded"
    now = asked(cluster, "--as-of", "2026-04-05", "kubernetes", *keys)
    assert amounts(now, "namespace") == {"(unmatched)": Decimal("19.74"), "a": Decimal("19.74")}
    assert asked(cluster, "--as-of", "2026-04-03", "kubernetes", *keys) == before


def test_a_bad_answer_is_refused_and_the_last_split_answers_on(cluster: Program, tmp_path: Path) -> None:
    cluster("ingest")
    before = asked(cluster, "kubernetes", *TWO_DAYS)
    write(tmp_path / "answers", '{"code": 200, "da', "broken.json")
    refused = cluster("ingest", "--output", "json", code=6).json[0]
    assert (refused["status"], refused["problems"][0]["file"]) == ("refused", "broken.json")
    assert asked(cluster, "kubernetes", *TWO_DAYS) == before


def test_months_without_a_bill_are_told_in_the_reconciliation(cluster: Program, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "answers")
    write(tmp_path / "answers", answer([allocation("2026-05-01", "a", cpuCost=4)]))
    cluster("ingest")
    may = date(2026, 5, 1)
    (row,) = asked(cluster, "kubernetes", "--start", str(may), "--end", str(may + timedelta(days=1)), "--reconcile")
    assert (row["effective_cost"], row["attribution_cost"], row["factor"]) == ("0.00", "4.00", None)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{cluster: prod, match: {sub_acount_id: x}}", "did you mean sub_account_id?"),
        ("{cluster: prod, match: {'tag:': x}}", "is not a column"),
        ("{cluster: prod, weigh_by: pods}", "weigh_by"),
        ("{match: {service_name: x}}", "cluster"),
    ],
)
def test_a_rule_that_cannot_be_is_told_with_its_line(configure: Configure, rule: str, why: str) -> None:
    program = configure(f"allocation:\n  kubernetes:\n    - {rule}\n")
    told = program("config", "check", code=4)
    assert why in told.stderr + told.stdout
    assert "finops.yaml:3" in told.stderr + told.stdout


def test_without_a_source_that_tells_of_clusters_the_command_says_what_to_do(configure: Configure) -> None:
    assert "kind opencost" in configure("sources: []\n")("kubernetes", code=2).stderr


def test_a_rule_may_not_name_a_source_that_tells_of_no_cluster(cluster: Program) -> None:
    file = cluster.finops.folder / "config" / "finops.yaml"
    file.write_text(file.read_text() + "allocation:\n  kubernetes:\n    - {cluster: prod, source: bill}\n")
    cluster("ingest")
    assert "'bill' tells of no clusters" in cluster("kubernetes", *TWO_DAYS, code=4).stderr
