"""What sums of days come to beyond their medians: work that runs now and then costs nothing on most of its days.

The median of such a day is nothing, and so is the sum of a month's medians, which says nothing of the month. What days
cost on average beyond their medians is learned from the backtest. It counts where most months had it, which those of an
incident have not, and would have foretold sums better, and where few of their days make the difference: a forecast that
is too low every day is another matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray

UNSURE = 1.25
"""By how much more sums to come err than those of the backtest: of half a year of such work little is known."""

_DAYS = 28  # of a sum by which it is judged
_BEFORE, _LEAST_WINDOWS = 2, 6  # windows that one is judged by, and those without which nothing is learned
_AGAIN, _QUARTER = 0.5, 0.25  # of the windows exceed their medians by a quarter of the mean excess
_LEAST_SHARE = 0.4  # of what such sums came to
_LATE, _MOST = 7, 2.0  # windows of about three months, whose mean limits that of all
_SELDOM, _HALF = 0.55, 0.5  # at most this share of days errs by half of the mean error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beyond:
    """A day's mean cost beyond its median: now, (series,), and as known in each window, (series, windows).

    Both are 0 where medians do, all but `rows` (series,); `past` is NaN in windows before which too little was known.
    The error of a sum of so many days is `spread` (series,) times their square root.
    """

    rows: NDArray[np.bool_]
    now: FloatArray
    past: FloatArray
    spread: FloatArray

    def unit(self, horizon_days: int) -> FloatArray:
        """What each day added to the error of a sum, (series, horizon_days)."""
        return self.spread[:, None] * np.diff(np.sqrt(np.arange(horizon_days + 1)))


def beyond_medians(answer: FloatArray, forecast: FloatArray, origins: Sequence[int]) -> Beyond:
    """From a backtest's `answer` and `forecast` (series, windows, horizon_days); `origins` are the windows' days.

    A window is judged by those whose days had ended by its origin. What has not run of late comes to little.
    """
    days = min(_DAYS, answer.shape[2])
    error = (answer - forecast)[:, :, :days]
    known = np.asarray(np.isfinite(error).all(axis=2), dtype=np.bool_)
    total = np.where(known, error.sum(axis=2), 0.0)
    past = _known_before(total, known, origins, days)
    judged = known & np.isfinite(past)
    left = np.where(judged, total - days * np.nan_to_num(past), 0.0)
    now = total.sum(axis=1) / np.maximum(days * known.sum(axis=1), 1)
    late = known[:, -_LATE:]
    lately = _MOST * np.abs(total[:, -_LATE:].sum(axis=1)) / np.maximum(days * late.sum(axis=1), 1)
    now = np.where(late.any(axis=1), np.clip(now, -lately, lately), now)
    came = np.abs(np.where(known, answer[:, :, :days].sum(axis=2), 0.0)).sum(axis=1)
    much = np.abs(total.sum(axis=1)) >= _LEAST_SHARE * came
    off = np.sign(now)[:, None, None] * error > _HALF * np.abs(now)[:, None, None]  # NaN compares false
    seldom = (off & known[:, :, None]).sum(axis=(1, 2)) <= _SELDOM * days * known.sum(axis=1)
    count = known.sum(axis=1)
    exceeds = known & (np.sign(now)[:, None] * total > _QUARTER * days * np.abs(now)[:, None])
    again = exceeds.sum(axis=1) >= np.maximum(_AGAIN * count, 1)
    better = np.abs(left).sum(axis=1) < np.where(judged, np.abs(total), 0.0).sum(axis=1)
    rows = much & seldom & again & better & (count >= _LEAST_WINDOWS)
    return Beyond(
        rows=rows,
        now=np.where(rows, now, 0.0),
        past=np.where(rows[:, None], past, 0.0),
        spread=np.sqrt((left**2).sum(axis=1) / (days * np.maximum(judged.sum(axis=1), 1))),
    )


def _known_before(total: FloatArray, known: NDArray[np.bool_], origins: Sequence[int], days: int) -> FloatArray:
    """A day's mean error in the windows that were over by the origin of each, (series, windows); NaN for too few."""
    found = np.full(total.shape, np.nan)
    for k, origin in enumerate(origins):
        over = [j for j in range(k) if origins[j] + days <= origin]
        count = known[:, over].sum(axis=1)
        enough = count >= _BEFORE
        found[enough, k] = (total[:, over].sum(axis=1) / np.maximum(days * count, 1))[enough]
    return found
