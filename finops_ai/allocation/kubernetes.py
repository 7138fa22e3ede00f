"""What clusters were billed, split over what ran in them: the bill gives the amounts, the attribution the shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from finops_ai.allocation.rules import MARKERS, glob_matches
from finops_ai.allocation.splits import settle
from finops_ai.domain.errors import UsageError
from finops_ai.domain.money import EXACT, split, total

Row = Mapping[str, Any]
WeighBy = Literal["node", "gpu", "cpu", "memory"]

IDLE, UNMATCHED = "(idle)", "(unmatched)"
"""In place of a workload: what nothing ran on, and what the attribution tells nothing of."""

IDLE_NAMESPACE = "__idle__"
COSTS = ("billed_cost", "effective_cost", "list_cost", "contracted_cost")

RESOURCES: Mapping[str, frozenset[str]] = {
    "node": frozenset({"CPU", "Memory", "GPU"}),
    "gpu": frozenset({"GPU"}),
    "cpu": frozenset({"CPU"}),
    "memory": frozenset({"Memory"}),
}
"""Whose attributed cost weighs, by x_sku_group of the attribution."""

USAGE_OF_NODES = {"service_category": "Compute", "charge_category": "Usage"}
"""What a tagged charge must be besides where no rule says more: load balancers carry the same tags."""

RECONCILED = ("billed_cost", "effective_cost", "workloads", "idle", "unmatched")
FACTOR = Decimal("0.000001")

ATTRIBUTION_KEYS = ("day", "source", "currency", "cluster", "namespace", "x_sku_group")
"""By what the rows of the attribution must be grouped, besides the keys asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Which charges of the bill are nodes or GPUs of a cluster: each key of `match` matches its glob (any case).

    A key is a dimension or tag:NAME; a glob never matches a tag that is not there. Without `match` it is what any of
    `tags` says. `source` names the attribution where several tell of one cluster. `weigh_by` says which of its
    resources weigh.
    """

    cluster: str
    source: str = ""
    match: Mapping[str, str] = field(default_factory=dict)
    weigh_by: WeighBy = "node"
    tags: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What a row of the bill must have."""
        return tuple(self.match) or (*USAGE_OF_NODES, *(f"tag:{tag}" for tag in self.tags))

    def takes(self, row: Row) -> bool:
        if self.match:
            return all(_matches(glob, row[key]) for key, glob in self.match.items())
        is_node = all(_matches(glob, row[key]) for key, glob in USAGE_OF_NODES.items())
        return is_node and any(row[f"tag:{tag}"] == self.cluster for tag in self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """`parts` are the clusters' charges split, `rest` the rows of no cluster as they were.

    `reconciliation` has a row for each day, cluster and currency: what the bill says, what became of its effective
    cost, and the attribution's own cost of the nodes, which the bill is `factor` times. `told` is what to warn of.
    """

    parts: Sequence[dict[str, Any]]
    rest: Sequence[Row]
    reconciliation: Sequence[dict[str, Any]]
    told: Sequence[str]


Receiver = tuple[Any, ...] | str
"""Values of the keys asked for, or IDLE or UNMATCHED."""

Place = tuple[date, str, str]
"""Day, cluster and currency."""


def clusters_named(attribution: Iterable[Row]) -> list[str]:
    """The clusters that an attribution tells of, sorted."""
    return sorted({row["cluster"] for row in attribution} - MARKERS)


def attribute(
    bill: Sequence[Row],
    attribution: Sequence[Row],
    nodes: Sequence[Nodes],
    keys: Sequence[str],
    kept: Sequence[str] = (),
    *,
    leave: bool = False,
) -> Split:
    """Split what the bill charges for nodes over what ran on them, within each day, cluster and currency.

    `bill` has `day`, `currency`, the keys that `nodes` look at, the keys `kept` and costs; the first of `nodes` that
    takes a row has it. `attribution` has ATTRIBUTION_KEYS, `keys` and effective costs, which weigh (negative ones as
    nothing). A part has `day`, `cluster`, `currency`, `kept`, `keys` and COSTS; its `keys` say IDLE or UNMATCHED where
    no workload is to be named. With `leave` a row's own value stays where the attribution names none.

    Raises UsageError when two sources tell of one cluster and none is chosen, Leak when a sum changed.
    """
    shares = _Shares(attribution, keys)
    taken, rest, told = _taken(bill, nodes)
    parts: list[dict[str, Any]] = []
    sums = _Sums()
    for one, row in _merged(taken, kept):
        place = (row["day"], one.cluster, row["currency"])
        for receiver, costs in _divided(row, shares.of(one, row["day"])):
            sums.add(place, receiver, costs)
            named = _named(receiver, keys, row if leave else {})
            parts.append({**row, "cluster": one.cluster, **named, **costs})
    settle([*rest, *(row for _, row in taken)], [*rest, *parts], "splitting what clusters cost", COSTS)
    return Split(parts=parts, rest=rest, reconciliation=sums.against(shares.totals(nodes)), told=told)


class _Shares:
    """What the attribution says, by cluster and day."""

    def __init__(self, attribution: Iterable[Row], keys: Sequence[str]) -> None:
        self._rows: dict[tuple[str, date], list[tuple[Receiver, Row]]] = {}
        self._weights: dict[tuple[str, str, date, str], Mapping[Receiver, Decimal]] = {}
        for row in attribution:
            receiver = IDLE if row["namespace"] == IDLE_NAMESPACE else tuple(row[key] for key in keys)
            self._rows.setdefault((row["cluster"], row["day"]), []).append((receiver, row))

    def of(self, nodes: Nodes, day: date) -> Mapping[Receiver, Decimal]:
        """The attributed cost of every receiver that has some, in a stable order."""
        at = (nodes.cluster, nodes.source, day, nodes.weigh_by)
        if at not in self._weights:
            sums: dict[Receiver, Decimal] = {}
            for receiver, row in self._told(nodes, day, RESOURCES[nodes.weigh_by]):
                sums[receiver] = EXACT.add(sums.get(receiver, Decimal(0)), row["effective_cost"])
            self._weights[at] = {each: sums[each] for each in sorted(sums, key=repr) if sums[each] > 0}
        return self._weights[at]

    def totals(self, nodes: Sequence[Nodes]) -> Iterator[tuple[date, str, str, Decimal]]:
        """Day, cluster, currency and the attribution's own cost of nodes, idle included, signs kept."""
        first = {one.cluster: one for one in reversed(nodes)}
        for cluster, day in sorted(self._rows):
            if cluster in first:
                rows = [row for _, row in self._told(first[cluster], day, RESOURCES["node"])]
                yield from (
                    (day, cluster, row["currency"], total(each["effective_cost"] for each in rows)) for row in rows[:1]
                )

    def _told(self, nodes: Nodes, day: date, resources: frozenset[str]) -> list[tuple[Receiver, Row]]:
        """Raises UsageError where weights of two sources or currencies would be added."""
        rows = [
            (receiver, row)
            for receiver, row in self._rows.get((nodes.cluster, day), ())
            if row["x_sku_group"] in resources and nodes.source in ("", row["source"])
        ]
        for key in ("source", "currency"):
            if len(said := {row[key] for _, row in rows}) > 1:
                raise UsageError(
                    f"cluster {nodes.cluster!r} is told by {key} {' and '.join(sorted(said))} on {day}: "
                    "name one source for it in allocation.kubernetes"
                )
        return rows


class _Sums:
    """Costs of each place by what became of them, to be held against what the attribution says."""

    def __init__(self) -> None:
        self._costs: dict[Place, dict[str, Decimal]] = {}

    def add(self, place: Place, receiver: Receiver, costs: Mapping[str, Decimal]) -> None:
        fate = {IDLE: "idle", UNMATCHED: "unmatched"}.get(receiver if isinstance(receiver, str) else "", "workloads")
        known = self._costs.setdefault(place, dict.fromkeys(RECONCILED, Decimal(0)))
        for name, cost in (
            ("billed_cost", costs["billed_cost"]),
            ("effective_cost", costs["effective_cost"]),
            (fate, costs["effective_cost"]),
        ):
            known[name] = EXACT.add(known[name], cost)

    def against(self, attribution: Iterable[tuple[date, str, str, Decimal]]) -> list[dict[str, Any]]:
        told = {(day, cluster): (currency, cost) for day, cluster, currency, cost in attribution}
        billed = {(day, cluster) for day, cluster, _ in self._costs}
        for (day, cluster), (currency, _) in told.items():
            if (day, cluster) not in billed:
                self._costs[day, cluster, currency] = dict.fromkeys(RECONCILED, Decimal(0))
        return [
            {
                **dict(zip(("day", "cluster", "currency"), place, strict=True)),
                **costs,
                **_compared(place[2], costs["effective_cost"], told.get(place[:2])),
            }
            for place, costs in sorted(self._costs.items())
        ]


def _compared(currency: str, cost: Decimal, told: tuple[str, Decimal] | None) -> dict[str, Any]:
    """The attribution's own cost, and how many times that the bill is; None where either is unknown."""
    if told is None:
        return {"attribution_cost": None, "attribution_currency": None, "factor": None}
    comparable = told[0] == currency and told[1] > 0 and cost
    factor = EXACT.divide(cost, told[1]).quantize(FACTOR) if comparable else None
    return {"attribution_cost": told[1], "attribution_currency": told[0], "factor": factor}


def _taken(bill: Sequence[Row], nodes: Sequence[Nodes]) -> tuple[list[tuple[Nodes, Row]], list[Row], list[str]]:
    """Rows with whose they are, the others, and what is to be told of rows that several clusters claim."""
    taken: list[tuple[Nodes, Row]] = []
    rest: list[Row] = []
    claims: dict[tuple[str, str], int] = {}
    for row in bill:
        takers = [one for one in nodes if one.takes(row)]
        if not takers:
            rest.append(row)
            continue
        taken.append((takers[0], row))
        for other in {one.cluster for one in takers[1:]} - {takers[0].cluster}:
            claims[takers[0].cluster, other] = claims.get((takers[0].cluster, other), 0) + 1
    told = [
        f"allocation.kubernetes: {first!r} and {other!r} both match {count:,} charges; {first!r} comes first, has them"
        for (first, other), count in sorted(claims.items())
    ]
    return taken, rest, told


def _merged(taken: Iterable[tuple[Nodes, Row]], kept: Sequence[str]) -> Iterator[tuple[Nodes, dict[str, Any]]]:
    """Rows of one day added up that differ in nothing that is kept."""
    names = tuple(dict.fromkeys(("day", "currency", *kept)))
    merged: dict[tuple[Any, ...], tuple[Nodes, dict[str, Any]]] = {}
    for one, row in taken:
        values = {name: row[name] for name in names}
        fresh = (one, {**values, **dict.fromkeys(COSTS, Decimal(0))})
        _, known = merged.setdefault((id(one), *values.values()), fresh)
        for cost in COSTS:
            known[cost] = EXACT.add(known[cost], row[cost])
    yield from merged.values()


def _divided(row: Row, weights: Mapping[Receiver, Decimal]) -> Iterator[tuple[Receiver, dict[str, Decimal]]]:
    receivers = weights or {UNMATCHED: Decimal(1)}
    costs = [split(row[name], list(receivers.values())) for name in COSTS]
    for receiver, *amounts in zip(receivers, *costs, strict=True):
        yield receiver, dict(zip(COSTS, amounts, strict=True))


def _named(receiver: Receiver, keys: Sequence[str], owner: Row) -> dict[str, Any]:
    """The keys of a part. What `owner` says of a key stands where the receiver says nothing."""
    if isinstance(receiver, str):
        return {key: owner.get(key, receiver) for key in keys}
    named = zip(keys, receiver, strict=True)
    return {key: owner.get(key, value) if value in MARKERS else value for key, value in named}


def _matches(glob: str, value: Any) -> bool:
    return value not in MARKERS and glob_matches(glob, str(value))
