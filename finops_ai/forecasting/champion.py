"""Which forecaster serves which series: the one with the smallest rolling backtest error, the cheaper on a tie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.accuracy import wape
from finops_ai.forecasting.backtest import Window
from finops_ai.forecasting.base import Forecaster
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.matrix import Group
from finops_ai.forecasting.naive import SeasonalNaive, TrailingMean
from finops_ai.forecasting.prophet import NoFit, ProphetForecaster
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.forecasting.theta import Theta

COMBINATION = "combination"
WITH_PROPHET = "prophet+combination"
"""Where Prophet beats the combination it has a say: what won three windows need not win the fourth."""

_SHARE = 0.5  # a challenger's say, in full ...
_FULL_DAYS = 28  # ... from so many days ahead on: tomorrow is known better
_COLD = 1  # the place of the seasonal naive among the candidates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One forecaster on all series: `point` (series, horizon), `past` (series, windows, horizon)."""

    name: str
    point: FloatArray
    past: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contest:
    """The champion of each series, with its forecast and its backtest; `errors` are shares of the cost per name.

    `answer` (series, windows, horizon) is NaN where a day is not known or the window's history was too short.
    `candidates` are all that competed, the cheapest first.
    """

    champions: list[str]
    point: FloatArray
    past: FloatArray
    answer: FloatArray
    errors: list[dict[str, float]]
    candidates: tuple[Candidate, ...]


def contest(group: Group, windows: Sequence[Window], horizon_days: int, settings: ForecastSettings) -> Contest:
    """Let the forecasters that cost next to nothing compete on every series; cold ones keep the seasonal naive.

    The baseline defends: the detector needs its pass anyway, so it is the cheapest.
    """
    begun = np.isfinite(group.values)
    shape = (len(group.keys), len(windows), horizon_days)
    answer = np.full(shape, np.nan)
    for k, window in enumerate(windows):
        warm = begun[:, : window.origin].sum(axis=1) >= settings.cold_days
        answer[warm, k] = window.answer()[warm]

    candidates = [
        _baseline(group, windows, horizon_days, settings),
        *(cheap(one, group, windows, horizon_days) for one in (SeasonalNaive(), TrailingMean(), Theta())),
    ]
    errors = np.stack([backtest_error(answer, one.past) for one in candidates])
    best = np.where(begun.sum(axis=1) < settings.cold_days, _COLD, 0)
    for i in range(1, len(candidates)):
        lowest = np.take_along_axis(errors, best[None], axis=0)[0]
        best[errors[i] < lowest * (1 - settings.challenge_margin)] = i  # never where nothing was judged: NaN
    point, past = candidates[0].point.copy(), candidates[0].past.copy()
    for i, one in enumerate(candidates[1:], start=1):
        rows = best == i
        point[rows], past[rows] = one.point[rows], one.past[rows]
    return Contest(
        champions=[candidates[i].name for i in best],
        point=point,
        past=past,
        answer=answer,
        errors=[
            {one.name: round(float(e), 6) for one, e in zip(candidates, column, strict=True) if np.isfinite(e)}
            for column in errors.T
        ],
        candidates=tuple(candidates),
    )


def challenge(
    state: Contest, rows: Iterable[int], group: Group, windows: Sequence[Window], settings: ForecastSettings
) -> None:
    """Let Prophet compete on some `rows`: its winners replace the champion in place, where it fails nothing changes.

    It is judged on the newest windows whose answer is whole, the champion on the same ones, and has to win all of them:
    three windows of one series are few.
    """
    prophet = ProphetForecaster()
    horizon_days = state.point.shape[1]
    days = group.values.shape[1]
    whole = [k for k, window in enumerate(windows) if window.origin + horizon_days <= days]
    chosen = (whole or list(range(len(windows))))[:: -max(1, horizon_days // settings.origin_step)]
    chosen = chosen[: settings.prophet_windows]
    for row in rows:
        history = group.values[row : row + 1]
        past = np.full((1, *state.past.shape[1:]), np.nan)
        try:
            for k in chosen:
                past[0, k] = prophet.forecast(
                    history[:, : windows[k].origin], group.start, horizon_days, group.keys[row : row + 1]
                )
            mine, theirs = (
                backtest_error(state.answer[row : row + 1], past),
                backtest_error(
                    state.answer[row : row + 1], np.where(np.isfinite(past), state.past[row : row + 1], np.nan)
                ),
            )
            if np.isfinite(mine[0]):
                state.errors[row][prophet.name] = round(float(mine[0]), 6)
            if not (mine[0] < theirs[0] * (1 - settings.challenge_margin) and _ahead_in_each(state, row, past)):
                continue
            point = prophet.forecast(history, group.start, horizon_days, group.keys[row : row + 1])
        except NoFit:
            continue
        if COMBINATION in state.champions[row]:
            part = say(horizon_days)
            state.champions[row] = WITH_PROPHET
            state.point[row] = part * point[0] + (1 - part) * state.point[row]
            state.past[row] = part * past[0] + (1 - part) * state.past[row]
        else:
            state.champions[row], state.point[row], state.past[row] = prophet.name, point[0], past[0]


def say(horizon_days: int) -> FloatArray:
    """How much a challenger counts that beat the combination, for each day ahead (horizon_days,)."""
    return _SHARE * within_weeks(horizon_days)


def within_weeks(horizon_days: int) -> FloatArray:
    """From next to nothing tomorrow to 1 in four weeks and after, for each day ahead (horizon_days,)."""
    return np.minimum(np.arange(1, horizon_days + 1) / _FULL_DAYS, 1.0)


def _ahead_in_each(state: Contest, row: int, past: FloatArray) -> bool:
    """Whether `past` (1, windows, horizon_days) errs no more than the champion in each window that judges both."""
    both = np.isfinite(past[0]) & np.isfinite(state.past[row]) & np.isfinite(state.answer[row])
    mine, theirs = (
        np.where(both, np.abs(one - state.answer[row]), 0.0).sum(axis=1) for one in (past[0], state.past[row])
    )
    return bool((mine <= theirs).all())


def cheap(forecaster: Forecaster, group: Group, windows: Sequence[Window], horizon_days: int) -> Candidate:
    """Today's forecast of one forecaster and those of the backtest."""
    past = np.full((len(group.keys), len(windows), horizon_days), np.nan)
    for k, window in enumerate(windows):
        past[:, k] = window.forecast(forecaster, group.keys)
    point = forecaster.forecast(group.values, group.start, horizon_days, group.keys)
    return Candidate(name=forecaster.name, point=point, past=past)


def _baseline(group: Group, windows: Sequence[Window], horizon_days: int, settings: ForecastSettings) -> Candidate:
    """All origins in one pass; equal to one forecast per window, because the pass looks at no later day."""
    end = group.values.shape[1]
    origins = [window.origin for window in windows]
    rolling = Baseline(settings).walk(group.values, group.start, horizon_days, origins=[*origins, end]).rolling
    past = np.full((len(group.keys), len(windows), horizon_days), np.nan)
    for k, origin in enumerate(origins):
        past[:, k] = rolling[origin]
    return Candidate(name=Baseline.name, point=rolling[end], past=past)


def backtest_error(answer: FloatArray, past: FloatArray) -> FloatArray:
    """Absolute errors over all windows as a share of the cost, shape (series,); NaN where nothing could be judged."""
    both = np.isfinite(answer) & np.isfinite(past)
    share = wape(
        np.where(both, answer, 0.0).reshape(len(answer), -1), np.where(both, past, 0.0).reshape(len(answer), -1)
    )
    return np.where(both.reshape(len(both), -1).any(axis=1), share, np.nan)
