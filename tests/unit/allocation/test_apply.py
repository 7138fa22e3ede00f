"""Allocation of a dimension table: the order of rules, and that no row is lost or moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.allocation.apply import allocate
from finops_ai.allocation.rules import Pattern, Rules
from finops_ai.domain.errors import Malformed
from finops_ai.domain.focus import ALLOCATED, DIMENSIONS

RULES = Rules(
    cost_center=("tag:cost_center", "cost_category:Team"),
    ai_model=("tag:model",),
    environment=("tag:env",),
    accounts={"111122223333": "by-sub", "000011112222": "by-payer"},
    patterns=(
        Pattern(dimension="service_name", glob="*bedrock*", values={"cost_center": "genai", "ai_model": "bedrock"}),
        Pattern(dimension="tag:stack", glob="ML-[0-9]", values={"cost_center": "stacks", "environment": "prod"}),
    ),
)


def table(*rows: Mapping[str, Any]) -> pa.Table:
    filled = [{**dict.fromkeys(DIMENSIONS, ""), **row} for row in rows]
    columns = {name: pa.array([row[name] for row in filled], pa.string()) for name in DIMENSIONS}
    return pa.table({"dimension": pa.array(range(len(rows)), pa.int32()), **columns})


def tags(**values: Any) -> str:
    return json.dumps({name.replace("_", "-"): value for name, value in values.items()})


def placed(row: Mapping[str, Any], rules: Rules = RULES) -> tuple[str, str, str, str]:
    (found,) = allocate(table(row), rules).select(list(ALLOCATED)).to_pylist()
    return tuple(found.values())  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("row", "cost_center", "rule"),
    [
        ({"tags": tags(cost_center=" search ")}, "search", "tag:cost-center"),
        ({"tags": tags(cost_center="  "), "x_cost_categories": tags(team="ads")}, "ads", "cost_category:team"),
        ({"tags": tags(cost_center="(Untagged)"), "sub_account_id": "111122223333"}, "by-sub", "account:111122223333"),
        ({"sub_account_id": "9", "billing_account_id": "000011112222"}, "by-payer", "account:000011112222"),
        ({"sub_account_id": "111122223333", "billing_account_id": "000011112222"}, "by-sub", "account:111122223333"),
        ({"sub_account_id": "111122223333", "service_name": "Amazon Bedrock"}, "by-sub", "account:111122223333"),
        ({"service_name": "Amazon Bedrock"}, "genai", "pattern:1"),
        ({"tags": tags(stack="ml-7")}, "stacks", "pattern:2"),
        ({"tags": tags(stack="ml-77")}, "(untagged)", ""),
        ({"tags": ""}, "(untagged)", ""),
        ({"tags": None}, "(untagged)", ""),
        ({"tags": '{"cost-center": null}'}, "(untagged)", ""),
        ({"tags": '{"cost-center": 4711}'}, "4711", "tag:cost-center"),
    ],
)
def test_first_hit_places_the_cost_center(row: Mapping[str, Any], cost_center: str, rule: str) -> None:
    found = placed(row)
    assert (found[0], found[3]) == (cost_center, rule)


def test_attributes_are_placed_each_by_its_own_rules() -> None:
    row = {"tags": tags(cost_center="search", stack="ml-1"), "service_name": "Amazon Bedrock"}
    assert placed(row) == ("search", "bedrock", "prod", "tag:cost-center")


def test_defaults_come_last_and_are_named() -> None:
    rules = Rules(cost_center=("tag:team",), defaults={"cost_center": "rest", "environment": "prod"})
    assert placed({}, rules) == ("rest", "(none)", "prod", "default")
    assert placed({"tags": tags(team="a")}, rules) == ("a", "(none)", "prod", "tag:team")


def test_account_ids_compare_without_case() -> None:
    rules = Rules(accounts={"AB12-cd": "ops"})
    assert placed({"sub_account_id": "ab12-CD"}, rules)[0] == "ops"


def test_text_that_no_database_can_hold_is_made_storable() -> None:
    found = placed({"tags": '{"cost-center": "a\\u0000b\\ud800"}'})[0]
    assert "\0" not in found
    assert found.startswith("a\ufffdb")
    found.encode()


def test_rows_keep_their_order_and_a_second_allocation_replaces_the_first() -> None:
    rows = table(*({"tags": tags(cost_center=f"cc-{i % 7}"), "sub_account_id": str(i)} for i in range(500)))
    once = allocate(rows, RULES)
    assert once.drop_columns(list(ALLOCATED)).equals(rows)
    assert once["x_cost_center"].to_pylist() == [f"cc-{i % 7}" for i in range(500)]
    assert allocate(once, RULES).equals(once)


def test_no_rows_and_chunked_rows_are_fine() -> None:
    assert allocate(table(), RULES).num_rows == 0
    chunked = pa.concat_tables([table({"tags": tags(cost_center="a")}), table({"service_name": "bedrock"})])
    assert allocate(chunked, RULES)["x_cost_center"].to_pylist() == ["a", "genai"]


@pytest.mark.parametrize("text", ["[1]", "{", '"x"', "[" * 100_000])
def test_tags_that_are_no_object_are_refused(text: str) -> None:
    with pytest.raises(Malformed, match="tags: not a JSON object"):
        allocate(table({"tags": text}), RULES)


@given(st.lists(st.dictionaries(st.sampled_from(["cost-center", "model", "env", "stack"]), st.text(max_size=5))))
def test_every_row_gets_exactly_one_owner(keys: list[dict[str, str]]) -> None:
    found = allocate(table(*({"tags": json.dumps(row)} for row in keys)), RULES)
    assert found.num_rows == len(keys)
    for name in ("x_cost_center", "x_ai_model", "x_environment"):
        assert all(found[name].to_pylist())
    for row, owner, rule in zip(
        keys, *(found[n].to_pylist() for n in ("x_cost_center", "x_allocation_rule")), strict=True
    ):
        assert (owner == "(untagged)") == (rule == "")
        said = row.get("cost-center", "").replace("\0", "\ufffd").strip()
        if said and said.lower() not in ("(untagged)", "(none)"):
            assert owner == said
