"""What the cost of an episode did: a spike, a step, a drift, a drop, new spend, a dearer price, a lost discount."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finops_ai.domain.episode import COST_KINDS, Episode, EpisodeState
from finops_ai.domain.series import FloatArray

_SPIKE_DAYS = 3
_MOSTLY = 0.7
_HARDLY = 0.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metered:
    """Cost, list cost and quantity of the parts of an episode that count in one unit, usual and now."""

    usual_cost: FloatArray
    cost: FloatArray
    usual_list: FloatArray
    list_cost: FloatArray
    usual_quantity: FloatArray
    quantity: FloatArray


def shape(episode: Episode, metered: Metered | None) -> str:
    """One word for an episode of cost; "" for other kinds.

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
    if episode.kind == "drift":
        return "drift"
    days = (episode.last_day - episode.opened_on).days + 1
    over = episode.state is EpisodeState.RESOLVED and not episode.accepted
    return "step" if episode.accepted or days > (2 * _SPIKE_DAYS if over else _SPIKE_DAYS) else "spike"


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
