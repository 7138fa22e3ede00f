"""How much each forecaster counts: convex weights per scope class and part of the horizon, from rolling backtests.

Greedy selection with replacement (R. Caruana et al., ICML 2004): the forecaster whose addition lowers the mean scaled
error most is added, a few times; the cheaper one when it is as good. A class's weights are drawn to everyone's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.intervals import BUCKETS

_PICKS = 10
_WORTH = 0.002  # share by which a dearer forecaster must lower the error
_ALIKE = 30.0  # series at which a class's own weights count as much as everyone's
_MOST_SERIES = 600
_LARGEST = 20.0
_BEFOREHAND, _WORSE = 0.5, 0.1


def weights(
    answer: FloatArray, past: Sequence[FloatArray], scale: FloatArray, classes: NDArray[np.intp], horizon_days: int
) -> FloatArray:
    """Weight of each forecaster on each series and day ahead, (forecasters, series, horizon_days), adding up to 1.

    `answer` and each of `past`, from the cheapest forecaster to the dearest, have shape (series, windows, days) and are
    NaN where a day is not known; `scale` (series,) is what errors are measured in. Where nothing was judged the
    cheapest forecaster has all the weight.

    The dearest one learns, and had learned half a year less in the backtest: where it was nearly as good as the
    cheapest there, half of the weight is its own beforehand.
    """
    count = len(past)
    made = np.zeros((count, len(answer), horizon_days))
    begin = 0
    for end in (*BUCKETS[:-1], max(horizon_days, BUCKETS[-1])):
        part = slice(begin, min(end, horizon_days))
        errors = np.stack([(one[:, :, part] - answer[:, :, part]) / scale[:, None, None] for one in past])
        everyone = _picked(errors)
        trust = _trust(errors)
        for one in np.unique(classes):
            members = classes == one
            own = members.sum() / (members.sum() + _ALIKE)
            mixed = own * _picked(errors[:, members]) + (1 - own) * everyone
            mixed *= 1 - trust
            mixed[-1] += trust
            made[:, members, part] = mixed[:, None, None]
        begin = end
        if begin >= horizon_days:
            break
    return made


def _trust(errors: FloatArray) -> float:
    """Weight of the last forecaster beforehand, 0 where it erred `_WORSE` more than the first or was not judged."""
    both = np.isfinite(errors[0]) & np.isfinite(errors[-1])
    if not both.any():
        return 0.0
    first, last = (float(np.minimum(np.abs(one[both]), _LARGEST).mean()) for one in (errors[0], errors[-1]))
    return _BEFOREHAND * float(np.clip((first * (1 + _WORSE) - last) / max(first * _WORSE, 1e-12), 0, 1))


def _picked(errors: FloatArray) -> FloatArray:
    """Weights (forecasters,) whose mixture has a small mean absolute error; `errors` (forecasters, series, …)."""
    count, series = errors.shape[:2]
    known = errors[:, :: max(1, series // _MOST_SERIES)].reshape(count, -1)
    known = np.clip(known[:, np.isfinite(known).all(axis=0)], -_LARGEST, _LARGEST)
    chosen = np.zeros(count)
    if not known.shape[1]:
        chosen[0] = 1.0
        return chosen
    total = np.zeros(known.shape[1])
    for pick in range(1, _PICKS + 1):
        scores = np.abs((total + known) / pick).mean(axis=1)
        best = 0
        for i in range(1, count):
            if scores[i] < scores[best] * (1 - _WORTH):
                best = i
        chosen[best] += 1
        total += known[best]
    return chosen / _PICKS
