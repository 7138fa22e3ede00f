"""Weeks of the year in which many services sell, or rest: what they did to a series a year ago, if it went back after.

A season is what began and ended with one of those weeks: the level of the two weeks after it is again that of the two
weeks before. So the level is not taken for higher when sales are on, nor for lower at the turn of the year, and the
same is expected a year later, until its first days have shown that it does not come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.days_off import thanksgiving
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.newest import Newest

_SALES, _REST = 11, 15  # days of the two seasons
_BEFORE_THANKSGIVING = 6
_REST_FROM = 20  # December
_AROUND = 14  # days before and after a season that tell the level without it
_LEAST, _MOST = 0.1, 1.1  # size of a season on the compressed scale: from a tenth to three times as much
_BACK = 0.5  # of its size: how far the level may be off after it
_OWN = 0.5  # of what a day differed from its season counts
_MISSED, _LEAST_DAYS = 0.6, 6  # share by which a season falls short that does not come back, over so many days


@dataclass(frozen=True, slots=True, kw_only=True)
class _Season:
    first: int  # place of its first day
    days: int
    sign: int


_SEASONS = (_Season(first=0, days=_SALES, sign=1), _Season(first=_SALES, days=_REST, sign=-1))
_PLACES = _SALES + _REST
REACH = 2 * _AROUND + max(one.days for one in _SEASONS)
"""Days that `Seasons` judges by."""


def season_places(start: date, days: int) -> NDArray[np.intp]:
    """Place of each of `days` days from `start` among those of all seasons, -1 outside; shape (days,).

    Sales last from the Friday before Thanksgiving week to the Monday after it, rest from 21 December to 4 January.
    """
    day = np.datetime64(start, "D") + np.arange(days)
    sales = (day - thanksgiving(day)).astype(np.intp) + _BEFORE_THANKSGIVING
    fortnight = (day - np.timedelta64(14, "D")).astype("datetime64[Y]").astype("datetime64[M]") + 11
    rest = (day - fortnight.astype("datetime64[D]")).astype(np.intp) - _REST_FROM
    place = np.where((sales >= 0) & (sales < _SALES), sales, -1)
    return np.where((rest >= 0) & (rest < _REST), _SALES + rest, place)


class Seasons:
    """What is known of the seasons of `size` series before a day, on the compressed scale; updated in place."""

    def __init__(self, size: int) -> None:
        self._last_year = np.zeros((_PLACES, size))
        self._due, self._short = np.zeros((2, size))  # of the season under way: what was to come, and what did not
        self._told = np.zeros(size, np.intp)  # days of it that say so
        self._none = np.zeros(size)
        self._latest: _Season | None = None
        self._since = 1  # days after it

    def effect(self, place: int) -> FloatArray:
        """What a day at `place` adds, (series,); 0 outside of seasons and where none is known."""
        return self._last_year[place] if place >= 0 else self._none

    def learn(self, levels: Newest, place: int, surprise: FloatArray, error: FloatArray) -> None:
        """From a day's `surprise` and the `levels` up to it: costs without weekday and month, NaN where unknown."""
        if place >= 0:
            self._latest = next(one for one in _SEASONS if one.first <= place < one.first + one.days)
            self._since = 0
            known = np.isfinite(levels.ago(1))
            self._due += np.where(known, np.abs(self._last_year[place]), 0.0)
            self._short -= np.where(known, surprise, 0.0) * self._latest.sign
            self._told += known
            gone = (self._told >= _LEAST_DAYS) & (self._short > _MISSED * self._due)
            self._rows(self._latest)[:, gone] = 0.0
            return
        if not self._since:
            self._due[:] = self._short[:] = self._told[:] = 0
        self._since += 1
        if self._latest is not None and self._since == _AROUND:
            self._judge(levels, self._latest, error)

    def _rows(self, season: _Season) -> FloatArray:
        return self._last_year[season.first : season.first + season.days]

    def _judge(self, levels: Newest, season: _Season, error: FloatArray) -> None:
        seen = levels.last(2 * _AROUND + season.days)
        before, after = np.median(seen[:_AROUND], axis=0), np.median(seen[-_AROUND:], axis=0)
        during = seen[_AROUND:-_AROUND] - (before + after) / 2
        middle = np.median(during, axis=0)
        size = season.sign * middle  # NaN, which is no season, where a day is not known
        came = (size >= np.maximum(_LEAST, error)) & (size <= _MOST) & (np.abs(after - before) <= _BACK * size)
        self._rows(season)[:] = np.where(came, middle + _OWN * (during - middle), 0.0)
