"""Surprise of every day under the forecast issued before it, in usual errors of its series: rises, falls and drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from finops_ai.detection.busy_days import Rhythm, rhythm, usual_cost
from finops_ai.detection.calendar import Calendar, calendar
from finops_ai.detection.drift import drift
from finops_ai.detection.errors import SETTLED_DAYS, by_weekday, ordinary, settled, usual_error
from finops_ai.detection.habit import Habit, walk
from finops_ai.detection.moved import moved
from finops_ai.detection.occasions import habitual
from finops_ai.detection.panel import Panel
from finops_ai.detection.parts import Together
from finops_ai.detection.recurrence import recurring
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.standing import Standing, standing
from finops_ai.detection.unbroken import unbroken
from finops_ai.domain.expectation import compress, expand
from finops_ai.domain.series import FloatArray

_COLD_DAYS = 14  # expectations of fewer days are not worth a judgement
_CARRY_PRIOR, _CARRY_WEIGHT, _MOST_CARRY = 0.3, 20.0, 0.6
_OUTLIER = 2.5  # usual errors beyond which a surprise says nothing about the next day's
_DAY_OFF = 3.0  # usual errors
_IDLE = 0.5  # compressed units up to which a day that was expected to be as cheap tells nothing of busy ones
_RARE, _JOBS = 0.1, 3  # share of the days on which a series costs something, and how often it must have
_YOUNG_FACTOR = 1.5  # by which a young series errs more
_WHOLE = 0.9  # share of a day from which on a fee would be seen on it
_REST = 0.5  # compressed units by which a day off may lie below a weekend
_DIP = 0.25  # compressed units by which a weekend must lie below, for a day to look like one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surprise:
    """Arrays of shape (series, days), compressed; the days are the last of `panel`, from `first` on.

    `most` and `least` are what its parts let a series cost, NaN where it has none.
    `rise` and `fall` are how far a day lies above `high` and below `low`, negative within; `unit` (series,) and
    `fall_unit` their usual errors, `drift[k]` is in usual errors already. `judged` are days that can be judged at all.
    `scale` (series, 1) is the scale of `compress`, `now_and_then` (series,) says which series run without a rhythm.
    """

    panel: Panel
    first: int
    scale: FloatArray
    seen: FloatArray
    expected: FloatArray
    high: FloatArray
    low: FloatArray
    most: FloatArray
    least: FloatArray
    rise: FloatArray
    fall: FloatArray
    unit: FloatArray
    fall_unit: FloatArray
    drift: tuple[FloatArray, ...]
    level_then: tuple[FloatArray, ...]
    unbroken: FloatArray
    """p-value of the unbroken run of a job that runs now and then."""
    standing: Standing
    judged: NDArray[np.bool_]
    now_and_then: NDArray[np.bool_]
    due: NDArray[np.bool_]
    """Days on which the series may cost something; what it costs on others is no error that it usually makes."""
    rested: NDArray[np.bool_]
    """Days on which nothing was due, and nothing came: nothing is judged, and all is as it should be."""
    former: FloatArray
    """The level before the last accepted one, while it is remembered."""


def surprise(panel: Panel, together: Together, settings: DetectSettings) -> Surprise:
    """Every day of the last `calibration_days` of `panel` under what was expected before it, and its parts were let."""
    days = calendar(panel.start, panel.days)
    whole = panel.billed / panel.share
    known = np.isfinite(whole)
    jobs = rhythm(whole, days, settings)
    scale, now_and_then = jobs.scale, jobs.now_and_then
    used = known & ~(now_and_then[:, None] & (whole <= scale)) & (np.nan_to_num(whole) >= 0)  # a credit teaches nothing
    seen = compress(np.where(known, whole, 0.0), scale)
    habit = walk(seen, used, panel.announced, days, settings).only_on(jobs.due)
    raw = np.where(used, seen - habit.expected, np.nan)
    age = _age(raw, known, used, now_and_then)
    raw[age < _COLD_DAYS] = np.nan
    young = age < SETTLED_DAYS
    first = max(panel.days - settings.calibration_days, 0)
    high, low = _bounds(habit, seen, raw, young | ~used, jobs, days, panel, settings)
    excused = high - habit.expected[:, first:]
    high, low, most, least = _by_parts(high, low, raw, jobs, panel, together)
    young_days = np.cumsum(known, axis=1) < SETTLED_DAYS
    runs = unbroken(jobs, known, young_days, first)
    floors = standing(whole, panel.spread / panel.share, jobs, young_days, days.month, first, settings)
    average = compress(usual_cost(whole[:, : -settings.judge_days])[:, None], scale)
    now, raw, expected = (part[:, first:] for part in (seen, raw, habit.expected))
    young = young[:, first:]
    rise = np.where(raw > 0, np.maximum(now - high, 0.0), raw)
    fall = np.where(raw < 0, np.maximum(low - now, 0.0), -raw)
    dull, due = young | ((now < _IDLE) & (expected < _IDLE)), jobs.due[:, first:]
    unit = _unit(rise, due, dull, settings)
    carried = _carried(np.where(raw > 0, rise, -fall), unit, settings)
    rise, fall = rise - carried, fall + carried
    uneven = _uneven(np.where(due, raw, np.nan), dull, young, days.weekday[first:], settings)
    rise, fall = rise / uneven, fall / uneven
    unit = _unit(rise, due, dull, settings)
    rise, fall = (part - habitual(part, unit, settings) for part in (rise, fall))
    unit = _of_sums(_unit(rise, due, dull, settings), now - most, due, dull, settings)
    drifts = drift(habit, seen, unit, (days.year, excused, np.isfinite(raw), age), settings)
    return Surprise(
        panel=panel,
        first=first,
        scale=scale,
        seen=now,
        expected=expected,
        high=high,
        low=low,
        most=most,
        least=least,
        rise=rise,
        fall=fall,
        unit=unit,
        fall_unit=np.maximum(unit, _unit(-fall, due, dull, settings)),
        drift=tuple(np.where(now_and_then[:, None], np.nan, one) for one in drifts),
        level_then=tuple(np.where(now_and_then[:, None], average, one[:, first:]) for one in habit.earlier),
        unbroken=runs,
        standing=floors,
        judged=np.isfinite(raw),
        now_and_then=now_and_then,
        due=due,
        rested=(known & ~used & ~jobs.due)[:, first:],
        former=habit.former[:, first:],
    )


def _age(
    raw: FloatArray, known: NDArray[np.bool_], used: NDArray[np.bool_], now_and_then: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Days that each series has been known for on each day, shape of `raw`: those that can be judged, raw not NaN.

    A series that seldom costs anything would stay young for years: there idle days count, from its third job on.
    """
    age = np.cumsum(np.isfinite(raw), axis=1)
    rare = now_and_then & (used.sum(axis=1) < _RARE * known.sum(axis=1))
    rested = np.cumsum(known[rare] & (np.cumsum(used[rare], axis=1) >= _JOBS), axis=1)
    age[rare] = np.maximum(age[rare], rested)
    return age


