"""Completed days, as far as they can be believed: an estimate that is unsure says little beside what was expected.

What a day is completed to errs by its spread, what was expected of it by the usual error of the series. The two are
weighed by their variances, as in a Kalman filter's update (R. E. Kalman, J. Basic Eng. 82 (1960)), so that a steady
scope does not move with every guess of how much is still to come. Where they contradict each other the bill is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from finops_ai.domain.expectation import compress, expand
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.lookback import quiet
from finops_ai.forecasting.matrix import Group, align
from finops_ai.forecasting.nowcast import AGES
from finops_ai.forecasting.settings import ForecastSettings

_LEARN_DAYS, _LEAST_DAYS = 28, 21  # whose errors are the usual ones, and how many of them must be known
_SIGMA = 1.25  # mean absolute error to standard deviation of a normal
_CONTRADICT = 3.0  # standard deviations


def believe(
    series: Sequence[CostSeries], spreads: Sequence[FloatArray], settings: ForecastSettings
) -> list[CostSeries]:
    """The series with their last complete days as far as they can be believed.

    `spreads[i]` (any number of days,) is the standard deviation of the last complete days of `series[i]`, in its
    currency; NaN and 0 are sure. Days before and after those stay as they are.
    """
    found = list(series)
    unsure = [i for i, spread in enumerate(spreads) if np.nan_to_num(spread).any()]
    for group in align([series[i] for i in unsure], history_days=settings.history_days):
        members = [unsure[k] for k in group.members]
        width = min(AGES, group.values.shape[1])
        spread = np.stack([_last(spreads[i], width) for i in members])
        told = _told(group, spread, settings)
        guessed = (spread > 0) & np.isfinite(told)
        for row, i in enumerate(members):
            values = series[i].values.copy()
            last = values[: len(series[i].complete_values)][-width:]
            np.copyto(last, told[row, width - len(last) :], where=guessed[row, width - len(last) :])
            found[i] = replace(series[i], values=values)
    return found


def _last(spread: FloatArray, width: int) -> FloatArray:
    """The last `width` of it, 0 where there are none."""
    found = np.zeros(width)
    own = np.nan_to_num(spread[-width:]) if width else found
    found[width - len(own) :] = own
    return found


def _told(group: Group, spread: FloatArray, settings: ForecastSettings) -> FloatArray:
    """The last days of the group, shape of `spread` (series, last days), drawn to what was expected of them."""
    width, small = spread.shape[1], settings.small_cost
    first = group.values.shape[1] - width
    walk = Baseline(settings).walk(group.values, group.start, width, origins=(first,))
    x = compress(group.values, small)
    missed = np.abs(x - compress(walk.day_ahead, small))[:, max(first - _LEARN_DAYS, 0) : first]
    enough = np.isfinite(missed).sum(axis=1) >= _LEAST_DAYS
    error = np.where(enough, _SIGMA * quiet(np.nanmean, missed.T), np.inf)[:, None]
    expected = compress(walk.rolling[first], small)
    doubt = spread / np.hypot(group.values[:, first:], 2 * small)  # of the compressed cost
    away = x[:, first:] - expected
    share = 1 / (1 + (doubt / np.maximum(error, 1e-9)) ** 2)
    share = np.where(np.abs(away) <= _CONTRADICT * np.hypot(error, doubt), share, 1.0)
    told: FloatArray = np.where(share < 1, expand(expected + share * away, small), group.values[:, first:])
    return told
