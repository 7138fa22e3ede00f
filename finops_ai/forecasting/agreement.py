"""Scopes within scopes agree before their bands are drawn: today's forecasts add up, and so do those of the backtest.

Errors are then those of forecasts that add up, and bands drawn from them hold for what is told. MinTrace with a
diagonal covariance (S. L. Wickramasuriya, G. Athanasopoulos, R. J. Hyndman, JASA 114 (2019)) made of mean absolute
backtest errors, to a power above the second: what is asked is that no level errs more than alone, in errors of its own
scopes, so that the unsure give way more than least squares would have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.coherence import sums_of
from finops_ai.forecasting.outlook import OVER, Outlook
from finops_ai.forecasting.reconcile import Sum, reconcile

_UNINFORMED = 1e4  # times the variance: how little a forecast is worth that was told nothing
_LEAST_DAYS = 20  # judged days from which on a scope's own error counts more than its unit
_RIGHT = 1e-3  # of the usual error: so small a difference is none
_USUAL_ERROR = 0.5  # units, where nothing was judged
_GIVES_WAY = 3.0  # power of the usual error


def agree(outlooks: Sequence[Outlook], series: Sequence[CostSeries]) -> None:
    """Make forecasts and backtests of scopes of one currency and the same days add up, in place.

    A scope without relatives is left as it is.
    """
    families: dict[tuple[str, str, date], list[tuple[Outlook, int]]] = {}
    for one in outlooks:
        for row, i in enumerate(one.group.members):
            key = (series[i].currency, series[i].cost_basis, one.group.end)
            families.setdefault(key, []).append((one, row))
    for members in families.values():
        scopes = [series[one.group.members[row]].scope for one, row in members]
        sums = sums_of(scopes)
        if sums:
            _family(members, sums)


def _family(members: Sequence[tuple[Outlook, int]], sums: Sequence[Sum]) -> None:
    def stacked(name: str) -> FloatArray:
        return np.stack([getattr(one, name)[row] for one, row in members])

    point, past, answer, regular = (stacked(name) for name in ("point", "past", "answer", "regular"))
    variance = _variance(answer, past, stacked("below"), stacked("above"))
    lowest = stacked("lowest")
    for law in reversed(sums):  # a parent may go as low as its children
        lowest[law.parent] = min(lowest[law.parent], float(lowest[list(law.children)].sum()))
    agreed = np.empty_like(point)
    told = np.stack([one.told[row] for one, row in members])
    for same in _alike(told):
        agreed[:, same] = reconcile(point[:, same], _informed(variance, told[:, same[0]], sums), sums, lowest[:, None])
    free = np.full((len(members), 1), -np.inf)
    for k in range(past.shape[1]):
        made = np.where(np.isfinite(past[:, k]), past[:, k], regular[:, k])
        there: NDArray[np.bool_] = np.asarray(np.isfinite(made).all(axis=1))
        weight = np.where(there, variance, 0.0)
        before = reconcile(np.where(there[:, None], made, 0.0), weight, sums, free)
        past[:, k] = np.where(np.isfinite(past[:, k]), before, np.nan)
    for (one, row), now, then in zip(members, agreed, past, strict=True):
        one.point[row], one.past[row] = now, then


def _alike(told: NDArray[np.int8]) -> list[NDArray[np.intp]]:
    """Days of equal columns of `told` (scopes, days)."""
    _, kind = np.unique(told, axis=1, return_inverse=True)
    return [np.flatnonzero(kind.ravel() == one) for one in range(int(kind.max()) + 1)]


def _informed(variance: FloatArray, told: NDArray[np.int8], sums: Sequence[Sum]) -> FloatArray:
    """What is over stays at nothing; where a scope was told something and none of its parts was, those give way."""
    known = np.where(told == OVER, 0.0, variance)
    unaware = np.zeros(len(known), dtype=np.bool_)
    for law in sums:  # parents come before their children
        children = list(law.children)
        if (told[law.parent] or unaware[law.parent]) and not told[children].any():
            unaware[children] = True
    return np.where(unaware, known * _UNINFORMED, known)


def _variance(answer: FloatArray, past: FloatArray, below: FloatArray, above: FloatArray) -> FloatArray:
    """How far each scope gives way, (scopes,): by its mean absolute backtest error, drawn to its units while short.

    An error counts as no more than the width of a band, or one incident would make a scope's forecast worth nothing. A
    scope that is right on most days, as a fee is that costs nothing on them, has no error to spare.
    """
    width = (below + above).mean(axis=1)
    error = np.sort(np.minimum(np.abs(answer - past).reshape(len(answer), -1), width[:, None]), axis=1)
    count: NDArray[np.intp] = np.isfinite(error).sum(axis=1)
    own = np.where(np.isfinite(error), error, 0.0).sum(axis=1)
    usual = (own + _LEAST_DAYS * _USUAL_ERROR * 0.5 * width) / (count + _LEAST_DAYS)
    middle = error[np.arange(len(error)), np.maximum(count - 1, 0) // 2] if error.shape[1] else usual
    right = (count >= _LEAST_DAYS) & (middle <= _RIGHT * usual)
    return np.asarray(np.where(right, 0.0, usual) ** _GIVES_WAY, dtype=np.float64)