def _unit(errors: FloatArray, due: NDArray[np.bool_], dull: NDArray[np.bool_], settings: DetectSettings) -> FloatArray:
    """Usual error of each series, (series,): of settled days that are `due`, not `dull`, and no part of an episode."""
    return usual_error(ordinary(settled(np.where(due, errors, np.nan), dull, settings), settings), settings)


def _of_sums(
    unit: FloatArray, apart: FloatArray, due: NDArray[np.bool_], dull: NDArray[np.bool_], settings: DetectSettings
) -> FloatArray:
    """The same, and of sums no less than how far they usually lie `apart` from what their parts were let.

    What lies beyond the nearer of two bounds is small by that alone. `apart` (series, days) is NaN where nothing adds
    up.
    """
    sums = np.isfinite(apart).any(axis=1)
    found = unit.copy()
    if sums.any():
        found[sums] = np.maximum(unit[sums], _unit(apart[sums], due[sums], dull[sums], settings))
    return found


def _uneven(
    errors: FloatArray,
    dull: NDArray[np.bool_],
    young: NDArray[np.bool_],
    weekday: NDArray[np.intp],
    settings: DetectSettings,
) -> FloatArray:
    """How much more than usual each day errs, by its `weekday` (days,) and while its series is young; as `errors`."""
    own = by_weekday(settled(errors, dull, settings), weekday[: max(len(weekday) - settings.unsure_days, 0)])
    uneven: FloatArray = own[:, weekday] * np.where(young, _YOUNG_FACTOR, 1.0)
    return uneven


