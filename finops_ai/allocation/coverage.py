"""How much of a bill is placed, by which rule, who leads what is not, and which rules would place that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from finops_ai.allocation.suggestions import Pair, propose
from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.money import EXACT, total
from finops_ai.domain.report import Coverage, Leader, NamedCost

COVERAGE_KEYS = ("sub_account_id", "service_name", "billing_account_id", "x_cost_center", "x_allocation_rule")
"""What the rows must be grouped by."""

Key = TypeVar("Key", str, Pair)


def coverage(rows: Sequence[Mapping[str, Any]], *, cost_basis: str, leaders: int = 5) -> tuple[Coverage, ...]:
    """One value per currency, sorted by currency.

    `rows` are direct cost rows (before shared costs are split) with currency, COVERAGE_KEYS and `<cost_basis>_cost`.
    Credits count with their sign, so a share may lie outside 0..1. `leaders` is how many places of untagged cost, the
    dearest of a currency, are named.
    """
    by_currency: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_currency.setdefault(row["currency"], []).append(row)
    measure = f"{cost_basis}_cost"
    led = {currency: _leaders(by_currency[currency], measure)[:leaders] for currency in sorted(by_currency)}
    # The same rule counts in every currency, so all of them are its evidence.
    proposed = propose(rows, {pair for ranked in led.values() for pair, _ in ranked}, measure=measure)
    return tuple(
        _coverage(
            currency,
            by_currency[currency],
            measure,
            tuple(Leader(_name(pair), cost, proposed.get(pair)) for pair, cost in ranked),
        )
        for currency, ranked in led.items()
    )


def _coverage(currency: str, rows: Sequence[Mapping[str, Any]], measure: str, leaders: tuple[Leader, ...]) -> Coverage:
    rules: dict[str, Decimal] = {}
    cost = Decimal(0)
    for row in rows:
        cost = EXACT.add(cost, row[measure])
        if row["x_cost_center"] != UNTAGGED:
            _add(rules, _family(row["x_allocation_rule"]), row[measure])
    return Coverage(
        currency=currency,
        cost=cost,
        by_rule=tuple(NamedCost(name, cost) for name, cost in _ranked(rules)),
        untagged=EXACT.subtract(cost, total(rules.values())),
        leaders=leaders,
    )


def _leaders(rows: Sequence[Mapping[str, Any]], measure: str) -> list[tuple[Pair, Decimal]]:
    untagged: dict[Pair, Decimal] = {}
    for row in rows:
        if row["x_cost_center"] == UNTAGGED:
            _add(untagged, (row["sub_account_id"], row["service_name"]), row[measure])
    return _ranked(untagged)


def _name(pair: Pair) -> str:
    return " · ".join(filter(None, pair)) or "(unknown)"


def _family(rule: str) -> str:
    """`account:9123` is one of many like it; the other rules stand for themselves."""
    return "account" if rule.startswith("account:") else rule


def _add(costs: dict[Key, Decimal], key: Key, cost: Decimal) -> None:
    costs[key] = EXACT.add(costs.get(key, Decimal(0)), cost)


def _ranked(costs: Mapping[Key, Decimal]) -> list[tuple[Key, Decimal]]:
    return sorted(costs.items(), key=lambda item: (-item[1], item[0]))
