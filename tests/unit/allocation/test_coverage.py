"""Coverage: what is placed and by which rule adds up to what was charged."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from finops_ai.allocation.coverage import coverage
from finops_ai.domain.report import Leader, NamedCost, ProposedRule


def row(owner: str, rule: str, cost: str, **more: Any) -> dict[str, Any]:
    base = {"currency": "USD", "sub_account_id": "1", "service_name": "S3", "billing_account_id": "0"}
    return {**base, **more, "x_cost_center": owner, "x_allocation_rule": rule, "billed_cost": Decimal(cost)}


def test_rules_and_untagged_add_up_and_accounts_are_one_family() -> None:
    rows = [
        row("a", "tag:team", "50"),
        row("b", "account:1", "20"),
        row("c", "account:2", "10"),
        row("(untagged)", "", "15"),
        row("(untagged)", "", "5", sub_account_id="", service_name="EC2"),
        row("a", "default", "7", currency="EUR"),
    ]
    eur, usd = coverage(rows, cost_basis="billed")
    assert usd.by_rule == (NamedCost("tag:team", Decimal(50)), NamedCost("account", Decimal(30)))
    assert (usd.cost, usd.untagged, usd.ratio) == (Decimal(100), Decimal(20), 0.8)
    assert [(one.name, one.cost) for one in usd.leaders] == [("1 · S3", Decimal(15)), ("EC2", Decimal(5))]
    assert (eur.currency, eur.cost, eur.ratio) == ("EUR", Decimal(7), 1.0)


def test_leaders_name_the_rule_that_would_place_them() -> None:
    rows = [row("a", "tag:team", "97"), row("b", "tag:team", "3"), row("(untagged)", "", "15")]
    rows += [
        row("(untagged)", "", "4", sub_account_id="2"),
        row("(untagged)", "", "2", sub_account_id="", service_name=""),
    ]
    (usd,) = coverage(rows, cost_basis="billed")
    rule = ProposedRule(text='accounts: {"1": "a"}', cost_center="a", share=0.97, among="this account")
    assert usd.leaders == (
        Leader("1 · S3", Decimal(15), rule),
        Leader("2 · S3", Decimal(4)),
        Leader("(unknown)", Decimal(2)),
    )
    (first,) = coverage(rows, cost_basis="billed", leaders=1)
    assert first.leaders == usd.leaders[:1]


def test_nothing_charged_has_no_ratio() -> None:
    assert coverage([], cost_basis="billed") == ()
    (found,) = coverage([row("a", "tag:x", "0")], cost_basis="billed")
    assert found.ratio is None
