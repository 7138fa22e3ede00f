"""Forecasts of one block of series between the contest and the bands: what is expected, and what was, on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.days_off import NONE
from finops_ai.domain.forecast import Forecast
from finops_ai.domain.period import Days
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.backtest import Window, windows
from finops_ai.forecasting.base import Forecaster
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.champion import COMBINATION, WITH_PROPHET, challenge, contest
from finops_ai.forecasting.intervals import (
    LEARNED,
    Residuals,
    band,
    day_offsets,
    measured_coverage,
    sum_offsets,
)
from finops_ai.forecasting.issue import VERSION, combine, plain_spread
from finops_ai.forecasting.last_year import WITH_LAST_YEAR, follow_last_year
from finops_ai.forecasting.matrix import Group
from finops_ai.forecasting.naive import SeasonalNaive, TrailingMean
from finops_ai.forecasting.now_and_then import UNSURE, beyond_medians
from finops_ai.forecasting.position import month_ends
from finops_ai.forecasting.prophet import ProphetForecaster
from finops_ai.forecasting.rests import rest_days
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.forecasting.teaching import Taught
from finops_ai.forecasting.theta import Theta

_LEARNED_SINCE = 0.06  # share by which days err less than the backtest's, made by a model that learned half a year less
_CLAMP_DAYS = 90
_REST_DAYS = 91
_RESTS = 0.35  # share of days without cost that weekends and holidays do not reach: when it runs next is not known
_FORECASTERS: tuple[type[Forecaster], ...] = (SeasonalNaive, TrailingMean, Theta, Baseline, ProphetForecaster)
VERSIONED = {one.name: f"{one.name}/{one.version}" for one in _FORECASTERS}
VERSIONED |= {name: f"{name}/{VERSION}" for name in (COMBINATION, WITH_LAST_YEAR, WITH_PROPHET)}

OF_A_PART, OVER = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlook:
    """`point` (series, horizon_days) is expected; `past` (series, windows, horizon_days) was, `answer` came.

    `past` is NaN where nothing was forecast, `answer` where a day is not known or the history was too short. `regular`
    is the regression's backtest, which has no gaps. Units `below` and `above` the forecast are what errors are measured
    in, and `learned` is the share of a model in a forecast. No forecast leaves `lowest` to `highest` (series,). `told`
    (series, horizon_days) is OVER after an announced end of use, OF_A_PART where something was announced of the scope
    that its parts do not know. Arrays are written to by announcements and where scopes are made to add up, before bands
    are drawn. `classes` (series,) tell what errs alike. `off` (windows, horizon_days) are the days off among the days
    answered.
    """

    group: Group
    champions: list[str]
    errors: list[dict[str, float]]
    classes: NDArray[np.intp]
    point: FloatArray
    learned: FloatArray
    below: FloatArray
    above: FloatArray
    past: FloatArray
    regular: FloatArray
    answer: FloatArray
    off: NDArray[np.bool_]
    origins: tuple[int, ...]
    past_below: FloatArray
    past_above: FloatArray
    lowest: FloatArray
    highest: FloatArray
    told: NDArray[np.int8]


def outlook(
    series: Sequence[CostSeries],
    group: Group,
    changes: NDArray[np.bool_],
    horizon_days: int,
    dearest: frozenset[int],
    taught: Taught | None,
    settings: ForecastSettings,
) -> Outlook:
    """Let the forecasters compete on a block of series; Prophet on those whose index is among the `dearest`."""
    past = windows(group.values, group.start, horizon_days=horizon_days, settings=settings)
    state = contest(group, past, horizon_days, settings)
    spread = plain_spread(state, group, past, settings)
    classes = _classes(series, group)
    if taught:
        combine(state, spread, group, changes, past, taught, classes, settings)
    if past:
        follow_last_year(state, group, past, horizon_days, settings)
        challenge(state, [row for row, i in enumerate(group.members) if i in dearest], group, past, settings)
    recent = np.nan_to_num(group.values[:, -_CLAMP_DAYS:])
    highest = settings.ceiling * np.maximum(recent.max(axis=1), 0.0)
    lowest = settings.ceiling * np.minimum(recent.min(axis=1), 0.0)  # credits are forecast only where they were seen
    return Outlook(
        group=group,
        champions=state.champions,
        errors=state.errors,
        classes=_erring_alike(classes, group),
        point=np.clip(state.point, lowest[:, None], highest[:, None]),
        learned=spread.learned,
        below=spread.below,
        above=spread.above,
        past=state.past,
        regular=state.candidates[0].past,
        answer=state.answer,
        off=_days_off(past, horizon_days),
        origins=tuple(each.origin for each in past),
        past_below=spread.past_below,
        past_above=spread.past_above,
        lowest=lowest,
        highest=highest,
        told=np.zeros(state.point.shape, dtype=np.int8),
    )


def banded(
    one: Outlook, series: Sequence[CostSeries], issued_on: date, settings: ForecastSettings, *, learned: bool
) -> list[Forecast]:
    """Forecasts of the block's members, with bands from the errors of its backtest.

    `learned`: the units are a model's, which knows most of how series differ.
    """
    horizon_days = one.point.shape[1]
    residuals = Residuals(
        answer=one.answer,
        forecast=one.past,
        below=one.past_below,
        above=one.past_above,
        classes=one.classes,
        apart=settings.origin_step,
    )
    shrinkage = LEARNED if learned else settings.shrinkage
    working = replace(residuals, answer=np.where(one.off, np.nan, one.answer))  # most windows had not met days off yet
    offsets = day_offsets(working, horizon_days, shrinkage=shrinkage)
    narrower = 1 / (1 + _LEARNED_SINCE * one.learned)
    quantiles = band(one.point, narrower * one.below, narrower * one.above, offsets)
    quantiles = np.clip(quantiles, one.lowest[:, None, None], one.highest[:, None, None])
    end = one.group.end
    ends = np.array(sorted({*month_ends(end, horizon_days).tolist(), horizon_days - 1}))
    totals = _totals(one, residuals, ends, shrinkage)
    covered = measured_coverage(residuals, shrinkage=shrinkage)
    days = Days(end, end + timedelta(days=horizon_days))
    through = [days.start + timedelta(days=day) for day in ends.tolist()]
    known = np.isfinite(one.group.values).sum(axis=1)
    return [
        Forecast(
            scope=series[i].scope,
            cost_basis=series[i].cost_basis,
            currency=series[i].currency,
            issued_on=issued_on,
            forecaster=VERSIONED[one.champions[row]],
            days=days,
            quantiles=quantiles[row],
            total_quantiles=dict(zip(through, totals[row].T, strict=True)),
            measured_coverage={level: float(share[row]) for level, share in covered.items()},
            backtest_error=one.errors[row],
            degraded=_degraded(int(known[row]), bool(np.isfinite(one.answer[row]).any()), settings),
        )
        for row, i in enumerate(one.group.members)
    ]


def _totals(one: Outlook, days: Residuals, ends: NDArray[np.intp], shrinkage: int | None) -> FloatArray:
    """Quantiles of the sums through the days `ends`, (series, len(LEVELS), ends), from errors of such sums.

    Work that runs now and then comes to its mean and not to the sum of its medians, and is banded apart.
    """
    horizon_days = one.point.shape[1]
    beyond = beyond_medians(one.answer, one.past, one.origins)
    apart, unit = beyond.rows[:, None], beyond.unit(horizon_days)
    past = replace(
        days,
        forecast=one.past + beyond.past[:, :, None],
        below=np.where(apart[:, None], unit[:, None], one.past_below),
        above=np.where(apart[:, None], unit[:, None], one.past_above),
        classes=2 * one.classes + beyond.rows,
    )
    spread = sum_offsets(past, horizon_days, shrinkage=shrinkage)[:, :, ends]
    goes_on = beyond.now[:, None] * (one.told != OVER)
    units = (np.where(apart, UNSURE * unit, own) for own in (one.below, one.above))
    sums, below, above = (np.cumsum(part, axis=1)[:, ends] for part in (one.point + goes_on, *units))
    lowest, highest = ((ends + 1) * limit[:, None] for limit in (one.lowest, one.highest))
    return np.clip(band(sums, below, above, spread), lowest[:, None], highest[:, None])


def _days_off(past: Sequence[Window], horizon_days: int) -> NDArray[np.bool_]:
    """Which of the days that windows answer are days off, (windows, horizon_days)."""
    found = [rest_days(one.start + timedelta(days=one.origin), horizon_days) != NONE for one in past]
    return np.array(found, dtype=np.bool_).reshape(len(past), horizon_days)


def _classes(series: Sequence[CostSeries], group: Group) -> NDArray[np.intp]:
    """Number of each series' scope class: the names of its keys; shape (series,)."""
    names = [tuple(name for name, _ in series[i].scope.pairs) for i in group.members]
    numbers = {one: k for k, one in enumerate(sorted(set(names)))}
    return np.array([numbers[one] for one in names], dtype=np.intp)


def _erring_alike(classes: NDArray[np.intp], group: Group) -> NDArray[np.intp]:
    """Each scope class parted by whether a series often rests; shape (series,).

    Work that rests on more than weekends errs upwards; judged with all others, its upper edge would be too low.
    """
    recent = group.values[:, -_REST_DAYS:]
    rests = (recent == 0).sum(axis=1) > _RESTS * np.isfinite(recent).sum(axis=1)
    apart: NDArray[np.intp] = 2 * classes + rests
    return apart


def _degraded(known_days: int, judged: bool, settings: ForecastSettings) -> str | None:
    if known_days < settings.cold_days:
        return f"cold start: {known_days} of {settings.cold_days} days, the last week is repeated"
    if not judged:
        return "too short for a backtest: the band is that of other series"
    return None
