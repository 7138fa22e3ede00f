"""Bills that come on days of their own, as a fee does or a weekly charge: on any other day their usual size is news."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.calendar import Calendar
from finops_ai.detection.errors import beside
from finops_ai.detection.settings import DetectSettings

BoolArray = NDArray[np.bool_]

_WEEK, _WEEKS, _MONTHS = 7, 6, 3
_AGAIN = 2  # so many of those weeks, or months, make a day one on which the bill comes
_YEAR, _FIRST = 365, 90  # days looked at, without the first ones: there is nothing yet that they could be like
_REGULAR, _LEAST = 0.75, 3  # of all that ran, this share began on such a day, and so many times
_MOST = 1 / 3  # of all days are such days: where more are, a day tells nothing
_LONG = 3  # days in a row from which on a charge may be an incident: it vouches for nothing by itself
_LATE = 7  # days for which one that did not come on its day may come yet


def own_days(busy: BoolArray, rows: BoolArray, calendar: Calendar, settings: DetectSettings) -> BoolArray:
    """Days on which something may run, (series, days): all of them, but in series whose jobs always ran on days of
    their own, and there those alone. `busy` (series, days) are days on which something ran, `rows` (series,) are asked.

    A bill's own days have the weekday of two of the last six weeks; if it came on others as well, they have the place
    of two of the last three months, or that of any of those or of last year, if it came for a day or two. What did not
    come may be a week late. Each day is held against earlier ones only; whether a series keeps to its days is judged
    without the newest ones.
    """
    found, until = np.ones(busy.shape, dtype=np.bool_), busy.shape[1] - settings.unsure_days
    since = max(until - _YEAR, _FIRST)
    asked = np.flatnonzero(rows)
    if until <= since or not len(asked):
        return found
    ran = busy[asked]
    weekly = _times([_at(ran, _weeks_ago(ran.shape[1], k)) for k in range(1, _WEEKS + 1)]) >= _AGAIN
    other = ran & ~weekly
    monthly = _times([_at(other, places) for places in calendar.months[:_MONTHS]]) >= _AGAIN
    long = beside(beside(ran, 1) == _LONG, 1) > 0
    once = _times([_at(other & ~long, places) for places in calendar.months]) > 0
    own, kept = weekly | monthly | once, weekly | monthly
    began = ran & ~np.pad(ran, ((0, 0), (1, 0)))[:, :-1]
    past = np.s_[:, since:until]
    times, regularly = began[past].sum(axis=1), (began & kept)[past].sum(axis=1)
    keeps = (regularly >= _LEAST) & (regularly >= _REGULAR * times) & (own[past].mean(axis=1) <= _MOST)
    found[asked[keeps]] = own[keeps] | _late(ran[keeps], kept[keeps])
    return found


def _weeks_ago(days: int, weeks: int) -> NDArray[np.intp]:
    return np.arange(days)[:, None] - weeks * _WEEK


def _at(ran: BoolArray, places: NDArray[np.intp]) -> BoolArray:
    """Whether a series `ran` (series, days) on any of each day's earlier `places` (days, n), below 0 for none."""
    padded = np.pad(ran, ((0, 0), (0, 1)))
    found = np.zeros(ran.shape, dtype=np.bool_)
    for column in places.T:
        found |= padded[:, np.where(column >= 0, column, ran.shape[1])]
    return found


def _times(parts: list[BoolArray]) -> NDArray[np.intp]:
    found: NDArray[np.intp] = np.sum(parts, axis=0, dtype=np.intp)
    return found


def _late(ran: BoolArray, kept: BoolArray) -> BoolArray:
    """Days of the week after one of the `kept` (series, days) when nothing `ran`, nor in the week before it."""
    found, missed, quiet = np.zeros(ran.shape, dtype=np.bool_), *np.zeros((2, len(ran)), dtype=np.intp)
    for t in range(ran.shape[1]):
        found[:, t] = missed > 0
        quiet = np.where(ran[:, t], 0, quiet + 1)
        missed = np.where(ran[:, t], 0, np.where(kept[:, t] & (quiet >= _LATE), _LATE, missed - 1))
    return found
