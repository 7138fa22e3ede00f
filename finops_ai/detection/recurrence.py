"""Memory for what recurs: fees, month ends, fortnights and yearly seasons that stood out before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.calendar import Calendar
from finops_ai.domain.series import FloatArray

_STANDS_OUT, _ALONE = 2.5, 3.5  # usual errors
_ALONE_DAYS, _ALONE_WITHIN = 3, 3  # a fee stands out on at most so many days of those up to so many days away
_LARGEST = 50.0  # compressed costs stay finite when expanded
_PART = 0.5  # of a fee: less than this of it is not that fee, which is due whole or not at all


def recurring(
    base: FloatArray,
    surprise: FloatArray,
    scale: FloatArray,
    calendar: Calendar,
    first: int,
    whole: NDArray[np.bool_],
) -> FloatArray:
    """How far above `base` each day from `first` on may lie because its kind of day did before; shape (series, days).

    `base` and `surprise` (series, days) are compressed; NaN surprises remember nothing. A single surprise near the same
    day of one of the last three months, or of the same month last year, is enough if it stood alone as a fee does;
    what lasted longer must have been seen in two of the three. Two fortnights in a row speak, too, and the middle of
    the same week last year. Fees are remembered in money as well as in proportion, whichever is more; on days that are
    `whole` (series, days from `first` on) what is less than half of one is not taken for it.
    """
    stood_out = surprise > _STANDS_OUT * scale[:, None]  # NaN compares false
    pad = np.zeros((len(surprise), _ALONE_WITHIN), dtype=np.intp)
    counted = np.cumsum(np.concatenate([pad, pad[:, :1], stood_out, pad], axis=1), axis=1)
    near = counted[:, 2 * _ALONE_WITHIN + 1 :] - counted[:, : -2 * _ALONE_WITHIN - 1]
    alone = (near <= _ALONE_DAYS) & (surprise > _ALONE * scale[:, None])
    level = np.clip(np.nan_to_num(base), -_LARGEST, _LARGEST)
    lift = np.where(stood_out, surprise, 0.0)
    money = np.where(stood_out, np.sinh(np.clip(level + lift, -_LARGEST, _LARGEST)) - np.sinh(level), 0.0)
    ahead = level[:, first:]
    now = np.where(whole & np.isfinite(surprise[:, first:]), surprise[:, first:], _LARGEST)
    most_money = (np.sinh(np.clip(ahead + now, -_LARGEST, _LARGEST)) - np.sinh(ahead)) / _PART
    most_lift = np.log1p(np.maximum(np.expm1(now), 0.0) / _PART)
    by_money = np.arcsinh(np.sinh(ahead) + _seen(money, alone, calendar, first, most_money)) - ahead
    found = np.maximum(_seen(lift, alone, calendar, first, most_lift), by_money)
    highest: FloatArray = np.maximum(found, same_season(surprise, calendar.year[first:]))
    return highest


def same_season(height: FloatArray, year: NDArray[np.intp]) -> FloatArray:
    """Median of `height` (series, days), at least 0, over last year's weeks `year` (n, 7); shape (series, n)."""
    middle: FloatArray = np.median(_at(np.maximum(np.nan_to_num(height), 0.0), year), axis=2)
    return middle


def _seen(lift: FloatArray, alone: NDArray[np.bool_], calendar: Calendar, first: int, most: FloatArray) -> FloatArray:
    """The largest lift that a day's kindred vouch for; what is more than `most` in a month is no kin."""
    single = np.where(alone, lift, 0.0)

    def kin(values: FloatArray, places: NDArray[np.intp]) -> FloatArray:
        found = _at(values, places[first:])
        largest: FloatArray = np.where(found <= most[:, :, None], found, 0.0).max(axis=2)
        return largest

    found = np.maximum.reduce([kin(single, places) for places in calendar.months])
    a, b, c = (kin(lift, places) for places in calendar.months[:3])
    twice = np.maximum(np.maximum(np.minimum(a, b), np.minimum(a, c)), np.minimum(b, c))
    once, before = (_at(single, places[first:, None])[:, :, 0] for places in calendar.fortnights)
    vouched: FloatArray = np.maximum.reduce([found, twice, np.minimum(once, before)])
    return vouched


def _at(values: FloatArray, places: NDArray[np.intp] | Sequence[int]) -> FloatArray:
    """`values` (series, days) at `places` (days, n), none of which is in the future; 0 before the first day."""
    index = np.asarray(places)
    padded = np.concatenate([values, np.zeros((len(values), 1))], axis=1)
    taken: FloatArray = padded[:, np.where(index >= 0, index, values.shape[1])]
    return taken
