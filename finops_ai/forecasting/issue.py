"""The forecast of one block of series before it has bands: who forecasts what, and how far a day may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.backtest import Window
from finops_ai.forecasting.boosted import Ahead
from finops_ai.forecasting.champion import COMBINATION, Contest, backtest_error
from finops_ai.forecasting.combination import weights
from finops_ai.forecasting.intervals import day_unit
from finops_ai.forecasting.lookback import Lookback
from finops_ai.forecasting.matrix import Group
from finops_ai.forecasting.reversion import lately_announced, revert
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.forecasting.teaching import Taught, held_back, lookback

VERSION = "1"
_USUAL_DAYS = 28
_LEAST = 1e-9
_NOW_AND_THEN = 0.05  # share of days without cost from which on a series is taken to run now and then ...
_FEE = 0.1  # share of days with cost under which a series is taken for a fee
_NOTHING = 0.03  # ... and a median below this share of its level is taken for no cost at all


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """Units `below` and `above` the forecast, (series, horizon_days), and the same of the backtest (…, windows, …).

    `learned` (series, horizon_days) is the share of the forecast that a model learned from all series has.
    """

    learned: FloatArray
    below: FloatArray
    above: FloatArray
    past_below: FloatArray
    past_above: FloatArray


def usual(history: FloatArray, settings: ForecastSettings) -> FloatArray:
    """Mean absolute cost of the last four weeks, at least the small cost; shape (series,).

    Of a fee, which costs nothing on nearly all days, next to nothing: what it may cost is its forecast.
    """
    recent = history[:, -_USUAL_DAYS:]
    known = np.isfinite(recent)
    count = np.maximum(known.sum(axis=1), 1)
    sizes = np.where(known, np.abs(recent), 0.0)
    mean = sizes.sum(axis=1) / count
    fee = (sizes > _LEAST).sum(axis=1) < _FEE * count
    found: FloatArray = np.maximum(np.where(fee, _NOTHING * mean, mean), settings.small_cost)
    return found


def plain_spread(state: Contest, group: Group, past: Sequence[Window], settings: ForecastSettings) -> Spread:
    """Units without a learned model: between the forecast and the usual cost, to both sides alike."""
    ahead = day_unit(state.point, usual(group.values, settings))
    sizes = [usual(one.values[:, : one.origin], settings) for one in past]
    before = day_unit(state.past, np.stack(sizes, axis=1)) if past else np.zeros_like(state.past)
    nothing = np.zeros_like(state.point)
    return Spread(learned=nothing, below=ahead, above=ahead, past_below=before, past_above=before)


def combine(
    state: Contest,
    spread: Spread,
    group: Group,
    changes: NDArray[np.bool_],
    past: Sequence[Window],
    taught: Taught,
    classes: NDArray[np.intp],
    settings: ForecastSettings,
) -> None:
    """Put the combination with the boosted model in place of the champion, in place, for every series that is warm."""
    days, horizon_days = group.values.shape[1], state.point.shape[1]
    held = held_back(days, settings)
    judged = [k for k, one in enumerate(past) if one.origin >= held]
    warm = np.isfinite(group.values).sum(axis=1) >= settings.cold_days
    if not judged or not warm.any():
        return
    origins = [days, *(past[k].origin for k in judged)]
    look, rolling = lookback(group, changes, horizon_days, origins, settings)
    ahead = np.arange(horizon_days)
    now = taught.now.ahead(look, days, ahead, rolling[days])
    before: dict[int, Ahead] = {}
    for k in judged:
        origin = past[k].origin
        before[k] = taught.before.ahead(look, origin, ahead, rolling[origin])
    boosted_past = np.full_like(state.past, np.nan)
    for k, one in before.items():
        boosted_past[:, k] = one.median
    candidates = [*state.candidates]
    points = np.stack([*(one.point for one in candidates), now.median])
    pasts = [*(one.past for one in candidates), boosted_past]
    scale = np.maximum(look.week_error(days), _LEAST)
    scale = np.where(np.isfinite(scale), scale, np.nan)
    share = weights(state.answer, pasts, scale, classes, horizon_days)
    combined = np.sum([weight[:, None] * one for weight, one in zip(share, pasts, strict=True)], axis=0)
    state.past[warm] = combined[warm]
    state.point[warm] = _whole_or_nothing((share * points).sum(axis=0), look, days)[warm]
    for k in judged:
        state.past[warm, k] = _whole_or_nothing(combined[:, k], look, past[k].origin)[warm]
    told = lately_announced(changes[warm], [*(one.origin for one in past), days])
    state.point[warm], state.past[warm] = revert(
        state.point[warm], state.past[warm], state.answer[warm], told, settings.origin_step
    )
    spread.below[warm], spread.above[warm] = now.below[warm], now.above[warm]
    spread.learned[warm] = share[-1][warm]
    for k, one in before.items():
        spread.past_below[warm, k], spread.past_above[warm, k] = one.below[warm], one.above[warm]
    _tell(state, warm, boosted_past)


def _whole_or_nothing(median: FloatArray, look: Lookback, origin: int) -> FloatArray:
    """Medians (series, days) of work that runs now and then are 0 where they are next to nothing."""
    rests = np.nan_to_num(look.mean(origin, 91, "zero")) > _NOW_AND_THEN
    small = np.abs(median) < _NOTHING * look.level(origin)[:, None]
    return np.where(rests[:, None] & small, 0.0, median)


def _tell(state: Contest, warm: NDArray[np.bool_], boosted_past: FloatArray) -> None:
    """Name the combination as champion, with the backtest errors of all that are in it on the same days."""
    answer = np.where(np.isfinite(boosted_past), state.answer, np.nan)
    errors = {one.name: backtest_error(answer, one.past) for one in state.candidates}
    errors |= {"boosted": backtest_error(answer, boosted_past), COMBINATION: backtest_error(answer, state.past)}
    for row in np.flatnonzero(warm):
        state.champions[row] = COMBINATION
        state.errors[row] = {name: round(float(e[row]), 6) for name, e in errors.items() if np.isfinite(e[row])}
