"""The last days of a bill as they will be: how complete they are is learned from how earlier days filled up.

A day appears incomplete and grows for some mornings. The share that is there at each age (mornings since the day ended)
is the median over earlier days that have settled: of the series itself, shrunk to its provider's, shrunk to everyone's.
Its spread is the robust deviation of the same ratios, so that an estimate carries how sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray

AGES = 6
"""Mornings over which a day is taken to fill up; what changes later is a correction, not a completion."""
LEARN_DAYS = 70
"""Days whose filling up is learned from."""

_SHRINK = 8.0  # ratios at which a series' own share counts as much as its provider's
_LEAST = 0.02  # a share below this says nothing about the whole
_SETTLED = 0.002  # a share this near to 1, as steady, is a whole day
_SCALE = 1.4826  # median absolute deviation to standard deviation of a normal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Revisions:
    """Daily costs as known on one morning, and what was known of the same days on earlier mornings.

    `known` has shape (series, days); its last day is the one before the morning, NaN where nothing is on the bill.
    `by_age` has shape (AGES, series, recent days), ends with the same day, and holds at [a, s, d] the cost of a day as
    known a + 1 mornings after it began, NaN where that morning is still to come. `provider` (series,) numbers whose
    bill a series is on. All in the currency of the series.
    """

    known: FloatArray
    by_age: FloatArray
    provider: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Completeness:
    """`share` and its standard deviation `spread` of a day's final cost that is known, both (ages, series)."""

    share: FloatArray
    spread: FloatArray


def nowcast(view: Revisions) -> tuple[FloatArray, FloatArray]:
    """The final cost of every day and its standard deviation, both (series, days), in the currency of the series.

    Settled days are as known, with spread 0; a day that is not on the bill is NaN in both. A zero stays zero: what is
    not there cannot be scaled up, and its spread is then 0 as well (a gap is the detector's to judge).
    """
    mean, spread = view.known.copy(), np.where(np.isfinite(view.known), 0.0, np.nan)
    found = completeness(view)
    days = view.known.shape[1]
    for age in range(min(len(found.share), days)):
        day = days - 1 - age
        share = found.share[age]
        mean[:, day] = view.known[:, day] / share
        spread[:, day] = np.abs(mean[:, day]) * found.spread[age] / share
    return mean, spread


def completeness(view: Revisions) -> Completeness:
    """What share of a day is on the bill at each age, learned from the days that have reached the last age."""
    ages, series, days = view.by_age.shape
    share, spread = np.ones((ages, series)), np.zeros((ages, series))
    first = max(0, days - LEARN_DAYS)
    settled = view.by_age[-1, :, first:]
    for age in range(ages - 1):
        early = view.by_age[age, :, first:]
        usable = np.isfinite(early) & np.isfinite(settled) & (np.abs(settled) > 0)
        ratio = np.where(usable, early / np.where(usable, settled, 1.0), np.nan)
        ratio[(ratio < _LEAST) | (ratio > 1 / _LEAST)] = np.nan
        share[age], spread[age] = _learned(ratio, view.provider)
    whole = (np.abs(share - 1) < _SETTLED) & (spread < _SETTLED)
    return Completeness(share=np.where(whole, 1.0, share), spread=np.where(whole, 0.0, spread))


def _learned(ratio: FloatArray, provider: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    """Median and robust deviation of each row of `ratio` (series, days), shrunk to those of its provider and of all."""
    centre, width, count = _robust(ratio)
    everyone = _robust(ratio.reshape(1, -1))
    share, spread = np.empty(len(ratio)), np.empty(len(ratio))
    for one in np.unique(provider):
        members = provider == one
        group = _robust(ratio[members].reshape(1, -1))
        c, w = (_shrunk(group[k][0], group[2][0], everyone[k][0], everyone[2][0]) for k in (0, 1))
        share[members] = (count[members] * centre[members] + _SHRINK * c) / (count[members] + _SHRINK)
        spread[members] = (count[members] * width[members] + _SHRINK * w) / (count[members] + _SHRINK)
    return share, spread


def _shrunk(own: float, count: float, other: float, others: float) -> float:
    """A group's figure, drawn to everyone's."""
    if not others:
        return own
    return float((count * own + _SHRINK * other) / (count + _SHRINK))


def _robust(ratio: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Median (1 for none), deviation (0 for none) and number of the known values of each row."""
    count = np.isfinite(ratio).sum(axis=1)
    ordered = np.sort(ratio, axis=1)
    centre = np.where(count > 0, _middle(ordered, count), 1.0)
    away = np.sort(np.abs(ratio - centre[:, None]), axis=1)
    width = np.where(count > 0, _SCALE * _middle(away, count), 0.0)
    return centre, width, count.astype(np.float64)


def _middle(ordered: FloatArray, count: NDArray[np.intp]) -> FloatArray:
    """Median of the first `count` values of each sorted row; the first value where there is none."""
    row = np.arange(len(ordered))
    if not ordered.shape[1]:
        return np.full(len(ordered), np.nan)
    low, high = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, ordered.shape[1] - 1)
    middle: FloatArray = 0.5 * (ordered[row, low] + ordered[row, high])
    return middle
