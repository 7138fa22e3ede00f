"""Last year's course again: what a series did around the same days a year ago, at the level of today.

Where seasons are a series' own (cooling in summer, sales before Christmas) thirteen months of history tell more of the
next weeks than any trend. Most bills have none, so that it has to win first, and by its course, not by its level.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.backtest import Window
from finops_ai.forecasting.champion import COMBINATION, Contest, backtest_error, cheap, say
from finops_ai.forecasting.lookback import running
from finops_ai.forecasting.matrix import Group
from finops_ai.forecasting.settings import ForecastSettings

WITH_LAST_YEAR = "last-year+combination"

_YEAR, _WEEK = 364, 7  # weekdays are kept
_LEVEL_DAYS = 28
_AROUND = 7  # days on either side that are taken together
_MOST = 3.0  # times up or down: a course, not an incident
_LEAST_JUDGED = 60  # days of backtest


class Growth:
    """The weekdays of the last four weeks, growing as they did in the year before: what is left without a course."""

    name = "growth"
    version = "1"

    def forecast(self, history: FloatArray, start: date, horizon_days: int, keys: Sequence[str]) -> FloatArray:
        """NaN where the history does not reach back so far."""
        return _ahead(history, horizon_days, seasonal=False)


class LastYear:
    """The weekdays of the last four weeks times how far the days around lay from the month before them, a year ago."""

    name = "last-year"
    version = "1"

    def forecast(self, history: FloatArray, start: date, horizon_days: int, keys: Sequence[str]) -> FloatArray:
        """NaN where the history does not reach back so far."""
        return _ahead(history, horizon_days, seasonal=True)


def _ahead(history: FloatArray, horizon_days: int, *, seasonal: bool) -> FloatArray:
    size, days = history.shape
    then, ahead = days - _YEAR, np.arange(horizon_days)
    if then < _LEVEL_DAYS:
        return np.full((size, horizon_days), np.nan)
    reach = history[:, then - _LEVEL_DAYS : then + horizon_days + _AROUND]
    known = np.isfinite(reach)
    sums, counts = running(np.where(known, reach, 0.0)), running(known)
    usual = _mean(sums, counts, np.zeros(1, dtype=np.intp), np.full(1, _LEVEL_DAYS))
    usual = np.where(usual > 0, usual, np.nan)
    weeks = history[:, -_LEVEL_DAYS:].reshape(size, -1, _WEEK)
    if seasonal:
        first = _LEVEL_DAYS + ahead - _AROUND
        times = _mean(sums, counts, first, np.minimum(first + 2 * _AROUND + 1, reach.shape[1])) / usual
    else:
        year = np.clip(weeks.mean(axis=(1, 2))[:, None] / usual, 1 / _MOST, _MOST)
        times = year ** (ahead / _YEAR)
    profile = np.median(weeks, axis=1)[:, ahead % _WEEK]
    return np.asarray(profile * np.clip(times, 1 / _MOST, _MOST), dtype=np.float64)


def follow_last_year(
    state: Contest, group: Group, windows: Sequence[Window], horizon_days: int, settings: ForecastSettings
) -> None:
    """Give last year's course a say where it won, in place: over the combination, its parts, and a year's growth.

    What grows steadily grew last year too; that is no course.
    """
    combined = np.array([one == COMBINATION for one in state.champions], dtype=np.bool_)
    if not combined.any() or group.values.shape[1] < _YEAR + _LEVEL_DAYS + _LEAST_JUDGED // 2:
        return
    rival, grown = (cheap(one, group, windows, horizon_days) for one in (LastYear(), Growth()))
    part = say(horizon_days)
    mixed = part * rival.past + (1 - part) * state.past
    both = np.isfinite(state.answer) & np.isfinite(mixed)
    answer = np.where(both, state.answer, np.nan)
    course, mine = backtest_error(answer, rival.past), backtest_error(answer, mixed)
    others = [backtest_error(answer, one) for one in (state.past, grown.past, *(one.past for one in state.candidates))]
    won = (course < np.min(others, axis=0) * (1 - settings.challenge_margin)) & (mine < others[0])
    won &= (both.sum(axis=(1, 2)) >= _LEAST_JUDGED) & np.isfinite(rival.point).all(axis=1)
    for row in np.flatnonzero(won & combined):
        state.champions[row] = WITH_LAST_YEAR
        state.errors[row][rival.name] = round(float(course[row]), 6)
        state.point[row] = part * rival.point[row] + (1 - part) * state.point[row]
        state.past[row] = np.where(np.isfinite(mixed[row]), mixed[row], state.past[row])


def _mean(sums: FloatArray, counts: FloatArray, first: NDArray[np.intp], last: NDArray[np.intp]) -> FloatArray:
    """Means from `first` to before `last`, (series, len(first)); NaN where less than a week is known."""
    count = counts[:, last] - counts[:, first]
    return np.where(count >= _WEEK, (sums[:, last] - sums[:, first]) / np.maximum(count, 1), np.nan)
