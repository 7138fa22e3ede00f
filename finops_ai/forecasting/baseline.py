"""Discounted robust regression on level, trend, weekday, month and season, solved day by day for all series.

Costs are compared as asinh(cost / (2 * small_cost)): relative differences above a small cost, absolute ones below. One
pass in time order updates every series at once (Huber-clipped innovations; gains 1/n that settle at a floor), so each
day's expectation is made from earlier days only and every rolling origin of a backtest is a by-product of the pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.cycles import Cycles, Expected
from finops_ai.domain.days_off import NONE
from finops_ai.domain.expectation import compress, expand
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.first_weeks import FirstWeeks, Lesson
from finops_ai.forecasting.following import Following
from finops_ai.forecasting.lasting import WEEK, Lasting
from finops_ai.forecasting.monthly import ALIKE, Monthly
from finops_ai.forecasting.newest import Newest
from finops_ai.forecasting.parts import Parts
from finops_ai.forecasting.position import Places
from finops_ai.forecasting.quotas import Quotas
from finops_ai.forecasting.rests import Rests
from finops_ai.forecasting.seasons import REACH, Seasons
from finops_ai.forecasting.settings import ForecastSettings

LEAD_DAYS = 14
_MOST_DAYS = 4  # of a week
_YOUNG_DAYS = 21  # until then the usual error is a guess, and surprises are clipped at a factor of e instead
_LEAST_ERROR = 0.01
_OF_A_COURSE = 0.5  # of the noise within which a day's place in the month is not believed: where whole months are alike
_RESCHEDULED = 3.0  # usual errors that a weekday is off by if its work has moved
_CHUNK = 4096  # series per pass: many for each call of an array operation, few for their state to stay in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """One pass: expectations (series, days) in currency, and per origin the forecast (series, horizon_days)."""

    day_ahead: FloatArray
    fortnight_ahead: FloatArray
    rolling: dict[int, FloatArray]


@dataclass(slots=True, eq=False)
class _State:
    """What is known of `size` series before a day; updated in place by `learn`."""

    size: int
    settings: ForecastSettings
    quotas: Quotas
    cycles: Cycles
    level: FloatArray = field(init=False)
    weekday: FloatArray = field(init=False)
    monthly: Monthly = field(init=False)
    newest: Newest = field(init=False)  # days without weekday and month
    seasons: Seasons = field(init=False)
    rests: Rests = field(init=False)
    lasting: Lasting = field(init=False)
    following: Following = field(init=False)
    first_weeks: FirstWeeks = field(init=False)
    error: FloatArray = field(init=False)
    seen: NDArray[np.intp] = field(init=False)
    off: FloatArray = field(init=False)  # by weekday: the last surprise, if it was large
    amount: FloatArray = field(init=False)  # the same as an amount, in small costs
    streak: FloatArray = field(init=False)  # days in a row beyond the clip, signed
    recent: FloatArray = field(init=False)  # plain levels of the last accept_days
    levels: FloatArray = field(init=False)  # ring of past levels, for trend and the fortnight-ahead level
    day: int = 0

    def __post_init__(self) -> None:
        n, s = self.size, self.settings
        self.level, self.error, self.seen = np.zeros(n), np.full(n, 0.3), np.zeros(n, np.intp)
        self.weekday, self.monthly = np.zeros((7, n)), Monthly(n)
        self.newest, self.seasons, self.rests = Newest(REACH, n), Seasons(n), Rests(n)
        self.lasting, self.following, self.first_weeks = Lasting(n), Following(n), FirstWeeks(n)
        self.off, self.amount = np.zeros((2, 7, n))
        self.streak, self.recent = np.zeros(n), np.zeros((s.accept_days, n))
        self.levels = np.zeros((max(s.trend_days, LEAD_DAYS), n))

    def slope(self) -> FloatArray:
        """Believed change of the level per day; 0 until the ring is full."""
        days, share = self.settings.trend_days, self.settings.trend_share
        recent = self._moved(days) * (share / days)
        return np.where(self.seen >= len(self.levels), recent + (1 - share) * self.lasting.rate, 0.0)

    def _moved(self, days: int) -> FloatArray:
        """How far the level moved in the last `days` days, accepted steps left out."""
        moved: FloatArray = self.level - self.levels[(self.day - days) % len(self.levels)]
        return moved

    def year_effect(self, weekday: int, place: int, rest: int) -> FloatArray:
        """What seasons and days off of last year let this day differ by from others of its weekday, (series,)."""
        season = self.seasons.effect(place)
        return season if rest == NONE else self.rests.effect(rest, season, self.works(weekday), self.error)

    def works(self, weekday: int) -> NDArray[np.bool_]:
        """Whether work goes on, as a rule, on that weekday, (series,)."""
        no_dearer = self.weekday <= self.weekday[weekday] + self.error
        working: NDArray[np.bool_] = no_dearer.sum(axis=0) >= _MOST_DAYS
        return working

    def places(self, usual: FloatArray, slot: Sequence[int]) -> FloatArray:
        """What places in the month let days from this one on differ by from the `usual` ones, (days, series)."""
        a_course = self.cycles.course & ~self.quotas.may_begin(self.day)
        noise = np.where(a_course, _OF_A_COURSE, 1.0) * self.settings.month_noise * self.error
        by_day = [self.monthly.effect(*one, noise) for one in zip(usual, slot, strict=True)]
        return np.array(by_day).reshape(usual.shape)

    def project(self, place: Places) -> Parts:
        days = len(place.weekday)
        fade = np.cumsum(self.settings.trend_damping ** np.arange(1, days + 1))
        level = np.broadcast_to(self.level, (days, self.size))
        trend = fade[:, None] * (self.slope() - self.lasting.rate) + self.lasting.ahead(days)
        weekday, cycle = self.weekday[place.weekday], self.cycles.ahead(self.day, days)
        year = np.array([self.year_effect(w, s, r) for w, _, s, r in place.each()]).reshape(level.shape)
        usual = level + trend + weekday + cycle + year
        month = self.places(usual, place.slot.tolist())
        return Parts(
            level=level,
            trend=trend,
            weekday=weekday,
            cycle=cycle,
            year=year,
            month=np.where(self.quotas.ahead(self.day, days), -usual, month),
        )

    def learn(
        self,
        x: FloatArray,
        cost: FloatArray,
        known: NDArray[np.bool_],
        weekday: int,
        slot: int,
        season: int,
        rest: int,
    ) -> tuple[FloatArray, FloatArray]:
        """Expectations of a day (day ahead, fortnight ahead) and then the lesson from its `cost` in small costs.

        `x` is the same, compressed.
        """
        s, ring = self.settings, len(self.levels)
        first = known & (self.seen == 0)
        if first.any():
            self.level[first] = x[first]
            self.levels[:, first] = x[first]
        slope, year = self.slope(), self.year_effect(weekday, season, rest)
        cycle = self.cycles.ahead(self.day, 1)[0]
        week = self.weekday[weekday] + cycle
        usual = self.level + slope + week + year
        effect = self.places(usual[None], [slot])[0]
        habit = week + year + effect
        expected = self.level + slope + habit
        earlier = self.levels[(self.day - LEAD_DAYS) % ring] + habit
        surprise = np.where(known, x - expected, 0.0)

        size = np.abs(surprise)
        limit = s.clip * self.error
        beyond = size > limit
        young = self.seen < _YOUNG_DAYS
        most = np.where(young, 1.0, limit)
        lesson = np.minimum(np.maximum(surprise, -most), most)
        gain = np.maximum(s.level_gain * self.following.factor, 1.0 / (self.seen + 1))
        self.levels[self.day % ring] = self.level
        self.level += gain * lesson + np.where(known, slope, 0.0)
        self.weekday[weekday] += np.maximum(s.weekday_gain, 1.0 / (self.seen // 7 + 3)) * (1 - gain) * lesson
        teaches = known & ~young
        self._reschedule(weekday, expected, surprise, teaches)
        self._accept(x - habit, surprise, beyond, known)

        capped = 1.25 * np.minimum(size, 3 * self.error + young)  # 1.25 mean absolute errors are one sigma
        pace = np.where(known, np.maximum(0.05, 1.0 / (self.seen + 2)), 0.0)
        self.error = np.maximum(self.error + pace * (capped - self.error), _LEAST_ERROR)
        self.newest.add(np.where(known, x - self.weekday[weekday] - cycle - effect, np.nan))
        self.rests.learn(self.newest, rest, self.works(weekday) if rest != NONE else None)
        self.seasons.learn(self.newest, season, surprise, self.error)
        self.monthly.learn(slot, surprise + effect, cost, usual, known)
        self.monthly.forget(self.quotas.used_up(self.day))
        self.monthly.begin_anew(self.cycles.learn(self.day, surprise, Expected(cycle, effect), self.error, known))
        self.following.learn(lesson, teaches)
        self._begin(self.first_weeks.learn(x, known, weekday, self.weekday, self.seen))
        self.seen += known
        self.day += 1
        if self.day % WEEK == 0:
            moved, lately = self._moved(WEEK), self._moved(s.trend_days)
            self.lasting.learn(moved, lately, s.trend_days, self.seen - _YOUNG_DAYS)
        return expected, earlier

    def _begin(self, lesson: Lesson | None) -> None:
        if lesson is not None:
            self.weekday[:, lesson.rows] = lesson.weekday
            self.level[lesson.rows] = self.levels[:, lesson.rows] = lesson.level

    def _reschedule(self, weekday: int, expected: FloatArray, surprise: FloatArray, taught: NDArray[np.bool_]) -> None:
        """Move work to another weekday: after two weeks in which one was dearer, alike, and one cheaper by as much."""
        rows = np.flatnonzero(taught & (np.abs(surprise) > _RESCHEDULED * self.error))
        now, before, usual = surprise[rows], self.off[weekday, rows], expected[rows]
        amount = expand(usual + now, 1.0) - expand(usual, 1.0)
        again = np.abs(now - before) <= ALIKE * np.abs(now)
        elsewhere = (np.abs(self.amount[:, rows] + amount) <= ALIKE * np.abs(amount)).any(axis=0)
        self.weekday[weekday, rows] += np.where(again & elsewhere, (now + before) / 2, 0.0)
        self.off[weekday, taught] = self.amount[weekday, taught] = 0.0
        self.off[weekday, rows], self.amount[weekday, rows] = now, amount

    def _accept(
        self, plain: FloatArray, surprise: FloatArray, beyond: NDArray[np.bool_], known: NDArray[np.bool_]
    ) -> None:
        """Take a level that stayed beyond the clip for `accept_days` as the new one, for the past levels too."""
        days = self.settings.accept_days
        side = np.where(beyond, np.sign(surprise), 0.0)
        continued = np.where(side * self.streak > 0, self.streak + side, side)
        self.streak = np.where(known, continued, self.streak)
        self.recent[self.day % days] = plain
        settled = np.abs(self.streak) >= days
        if settled.any():
            level, ring = np.median(self.recent[:, settled], axis=0), len(self.levels)
            streak = np.arange(self.day - days + 1, self.day + 1) % ring
            self.levels[:, settled] += level - self.levels[streak[0], settled]
            self.levels[np.ix_(streak, settled)] = level
            self.level[settled] = level
            self.streak[settled] = 0.0


class Baseline:
    """The forecaster of every series that no other one beats."""

    name = "baseline"
    version = "1"

    def __init__(self, settings: ForecastSettings) -> None:
        self.settings = settings

    def forecast(self, history: FloatArray, start: date, horizon_days: int, keys: Sequence[str]) -> FloatArray:
        end = history.shape[1]
        return self.walk(history, start, horizon_days, origins=(end,)).rolling[end]

    def walk(self, history: FloatArray, start: date, horizon_days: int, *, origins: Sequence[int] = ()) -> Walk:
        """Pass once over `history` (series, days); a forecast from origin k has seen the days before k, no other."""
        chunks = [
            self._walk(history[at : at + _CHUNK], start, horizon_days, frozenset(origins))[0]
            for at in range(0, len(history), _CHUNK)
        ]
        empty = np.zeros((0, history.shape[1]))
        return Walk(
            day_ahead=np.concatenate([empty, *(chunk.day_ahead for chunk in chunks)]),
            fortnight_ahead=np.concatenate([empty, *(chunk.fortnight_ahead for chunk in chunks)]),
            rolling={
                k: np.concatenate([np.zeros((0, horizon_days)), *(chunk.rolling[k] for chunk in chunks)])
                for k in origins
            },
        )

    def parts(self, history: FloatArray, start: date, horizon_days: int) -> Parts:
        """What the forecast after `history` (series, days) is made of."""
        _, state = self._walk(history, start, horizon_days, frozenset())
        end = start + timedelta(days=history.shape[1])
        return state.project(Places.of(end, horizon_days))

    def _walk(
        self, history: FloatArray, start: date, horizon_days: int, origins: frozenset[int]
    ) -> tuple[Walk, _State]:
        n, days = history.shape
        small = self.settings.small_cost
        place = Places.of(start, days + horizon_days)
        by_day = np.ascontiguousarray(history.T)
        known = np.isfinite(by_day)
        x = compress(np.where(known, by_day, 0.0), small)
        quotas = Quotas.of(by_day, small, start, horizon_days)
        free = quotas.expected(days)
        known &= ~free
        state = _State(n, self.settings, quotas, Cycles(n, start, days + horizon_days))
        expected, earlier = np.empty_like(x), np.empty_like(x)
        rolling: dict[int, FloatArray] = {}
        today = list(place.each())
        for t in range(days + 1):
            if t in origins:
                rolling[t] = expand(state.project(place.part(t, t + horizon_days)).total(), small).T
            if t < days:
                fresh = state.seen == 0
                expected[t], earlier[t] = state.learn(x[t], by_day[t] / small, known[t], *today[t])
                expected[t, fresh] = earlier[t, fresh] = np.nan
        expected[free] = earlier[free] = 0.0
        return Walk(expand(expected, small).T, expand(earlier, small).T, rolling), state
