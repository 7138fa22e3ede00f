"""What moved beyond all expectation in the last two weeks goes back in part: incidents end, and so do lucky streaks.

The combination takes the newest days for the level of the next weeks. Where they lie further from what was forecast of
them four to eight weeks before than a few percent, three tenths of the difference are taken back within four weeks. An
announced change is meant to stay, so that nothing is taken back after one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.champion import within_weeks

_TOLD_DAYS = 60  # so long ago an announced change still explains what moved
_BACK = (2, 3, 4)  # windows before the origin whose forecasts of its newest days are held against them
_LEAST_DAYS = 7  # of a window's newest days, or it says nothing
_LEVEL_DAYS = 28
_USUAL, _MOST = 0.05, 0.5  # of the level: what is left as it is, and beyond which nothing more is taken back
_SHARE = 0.3
_TINY = 1e-9


def revert(
    point: FloatArray, past: FloatArray, answer: FloatArray, announced: NDArray[np.bool_], step: int
) -> tuple[FloatArray, FloatArray]:
    """`point` (series, horizon_days) and `past` (series, windows, horizon_days) with part of the newest surprise back.

    Windows are `step` days apart, the newest `step` days before today; `answer`, shaped like `past`, is NaN where a day
    is not known. `announced` (series, windows + 1) tells after which origins nothing is taken back, today's last.
    Each origin looks at answers before it only. What was not forecast stays NaN.
    """
    part = _SHARE * within_weeks(point.shape[1])
    away = answer - past
    made = np.concatenate([past, point[:, None]], axis=1)
    for k in range(made.shape[1]):
        level = _mean(np.abs(made[:, k, :_LEVEL_DAYS]))
        seen = [_mean(away[:, k - back, (back - 1) * step : back * step]) for back in _BACK if k >= back]
        if not seen:
            continue
        moved = np.nan_to_num(_mean(np.stack(seen, axis=1), least=1) / np.maximum(level, _TINY))
        beyond = np.sign(moved) * np.clip(np.abs(moved) - _USUAL, 0.0, _MOST)
        made[:, k] *= 1 - np.where(announced[:, k], 0.0, beyond)[:, None] * part
    return made[:, -1], made[:, :-1]


def lately_announced(changes: NDArray[np.bool_], origins: Sequence[int]) -> NDArray[np.bool_]:
    """Whether a change was announced that still explains what moved before each of `origins`, (series, origins).

    `changes` (series, days and more) is True on the first day of each announced change.
    """
    return np.stack([changes[:, max(at - _TOLD_DAYS, 0) : at].any(axis=1) for at in origins], axis=1)


def _mean(values: FloatArray, least: int = _LEAST_DAYS) -> FloatArray:
    """Mean of what is known in each row, (series,); NaN where fewer than `least` are."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count >= least, total / np.maximum(count, 1), np.nan)