def _bounds(
    habit: Habit,
    seen: FloatArray,
    raw: FloatArray,
    dull: NDArray[np.bool_],
    jobs: Rhythm,
    days: Calendar,
    panel: Panel,
    settings: DetectSettings,
) -> tuple[FloatArray, FloatArray]:
    """How high and how low each day from `first` on may lie without any surprise.

    Between the forecast and the level before the last accepted one lies nothing new; what recurs is excused, and on a
    day off, by the calendar or because several of the finest series rest at once, a weekend's cost is.
    """
    whole = panel.share >= _WHOLE
    jobs_only, due = jobs.now_and_then, jobs.due[jobs.now_and_then]
    first = max(seen.shape[1] - settings.calibration_days, 0)
    scale = usual_error(settled(np.where(jobs.due, raw, np.nan), dull, settings), settings)
    lift = np.where(np.isfinite(raw), seen - habit.base, np.nan)
    part = np.s_[:, first:]
    expected, base, weekend = habit.expected[part], habit.base[part], np.fmin(habit.expected, habit.low)[part]
    high = np.fmax(expected, habit.former[part])
    low = np.fmin(expected, habit.former[part])
    sizes = np.where(dull[jobs_only] | ~due, -np.inf, seen[jobs_only])
    largest = np.where(due, _largest(sizes, settings), np.nan)
    high[jobs_only] = np.fmax(high[jobs_only], largest[part])
    low[:, days.off[first:]] = np.fmin(low, weekend - _REST)[:, days.off[first:]]
    if settings.recurrence:
        high = np.fmax(high, base + recurring(habit.base, lift, scale, days, first, whole[part]))
        low = np.fmin(low, base - recurring(-habit.base, -lift, scale, days, first, np.zeros_like(whole[part])))
        up, down = moved(habit.base, lift, scale)
        high, low = np.fmax(high, base + up[part]), np.fmin(low, base - down[part])
    dips = (weekend < expected - _DIP) & np.isfinite(raw[part])
    margin = _DAY_OFF * scale[:, None]
    resting = dips & (raw[part] < -margin) & (seen[part] >= weekend - margin)
    at_rest, could = (part[panel.finest].sum(axis=0) for part in (resting, dips))
    shared = at_rest >= np.maximum(settings.resting_series, settings.resting_share * could)
    low[:, shared] = np.fmin(low, weekend)[:, shared]
    return high, low


def _by_parts(
    high: FloatArray,
    low: FloatArray,
    raw: FloatArray,
    jobs: Rhythm,
    panel: Panel,
    together: Together,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Bounds no closer than those of parts, and the latter; what these series may themselves is added for others.

    Of a part that can not be judged only a rise of the whole can tell, and never a fall.
    """
    last = np.s_[:, -high.shape[1] :]
    billed, judged = panel.billed[last], np.isfinite(raw[last])
    cost = np.nan_to_num(billed / panel.share[last])
    idle = np.where(jobs.now_and_then[:, None], -np.inf, expand(low, jobs.scale))
    within = np.minimum(np.maximum(cost, idle), expand(high, jobs.scale))
    most, least = np.where(judged, within, np.minimum(cost, 0.0)), np.where(judged, within, cost)
    together.add(panel.members, np.nan_to_num(billed), most, least)
    up, down = together.let(panel.members, billed)
    up, down = compress(up, jobs.scale), compress(down, jobs.scale)
    return np.fmax(high, up), np.fmin(low, down), up, down


def _largest(sizes: FloatArray, settings: DetectSettings) -> FloatArray:
    """The most a job cost on any day of the last months but the newest days: it may cost that again; same shape."""
    lag, reach = settings.unsure_days, settings.job_days
    padded = np.concatenate([np.full((len(sizes), reach + lag), -np.inf), sizes], axis=1)[
        :, : sizes.shape[1] + reach - 1
    ]
    largest = sliding_window_view(padded, reach, axis=1).max(axis=2) if sizes.shape[1] else sizes
    return np.where(np.isfinite(largest), largest, np.nan)


def _carried(left: FloatArray, unit: FloatArray, settings: DetectSettings) -> FloatArray:
    """What a normal surprise lets expect of the next day (first-order autoregression); shape (series, days).

    `left` (series, days) are surprises after all excuses; outliers carry nothing over.
    """
    normal = np.nan_to_num(left)
    normal[np.abs(normal) >= _OUTLIER * unit[:, None]] = 0.0
    end = max(normal.shape[1] - settings.unsure_days, 1)
    now, before = normal[:, 1:end], normal[:, : end - 1]
    count = (now != 0).sum(axis=1)
    slope = (now * before).sum(axis=1) / np.maximum((before * before).sum(axis=1), 1e-12)
    share = np.clip((count * slope + _CARRY_WEIGHT * _CARRY_PRIOR) / (count + _CARRY_WEIGHT), 0.0, _MOST_CARRY)
    carried = np.zeros_like(normal)
    carried[:, 1:] = share[:, None] * normal[:, :-1]
    return carried
