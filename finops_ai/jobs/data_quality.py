"""Doubts about the bill, from how it arrived and what is on it; and the episodes of cost that they explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import numpy as np

from finops_ai.detection.deliveries import LEARN_DAYS, overdue, shrunk
from finops_ai.detection.doubts import advance_doubts, excused, noting
from finops_ai.detection.holes import holes
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.tag_loss import tag_losses
from finops_ai.domain.doubt import Doubt
from finops_ai.domain.episode import Episode
from finops_ai.domain.money import Money, total
from finops_ai.domain.period import Days
from finops_ai.domain.rounding import micros
from finops_ai.domain.series import CostSeries
from finops_ai.jobs.run import Turn
from finops_ai.ledger import costs
from finops_ai.ledger.arrivals import arrivals

SOURCE_LEVEL = ("source",)
PLACES = ("x_cost_center", "x_ai_model")
"""Keys whose values come from tags."""

_USUAL_DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """Episodes of cost that stand, the episodes of data, and the doubts behind these."""

    cost: tuple[Episode, ...]
    data: tuple[Episode, ...]
    doubts: tuple[Doubt, ...] = field(default=())


def doubted(
    turn: Turn,
    found: Sequence[Episode],
    previous: Sequence[Episode],
    series: Sequence[CostSeries],
    *,
    cost_basis: str,
    settings: DetectSettings,
    owners: Mapping[str, str],
) -> Doubted:
    """`found` episodes of cost without the fresh ones that a doubt about the bill explains, and the doubts' own.

    An episode that was told stays told. `series` has those of SOURCE_LEVEL among others.
    """
    doubts = _doubts(turn, series, settings)
    data = advance_doubts(previous, doubts, today=turn.as_of.date(), owners=owners, cost_basis=cost_basis)
    known = {one.key for one in previous}
    kept = []
    for one in found:
        fresh = one.key not in known
        doubt = excused(one, doubts, _feeds(turn, one, cost_basis) if one.kind == "drop" else {}) if fresh else None
        if doubt is None:
            kept.append(one)
        else:
            data = noting(data, doubt, one.scope)
    return Doubted(cost=tuple(kept), data=tuple(data), doubts=tuple(doubts))


def _doubts(turn: Turn, series: Sequence[CostSeries], settings: DetectSettings) -> list[Doubt]:
    today = turn.as_of.date()
    sources = [one for one in series if _keys(one) == SOURCE_LEVEL]
    came = arrivals(turn.engine, turn.as_of - timedelta(days=LEARN_DAYS), turn.as_of)
    floors = {"*": Decimal(str(settings.floor)), **{code: Decimal(str(each)) for code, each in settings.floors.items()}}
    found = [
        *overdue(came, turn.as_of, _usual_cost(sources)),
        *shrunk(came, turn.as_of, floors),
        *holes(sources, today, settings),
    ]
    for key in PLACES:
        found += tag_losses([one for one in series if _keys(one) == (key,)], key, today, settings)
    return found


def _keys(one: CostSeries) -> tuple[str, ...]:
    return tuple(key for key, _ in one.scope.pairs)


def _usual_cost(sources: Sequence[CostSeries]) -> dict[str, Money]:
    """A usual day of each source, in the currency that it bills most in."""
    found: dict[str, Money] = {}
    for one in sources:
        last = one.complete_values[-_USUAL_DAYS:]
        usual = Money(micros(float(np.median(last)) if len(last) else 0.0), one.currency)
        name = one.scope.pairs[0][1]
        if name not in found or found[name].amount < usual.amount:
            found[name] = usual
    return found


def _feeds(turn: Turn, episode: Episode, cost_basis: str) -> dict[str, float]:
    """The share of each source in the cost of the episode's scope in the four weeks before it."""
    rows = costs.breakdown(
        turn.engine,
        scope=episode.scope,
        currency=episode.excess.currency,
        cost_basis=cost_basis,
        days=Days(episode.opened_on - timedelta(days=_USUAL_DAYS), episode.opened_on),
        keys=SOURCE_LEVEL,
        as_of=turn.as_of,
    )
    whole = total(row["cost"] for row in rows)
    by_source: dict[str, Decimal] = {}
    for row in rows:
        by_source[row["source"]] = total((by_source.get(row["source"], Decimal(0)), row["cost"]))
    return {source: float(cost / whole) for source, cost in by_source.items()} if whole > 0 else {}
