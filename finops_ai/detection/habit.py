"""What a series costs by habit, walked day by day for all series at once: level, trend, weekday, place in the month.

Costs are compared on the scale of `finops_ai.domain.expectation.compress`. Every figure of a day is made from earlier
days only. Surprises are Huber-clipped, so that a spike moves nothing; a level that stays is accepted within a week
(a step at once, a ramp only as far as it began as a step: the rest stays drift); an announced one on its first day.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.calendar import Calendar
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.cycles import Cycles, Expected
from finops_ai.domain.day_places import MONTH_SLOTS
from finops_ai.domain.median import median_of_three
from finops_ai.domain.series import FloatArray

BoolArray = NDArray[np.bool_]

NAME = "habit/1"
LOOKBACKS = (14, 28, 42)
"""Days after which a level is what drift is measured against."""

_RING = 56  # levels kept; the trend is the change over all of them
_TREND_SHARE = 0.5
_LEVEL_GAIN, _WEEKDAY_GAIN, _ERROR_GAIN = 0.12, 0.1, 0.05
_CLIP = 2.0
_YOUNG_DAYS = 21  # until then the usual error is a guess, and surprises are clipped at a factor of e instead
_MONTH_NOISE = 1.5
_FEE = np.log(2)  # what costs twice a dear weekday is a fee
_LEAST_ERROR = 0.01
_AT_ONCE = 0.7  # of a change that was there when it began: a step, not a ramp


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Habit:
    """Arrays of shape (series, days) on the compressed scale, NaN before there was anything to go by.

    `expected` is the forecast of a day made the day before; `base` the same without its place in the month; `low` what
    the cheapest weekday would be; `former` the normal level before the last accepted one, while it is remembered;
    `stayed` the days since a step was accepted as the level; `earlier[k]` the expectation with the level of
    LOOKBACKS[k] days ago.
    """

    expected: FloatArray
    base: FloatArray
    low: FloatArray
    former: FloatArray
    stayed: NDArray[np.intp]
    earlier: tuple[FloatArray, ...]

    def only_on(self, due: BoolArray) -> Habit:
        """The same, with nothing expected on days that are not `due`, (series, days)."""
        expected, base, low = (np.where(due | np.isnan(one), one, 0.0) for one in (self.expected, self.base, self.low))
        return replace(self, expected=expected, base=base, low=low, former=np.where(due, self.former, np.nan))


def walk(x: FloatArray, known: BoolArray, announced: BoolArray, calendar: Calendar, settings: DetectSettings) -> Habit:
    """Pass once over `x` (series, days), compressed costs; days not `known` and falls on a day off teach nothing."""
    series, days = x.shape
    state = _State(series, settings, Cycles(series, calendar.start, days))
    found = {name: np.full((days, series), np.nan) for name in ("expected", "base", "low", "former")}
    earlier, stayed = [np.full((days, series), np.nan) for _ in LOOKBACKS], np.zeros((days, series), np.intp)
    by_day, seen_on, told_on = (np.ascontiguousarray(part.T) for part in (x, known, announced))
    for t in range(days):
        habit = state.expect(by_day[t], seen_on[t], int(calendar.weekday[t]), int(calendar.slot[t]))
        begun = state.seen > 0
        for name, value in (("expected", habit.expected), ("base", habit.base), ("low", habit.low)):
            found[name][t, begun] = value[begun]
        found["former"][t], stayed[t] = state.former + habit.effect, state.since_accepted
        for rows, back in zip(earlier, LOOKBACKS, strict=True):
            rows[t, begun] = (state.levels[(t - back) % _RING] + habit.effect)[begun]
        taught = seen_on[t] & (by_day[t] >= habit.expected) if calendar.off[t] else seen_on[t]
        state.learn(habit, by_day[t], taught, told_on[t], resting=seen_on[t] & ~taught)
    return Habit(  # what costs nothing at weekends may be expected to cost less than nothing: not so
        **{name: np.maximum(rows.T, 0.0) for name, rows in found.items()},
        stayed=stayed.T,
        earlier=tuple(np.maximum(rows.T, 0.0) for rows in earlier),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Day:
    """The expectation of one day, (series,) each; `effect` is what weekday and month add to the level."""

    weekday: int
    slot: int
    slope: FloatArray
    cycle: FloatArray
    month: FloatArray
    effect: FloatArray
    expected: FloatArray
    base: FloatArray
    low: FloatArray


@dataclass(slots=True, eq=False)
class _State:
    """What is known of `size` series before a day; updated in place."""

    size: int
    settings: DetectSettings
    cycles: Cycles
    level: FloatArray = field(init=False)
    levels: FloatArray = field(init=False)  # ring of past levels
    weekday: FloatArray = field(init=False)
    month: FloatArray = field(init=False)  # by slot: the last three surprises, and the same without the weekday
    error: FloatArray = field(init=False)
    seen: NDArray[np.intp] = field(init=False)
    since_step: NDArray[np.intp] = field(init=False)  # days that taught the weekdays since a new level
    told: NDArray[np.intp] = field(init=False)  # days of the announced change that is under way
    sides: FloatArray = field(init=False)  # of the last accept_days: 1 above the clip, -1 below, 0 within
    plain: FloatArray = field(init=False)  # their levels without weekday and month
    former: FloatArray = field(init=False)
    former_age: NDArray[np.intp] = field(init=False)
    since_accepted: NDArray[np.intp] = field(init=False)  # days since a step, and no ramp, was accepted
    day: int = 0

    def __post_init__(self) -> None:
        n, days = self.size, self.settings.accept_days
        self.level, self.levels = np.zeros(n), np.zeros((_RING, n))
        self.weekday, self.month = np.zeros((7, n)), np.zeros((MONTH_SLOTS, 2, 3, n))
        self.error, self.former = np.full(n, 0.3), np.full(n, np.nan)
        self.seen, self.since_step, self.told, self.former_age, self.since_accepted = np.zeros((5, n), np.intp)
        self.sides, self.plain = np.zeros((days, n)), np.zeros((days, n))

    def expect(self, x: FloatArray, known: BoolArray, weekday: int, slot: int) -> _Day:
        first = known & (self.seen == 0)
        if first.any():
            self.level[first] = x[first]
            self.levels[:, first] = x[first]
        change = self.level - self.levels[self.day % _RING]
        slope = np.where(self.seen >= _RING, change * (_TREND_SHARE / _RING), 0.0)
        month, cycle = self._month_effect(weekday, slot), self.cycles.ahead(self.day, 1)[0]
        base = self.level + slope + self.weekday[weekday] + cycle
        return _Day(
            weekday=weekday,
            slot=slot,
            slope=slope,
            cycle=cycle,
            month=month,
            effect=self.weekday[weekday] + cycle + month,
            expected=base + month,
            base=base,
            low=self.level + slope + self.weekday.min(axis=0) + np.minimum(cycle + month, 0.0),
        )

    def _month_effect(self, weekday: int, slot: int) -> FloatArray:
        """Median of the last three surprises in the slot, as far as it stands out; a fee is the same on any weekday."""
        usual, plain = median_of_three(self.month[slot].swapaxes(0, 1))
        beyond = np.maximum(np.abs(usual) - _MONTH_NOISE * self.error, 0.0)
        is_fee = (usual > 0) & (beyond > 0) & (plain > self.weekday.max(axis=0) + _FEE)
        fee = np.clip(plain - self.weekday[weekday], beyond - _FEE, beyond + _FEE)
        effect: FloatArray = np.where(is_fee, fee, np.copysign(beyond, usual))
        return effect

    def learn(self, habit: _Day, x: FloatArray, known: BoolArray, announced: BoolArray, resting: BoolArray) -> None:
        self.told = np.where(announced, self.told + known, 0)
        stepping = self.told > 0
        surprise = np.where(known, x - habit.expected, 0.0)
        size, young = np.abs(surprise), self.seen < _YOUNG_DAYS
        limit = _CLIP * self.error
        bound = np.where(young, 1.0, limit)
        lesson = np.where(stepping, surprise, np.clip(surprise, -bound, bound))
        gain = np.maximum(_LEVEL_GAIN, 1.0 / (self.seen + 1))
        told_gain = np.where(stepping, np.maximum(gain, 1.0 / np.maximum(self.told, 1)), gain)

        self.levels[self.day % _RING] = self.level
        self.levels += np.where(stepping, told_gain * lesson, 0.0)  # an announced step is neither trend nor drift
        self.level = self.level + told_gain * lesson + np.where(known, habit.slope, 0.0)
        pace = np.maximum(_WEEKDAY_GAIN, 1.0 / (self.since_step // 7 + 3))
        self.weekday[habit.weekday] += np.where(self.told == 1, 0.0, pace * (1 - gain) * lesson)
        side = np.where((size > limit) & ~stepping, np.sign(surprise), 0.0)
        side[resting] = self.sides[self.day % len(self.sides) - 1, resting]  # a day off neither ends nor begins a level
        self._accept(x - habit.effect, side, known)

        capped = 1.25 * np.minimum(size, 3 * self.error + young)  # 1.25 mean absolute errors are one sigma
        step = np.where(known, np.maximum(_ERROR_GAIN, 1.0 / (self.seen + 2)), 0.0)
        self.error = np.maximum(self.error + step * (capped - self.error), _LEAST_ERROR)
        kept = self.month[habit.slot]
        kept[:, 1:] = np.where(known, kept[:, :-1], kept[:, 1:])
        kept[0, 0] = np.where(known, surprise + habit.month, kept[0, 0])
        kept[1, 0] = np.where(known, surprise + habit.effect, kept[1, 0])
        told, seen = Expected(habit.cycle, habit.month), known & ~stepping
        self.month[..., self.cycles.learn(self.day, np.where(seen, surprise, 0.0), told, self.error, seen)] = 0.0
        self.seen = self.seen + known
        self.since_step = np.where(stepping, 0, self.since_step + known)
        self.day += 1

    def _accept(self, plain: FloatArray, side: FloatArray, known: BoolArray) -> None:
        """Take a level that stayed beyond the clip as the new one; where the old one was, is remembered for a while."""
        days = self.settings.accept_days
        place = self.day % days
        self.sides[place] = side
        self.plain[place] = np.where(known, plain, self.plain[place - 1])
        self.former_age, self.since_accepted = self.former_age + 1, self.since_accepted + 1
        self.former[self.former_age > self.settings.former_days] = np.nan
        balance = self.sides.sum(axis=0)
        settled = (np.abs(balance) >= days - 1) & (self.seen > days) & (side * balance > 0)
        if not settled.any():
            return
        order = np.arange(self.day - days + 1, self.day + 1)
        recent = self.plain[order % days][:, settled]
        level, began = np.median(recent, axis=0), np.median(recent[1:4], axis=0)
        ring = order % _RING
        before = self.levels[ring[0], settled]
        step = np.where(np.abs(level - before) > np.abs(began - before), began, level)
        returned = np.abs(level - self.former[settled]) < 0.5 * np.abs(level - before)
        self.former[settled] = np.where(returned, np.nan, before)
        self.former_age[settled] = 0
        at_once = np.abs(began - before) >= _AT_ONCE * np.abs(level - before)
        self.since_accepted[settled] = np.where(at_once, 0, self.since_accepted[settled])
        self.levels[:, settled] = np.where(returned, level, self.levels[:, settled] + step - before)
        self.levels[np.ix_(ring, settled)] = np.where(returned, level, step)
        self.level[settled] = level
        self.sides[:, settled] = 0.0
        self.since_step[settled] = np.minimum(self.since_step[settled], 14)
