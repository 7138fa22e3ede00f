"""Forecasts of many series at once: aligned, contested, banded, clamped; the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.expectation import Expectation
from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.period import Days
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.backtest import windows
from finops_ai.forecasting.base import Forecaster
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.champion import COMBINATION, WITH_PROPHET, challenge, contest
from finops_ai.forecasting.intervals import (
    POOLED,
    Residuals,
    band,
    carried,
    day_offsets,
    measured_coverage,
    sum_offsets,
)
from finops_ai.forecasting.issue import VERSION, combine, plain_spread
from finops_ai.forecasting.matrix import Group, align
from finops_ai.forecasting.naive import SeasonalNaive, TrailingMean
from finops_ai.forecasting.position import month_ends
from finops_ai.forecasting.prophet import ProphetForecaster
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.forecasting.teaching import Taught, changes_of, teach
from finops_ai.forecasting.theta import Theta

_USUAL_DAYS = 28
_CLAMP_DAYS = 90
_TOLD_DAYS = 14
_MEDIAN = LEVELS.index(0.5)
_REMAINS = 0.05  # share of the upper band that what was switched off may still cost
_BLOCK = 2048  # series banded together: bounds memory at about 100 bytes x windows x horizon each
_FORECASTERS: tuple[type[Forecaster], ...] = (SeasonalNaive, TrailingMean, Theta, Baseline, ProphetForecaster)
_VERSIONED = {one.name: f"{one.name}/{one.version}" for one in _FORECASTERS}
_VERSIONED |= {name: f"{name}/{VERSION}" for name in (COMBINATION, WITH_PROPHET)}


def forecast_all(
    series: Sequence[CostSeries],
    *,
    horizon_days: int,
    issued_on: date,
    settings: ForecastSettings,
    announced: Sequence[KnownEvent] = (),
) -> list[Forecast]:
    """Forecast every series from the day after its last complete day, in the order given.

    Nothing after `complete_through` is read, but the dates of `announced` changes. Never NaN and never an exception for
    odd data: what could not be forecast as it should says so in `degraded`. Raises ValueError for a horizon under one
    day.
    """
    if horizon_days < 1:
        raise ValueError(f"horizon_days must be at least 1, not {horizon_days}")
    found: list[Forecast | None] = [None] * len(series)
    dearest = _dearest(series, settings)
    scopes = [one.scope for one in series]
    blocks = []
    for group in align(series, history_days=settings.history_days):
        for at in range(0, len(group.members), _BLOCK):
            block = group.rows(at, at + _BLOCK)
            blocks.append((block, changes_of(block, scopes, horizon_days, announced)))
    taught = teach(blocks, horizon_days, settings)
    ending = [one for one in announced if one.ends_use]
    for block, changes in blocks:
        made = _block(series, block, changes, horizon_days, issued_on, dearest, taught, settings)
        for i, one in zip(block.members, made, strict=True):
            found[i] = _ended(one, ending)
    return [one or _nothing(series[i], horizon_days, issued_on) for i, one in enumerate(found)]


def _ended(one: Forecast, ending: Sequence[KnownEvent]) -> Forecast:
    """The forecast of a scope whose use was announced to end: from that day on nothing, or next to nothing."""
    recent = one.days.start - timedelta(days=_TOLD_DAYS)  # what ended earlier shows in the costs, or did not end
    told = [event.days.start for event in ending if event.scope.contains(one.scope) and event.days.start >= recent]
    first = min(told, default=one.days.end)
    at = max((first - one.days.start).days, 0)
    if at >= len(one.days):
        return one
    left = one.quantiles.copy()
    left[:, at:] = np.where(np.array(LEVELS)[:, None] > 0.5, _REMAINS * np.maximum(left[:, at:], 0), 0.0)
    before, after = (np.cumsum(each, axis=1) for each in (one.quantiles, left))
    totals = {}
    for day, values in one.total_quantiles.items():
        through = (day - one.days.start).days
        was, stays = (float(each[-1, through] - each[0, through]) for each in (before, after))
        narrower = stays / was if was > 0 else 0.0
        totals[day] = after[_MEDIAN, through] + narrower * (values - values[_MEDIAN])
    return replace(one, quantiles=left, total_quantiles=totals)


def expected_now(series: Sequence[CostSeries], *, lookback_days: int, settings: ForecastSettings) -> list[Expectation]:
    """What the last complete days of each series were expected to cost, each by earlier days only.

    An expectation covers up to `lookback_days` days that end with `complete_through` (none for a series without days).
    """
    nothing = np.zeros(0)
    found = [
        Expectation(
            days=Days(one.complete_days.end, one.complete_days.end),
            day_ahead=nothing,
            fortnight_ahead=nothing,
            small_cost=settings.small_cost,
            forecaster=_VERSIONED[Baseline.name],
        )
        for one in series
    ]
    for group in align(series, history_days=max(settings.history_days, lookback_days)):
        walk = Baseline(settings).walk(group.values, group.start, 0)
        width = group.values.shape[1]
        for row, i in enumerate(group.members):
            days = min(lookback_days, len(series[i].complete_days), width)
            found[i] = Expectation(
                days=Days(group.end - timedelta(days=days), group.end),
                day_ahead=walk.day_ahead[row, width - days :],
                fortnight_ahead=walk.fortnight_ahead[row, width - days :],
                small_cost=settings.small_cost,
                forecaster=_VERSIONED[Baseline.name],
            )
    return found


def _block(
    series: Sequence[CostSeries],
    group: Group,
    changes: NDArray[np.bool_],
    horizon_days: int,
    issued_on: date,
    dearest: frozenset[int],
    taught: Taught | None,
    settings: ForecastSettings,
) -> list[Forecast]:
    past = windows(group.values, group.start, horizon_days=horizon_days, settings=settings)
    state = contest(group, past, horizon_days, settings)
    spread = plain_spread(state, group, past, settings)
    classes = _classes(series, group)
    if taught:
        combine(state, spread, group, changes, past, taught, classes, settings)
    if past:
        challenge(state, [row for row, i in enumerate(group.members) if i in dearest], group, past, settings)
    point, lowest, highest = _clamped(state.point, group.values, settings)
    residuals = Residuals(
        answer=state.answer,
        forecast=state.past,
        below=spread.past_below,
        above=spread.past_above,
        classes=classes,
    )
    shrinkage = POOLED if taught else settings.shrinkage
    offsets = carried(residuals, day_offsets(residuals, horizon_days, shrinkage=shrinkage))
    quantiles = band(point, spread.below, spread.above, offsets)
    quantiles = np.clip(quantiles, lowest[:, None, None], highest[:, None, None])
    ends = sorted({*month_ends(group.end, horizon_days).tolist(), horizon_days - 1})
    sums, below, above = (np.cumsum(each, axis=1)[:, ends] for each in (point, spread.below, spread.above))
    sum_spread = carried(residuals, sum_offsets(residuals, horizon_days, shrinkage=shrinkage))[:, :, ends]
    totals = np.clip(
        band(sums, below, above, sum_spread),
        (lowest[:, None] * (np.array(ends) + 1))[:, None],
        (highest[:, None] * (np.array(ends) + 1))[:, None],
    )
    covered = measured_coverage(residuals, shrinkage=shrinkage)
    days = Days(group.end, group.end + timedelta(days=horizon_days))
    known = np.isfinite(group.values).sum(axis=1)
    return [
        Forecast(
            scope=series[i].scope,
            cost_basis=series[i].cost_basis,
            currency=series[i].currency,
            issued_on=issued_on,
            forecaster=_VERSIONED[state.champions[row]],
            days=days,
            quantiles=quantiles[row],
            total_quantiles={days.start + timedelta(days=end): totals[row, :, k] for k, end in enumerate(ends)},
            measured_coverage={level: float(share[row]) for level, share in covered.items()},
            backtest_error=state.errors[row],
            degraded=_degraded(int(known[row]), bool(np.isfinite(state.answer[row]).any()), settings),
        )
        for row, i in enumerate(group.members)
    ]


def _clamped(
    point: FloatArray, history: FloatArray, settings: ForecastSettings
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The forecast within its limits, and the limits (series,): credits are forecast only where credits were seen."""
    recent = np.nan_to_num(history[:, -_CLAMP_DAYS:])
    highest = settings.ceiling * np.maximum(recent.max(axis=1), 0.0)
    lowest = settings.ceiling * np.minimum(recent.min(axis=1), 0.0)
    return np.clip(point, lowest[:, None], highest[:, None]), lowest, highest


