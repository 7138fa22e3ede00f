"""Work that runs now and then and does not stop: how unusual an unbroken run of costly days is for its series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.series import FloatArray

_STOPS, _STAYS = 1.0, 2.0  # what is taken to have been seen of every series beforehand
_LONGER = 1.5  # times the longest run so far: a run that is longer is news
_LEAST_RUNS = 3  # runs that must have ended before one can be unusual
_IDLE = 0.1  # share of the days before it that were idle, at least


def unbroken(whole: FloatArray, young: NDArray[np.bool_], first: int, settings: DetectSettings) -> FloatArray:
    """p-value of each day's run of busy days, shape (series, days from `first` on), 1 where nothing can be said.

    `whole` (series, days) are costs, NaN for days that are not known: such a day neither ends a run nor makes it
    longer. Days that are `young` are not judged. The p-value is how often a run becomes so long if it ends on any day
    with the chance that the series' runs before it did; no run that is not clearly longer than all of them is unusual.
    """
    series, days = whole.shape
    known = np.isfinite(whole)
    busy = np.nan_to_num(whole) > idle_below(whole, known, settings)
    found = np.ones((series, days - first))
    run, longest, ended, stays, idle, age = (np.zeros(series) for _ in range(6))
    for t in range(days):
        on, off = busy[:, t] & known[:, t], ~busy[:, t] & known[:, t]
        ending = off & (run > 0)
        stays = np.where(ending, stays + run - 1, stays)
        idle, age = idle + off, age + known[:, t]
        longest, ended = np.where(ending, np.maximum(longest, run), longest), ended + ending
        run = np.where(off, 0.0, run + on)
        if t >= first:
            goes_on = 1 - (ended + _STOPS) / (ended + stays + _STOPS + _STAYS)
            rests = (ended >= _LEAST_RUNS) & (idle >= _IDLE * (age - run))
            unusual = on & rests & (run > _LONGER * longest) & ~young[:, t]
            found[:, t - first] = np.where(unusual, goes_on ** np.maximum(run - 1, 0), 1.0)
    return found


def idle_below(whole: FloatArray, known: NDArray[np.bool_], settings: DetectSettings) -> FloatArray:
    """Cost up to which a day of its time is idle, same shape: a share of what the days before it usually cost."""
    pad = np.zeros((len(whole), 1))
    spent = np.concatenate([pad, np.cumsum(np.where(known, np.abs(whole), 0.0), axis=1)], axis=1)
    counted = np.concatenate([pad, np.cumsum(known, axis=1)], axis=1)
    begin = np.maximum(np.arange(whole.shape[1]) - settings.job_days, 0)
    mean = (spent[:, :-1] - spent[:, begin]) / np.maximum(counted[:, :-1] - counted[:, begin], 1)
    scale: FloatArray = np.maximum(settings.small_cost, settings.small_share * mean)
    return scale
