"""Memory for what recurs: fees, month ends, fortnights and yearly seasons that stood out before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.calendar import Calendar
from finops_ai.domain.series import FloatArray

Single = NDArray[np.float32]

_STANDS_OUT, _ALONE = 2.5, 3.5  # usual errors
_ALONE_DAYS, _ALONE_WITHIN = 2, 3  # a fee stands out on at most so many days of those up to so many days away
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
    what lasted longer than two days, as an incident does, must have been seen in two of the three. Two fortnights in a
    row speak, too, and the middle of the same week last year. Fees are remembered in money as well as in proportion,
    whichever is more; on days that are `whole` (series, days from `first` on) what is less than half of one is not
    taken for it.
    """
    highest = same_season(surprise, calendar.year[first:])
    stood_out = surprise > _STANDS_OUT * scale[:, None]  # NaN compares false
    rows = np.flatnonzero(stood_out.any(axis=1))  # most series have nothing to remember
    if len(rows):
        found = _remembered(
            base[rows].T, surprise[rows].T, stood_out[rows].T, scale[rows], calendar, first, whole[rows].T
        )
        highest[rows] = np.maximum(highest[rows], found.T)
    return highest


def _remembered(
    base: FloatArray,
    surprise: FloatArray,
    stood_out: NDArray[np.bool_],
    scale: FloatArray,
    calendar: Calendar,
    first: int,
    whole: NDArray[np.bool_],
) -> FloatArray:
    """The same for fees and fortnights; arrays are (days, series), so that a day's series lie side by side."""
    pad = np.zeros((_ALONE_WITHIN, stood_out.shape[1]), dtype=np.intp)
    counted = np.cumsum(np.concatenate([pad, pad[:1], stood_out, pad]), axis=0)
    near = counted[2 * _ALONE_WITHIN + 1 :] - counted[: -2 * _ALONE_WITHIN - 1]
    alone = (near <= _ALONE_DAYS) & (surprise > _ALONE * scale)
    level = np.clip(np.nan_to_num(base), -_LARGEST, _LARGEST)
    lift = np.where(stood_out, surprise, 0.0)
    money = np.where(stood_out, np.sinh(np.clip(level + lift, -_LARGEST, _LARGEST)) - np.sinh(level), 0.0)
    ahead = level[first:]
    now = np.where(whole & np.isfinite(surprise[first:]), surprise[first:], _LARGEST)
    most_money = (np.sinh(np.clip(ahead + now, -_LARGEST, _LARGEST)) - np.sinh(ahead)) / _PART
    most_lift = np.log1p(np.maximum(np.expm1(now), 0.0) / _PART)
    by_money = np.arcsinh(np.sinh(ahead) + _seen(money, alone, calendar, first, most_money)) - ahead
    found: FloatArray = np.maximum(_seen(lift, alone, calendar, first, most_lift), by_money)
    return found


def same_season(height: FloatArray, year: NDArray[np.intp]) -> FloatArray:
    """Median of `height` (series, days), at least 0, over last year's weeks `year` (n, 7); shape (series, n)."""
    found = np.zeros((len(height), len(year)))
    begun = (year >= 0).any(axis=1)  # before the first day there was nothing
    if begun.any():
        padded = np.concatenate([np.maximum(np.nan_to_num(height), 0.0), np.zeros((len(height), 1))], axis=1)
        week = np.where(year[begun] >= 0, year[begun], height.shape[1])
        found[:, begun] = _middle_of_seven([padded[:, week[:, k]] for k in range(7)])
    return found


def _middle_of_seven(parts: list[FloatArray]) -> FloatArray:
    """Elementwise median of seven arrays, by a sorting network: a sort would take ten times as long."""
    a = list(parts)
    for i, j in (
        (0, 5),
        (0, 3),
        (1, 6),
        (2, 4),
        (0, 1),
        (3, 5),
        (2, 6),
        (2, 3),
        (3, 6),
        (4, 5),
        (1, 4),
        (1, 3),
        (3, 4),
    ):
        a[i], a[j] = np.minimum(a[i], a[j]), np.maximum(a[i], a[j])
    return a[3]


def _seen(lift: FloatArray, alone: NDArray[np.bool_], calendar: Calendar, first: int, most: FloatArray) -> FloatArray:
    """The largest lift that a day's kindred vouch for; what is more than `most` in a month is no kin."""
    limit = most.astype(np.float32)  # half the memory to go through, and more digits than a memory needs
    lifts, single = (
        np.concatenate([one, np.zeros((1, one.shape[1]))]).astype(np.float32)
        for one in (lift, np.where(alone, lift, 0.0))
    )

    def at(values: Single, places: NDArray[np.intp]) -> Single:
        """`values` on the days `places`, none of which is in the future; 0 before the first day."""
        taken: Single = values[np.where(places >= 0, places, len(values) - 1)]
        return taken

    def kin(values: Single, places: NDArray[np.intp]) -> Single:
        largest = np.zeros(limit.shape, dtype=np.float32)
        for column in places[first:].T:
            found = at(values, column)
            found[found > limit] = 0.0
            np.maximum(largest, found, out=largest)
        return largest

    found = np.maximum.reduce([kin(single, places) for places in calendar.months])
    a, b, c = (kin(lifts, places) for places in calendar.months[:3])
    twice = np.maximum(np.maximum(np.minimum(a, b), np.minimum(a, c)), np.minimum(b, c))
    cycles = [np.minimum(at(single, last[first:]), at(single, before[first:])) for last, before in calendar.cycles]
    vouched: FloatArray = np.maximum.reduce([found, twice, *cycles]).astype(np.float64)
    return vouched
