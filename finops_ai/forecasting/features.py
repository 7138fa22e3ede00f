"""What a boosted forecaster is told of a series and a day ahead, in levels, so that large and small are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.lookback import Lookback, quiet

IntArray = NDArray[np.intp]
_YEAR = 364  # the same weekday a year ago
_RECENT_CHANGE = 60
_MONTHS = 3
_AT_EITHER_END = 28  # days of a forecast
_LEAST = 0.02  # levels


def features(look: Lookback, origin: int, ahead: IntArray, base: FloatArray) -> NDArray[np.float32]:
    """Values of shape (series, len(ahead), features) for the days `origin + ahead`.

    `base` (series, horizon_days) is the calendar regression's forecast from the same origin. NaN is "not known".
    """
    level = look.level(origin)
    own = _own(look, origin, level)
    daily = _daily(look, origin, ahead, level)
    expected = base / level[:, None]
    daily["base"], own["base_growth"] = expected[:, ahead], _growth(expected)
    calendar = _calendar(look, origin + ahead, ahead)
    parts = (*(one[:, None] for one in own.values()), *daily.values(), *calendar.values())
    values = np.empty((look.size, len(ahead), len(parts)), dtype=np.float32)
    for i, part in enumerate(parts):
        values[:, :, i] = np.clip(part, -1e6, 1e6)
    return values


def _own(look: Lookback, origin: int, level: FloatArray) -> dict[str, FloatArray]:
    """Of a series as it stands at the origin; each (series,)."""
    month, week = look.values[:, max(origin - 28, 0) : origin].T, look.values[:, max(origin - 7, 0) : origin].T
    quarter, eight = look.values[:, max(origin - 91, 0) : origin].T, look.values[:, max(origin - 56, 0) : origin].T
    surprise = look.surprise[:, max(origin - 28, 0) : origin].T
    weekend = look.weekday[max(origin - 56, 0) : origin] >= 5
    year_ago = look.mean(origin - _YEAR, 28) if origin > _YEAR + 28 else np.full(look.size, np.nan)
    found = {f"mean{days}": look.mean(origin, days) / level for days in (3, 7, 14, 28, 56, 91, 182)}
    found |= {
        "median28": quiet(np.nanmedian, month) / level,
        "median7": quiet(np.nanmedian, week) / level,
        "max28": quiet(np.nanmax, month) / level,
        "min28": quiet(np.nanmin, month) / level,
        "max91": quiet(np.nanmax, quarter) / level,
        "zero28": look.mean(origin, 28, "zero"),
        "zero91": look.mean(origin, 91, "zero"),
        "week_error": np.log(np.maximum(look.week_error(origin), 1e-6) / level),
        "week_error28": np.log(np.maximum(look.week_error(origin, 28), 1e-6) / level),
        "age": np.minimum(origin - look.first, 400).astype(np.float64),
        "noise28": quiet(np.nanmedian, np.abs(surprise)),
        "last": surprise[-1],
        "last_but_one": surprise[-2],
        "last3": surprise[-3:].mean(axis=0),
        "last7": quiet(np.nanmedian, surprise[-7:]),
        "last14": quiet(np.nanmedian, surprise[-14:]),
        "weekend": quiet(np.nanmean, eight[weekend]) / level,
        "year": np.log(np.maximum(look.mean(origin, 28), 1e-6) / np.maximum(year_ago, 1e-6)),
    }
    found |= _change(look, origin, level)
    return found


def _growth(base: FloatArray) -> FloatArray:
    """Logarithm of the last four weeks of a forecast over its first, (series,)."""
    ends = base[:, :_AT_EITHER_END], base[:, -_AT_EITHER_END:]
    first, last = (np.maximum(np.abs(part).mean(axis=1), _LEAST) for part in ends)
    growth: FloatArray = np.log(last / first)
    return growth


def _change(look: Lookback, origin: int, level: FloatArray) -> dict[str, FloatArray]:
    """The last announced change before the origin: how long ago, and the level since; NaN where there was none."""
    recent = look.changes[:, max(origin - _RECENT_CHANGE, 0) : origin]
    any_change = recent.any(axis=1)
    since = np.where(any_change, recent[:, ::-1].argmax(axis=1) + 1, 0)
    reached = np.full(look.size, np.nan)
    for row in np.flatnonzero(any_change):
        days = look.values[row, origin - since[row] : origin]
        reached[row] = np.nanmedian(days) / level[row] if np.isfinite(days).any() else np.nan
    return {"changed": np.where(any_change, since, np.nan), "changed_to": reached}


def _daily(look: Lookback, origin: int, ahead: IntArray, level: FloatArray) -> dict[str, FloatArray]:
    """Of a series and a day ahead; each (series, len(ahead))."""
    values, target = look.values[:, :origin], origin + ahead
    scale = level[:, None]
    found = _weekly(values, look.weekday[:origin], look.weekday[target], scale)
    nothing = np.full((look.size, len(ahead)), np.nan)
    for back in (14, 28):
        found[f"lag{back}"] = values[:, origin - back + ahead % 14] / scale if origin >= 28 else nothing
    found |= _monthly(look.surprise[:, :origin], look.since_start, target, "start", 31)
    found |= _monthly(look.surprise[:, :origin], look.to_end, target, "end", 12)
    found["quarter"] = _quarterly(look, origin, target)
    found["year_surprise"], found["year_level"] = nothing.copy(), nothing.copy()
    year = target - _YEAR
    inside = (year >= 14) & (year < origin)
    found["year_surprise"][:, inside] = look.surprise[:, year[inside]]
    if origin > _YEAR + 28:
        around = np.stack([look.values[:, np.clip(year + k, 0, origin - 1)] for k in range(-3, 4)])
        usual = np.maximum(np.nan_to_num(look.mean(origin - _YEAR, 28)), 1e-6)[:, None]
        found["year_level"] = np.clip(quiet(np.nanmean, around) / usual, -1, 10)
    return found


def _weekly(values: FloatArray, past: IntArray, target: IntArray, scale: FloatArray) -> dict[str, FloatArray]:
    """What the same weekday cost in the last weeks."""
    profiles = {name: np.full((len(values), 7), np.nan) for name in ("same4", "same8", "same_last", "same_median")}
    for day in range(7):
        last = values[:, np.flatnonzero(past == day)[-8:]].T
        if len(last):
            profiles["same8"][:, day] = quiet(np.nanmean, last)
            profiles["same4"][:, day] = quiet(np.nanmean, last[-4:])
            profiles["same_last"][:, day] = last[-1]
            profiles["same_median"][:, day] = quiet(np.nanmedian, last)
    return {name: profile[:, target] / scale for name, profile in profiles.items()}


def _monthly(surprise: FloatArray, place: IntArray, target: IntArray, name: str, places: int) -> dict[str, FloatArray]:
    """How the same place of the last three months stood out: the middle, the last and the least of them."""
    middle, last, least = (np.full((len(surprise), places), np.nan) for _ in range(3))
    past = place[: surprise.shape[1]]
    for one in range(places):
        days = np.flatnonzero(past == one)[-_MONTHS:]
        if len(days):
            seen = surprise[:, days].T
            middle[:, one], last[:, one], least[:, one] = quiet(np.nanmedian, seen), seen[-1], quiet(np.nanmin, seen)
    at = np.minimum(place[target], places - 1)
    beyond = place[target] >= places
    return {
        f"{name}_{what}": np.where(beyond, np.nan, table[:, at])
        for what, table in (("middle", middle), ("last", last), ("least", least))
    }


def _quarterly(look: Lookback, origin: int, target: IntArray) -> FloatArray:
    """How the same day of the month stood out a whole number of quarters ago; NaN where that is not known."""
    place = {(m, d): i for i, (m, d) in enumerate(zip(look.month[:origin], look.since_start[:origin], strict=True))}
    found = np.full((look.size, len(target)), np.nan)
    for column, day in enumerate(target):
        for month in range(look.month[day] - 3, look.month[0] - 1, -3):
            at = place.get((month, look.since_start[day]))
            if at is not None:
                found[:, column] = look.surprise[:, at]
                break
    return found


def _calendar(look: Lookback, target: IntArray, ahead: IntArray) -> dict[str, FloatArray]:
    """Of a day ahead, whatever the series; each (1, len(ahead)), but announced changes (series, len(ahead))."""
    plain = {
        "ahead": ahead,
        "weekday": look.weekday[target],
        "day_of_month": look.since_start[target],
        "to_month_end": look.to_end[target],
        "day_off": look.off[target],
    }
    found = {name: part[None].astype(np.float64) for name, part in plain.items()}
    origin = int(target[0] - ahead[0]) if len(ahead) else 0
    announced = np.cumsum(look.changes[:, origin:], axis=1)
    found["announced"] = announced[:, ahead].astype(np.float64)
    return found
