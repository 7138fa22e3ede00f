"""No fee, no season, and yet it comes again: heights that a series reached on several occasions in half a year."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.series import FloatArray

_WEEK, _WEEKS = 7, 26
_OCCASIONS = 6  # more than a few incidents of a week, which may touch two each, make together
_STANDS_OUT = 3.0  # usual errors: lower heights are the usual error itself


def habitual(left: FloatArray, unit: FloatArray, settings: DetectSettings) -> FloatArray:
    """Surprise that each day may have because the days before it had it in six different weeks; shape of `left`.

    `left` (series, days) is the surprise after all other excuses, `unit` (series,) its usual errors. Machines with two
    states, work that comes in bursts: the first times are news, what comes again every few weeks is not. An incident of
    a week touches two weeks, so that two of them vouch for nothing; the newest days are left out: none excuses itself.
    """
    days, lag = left.shape[1], settings.unsure_days
    reach = _WEEK * _WEEKS
    filled = np.where(left > _STANDS_OUT * unit[:, None], left, 0.0)  # NaN compares false
    rows = np.flatnonzero((filled > 0).sum(axis=1) >= _OCCASIONS)
    found = np.zeros(left.shape)
    if not len(rows) or not days:
        return found
    padded = np.concatenate([np.zeros((len(rows), reach + lag)), filled[rows]], axis=1)
    week = sliding_window_view(padded, _WEEK, axis=1).max(axis=2)  # of the seven days from each on
    before = np.stack([week[:, at : at + days] for at in range(0, reach, _WEEK)])  # ends `lag` days before each day
    found[rows] = np.partition(before, _WEEKS - _OCCASIONS, axis=0)[_WEEKS - _OCCASIONS]
    return found
