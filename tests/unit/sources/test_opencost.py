"""Recorded answers of the allocation API: every amount once and exact, every oddity told, nothing guessed."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Malformed, Unavailable
from finops_ai.domain.money import total
from finops_ai.sources import opencost
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.opencost_answers import COSTS
from tests.unit.sources.exports import ALL, by_tag, delivered, facts, scanned, source, sums

KEEP = Keep(tags=frozenset({"cost-center", *opencost.TAGS}), cost_categories=frozenset())


def window(day: str, hours: int = 24) -> dict[str, str]:
    start = datetime.fromisoformat(day)
    return {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{start + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"}


def allocation(day: str = "2026-04-01", namespace: str = "search", labels: Any = None, **told: Any) -> dict[str, Any]:
    """An allocation of one pod; every amount that is told adds to its total unless that is told, too."""
    properties = {"cluster": "prod", "namespace": namespace, "controllerKind": "deployment", "controller": "api"}
    parts = [Decimal(str(told[name])) for name in COSTS if told.get(name) is not None]
    return {
        "name": f"prod/node/{namespace}/api-1/api",
        "properties": {**properties, "labels": labels},
        "window": window(day),
        "totalCost": float(total(parts)) if parts else 1.5,
        **({} if parts else {"cpuCost": 1.5}),
        **told,
    }


def answer(*sets: Any, **over: Any) -> dict[str, Any]:
    named = [{one["name"]: one for one in each} if isinstance(each, list) else each for each in sets]
    return {"code": 200, "data": named, **over}


def write(folder: Path, told: Any, name: str = "answer.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(told if isinstance(told, str) else json.dumps(told), encoding="utf-8")
    return folder


def read(folder: Path, told: Any = None, keep: Keep = KEEP, **settings_: Any) -> Scan:
    if told is not None:
        write(folder, told)
    return scanned(source(opencost, folder, keep, **settings_))


def refused(folder: Path, told: Any) -> str:
    """The one problem for which an answer is refused, while listing or while reading."""
    write(folder, told)
    made = source(opencost, folder, KEEP)
    (item,) = made.deliveries(None)
    if isinstance(item, Refusal):
        (problem,) = item.problems
        return str(problem)
    with pytest.raises(Malformed) as caught:
        made.charges(item)
    return str(caught.value)


def warned(scan: Scan) -> str:
    assert all(problem.severity == "warning" for problem in scan.problems)
    return "\n".join(problem.message for problem in scan.problems)


# --- money ----------------------------------------------------------------------------------------------------------


def test_amounts_are_those_of_the_text(tmp_path: Path) -> None:
    one = json.dumps(answer([allocation(cpuCost=1.0, totalCost=1.0)]))
    exact = "0.123456789012345678"
    scan = read(tmp_path, one.replace('"cpuCost": 1.0', f'"cpuCost": {exact}').replace('Cost": 1.0', f'Cost": {exact}'))
    assert scan.billed() == {"USD": Decimal(exact)}


@pytest.mark.parametrize(("written", "worth"), [("1e-05", "0.00001"), ("1E2", "100"), ("-3", "-3"), ("12", "12")])
def test_numbers_in_every_notation_of_json(tmp_path: Path, written: str, worth: str) -> None:
    one = json.dumps(answer([allocation(cpuCost=1.0, totalCost=1.0)])).replace('Cost": 1.0', f'Cost": {written}')
    assert read(tmp_path, one).billed() == {"USD": Decimal(worth)}


def test_adjustments_belong_to_the_cost_and_not_to_the_list_cost(tmp_path: Path) -> None:
    scan = read(tmp_path, answer([allocation(cpuCost=10, cpuCostAdjustment=-4, ramCost=1, ramCostAdjustment=0.5)]))
    assert sums(scan, "x_sku_group") == {"CPU": 6, "Memory": Decimal("1.5")}
    assert sums(scan, "x_sku_group", "list_cost") == {"CPU": 10, "Memory": 1}
    assert sums(scan, "x_sku_group", "effective_cost") == sums(scan, "x_sku_group", "contracted_cost")


def test_every_resource_is_a_charge_and_idle_shares_are_not_told_twice(tmp_path: Path) -> None:
    amounts = {name: 2**place for place, name in enumerate(COSTS)}
    scan = read(tmp_path, answer([allocation(**amounts, cpuCostIdle=1000, networkCrossZoneCost=1000)]))
    assert scan.billed() == {"USD": 2 ** len(COSTS) - 1}
    assert list(sums(scan, "x_sku_group")) == sorted(
        ["CPU", "External", "GPU", "Load balancer", "Memory", "Network", "Shared", "Storage"]
    )
    assert scan.problems == ()


def test_what_the_total_has_beyond_its_parts_is_booked_and_told(tmp_path: Path) -> None:
    scan = read(tmp_path, answer([allocation(cpuCost=1, totalCost=3.5)]))
    assert sums(scan, "x_sku_group") == {"CPU": 1, "Other": Decimal("2.5")}
    assert "not the sum of its parts" in warned(scan)


def test_a_total_that_is_missing_is_added_up_from_its_parts(tmp_path: Path) -> None:
    one = allocation(cpuCost=1, ramCost=0.25)
    del one["totalCost"]
    scan = read(tmp_path, answer([one, allocation(namespace="data", cpuCost=2, totalCost=None)]))
    assert scan.billed() == {"USD": Decimal("3.25")}
    assert "added up from its parts: 2 lines, 3.25 USD" in warned(scan)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"cpuCost": 1, "gpuCost": None, "totalCost": None}, "totalCost: is empty"),
        ({"cpuCost": "NaN", "totalCost": "NaN"}, "totalCost: is not a finite number ('NaN')"),
        ({"cpuCost": 1, "ramCost": "free", "totalCost": 1}, "ramCost: is not a plain decimal number"),
        ({"cpuCost": 1, "totalCost": {"amount": 1}}, "totalCost: is not a plain decimal number"),
        ({"cpuCost": 1, "totalCost": 10**21}, "totalCost: is beyond the range"),
    ],
)
def test_unknown_cost_is_never_0(tmp_path: Path, told: Mapping[str, Any], why: str) -> None:
    parts = {name: value for name, value in told.items() if name in COSTS}
    one = {**allocation(cpuCost=1), **parts, "totalCost": told["totalCost"]}
    assert why in refused(tmp_path, answer([one]))
    scan = read(tmp_path, answer([one, allocation(namespace="data", cpuCost=2)]), max_rejected_rows=1)
    assert scan.rows_rejected == 1
    assert scan.billed() == {"USD": 2}


def test_a_cost_that_is_null_beside_a_known_total_hides_nothing(tmp_path: Path) -> None:
    scan = read(tmp_path, answer([allocation(cpuCost=1, gpuCost=None, totalCost=1)]))
    assert sums(scan, "x_sku_group") == {"CPU": 1}


def test_gpu_hours_are_counted_and_nothing_else(tmp_path: Path) -> None:
    told = [
        allocation(gpuCost=2, cpuCost=1, gpuHours=12.5),
        allocation(namespace="data", gpuCost=2, gpuHours=None),
        allocation(namespace="web", cpuCost=1, gpuHours=0.0),
    ]
    scan = read(tmp_path, answer(told))
    counted = {(row["x_sku_group"], row["consumed_unit"], row["consumed_quantity"]) for row in facts(scan)}
    assert counted == {("GPU", "GPU-Hours", Decimal("12.5")), ("GPU", "", 0), ("CPU", "", 0)}


def test_negative_idle_keeps_its_sign_and_is_told(tmp_path: Path) -> None:
    idle = {"name": "prod/__idle__", "properties": {"cluster": "prod"}, "window": window("2026-04-01")}
    scan = read(tmp_path, answer([allocation(cpuCost=5), {**idle, "cpuCost": -2, "ramCost": 1, "totalCost": -1}]))
    assert sums(scan, by_tag("namespace")) == {"search": 5, "__idle__": -1}
    assert "idle CPU is negative" in warned(scan)


amount = st.decimals(-(10**6), 10**6, places=6, allow_nan=False)
text = st.text(st.characters(exclude_characters="@"), max_size=8)
labels_ = st.dictionaries(text, text | st.none(), max_size=4)


@given(
    told=st.lists(st.tuples(st.integers(1, 30), st.dictionaries(st.sampled_from(COSTS), amount, min_size=1), labels_))
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_charges_add_up_to_the_totals(tmp_path_factory: pytest.TempPathFactory, told: list[Any]) -> None:
    if not told:
        return
    written = []
    for number, (day, costs, labels) in enumerate(told):
        whole = {name: f"@{value}@" for name, value in costs.items()}
        one = {**allocation(f"2026-04-{day:02d}", labels=labels), "cpuCost": "@0@", **whole}
        written.append([{**one, "name": str(number), "totalCost": f"@{total(costs.values())}@"}])
    text = re.sub(r'"@(.*?)@"', r"\1", json.dumps(answer(*written)))
    scan = read(tmp_path_factory.mktemp("answers"), text, keep=ALL)
    expected: dict[date, list[Decimal]] = {}
    for day, costs, _ in told:
        expected.setdefault(date(2026, 4, day), []).append(total(costs.values()))
    assert sums(scan, "day") == {day: total(amounts) for day, amounts in expected.items()}
    assert scan.control.rows == len(told)


# --- time -----------------------------------------------------------------------------------------------------------


def test_one_delivery_for_each_month_and_its_fingerprint_moves_with_its_answers_alone(tmp_path: Path) -> None:
    write(tmp_path, answer([allocation("2026-03-31", cpuCost=1)], [allocation("2026-04-01", cpuCost=2)]), "a.json")
    write(tmp_path, answer([allocation("2026-04-02", cpuCost=4)]), "b.json")
    made = source(opencost, tmp_path, KEEP)
    march, april = delivered(made)
    assert [str(march.billing_period), str(april.billing_period)] == ["2026-03", "2026-04"]
    assert [made.charges(each).billed() for each in (march, april)] == [{"USD": 1}, {"USD": 6}]
    (tmp_path / "README.md").write_text("no answer")
    assert delivered(source(opencost, tmp_path, KEEP)) == [march, april]
    write(tmp_path, answer([allocation("2026-04-02", cpuCost=5)]), "b.json")
    again = delivered(source(opencost, tmp_path, KEEP))
    assert [each.fingerprint == before.fingerprint for each, before in zip(again, (march, april), strict=True)] == [
        True,
        False,
    ]


def test_packed_answers_and_pages(tmp_path: Path) -> None:
    pages = [answer([allocation(namespace=name, cpuCost=1)]) for name in ("a", "b")]
    (tmp_path / "pages.json.gz").write_bytes(gzip.compress(json.dumps(pages).encode()))
    assert sums(read(tmp_path), by_tag("namespace")) == {"a": 1, "b": 1}


def test_partial_days_and_hours_belong_to_their_day(tmp_path: Path) -> None:
    hours = [
        {**allocation(cpuCost=1), "window": window("2026-04-01T22:00:00", 1), "minutes": 42.5},
        {**allocation(cpuCost=2), "window": window("2026-04-01T23:00:00", 1), "minutes": 60},
        {**allocation(cpuCost=4), "window": window("2026-04-02T00:00:00", 1), "minutes": 3},
    ]
    scan = read(tmp_path, answer(*([hour] for hour in hours)))
    assert sums(scan, "day") == {date(2026, 4, 1): 3, date(2026, 4, 2): 4}


@pytest.mark.parametrize("unknown", [None, {}, {"start": "null", "end": "null"}, {"start": None}])
def test_the_window_may_be_told_by_the_allocation_alone(tmp_path: Path, unknown: Any) -> None:
    one = {**allocation(cpuCost=1), "window": unknown, "start": "2026-04-03T05:00:00Z", "end": "2026-04-03T06:00:00Z"}
    assert sums(read(tmp_path, answer([one])), "day") == {date(2026, 4, 3): 1}


def test_a_day_in_another_zone_is_booked_where_it_begins_and_told(tmp_path: Path) -> None:
    local = {"start": "2026-04-01T00:00:00-05:00", "end": "2026-04-02T00:00:00-05:00"}
    scan = read(tmp_path, answer([{**allocation(cpuCost=1), "window": local}]))
    assert sums(scan, "day") == {date(2026, 4, 1): 1}
    assert "past midnight UTC" in warned(scan)


def test_gaps_are_no_rows(tmp_path: Path) -> None:
    empty: list[Any] = [None, {}, {"gone": None}]
    scan = read(tmp_path, answer([allocation("2026-04-01", cpuCost=1)], *empty, [allocation("2026-04-05", cpuCost=1)]))
    assert sums(scan, "day") == {date(2026, 4, 1): 1, date(2026, 4, 5): 1}


# --- once, whole, or not at all -------------------------------------------------------------------------------------


def test_replayed_answers_count_once(tmp_path: Path) -> None:
    told = answer([allocation(cpuCost=1), allocation(namespace="b", cpuCost=2)])
    write(tmp_path, told, "2026-04-01.json")
    scan = read(tmp_path, told)
    assert scan.billed() == {"USD": 3}
    assert "2 allocations that another answer told alike" in warned(scan)


def test_two_answers_that_differ_are_refused(tmp_path: Path) -> None:
    write(tmp_path, answer([allocation(cpuCost=1)]), "2026-04-01.json")
    (delivery,) = delivered(source(opencost, write(tmp_path, answer([allocation(cpuCost=2)])), KEEP))
    with pytest.raises(Malformed, match=r"answer.json: name: is told otherwise in 2026-04-01.json"):
        source(opencost, tmp_path, KEEP).charges(delivery)


def test_clusters_may_share_a_folder_and_names(tmp_path: Path) -> None:
    for cluster in ("one", "two"):
        one = allocation(cpuCost=1)
        write(tmp_path, answer([{**one, "properties": {**one["properties"], "cluster": cluster}}]), f"{cluster}.json")
    assert sums(read(tmp_path), "billing_account_id") == {"one": 1, "two": 1}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ('{"code": 200, "data": [{"a"', "answer.json:1: is not whole JSON"),
        ("", "answer.json:1: is not whole JSON"),
        ("[" * 100_000, "is no answer of the allocation API"),
        ("3", "has no list `data`"),
        ({"code": 200}, "has no list `data`"),
        ({"code": 200, "data": {"a": 1}}, "has no list `data`"),
        ({"code": 200, "data": ["a"]}, "is no set of allocations"),
        ({"code": 200, "data": [{"a": 3}]}, "'a' is no allocation"),
        ({"code": 200, "data": [{"a": {"hello": 1}}]}, "'a' is no allocation"),
        ({"code": 500, "data": None, "message": "no Prometheus"}, "code: is an error and no data: no Prometheus"),
        ('{"code": 200, "data": [{"a": {"cpuCost": 1, "cpuCost": 2}}]}', "'cpuCost' stands in it twice"),
        (answer([{**allocation(), "window": window("2026-04-01", 48)}]), "is longer than a day"),
        (answer([{**allocation(), "window": None}]), "is no time in any allocation"),
        (answer([{**allocation(), "window": {"start": "yesterday"}}]), "which day is told of is unknown ('yesterday')"),
        (
            answer([allocation(), {**allocation(), "name": "b", "window": None, "start": "soon"}]),
            "window_start: is not an ISO 8601 date between 2000 and 2099 ('soon')",
        ),
    ],
)
def test_what_is_no_answer_is_refused_and_told(tmp_path: Path, told: Any, why: str) -> None:
    assert why in refused(tmp_path, told)


def test_one_bad_answer_refuses_all_months_it_may_belong_to(tmp_path: Path) -> None:
    write(tmp_path, answer([allocation()]), "good.json")
    write(tmp_path, "{", "bad.json")
    (refusal,) = source(opencost, tmp_path, KEEP).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert refusal.billing_period is None
    assert [problem.file for problem in refusal.problems] == ["bad.json"]


def test_a_folder_without_answers_is_refused(tmp_path: Path) -> None:
    (refusal,) = source(opencost, tmp_path, KEEP).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "holds no answers" in str(refusal.problems[0])


def test_an_answer_that_changes_while_it_is_read_is_unavailable(tmp_path: Path) -> None:
    made = source(opencost, write(tmp_path, answer([allocation()])), KEEP)
    (delivery,) = [item for item in made.deliveries(None) if isinstance(item, Delivery)]
    write(tmp_path, answer([allocation(cpuCost=9)]))
    with pytest.raises(Unavailable, match="changed since"):
        made.charges(delivery)


# --- names ----------------------------------------------------------------------------------------------------------


def test_what_ran_is_told_by_tags(tmp_path: Path) -> None:
    (row,) = facts(read(tmp_path, answer([allocation(labels={"cost_center": "search", "app": "x"})])))
    assert row["tags"] == {
        "cluster": "prod",
        "namespace": "search",
        "controller": "api",
        "workload": "deployment/api",
        "cost-center": "search",
    }


def test_pods_and_nodes_are_kept_when_asked_for(tmp_path: Path) -> None:
    one = allocation()
    one["properties"] |= {"pod": "api-1", "node": "n"}
    keep = Keep(tags=frozenset({"pod", "node"}), cost_categories=frozenset())
    (row,) = facts(read(tmp_path, answer([one]), keep=keep))
    assert row["tags"] == {"pod": "api-1", "node": "n"}


@pytest.mark.parametrize(
    ("name", "namespace"), [("__idle__", "__idle__"), ("prod/n/__idle__", "__idle__"), ("p/x", "")]
)
def test_what_is_no_pods_is_named_in_place_of_a_namespace(tmp_path: Path, name: str, namespace: str) -> None:
    one = {"name": name, "properties": {}, "window": window("2026-04-01"), "cpuCost": 1, "totalCost": 1}
    (row,) = facts(read(tmp_path, answer([one]), cluster="named"))
    assert row["tags"].get("namespace", "") == namespace
    assert row["sub_account_id"] == "named"


def test_labels_of_the_namespace_stand_in_for_those_of_the_pod(tmp_path: Path) -> None:
    one, other = allocation(labels={"cost_center": "pod"}), allocation(namespace="b")
    for each in (one, other):
        each["properties"]["namespaceLabels"] = {"cost_center": "namespace"}
    assert sums(read(tmp_path, answer([one, other])), by_tag("cost-center")) == {
        "pod": Decimal("1.5"),
        "namespace": Decimal("1.5"),
    }


@pytest.mark.parametrize(
    ("labels", "tags"),
    [
        ({"a-b": "x", "a.b": "y"}, {"a-b": "x", "a.b": "y"}),
        ({"a-b": "x", "a.b": "x"}, {"a-b": "x", "a.b": "x"}),
        ({"a_b_conflict1": "x", "a_b_conflict2": "y"}, {"a-b-conflict1": "x", "a-b-conflict2": "y"}),
    ],
)
def test_labels_that_are_one_once_sanitised_are_told_and_not_merged(
    tmp_path: Path, labels: dict[str, str], tags: dict[str, str]
) -> None:
    scan = read(tmp_path, answer([allocation(labels=labels)]), keep=ALL)
    (row,) = facts(scan)
    assert {key: value for key, value in row["tags"].items() if key.startswith("a")} == tags
    assert "are one label to Prometheus ('a_b'): they are not merged" in warned(scan)


def test_a_label_cannot_pose_as_what_the_allocation_is(tmp_path: Path) -> None:
    labels = {"namespace": "other", "Cluster": "other", "workload": "x", "controller": "api"}
    scan = read(tmp_path, answer([allocation(labels=labels)]))
    (row,) = facts(scan)
    assert (row["tags"]["namespace"], row["tags"]["cluster"]) == ("search", "prod")
    assert row["tags"]["workload"] == "deployment/api"
    assert "label 'namespace' is left out" in warned(scan)
    assert "'controller'" not in warned(scan)


def test_labels_that_look_like_an_allocation_are_labels(tmp_path: Path) -> None:
    labels = {"properties": "x", "window": "y", "totalCost": "9", "cost_center": "search"}
    assert sums(read(tmp_path, answer([allocation(labels=labels)])), by_tag("cost-center")) == {
        "search": Decimal("1.5")
    }


@pytest.mark.parametrize(
    "value", ["=1+1", "a\nb", "\x00", "\ud800", "\u202e", "'; DROP TABLE", '"', "{}", "x" * 70_000]
)
def test_hostile_names_are_text(tmp_path: Path, value: str) -> None:
    one = allocation(namespace=value, labels={value: value, "cost_center": value})
    scan = read(tmp_path, answer([one]), keep=ALL)
    clean = value.replace("\x00", "\ufffd").replace("\ud800", "?")
    (row,) = facts(scan)
    assert row["tags"]["namespace"] == row["tags"]["cost-center"] == clean
    assert scan.billed() == {"USD": Decimal("1.5")}


@pytest.mark.parametrize("told", [{}, {"url": "http://a", "uri": "file:///b"}, {"uri": "x", "currency": "usd"}])
def test_settings_name_one_place(told: Mapping[str, str]) -> None:
    with pytest.raises(ValueError, match=r"name either url|currency"):
        opencost.Settings(name="k8s", **told)  # type: ignore[arg-type]


def test_days_and_months_of_one_cluster_are_one_cube() -> None:
    golden = Path(__file__).resolve().parents[2] / "golden" / "sources" / "opencost"
    days, month = ((golden / name / "cube.csv").read_bytes() for name in ("days", "month"))
    assert days == month
