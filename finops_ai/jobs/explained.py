"""An episode with the ledger's exact cost, the place that explains it best, and what its cost did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from finops_ai.detection.causes import finish
from finops_ai.detection.contributors import Breakdown, Share
from finops_ai.detection.levels import accepted
from finops_ai.detection.like_days import LikeDays, like_days
from finops_ai.detection.localise import Parts, localise
from finops_ai.detection.shapes import Metered, shape
from finops_ai.domain.episode import Cause, Episode
from finops_ai.domain.forecast import Score
from finops_ai.domain.money import EXACT, total
from finops_ai.domain.period import Days
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.jobs.run import Turn
from finops_ai.jobs.workloads import NOT_KNOWN, Attribution, workload_of
from finops_ai.ledger import costs

ATTRIBUTES = (
    "x_sku_group",
    "x_ai_model",
    "service_name",
    "x_cost_center",
    "sub_account_id",
    "region_id",
    "x_environment",
)
"""Keys by which an episode is explained and placed; where several explain it as well, the first does."""

UNIT = "consumed_unit"
NAMES_NEW = {"region_id": "region", "sub_account_id": "account", "x_sku_group": "meter", "service_name": "service"}
_CARRIES = 0.6
_WORTH_NAMING = 0.1
_MOST_NEW = 3

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """The finest parts of an episode as the ledger has them, by ATTRIBUTES and unit, usual and now."""

    parts: Parts
    metered: Metered


def explained(
    turn: Turn,
    episode: Episode,
    cost_basis: str,
    watched: CostSeries,
    judged: Mapping[Any, Score],
    attribution: Attribution = NOT_KNOWN,
) -> Episode:
    """`episode` made exact: its causes add up to its excess, `where` holds what carries most of it.

    `watched` is the cost of its scope by the day; the days that were `judged`, by scope, currency and day, say what was
    expected of them.
    """
    during = Days(episode.opened_on, episode.last_day + timedelta(days=1))
    own = {day: judged.get((episode.scope, episode.excess.currency, day)) for day in during}
    like = like_days(during, watched, {day: score.expected for day, score in own.items() if score})
    every = costs.breakdown(
        turn.engine,
        scope=episode.scope,
        currency=episode.excess.currency,
        cost_basis=cost_basis,
        days=Days(like.before.start, during.end),
        keys=(*ATTRIBUTES, UNIT),
        as_of=turn.as_of,
    )
    rows = [row for row in every if row["day"] in during or row["day"] in like.weights]
    free = [key for key in ATTRIBUTES if episode.scope.get(key) is None]
    sums = _sums(rows, like, during)
    found = localise(sums.parts, free)
    keys, first = (found[0].keys, found[0].elements) if found else ((free[0],), ())
    observed = total(row["cost"] for row in rows if row["day"] in during)
    done = finish(episode, observed=observed, breakdown=_breakdown(rows, keys, like, during), first=first)
    place = {**workload_of(turn, done, cost_basis, attribution, like), **_carriers(sums.parts), **done.where}
    done = done.with_(where=place, accepted=accepted(done, watched))
    return done.with_(shape=shape(done, sums.metered, watched), causes=_naming_new(done.causes, sums.parts, keys))


def _breakdown(rows: Rows, keys: tuple[str, ...], like: LikeDays, during: Days) -> Breakdown:
    sums: dict[tuple[Any, ...], tuple[Decimal, Decimal | None]] = {}
    for row in rows:
        at = (row["day"], tuple(str(row[key]) for key in keys), str(row[UNIT]))
        cost, quantity = sums.get(at, (Decimal(0), None))
        more = row["quantity"]
        known = quantity if more is None else more if quantity is None else EXACT.add(quantity, more)
        sums[at] = (EXACT.add(cost, row["cost"]), known)
    shares = [Share(day, what, cost, quantity, unit) for (day, what, unit), (cost, quantity) in sums.items()]
    return Breakdown(
        keys=keys,
        weights=like.weights,
        baseline=[share for share in shares if share.day not in during],
        during=[share for share in shares if share.day in during],
    )


def _sums(rows: Rows, like: LikeDays, during: Days) -> _Sums:
    """Sums by part: usual ones by means over the like days before, as causes have them."""
    weights = {day: float(weight) for day, weight in like.weights.items()}
    numbers: dict[tuple[str, ...], int] = {}
    where = [numbers.setdefault(tuple(str(row[key]) for key in (*ATTRIBUTES, UNIT)), len(numbers)) for row in rows]
    of_part = np.array(where, dtype=np.int64)
    usual = np.array([weights.get(row["day"], 0.0) for row in rows], dtype=np.float64)
    now = np.array([1.0 if row["day"] in during else 0.0 for row in rows], dtype=np.float64)

    def summed(name: str, weight: FloatArray) -> FloatArray:
        values = np.array([float(row[name] or 0) for row in rows], dtype=np.float64)
        return np.bincount(of_part, weights=values * weight, minlength=len(numbers)).astype(np.float64)

    values = {key: [what[i] for what in numbers] for i, key in enumerate(ATTRIBUTES)}
    metered = Metered(
        usual_cost=summed("cost", usual),
        cost=summed("cost", now),
        usual_list=summed("list_cost", usual),
        list_cost=summed("list_cost", now),
        usual_quantity=summed("quantity", usual),
        quantity=summed("quantity", now),
    )
    return _Sums(parts=Parts(values=values, expected=metered.usual_cost, observed=metered.cost), metered=metered)


def _by_value(parts: Parts, key: str) -> dict[str, tuple[float, float]]:
    sums: dict[str, tuple[float, float]] = {}
    for value, expected, observed in zip(
        parts.values[key], parts.expected.tolist(), parts.observed.tolist(), strict=True
    ):
        usual, now = sums.get(value, (0.0, 0.0))
        sums[value] = (usual + expected, now + observed)
    return sums


def _carriers(parts: Parts) -> dict[str, str]:
    """Values that carry most of the change, by key."""
    whole = float((parts.observed - parts.expected).sum())
    sign = 1 if whole >= 0 else -1
    found = {}
    for key in ATTRIBUTES:
        by_value = {value: sign * (now - usual) for value, (usual, now) in _by_value(parts, key).items()}
        best = max(by_value, key=lambda value: (by_value[value], value), default=None)
        if best is not None and whole and by_value[best] >= _CARRIES * abs(whole):
            found[key] = best
    return found


def _naming_new(causes: tuple[Cause, ...], parts: Parts, told: tuple[str, ...]) -> tuple[Cause, ...]:
    """The causes; the first also names regions, accounts, meters and services that never cost anything before."""
    whole = abs(float((parts.observed - parts.expected).sum()))
    new = [
        f"new {name} {value}"
        for key, name in NAMES_NEW.items()
        if key not in told
        for value, (usual, now) in sorted(_by_value(parts, key).items())
        if usual == 0 and value and now > _WORTH_NAMING * whole
    ]
    if not causes or not new:
        return causes
    first = causes[0]
    note = "; ".join(filter(None, (first.note, *new[:_MOST_NEW])))
    return (replace(first, note=note), *causes[1:])
