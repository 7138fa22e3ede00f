"""Rules: what they accept, what they need kept, and when two of them are the same."""

from __future__ import annotations

import pytest

from finops_ai.allocation.rules import Pattern, Place, Rules
from finops_ai.domain.errors import ConfigError


def test_spellings_of_one_key_are_one_place() -> None:
    rules = Rules(cost_center=("tag:cost_center", "tag:Cost-Center", "tag:user:cost-center", "cost_category:Team"))
    assert rules.cost_center == ("tag:cost-center", "cost_category:team")


def test_version_is_that_of_the_meaning_not_of_the_spelling() -> None:
    one = Rules(cost_center=("tag:cost_center",), accounts={"111": "a", "222": "b"})
    same = Rules(cost_center=("tag:Cost-Center", "tag:cost-center"), accounts={"222": "b", "111": " a "})
    assert one.version == same.version
    assert len(one.version) == 12


@pytest.mark.parametrize(
    "other",
    [
        Rules(cost_center=("tag:team",)),
        Rules(cost_center=("tag:cost-center",), defaults={"cost_center": "rest"}),
        Rules(cost_center=("tag:cost-center",), accounts={"1": "a"}),
        Rules(cost_center=("tag:cost-center",), patterns=(Pattern(dimension="service_name", glob="x", values={}),)),
        Rules(ai_model=("tag:cost-center",)),
    ],
)
def test_version_changes_with_the_meaning(other: Rules) -> None:
    assert other.version != Rules(cost_center=("tag:cost-center",)).version


def test_kept_keys_are_those_that_rules_and_patterns_read() -> None:
    rules = Rules(
        cost_center=("tag:cost-center", "cost_category:Team"),
        ai_model=("tag:Model_Name",),
        patterns=(Pattern(dimension="tag:stack", glob="ml-*", values={"environment": "prod"}),),
    )
    assert rules.keep_tags() == {"cost-center", "model-name", "stack"}
    assert rules.keep_cost_categories() == {"team"}


def test_every_problem_is_told_at_once_with_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        Rules(
            cost_center=("tags:team", "tag:"),
            accounts={"111": "(untagged)", "222": " "},
            patterns=(Pattern(dimension="colour", glob=" ", values={"owner": "x"}),),
            defaults={"cost_center": "(NONE)"},
        )
    told = {problem.column for problem in caught.value.problems}
    assert told == {
        "allocation.cost_center[0]",
        "allocation.cost_center[1]",
        "allocation.accounts.111",
        "allocation.accounts.222",
        "allocation.patterns[0].dimension",
        "allocation.patterns[0].glob",
        "allocation.patterns[0].values",
        "allocation.defaults.cost_center",
    }


def test_a_place_is_a_tag_a_cost_category_or_a_plain_dimension() -> None:
    assert Place.parse("tag:Team") == Place("tags", "team")
    assert str(Place.parse("service_name")) == "service_name"
    for wrong in ("tags", "x_cost_categories", "service", "service_name:x"):
        with pytest.raises(ValueError, match="is not tag:NAME"):
            Place.parse(wrong)
