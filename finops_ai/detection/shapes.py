"""What the cost of an episode did: a spike, a step, a drift, a drop, new spend, a dearer price, a lost discount."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from finops_ai.domain.episode import COST_KINDS, Episode, EpisodeState
from finops_ai.domain.series import CostSeries, FloatArray

_SPIKE_DAYS = 3
_MOSTLY = 0.7
_HARDLY = 0.3
_GROWTH_DAYS = 6
_GROWN = 0.6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metered:
    """Cost, list cost and quantity of the parts of an episode that count in one unit, usual and now."""

    usual_cost: FloatArray
    cost: FloatArray
    usual_list: FloatArray
    list_cost: FloatArray
    usual_quantity: FloatArray
    quantity: FloatArray


def shape(episode: Episode, metered: Metered | None, series: CostSeries | None = None) -> str:
    """One word for an episode of cost; "" for other kinds. A drift is what grows from day to day.

    Where quantities are as usual and the unit became dearer it is `price`, or `commitment` if its list price did not:
    then a discount ended or covers less.
    """
    if episode.kind not in COST_KINDS:
        return ""
    if episode.kind in ("drop", "new_spend"):
        return {"drop": "drop", "new_spend": "new"}[episode.kind]
    by_price = _by_price(metered, float(episode.excess.amount)) if metered is not None else ""
    if by_price:
        return by_price
    if episode.kind == "drift" or (series is not None and _grows(episode, series)):
        return "drift"
    days = (episode.last_day - episode.opened_on).days + 1
    over = episode.state is EpisodeState.RESOLVED and not episode.accepted
    return "step" if episode.accepted or days > (2 * _SPIKE_DAYS if over else _SPIKE_DAYS) else "spike"


def _grows(episode: Episode, series: CostSeries) -> bool:
    """Whether the last third of its days exceeds what was expected by far more than the first third did."""
    first, end = ((day - series.days.start).days for day in (episode.opened_on, episode.last_day + timedelta(days=1)))
    if first < 0 or end - first < _GROWTH_DAYS:
        return False
    excess = series.values[first:end] - float(episode.expected.amount) / (end - first)
    third = (end - first) // 3
    began, ended = float(np.mean(excess[:third])), float(np.mean(excess[-third:]))
    return ended > 0 and began < _GROWN * ended


def _by_price(metered: Metered, excess: float) -> str:
    counted = (metered.usual_quantity > 0) & (metered.quantity > 0) & (metered.usual_cost > 0)
    if excess <= 0 or not counted.any():
        return ""
    grown = metered.quantity[counted] / metered.usual_quantity[counted]
    dearer = float((metered.cost[counted] - metered.usual_cost[counted] * grown).sum())
    if dearer < _MOSTLY * excess:
        return ""
    listed = float((metered.list_cost[counted] - metered.usual_list[counted] * grown).sum())
    has_list = float(np.abs(metered.list_cost[counted]).sum()) > 0
    return "commitment" if has_list and abs(listed) < _HARDLY * dearer else "price"
