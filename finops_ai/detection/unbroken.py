"""Work that runs now and then and does not stop: how unusual an unbroken run of costly days is for its series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.busy_days import Rhythm
from finops_ai.domain.series import FloatArray

BoolArray = NDArray[np.bool_]

_STOPS, _STAYS = 1.0, 2.0  # what is taken to have been seen of every series beforehand
_LONGER = 1.5  # times the longest run so far: a run that is longer is news
_LEAST_RUNS = 3  # runs that must have ended before one can be unusual
_IDLE = 0.1  # share of the days before it that were idle, at least


def unbroken(jobs: Rhythm, known: BoolArray, young: BoolArray, first: int) -> FloatArray:
    """p-value of each day's run of busy days, shape (series, days from `first` on), 1 where nothing can be said.

    Only series whose `jobs` run now and then are judged, and no day that is `young` (series, days, as `known`). A day
    that is not known neither ends a run nor makes it longer. The p-value is how often a run becomes so long if it ends
    on any day with the chance that the series' runs before it did; no run that is not clearly longer than all of them
    is unusual.
    """
    found = np.ones((len(known), known.shape[1] - first))
    rows = jobs.now_and_then
    found[rows] = _in_rows(jobs.busy[rows], known[rows], young[rows], first)
    return found


def _in_rows(busy: BoolArray, known: BoolArray, young: BoolArray, first: int) -> FloatArray:
    series, days = busy.shape
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
