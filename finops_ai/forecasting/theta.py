"""Theta: the mean of a flat smoothed level and half of a fitted trend, on costs without their weekdays.

V. Assimakopoulos, K. Nikolopoulos, "The theta model", IJF 16 (2000); with simple exponential smoothing it equals
smoothing with half the trend as drift (R. J. Hyndman, B. Billah, IJF 19 (2003)). Of a few smoothings each series has
the one with the smallest day-ahead error, and all series are smoothed at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from finops_ai.domain.day_places import weekdays
from finops_ai.domain.series import FloatArray

_ALPHAS = np.array([0.03, 0.08, 0.15, 0.3, 0.5])
_DAYS = 400
_SEASON_DAYS = 84
_FADE = 45.0  # days after which a trend has lost two thirds: what grows for ever is not a bill


class Theta:
    name = "theta"
    version = "1"

    def forecast(self, history: FloatArray, start: date, horizon_days: int, keys: Sequence[str]) -> FloatArray:
        past = history[:, -_DAYS:]
        days = past.shape[1]
        if not len(past) or not days:
            return np.zeros((len(history), horizon_days))
        weekday = (weekdays(start, history.shape[1] + horizon_days))[-days - horizon_days :]
        known = np.isfinite(past)
        profile = _profile(past, weekday[:days])
        level, drift = _smoothed(past - profile[:, weekday[:days]], known)
        ahead = np.arange(1, horizon_days + 1)
        faded = _FADE * (1 - np.exp(-ahead / _FADE))
        made: FloatArray = level[:, None] + 0.5 * drift[:, None] * faded + profile[:, weekday[days:]]
        return made


def _profile(past: FloatArray, weekday: np.ndarray) -> FloatArray:
    """Mean difference of each weekday from its week, clipped at the usual size of differences; (series, 7)."""
    recent, at = past[:, -_SEASON_DAYS:], weekday[-_SEASON_DAYS:]
    known = np.isfinite(recent)
    middle = np.where(known, recent, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    profile = np.zeros((len(past), 7))
    for day in range(7):
        there = known[:, at == day]
        sums = np.where(there, recent[:, at == day] - middle[:, None], 0.0).sum(axis=1)
        profile[:, day] = sums / np.maximum(there.sum(axis=1), 1)
    centred: FloatArray = profile - profile.mean(axis=1, keepdims=True)
    return centred


def _smoothed(plain: FloatArray, known: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Last level and linear trend per day of each series, (series,), smoothed as errs least a day ahead."""
    first = np.where(known.any(axis=1), known.argmax(axis=1), 0)
    begin = np.nan_to_num(plain[np.arange(len(plain)), first])
    level = np.repeat(begin[:, None], len(_ALPHAS), axis=1)
    error = np.zeros_like(level)
    for day in range(plain.shape[1]):
        there = known[:, day, None]
        miss = np.where(there, np.nan_to_num(plain[:, day, None]) - level, 0.0)
        error += np.abs(miss)
        level += _ALPHAS * miss
    best = error.argmin(axis=1)
    days = np.arange(plain.shape[1], dtype=np.float64)
    count = np.maximum(known.sum(axis=1), 1)
    day_mean = (known * days).sum(axis=1) / count
    cost_mean = np.where(known, plain, 0.0).sum(axis=1) / count
    away = np.where(known, days - day_mean[:, None], 0.0)
    spread = (away * away).sum(axis=1)
    slope = (away * np.where(known, plain - cost_mean[:, None], 0.0)).sum(axis=1)
    drift = np.divide(slope, spread, out=np.zeros(len(plain)), where=spread > 0)
    return level[np.arange(len(plain)), best], np.where(known.sum(axis=1) >= 28, drift, 0.0)
