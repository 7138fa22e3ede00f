"""Whose cost is watched: the levels of scopes in which an episode may open, by the day and by the hour.

A gateway that only tells whose the cost of others is, is watched in scopes of its own: its log is there within the
hour, the bill a day later, and what shows in both is one episode.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from finops_ai.domain.focus import NONE
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, HourlySeries
from finops_ai.jobs.data_quality import SOURCE_LEVEL
from finops_ai.jobs.forecast import LEVELS_OF_SCOPE
from finops_ai.jobs.run import Turn
from finops_ai.ledger import hours, series

_NAMED: tuple[tuple[str, ...], ...] = (
    ("sub_account_id",),
    ("service_name",),
    ("x_cost_center", "x_ai_model"),
)
"""Scopes that nobody is forecast a month for, but where cost may move without any other scope showing it."""
_LEVELS = (*LEVELS_OF_SCOPE, *_NAMED)
_PARTS: tuple[tuple[str, ...], ...] = (("sub_account_id", "service_name"), ("x_ai_model", "service_name"))
"""Of accounts, and of what no model made, which no other level divides; they are not judged themselves."""
_OF_GATEWAYS = (("source", "x_cost_center", "x_ai_model"),)


def by_day(
    turn: Turn, cost_basis: str, settle_days: Mapping[str, int], *, with_parts: bool = False
) -> list[CostSeries]:
    """Series of every level, and of every source: `is_watched` tells which of them may open an episode of cost.

    With parts of wider scopes alone only where they are asked for, and those last.
    """
    levels = (*_LEVELS, SOURCE_LEVEL, *(_PARTS if with_parts else ()))
    return series.series(turn.engine, levels=levels, cost_basis=cost_basis, as_of=turn.as_of, settle_days=settle_days)


def of_gateways(
    turn: Turn, cost_basis: str, settle_days: Mapping[str, int], gateways: Collection[str]
) -> list[CostSeries]:
    """Series of what `gateways` tell, by cost center and AI model."""
    if not gateways:
        return []
    every = series.series(
        turn.engine,
        levels=_OF_GATEWAYS,
        cost_basis=cost_basis,
        as_of=turn.as_of,
        settle_days=settle_days,
        of=gateways,
    )
    return [one for one in every if is_watched(one.scope)]


def by_hour(turn: Turn, cost_basis: str, gateways: Collection[str]) -> list[HourlySeries]:
    """Hours of the watched scopes, as far as sources are asked for them."""
    return [
        one
        for levels, of in ((_LEVELS, None), (_OF_GATEWAYS, gateways))
        for one in hours.hourly(turn.engine, levels=levels, cost_basis=cost_basis, as_of=turn.as_of, of=of)
        if is_watched(one.scope)
    ]


def is_watched(scope: Scope) -> bool:
    """Sources are the data's; what names no account, service or model is the rest of the bill and not a scope."""
    keys = tuple(key for key, _ in scope.pairs)
    named = all(value not in ("", NONE) for _, value in scope.pairs)
    return keys not in (SOURCE_LEVEL, *_PARTS) and (keys not in (*_NAMED, *_OF_GATEWAYS) or named)


def is_part(scope: Scope) -> bool:
    """Whether it is watched for the wider scope that it is a part of, and not for itself."""
    return tuple(key for key, _ in scope.pairs) in _PARTS
