"""What all series teach together: two boosted models, one of today and one that never saw the backtest's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.boosted import Boosted, Examples, examples, train, training_origins
from finops_ai.forecasting.lookback import Lookback
from finops_ai.forecasting.matrix import Group
from finops_ai.forecasting.settings import ForecastSettings

LEARNED_DAYS = 90
"""Farthest day ahead that is learned; later days keep its correction."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taught:
    """`now` learned from every known day, `before` from days at least `backtest_days` ago only."""

    now: Boosted
    before: Boosted


def held_back(days: int, settings: ForecastSettings) -> int:
    """The first day, of `days`, whose answers the backtest keeps from its model."""
    return days - min(settings.backtest_days, days // 2)


def teach(
    blocks: Sequence[tuple[Group, NDArray[np.bool_]]], horizon_days: int, settings: ForecastSettings
) -> Taught | None:
    """Learn from blocks of series, each with its announced changes (series, days + horizon_days).

    None when it is switched off or there is too little to learn from.
    """
    if not settings.boosted:
        return None
    total = sum(len(group.keys) for group, _ in blocks)
    now: list[Examples] = []
    before: list[Examples] = []
    for group, changes in blocks:
        days = group.values.shape[1]
        origins = training_origins(days, settings)
        if not origins:
            continue
        look, rolling = lookback(group, changes, min(horizon_days, LEARNED_DAYS), origins, settings)
        share = max(1, settings.boosted_series * look.size // total)
        now += examples(look, rolling, origins, known_days=days, series_per_origin=share)
        before += examples(look, rolling, origins, known_days=held_back(days, settings), series_per_origin=share)
    early = train(before, settings)
    late = train(now, settings) if early else None
    return Taught(now=late, before=early) if early and late else None


def lookback(
    group: Group, changes: NDArray[np.bool_], horizon_days: int, origins: Sequence[int], settings: ForecastSettings
) -> tuple[Lookback, Mapping[int, FloatArray]]:
    """What the boosted model is told from: the past, and the regression's forecast from each of `origins`."""
    rolling = Baseline(settings).walk(group.values, group.start, horizon_days, origins=origins).rolling
    return Lookback(group.values, group.start, horizon_days, changes), rolling


def changes_of(
    group: Group, scopes: Sequence[Scope], horizon_days: int, announced: Sequence[KnownEvent]
) -> NDArray[np.bool_]:
    """True on the first day of each announced change that a series may feel; (series, days + horizon_days)."""
    width = group.values.shape[1] + horizon_days
    changes = np.zeros((len(group.keys), width), dtype=bool)
    for event in announced:
        at = (event.days.start - group.start).days
        if 0 <= at < width:
            changes[[row for row, i in enumerate(group.members) if event.concerns(scopes[i])], at] = True
    return changes
