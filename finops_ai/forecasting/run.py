"""Forecasts of many series at once: aligned, contested, banded, clamped; the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.expectation import Expectation
from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.period import Days
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.backtest import windows
from finops_ai.forecasting.base import Forecaster
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.champion import challenge, contest
from finops_ai.forecasting.intervals import Residuals, day_offsets, day_unit, measured_coverage, sum_offsets
from finops_ai.forecasting.matrix import Group, align
from finops_ai.forecasting.naive import SeasonalNaive, TrailingMean
from finops_ai.forecasting.position import month_ends
from finops_ai.forecasting.prophet import ProphetForecaster
from finops_ai.forecasting.settings import ForecastSettings

_USUAL_DAYS = 28
_CLAMP_DAYS = 90
_BLOCK = 2048  # series banded together: bounds memory at about 100 bytes x windows x horizon each
_FORECASTERS: tuple[type[Forecaster], ...] = (SeasonalNaive, TrailingMean, Baseline, ProphetForecaster)
_VERSIONED = {one.name: f"{one.name}/{one.version}" for one in _FORECASTERS}


def forecast_all(
    series: Sequence[CostSeries], *, horizon_days: int, issued_on: date, settings: ForecastSettings
) -> list[Forecast]:
    """Forecast every series from the day after its last complete day, in the order given.

    Nothing after `complete_through` is read. Never NaN and never an exception for odd data: what could not be
    forecast as it should says so in `degraded`. Raises ValueError for a horizon under one day.
    """
    if horizon_days < 1:
        raise ValueError(f"horizon_days must be at least 1, not {horizon_days}")
    found: list[Forecast | None] = [None] * len(series)
    dearest = _dearest(series, settings)
    for group in align(series, history_days=settings.history_days):
        for at in range(0, len(group.members), _BLOCK):
            block = group.rows(at, at + _BLOCK)
            for i, one in zip(
                block.members, _block(series, block, horizon_days, issued_on, dearest, settings), strict=True
            ):
                found[i] = one
    return [one or _nothing(series[i], horizon_days, issued_on) for i, one in enumerate(found)]


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
    horizon_days: int,
    issued_on: date,
    dearest: frozenset[int],
    settings: ForecastSettings,
) -> list[Forecast]:
    past = windows(group.values, group.start, horizon_days=horizon_days, settings=settings)
    state = contest(group, past, horizon_days, settings)
    if past:
        challenge(state, [row for row, i in enumerate(group.members) if i in dearest], group, past, settings)
    point, lowest, highest = _clamped(state.point, group.values, settings)
    residuals = Residuals(
        answer=state.answer,
        forecast=state.past,
        usual=np.stack([_usual(w.values[:, : w.origin], settings) for w in past], axis=1)
        if past
        else np.zeros((len(point), 0)),
        classes=_classes(series, group),
    )
    unit = day_unit(point, _usual(group.values, settings))
    spread = day_offsets(residuals, horizon_days, shrinkage=settings.shrinkage)
    quantiles = np.clip(point[:, None] + unit[:, None] * spread, lowest[:, None, None], highest[:, None, None])
    ends = sorted({*month_ends(group.end, horizon_days).tolist(), horizon_days - 1})
    sums, units = np.cumsum(point, axis=1)[:, ends], np.cumsum(unit, axis=1)[:, ends]
    sum_spread = sum_offsets(residuals, horizon_days, shrinkage=settings.shrinkage)[:, :, ends]
    totals = np.clip(
        sums[:, None] + units[:, None] * sum_spread,
        (lowest[:, None] * (np.array(ends) + 1))[:, None],
        (highest[:, None] * (np.array(ends) + 1))[:, None],
    )
    covered = measured_coverage(residuals, shrinkage=settings.shrinkage)
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


def _usual(history: FloatArray, settings: ForecastSettings) -> FloatArray:
    """Mean absolute cost of the last four weeks, at least the small cost; shape (series,)."""
    recent = history[:, -_USUAL_DAYS:]
    known = np.isfinite(recent)
    mean = np.where(known, np.abs(recent), 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    usual: FloatArray = np.maximum(mean, settings.small_cost)
    return usual


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
