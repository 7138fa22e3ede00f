"""Where in clusters an episode lies: the cluster, namespace and workload that carry most of its change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from finops_ai.detection.like_days import LikeDays
from finops_ai.domain.episode import Episode
from finops_ai.domain.focus import ALLOCATED, UNTAGGED
from finops_ai.domain.money import EXACT, total
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.jobs.run import Turn
from finops_ai.ledger import costs

PLACES = ("cluster", "namespace", "workload")
"""Tags of the ledger, from wide to narrow; an episode's place has them under these names."""

CARRIES = Decimal("0.6")
LEAST = Decimal("0.3")
"""An attribution whose change is a smaller share of the episode's excess tells of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Whether charges of the ledger carry workloads, and the `sources` that tell whose the cost of others is."""

    kept: bool = False
    sources: Sequence[str] = ()


NOT_KNOWN = Attribution()


def workload_of(turn: Turn, episode: Episode, cost_basis: str, known: Attribution, like: LikeDays) -> dict[str, str]:
    """What carries most of the change, by the bill itself or, where it knows nothing, by an attribution of it."""
    if not known.kept:
        return {}
    asked: list[tuple[Scope, str | None]] = [(episode.scope, None)]
    owned = Scope(tuple(pair for pair in episode.scope.pairs if pair[0] in ALLOCATED))
    if owned.pairs or not episode.scope.pairs:
        asked += [(owned, source) for source in known.sources]
    for scope, source in asked:
        found = _carriers(_changes(turn, episode, scope, source, cost_basis, like), episode.excess.amount)
        if found:
            return found
    return {}


def _changes(
    turn: Turn, episode: Episode, scope: Scope, source: str | None, cost_basis: str, like: LikeDays
) -> dict[tuple[str, ...], Decimal]:
    """By cluster, namespace and workload: what the episode's days cost beyond those before that are like them."""
    during = Days(episode.opened_on, episode.last_day + timedelta(days=1))
    names = [f"tag:{place}" for place in PLACES]
    rows: list[dict[str, Any]] = costs.breakdown(
        turn.engine,
        scope=Scope((*scope.pairs, ("source", source))) if source else scope,
        currency=episode.excess.currency,
        cost_basis=cost_basis,
        days=Days(like.before.start, during.end),
        keys=tuple(names),
        as_of=turn.as_of,
    )
    changes: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for row in rows:
        weight = Decimal(1) if row["day"] in during else -like.weights.get(row["day"], Decimal(0))
        at = tuple(str(row[name]) for name in names)
        changes[at] = EXACT.add(changes[at], EXACT.multiply(row["cost"], weight))
    return changes


def _carriers(changes: Mapping[tuple[str, ...], Decimal], excess: Decimal) -> dict[str, str]:
    """Values that carry most of what changed in the direction of the excess; none of another change."""
    sign = 1 if excess >= 0 else -1
    whole = sign * total(changes.values())
    if whole <= 0 or whole < EXACT.multiply(LEAST, abs(excess)):
        return {}
    found = {}
    for position, place in enumerate(PLACES):
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for at, change in changes.items():
            sums[at[position]] = EXACT.add(sums[at[position]], sign * change)
        best = max(sums, key=lambda value: (sums[value], value))
        if best != UNTAGGED and sums[best] >= EXACT.multiply(CARRIES, whole):
            found[place] = best
    return found
