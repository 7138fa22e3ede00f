"""How much of a bill is placed, by which rule, and who leads what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.money import EXACT, total
from finops_ai.domain.report import Coverage, NamedCost


def coverage(
    rows: Sequence[Mapping[str, Any]],
    *,
    cost_basis: str,
    leader_keys: Sequence[str] = ("sub_account_id", "service_name"),
    leaders: int = 5,
) -> tuple[Coverage, ...]:
    """One value per currency, sorted by currency.

    `rows` are direct cost rows (before shared costs are split) with currency, x_cost_center, x_allocation_rule, the
    leader keys and `<cost_basis>_cost`. Credits count with their sign, so a share may lie outside 0..1.
    """
    by_currency: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_currency.setdefault(row["currency"], []).append(row)
    measure = f"{cost_basis}_cost"
    return tuple(
        _coverage(currency, by_currency[currency], measure, leader_keys, leaders) for currency in sorted(by_currency)
    )


def _coverage(
    currency: str, rows: Sequence[Mapping[str, Any]], measure: str, leader_keys: Sequence[str], leaders: int
) -> Coverage:
    untagged: dict[str, Decimal] = {}
    rules: dict[str, Decimal] = {}
    cost = Decimal(0)
    for row in rows:
        cost = EXACT.add(cost, row[measure])
        if row["x_cost_center"] == UNTAGGED:
            _add(untagged, " · ".join(str(row[key]) for key in leader_keys if row[key]) or "(unknown)", row[measure])
        else:
            _add(rules, _family(row["x_allocation_rule"]), row[measure])
    return Coverage(
        currency=currency,
        cost=cost,
        by_rule=_ranked(rules),
        untagged=EXACT.subtract(cost, total(rules.values())),
        leaders=_ranked(untagged)[:leaders],
    )


def _family(rule: str) -> str:
    """`account:9123` is one of many like it; the other rules stand for themselves."""
    return "account" if rule.startswith("account:") else rule


def _add(costs: dict[str, Decimal], name: str, cost: Decimal) -> None:
    costs[name] = EXACT.add(costs.get(name, Decimal(0)), cost)


def _ranked(costs: Mapping[str, Decimal]) -> tuple[NamedCost, ...]:
    return tuple(NamedCost(name, cost) for name, cost in sorted(costs.items(), key=lambda item: (-item[1], item[0])))
