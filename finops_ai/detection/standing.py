"""A floor where there was none: the same cost day after day in a series that otherwise rests, as an idle machine's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.busy_days import Rhythm
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.series import FloatArray

_SAME = 0.005  # share by which two costs of a month may differ and be the same
_TRUED_UP = 0.05  # ... and of two months, one of which may not be trued up yet
_WHOLE = 0.01  # blur up to which a day's cost is known well enough to say so
_UNSURE = 3.0  # blurs by which a day that is not whole may seem to lie below the floor
_LEAST_DAYS = 3  # of the same cost, before they can be a floor
_LEAST_RUNS = 3  # runs that must have ended before one can be unusual
_ALIKE, _OTHERWISE = 1.0, 3.0  # runs of equal and of different days that every series is taken to have had


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """A standing charge on each day, shape (series, days): its `cost`, 0 for none, and its `p_value`, else 1."""

    p_value: FloatArray
    cost: FloatArray


def standing(
    whole: FloatArray,
    blur: FloatArray,
    jobs: Rhythm,
    young: NDArray[np.bool_],
    month: NDArray[np.intp],
    first: int,
    settings: DetectSettings,
) -> Standing:
    """The standing charge of each day from `first` on, of the series whose `jobs` leave them at rest.

    `whole` (series, days) are costs, NaN where unknown, `blur` how unsurely each is known, as a share: what is not
    practically whole neither begins a floor nor ends one. `month` (days,) numbers the months of the bill. A floor
    begins with two days of the same cost and lasts until a day costs less; jobs may run on top of it. The p-value is
    how often so many of its days would be equal by chance, at the share of equal days in the series' runs before (each
    counts once, however long it was), so that jobs of a fixed size find nothing; the smallest since it began, until it
    has stood so long that it is how things are.
    """
    from scipy.special import betainc

    found = Standing(p_value=np.ones(whole[:, first:].shape), cost=np.zeros(whole[:, first:].shape))
    rows = np.flatnonzero(jobs.rests)
    whole, blur, young, busy = whole[rows], blur[rows], young[rows], jobs.busy[rows]
    known = np.isfinite(whole)
    sure = known & (blur <= _WHOLE)
    cost = np.where(busy, np.nan_to_num(whole), 0.0)
    walk = _Walk(len(rows))
    for t in range(whole.shape[1]):
        walk.step(cost[:, t], int(month[t]), sure[:, t] & busy[:, t], sure[:, t] & ~busy[:, t])
        chance = betainc(np.maximum(walk.same - 1, 1), walk.days - walk.same + 1, walk.usual_share())  # of a binomial
        ready = (walk.same >= _LEAST_DAYS) & (walk.runs >= _LEAST_RUNS) & ~young[:, t]
        walk.p_value = np.minimum(walk.p_value, np.where(ready, chance, 1.0))
        least = walk.floor * (1 - walk.apart(int(month[t])) - _UNSURE * np.minimum(blur[:, t], 1.0))
        stands = known[:, t] & (cost[:, t] >= least) & (walk.age < settings.former_days) & (walk.p_value < 1)
        for i in np.flatnonzero(stands):  # all its days, for none of them was anything else than the ones after it
            its = np.s_[rows[i], max(t - first - int(walk.age[i]), 0) : max(t - first + 1, 0)]
            found.p_value[its], found.cost[its] = walk.p_value[i], walk.floor[i]
    return found


class _Walk:
    """What is known of each series before a day, all (series,): its floor and its runs before; updated in place."""

    def __init__(self, size: int) -> None:
        self.floor, self.days, self.same, self.age = (np.zeros(size) for _ in range(4))
        self.p_value, self.month = np.ones(size), np.zeros(size, dtype=np.intp)  # the month of its last day
        self.before = np.zeros(size)  # cost of the last busy day, of any run
        self.run, self.equal = np.zeros(size), np.zeros(size)  # days of the run that is on, and those like one before
        self.runs, self.shares = np.zeros(size), np.zeros(size)  # runs that ended, and the sum of their equal shares

    def usual_share(self) -> FloatArray:
        """Share of equal days in a run, from the runs that ended and a few that every series is taken to have had."""
        return (self.shares + _ALIKE) / (self.runs + _ALIKE + _OTHERWISE)

    def apart(self, month: int) -> FloatArray:
        """Share by which a cost of `month` may differ from the floor and be the same."""
        return np.where(self.month == month, _SAME, _TRUED_UP)

    def step(self, cost: FloatArray, month: int, busy: NDArray[np.bool_], idle: NDArray[np.bool_]) -> None:
        """One day on; days that are neither `busy` nor `idle` for sure change nothing but the age of a floor."""
        on_floor = np.abs(cost - self.floor) <= self.apart(month) * self.floor
        again = on_floor | (np.abs(cost - self.before) <= _SAME * self.before)
        self.run, self.equal = self.run + busy, self.equal + (busy & again)
        begins = busy & ~on_floor & ((cost < self.floor) | (self.same < 2))
        goes_on = busy & ~begins
        self.age = self.age + 1
        self.days, self.same = self.days + goes_on, self.same + (goes_on & on_floor)
        ends = idle & (self.run > 0)
        self.runs = self.runs + ends
        self.shares = self.shares + np.where(ends, self.equal / np.maximum(self.run, 1), 0.0)
        self.run, self.equal = np.where(idle, 0.0, self.run), np.where(idle, 0.0, self.equal)
        self.floor = np.where(begins | (busy & on_floor), cost, np.where(idle, 0.0, self.floor))
        self.month = np.where(begins | (busy & on_floor), month, self.month)
        self.before = np.where(busy, cost, self.before)
        for name, value in (("days", 1.0), ("same", 1.0), ("age", 0.0), ("p_value", 1.0)):
            state = getattr(self, name)
            state[begins] = value
            state[idle] = 0.0 if name != "p_value" else 1.0