def _classes(series: Sequence[CostSeries], group: Group) -> NDArray[np.intp]:
    """Number of each series' scope class: the names of its keys; shape (series,)."""
    names = [tuple(name for name, _ in series[i].scope.pairs) for i in group.members]
    numbers = {one: k for k, one in enumerate(sorted(set(names)))}
    return np.array([numbers[one] for one in names], dtype=np.intp)


def _degraded(known_days: int, judged: bool, settings: ForecastSettings) -> str | None:
    if known_days < settings.cold_days:
        return f"cold start: {known_days} of {settings.cold_days} days, the last week is repeated"
    if not judged:
        return "too short for a backtest: the band is that of other series"
    return None


def _dearest(series: Sequence[CostSeries], settings: ForecastSettings) -> frozenset[int]:
    """Indices of the series on which Prophet may try: the most expensive of the last four weeks, per currency."""
    if not settings.prophet_series:
        return frozenset()
    spent: dict[str, list[tuple[float, str, int]]] = {}
    for i, one in enumerate(series):
        values = one.complete_values
        if len(values) >= settings.prophet_min_days and np.isfinite(values).all():
            recent = float(values[-_USUAL_DAYS:].sum())
            if recent > 0:
                spent.setdefault(one.currency, []).append((-recent, one.key, i))
    return frozenset(i for ranked in spent.values() for _, _, i in sorted(ranked)[: settings.prophet_series])


def _nothing(one: CostSeries, horizon_days: int, issued_on: date) -> Forecast:
    """The answer for a series without any complete day: zero, and that it is no forecast."""
    start = one.complete_days.end
    days = Days(start, start + timedelta(days=horizon_days))
    return Forecast(
        scope=one.scope,
        cost_basis=one.cost_basis,
        currency=one.currency,
        issued_on=issued_on,
        forecaster="none",
        days=days,
        quantiles=np.zeros((len(LEVELS), horizon_days)),
        total_quantiles={days.end - timedelta(days=1): np.zeros(len(LEVELS))},
        measured_coverage={0.8: float("nan"), 0.95: float("nan")},
        degraded="no complete day to learn from",
    )
