"""Shared costs split over cost centers at read time: even, proportional or fixed, every cent once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from finops_ai.allocation.rules import glob_matches
from finops_ai.domain.errors import ConfigError, Leak, UsageError
from finops_ai.domain.focus import MEASURES, UNTAGGED
from finops_ai.domain.money import EXACT, split, total

Row = Mapping[str, Any]
Method = Literal["even", "proportional", "fixed"]
Group = tuple[str, Any]
"""Currency and day (None where rows have no day) within which a shared cost is split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Shared costs and who carries them.

    A row belongs to the pool when each key of `match` matches its glob (any case, whole value); a glob on
    x_cost_center never matches "(untagged)". `to` names the receivers of an even or proportional split, all direct
    cost centers when empty; `shares` those of a fixed one, adding up to 1 or to 100. Raises ConfigError.
    """

    name: str
    match: Mapping[str, str]
    method: Method
    to: tuple[str, ...] = ()
    shares: Mapping[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"allocation.pools.{self.name}"
        if not self.match:
            raise ConfigError(f"{where}.match: is empty; name at least one key, or the pool would take every cost")
        if UNTAGGED in (*self.to, *self.shares, self.match.get("x_cost_center")):
            raise ConfigError(f"{where}: {UNTAGGED} neither gives nor receives shared costs: it stays visible")
        if len(set(self.to)) < len(self.to):
            raise ConfigError(f"{where}.to: names a cost center twice")
        if self.method != "fixed":
            if self.shares:
                raise ConfigError(f"{where}.shares: only method fixed has shares; this one is {self.method}")
            return
        if self.to:
            raise ConfigError(f"{where}.to: method fixed names its receivers in shares")
        whole = total(self.shares.values())
        if whole not in (1, 100) or any(share < 0 for share in self.shares.values()):
            raise ConfigError(f"{where}.shares: must be positive and add up to 1 or 100, not {whole}")

    def takes(self, row: Row) -> bool:
        for key, glob in self.match.items():
            value = str(row[key])
            if (key == "x_cost_center" and value == UNTAGGED) or not glob_matches(glob, value):
                return False
        return True


def keys_needed(pools: Iterable[Pool]) -> frozenset[str]:
    """Keys by which rows must be grouped before `share` can tell what is shared."""
    return frozenset(key for pool in pools for key in pool.match)


def share(rows: Sequence[Row], pools: Sequence[Pool]) -> list[dict[str, Any]]:
    """Split the rows of each pool over its cost centers; the first pool that takes a row has it.

    Rows carry x_cost_center, currency, the keys that the pools match and any of focus.MEASURES as Decimal or None;
    every other key is kept. A split happens within one currency, and one day where `day` is a key. Weights are
    the direct effective costs there (negative ones count as none; all none: even). Rows of a pool that differ only
    in x_cost_center become one before they are split; what nobody can receive stays where it was. Result: direct
    rows, then parts; `x_shared_from` names the pool or is ''.
    Raises UsageError when a row lacks a key, Leak when a currency's sum changed.
    """
    needed = keys_needed(pools) | {"x_cost_center", "currency"}
    for row in rows:
        if missing := needed - row.keys():
            raise UsageError(f"shared costs cannot be split without {', '.join(sorted(missing))}: group by it too")
    direct: list[Row] = []
    shared: list[tuple[Pool, Row]] = []
    for row in rows:
        pool = next((pool for pool in pools if pool.takes(row)), None)
        if pool is None:
            direct.append(row)
        else:
            shared.append((pool, row))
    weights = _weights(direct)
    direct += [row for pool, row in shared if not _has_receivers(pool, row, weights)]
    result = [{**row, "x_shared_from": ""} for row in direct]
    for pool, merged in _merged((pool, row) for pool, row in shared if _has_receivers(pool, row, weights)):
        result.extend(_parts(merged, pool, weights))
    settle(rows, result, "splitting shared costs")
    return result


def _merged(shared: Iterable[tuple[Pool, Row]]) -> Iterator[tuple[Pool, dict[str, Any]]]:
    """Rows added up that differ in nothing but who they were first placed with: the split forgets that anyway."""
    merged: dict[Any, tuple[Pool, dict[str, Any]]] = {}
    for pool, row in shared:
        measures = row.keys() & set(MEASURES)
        keys = tuple((name, value) for name, value in row.items() if name not in measures and name != "x_cost_center")
        _, known = merged.setdefault((id(pool), keys), (pool, {**row, **dict.fromkeys(measures)}))
        for name in measures:
            if row[name] is not None:
                known[name] = EXACT.add(known[name] or Decimal(0), row[name])
    yield from merged.values()


def _group(row: Row) -> Group:
    return row["currency"], row.get("day")


def _weights(direct: Iterable[Row]) -> dict[Group, dict[str, Decimal]]:
    """Direct effective cost of each cost center, by group and, under the day None, over all days."""
    weights: dict[Group, dict[str, Decimal]] = {}
    for row in direct:
        if row["x_cost_center"] == UNTAGGED:
            continue
        for group in {_group(row), (row["currency"], None)}:
            known = weights.setdefault(group, {})
            cost = row.get("effective_cost") or Decimal(0)
            known[row["x_cost_center"]] = EXACT.add(known.get(row["x_cost_center"], Decimal(0)), cost)
    return weights


def _has_receivers(pool: Pool, row: Row, weights: Mapping[Group, Mapping[str, Decimal]]) -> bool:
    return bool(pool.to or pool.shares or weights.get((row["currency"], None)))


def _receivers(pool: Pool, row: Row, weights: Mapping[Group, Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """Cost centers that carry a row, with their weights."""
    if pool.method == "fixed":
        return {name: share for name, share in pool.shares.items() if share}
    # A day without any direct cost borrows the owners of the whole range.
    direct = weights.get(_group(row)) or weights.get((row["currency"], None), {})
    names = pool.to or tuple(sorted(direct))
    positive = {name: direct[name] for name in names if direct.get(name, Decimal(0)) > 0}
    if pool.method == "proportional" and positive:
        return positive
    return dict.fromkeys(names, Decimal(1))


def _parts(row: dict[str, Any], pool: Pool, weights: Mapping[Group, Mapping[str, Decimal]]) -> Iterator[dict[str, Any]]:
    receivers = _receivers(pool, row, weights)
    measured = [name for name in MEASURES if row.get(name) is not None]
    parts = {name: split(row[name], list(receivers.values())) for name in measured}
    for i, receiver in enumerate(receivers):
        part = {name: parts[name][i] for name in measured}
        yield {**row, **part, "x_cost_center": receiver, "x_shared_from": pool.name}


def settle(before: Sequence[Row], after: Sequence[Row], by: str, measures: Sequence[str] = MEASURES) -> None:
    """Raises Leak when `by` changed the sum of a measure in a currency."""
    for measure in measures:
        gone = _sums(before, measure)
        come = _sums(after, measure)
        if gone != come:
            raise Leak(f"{by} changed {measure} from {gone} to {come}")


def _sums(rows: Sequence[Row], measure: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row.get(measure) is not None:
            sums[row["currency"]] = EXACT.add(sums.get(row["currency"], Decimal(0)), row[measure])
    return sums
