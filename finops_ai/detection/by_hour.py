"""Days on which some hours cost more than they should, told by those hours, of sources that tell their hours.

A burst of an hour or two is little against its day, and a leak that began at nine is not yet more than all of a day. Of
hours only rises are told: what is missing of the newest ones may still come. A burst is no news where one of about its
size was seen at the same place of one of the last months, or two fortnights in a row, or where a change was announced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.answers import Place
from finops_ai.detection.calendar import calendar
from finops_ai.detection.hours import DAY, examine
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.forecast import Score
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.series import CostSeries, FloatArray, HourlySeries

SCORER = "hours@hour-of-week"
_JUDGED_DAYS = 7  # before today: what was told of them stays told
_TOGETHER = 256  # series examined at once: bounds memory at about a megabyte each
_HOURS_OF_A_DAY = 2  # hours with a cost, on half of its days: fewer say no more than the day
_PART = 0.25  # of the accepted rate of errors: hours err in ways of their own
_ALIKE = 0.65  # share of a burst that must have been seen before for it to be the same again
_MONTHS = 2  # back, of the places that `Calendar.months` gives
_LEAST_ERROR = 0.01  # of what an hour costs on average


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What the strange hours of one UTC day cost beyond what was expected of them, from the first one on."""

    since: datetime
    excess: float
    p_value: float
    errors: float


Bursts = Mapping[Place, Mapping[date, Burst]]


def bursts(
    hours: Sequence[HourlySeries], announced: Sequence[KnownEvent], *, as_of: datetime, settings: DetectSettings
) -> Bursts:
    """Bursts of the last week and of the day of `as_of` (UTC), by scope and currency; no later hour is read."""
    found: dict[Place, Mapping[date, Burst]] = {}
    for at in range(0, len(hours), _TOGETHER):
        found.update(_bursts(hours[at : at + _TOGETHER], announced, as_of.date(), settings))
    return found


def _bursts(
    hours: Sequence[HourlySeries], announced: Sequence[KnownEvent], today: date, settings: DetectSettings
) -> Bursts:
    start = min(one.start for one in hours).date()
    values = np.full((len(hours), ((today - start).days + 1) * DAY), np.nan)
    for row, one in enumerate(hours):
        at = (one.start.date() - start).days * DAY + one.start.hour
        known = one.values[: max(values.shape[1] - at, 0)]
        values[row, at : at + len(known)] = known
    several = _by_the_hour(values)
    values = values[several]
    if not values.size:
        return {}
    told = examine(values, settings, begin=start.weekday() * DAY)
    beyond = np.nan_to_num(values - told.expected)
    strange = (told.p_value <= _PART * settings.threshold / DAY) & (beyond > 0)
    unit = _usual_error(values, beyond, told.usual)
    found = {}
    for row, i in enumerate(np.flatnonzero(several).tolist()):
        one = hours[i]
        excused = [event.days for event in announced if event.concerns(one.scope)]
        days = _days(beyond[row], strange[row], told.p_value[row], unit[row], start)
        days = {day: burst for day, burst in days.items() if not any(day in span for span in excused)}
        if days:
            found[one.scope, one.currency] = days
    return found


def _by_the_hour(values: FloatArray) -> NDArray[np.bool_]:
    """Series (rows of whole days) in which half of the days with a cost have it in several hours."""
    costly = (np.nan_to_num(values) != 0).reshape(len(values), -1, DAY).sum(axis=2)
    several = (costly >= _HOURS_OF_A_DAY).sum(axis=1)
    found: NDArray[np.bool_] = several * 2 > (costly > 0).sum(axis=1)
    return found


def _usual_error(values: FloatArray, beyond: FloatArray, usual: NDArray[np.bool_]) -> FloatArray:
    """What usual hours err by, in currency; (series,)."""
    known = np.isfinite(values)
    mean = np.nan_to_num(np.abs(values)).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    sizes = np.where(known & usual, np.abs(beyond), 0.0)
    error = sizes.sum(axis=1) / np.maximum((known & usual).sum(axis=1), 1)
    found: FloatArray = np.maximum(error, np.maximum(_LEAST_ERROR * mean, 1e-9))
    return found


def _days(
    beyond: FloatArray, strange: NDArray[np.bool_], p_value: FloatArray, unit: float, start: date
) -> dict[date, Burst]:
    """Bursts of one series by day, of its last days; arrays have shape (hours,) and begin at `start`."""
    by_day, over = strange.reshape(-1, DAY), np.where(strange, beyond, 0.0).reshape(-1, DAY)
    excess = over.sum(axis=1)
    begin = max(len(by_day) - 1 - _JUDGED_DAYS, 0)
    found = {}
    for day in (begin + np.flatnonzero(by_day[begin:].any(axis=1))).tolist():
        if _seen_before(excess, start, day):
            continue
        hours = np.flatnonzero(by_day[day])
        found[start + timedelta(days=day)] = Burst(
            since=datetime.combine(start + timedelta(days=day), time(int(hours[0])), UTC),
            excess=float(excess[day]),
            p_value=float(min(p_value.reshape(-1, DAY)[day, hours].min() * DAY / _PART, 1.0)),
            errors=float(over[day].max() / unit),
        )
    return found


def _seen_before(excess: FloatArray, start: date, day: int) -> bool:
    """Whether a like day of the last months, or both of the last fortnights, had most of that excess."""
    known = calendar(start, day + 1)
    alike = {at for at in range(day) if excess[at] >= _ALIKE * excess[day]}
    a_month_ago = {int(place) for month in known.months[:_MONTHS] for place in month[day]}
    return bool(alike & a_month_ago) or any(
        {int(last[day]), int(before[day])} <= alike for last, before in known.cycles
    )


def told(scores: Sequence[Score], series: Sequence[CostSeries], found: Bursts, settings: DetectSettings) -> list[Score]:
    """`scores`, and those of days of `series` that are not judged yet, in which bursts that were `found` are told."""
    if not found:
        return list(scores)
    none: Mapping[date, Burst] = {}
    made = [_stranger(one, found.get((one.scope, one.currency), none), settings) for one in scores]
    there = {(one.scope, one.currency, one.day) for one in scores}
    for one in series:
        days = found.get((one.scope, one.currency), none)
        made += [
            _stranger(_unjudged(one, day), days, settings)
            for day in sorted(days)
            if day in one.days and (one.scope, one.currency, day) not in there
        ]
    return made


def _unjudged(one: CostSeries, day: date) -> Score:
    """A day of which nothing is known but what is on the bill."""
    cost = float(one.values[(day - one.days.start).days])
    return Score(
        scope=one.scope,
        currency=one.currency,
        day=day,
        observed=cost,
        expected=cost,
        upper=cost,
        z=0.0,
        p_value=1.0,
        scorer=SCORER,
    )


def _stranger(score: Score, days: Mapping[date, Burst], settings: DetectSettings) -> Score:
    """The day as its hours tell it, unless it is rare enough to be told without them: then it says since when."""
    burst = days.get(score.day)
    if burst is None:
        return score
    if score.z > 0 and score.p_value <= settings.threshold:
        return replace(score, p_value=min(burst.p_value, score.p_value), since=burst.since)
    usual = score.observed - burst.excess
    return replace(
        score,
        expected=usual,
        upper=usual,
        z=burst.errors,
        p_value=burst.p_value,
        scorer=SCORER,
        since=burst.since,
    )
