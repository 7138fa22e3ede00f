"""Work that was done on another day: what one day cost more, another of the same week cost less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.expectation import expand
from finops_ai.domain.series import FloatArray

_WEEK = 7
_STANDS_OUT = 3.0  # usual errors
_EQUAL = 0.25  # of the larger amount: by so much two that are one job's may differ


def moved(base: FloatArray, surprise: FloatArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far each day may lie above and below `base` because work was only moved, compressed; shape (series, days).

    A job that runs a day late is no news once the day without it was seen, nor is the day without it once it ran early.
    Where both were seen a week ago the job was rescheduled: it is expected on its new day and not on its old one.
    `base` and `surprise` (series, days) are compressed, NaN surprises say nothing; `scale` (series,) is a usual error.
    """
    lift = np.where(np.abs(surprise) > _STANDS_OUT * scale[:, None], surprise, 0.0)  # NaN compares false
    rows = np.flatnonzero((lift > 0).any(axis=1) & (lift < 0).any(axis=1))
    up, down = np.zeros(lift.shape), np.zeros(lift.shape)
    if len(rows):
        up[rows], down[rows] = _excused(np.nan_to_num(base[rows]), lift[rows])
    return up, down


def _excused(level: FloatArray, lift: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same for rows that have both; `lift` is 0 on days that do not stand out."""
    money = expand(level + lift, 1.0) - expand(level, 1.0)
    made_up, paired = np.zeros((2, *lift.shape), dtype=np.bool_)  # by a day of the week before; by one on either side
    for back in range(1, _WEEK):
        pair = _one_job(money[:, back:], money[:, :-back])
        made_up[:, back:] |= pair
        paired[:, back:] |= pair
        paired[:, :-back] |= pair
    known, again = np.where(made_up, lift, 0.0), np.zeros(lift.shape)
    again[:, _WEEK:] = np.where(paired, lift, 0.0)[:, :-_WEEK]
    return np.maximum(np.maximum(known, again), 0.0), np.maximum(np.maximum(-known, -again), 0.0)


def _one_job(one: FloatArray, other: FloatArray) -> NDArray[np.bool_]:
    """Where one amount is more and the other as much less."""
    larger = np.maximum(np.abs(one), np.abs(other))
    found: NDArray[np.bool_] = (one * other < 0) & (np.abs(one + other) <= _EQUAL * larger)
    return found
