"""Forecasts of many series at once: aligned, contested, banded, clamped; the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from finops_ai.domain.expectation import Expectation
from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.period import Days
from finops_ai.domain.series import CostSeries
from finops_ai.forecasting.agreement import agree
from finops_ai.forecasting.announcements import announce
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.matrix import align
from finops_ai.forecasting.outlook import VERSIONED, banded, outlook
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.forecasting.teaching import changes_of, teach

UNKNOWN = "none"
"""Who forecasts a series without any complete day."""

_USUAL_DAYS = 28
_BLOCK = 2048  # series banded together: bounds memory at about 100 bytes x windows x horizon each


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
    ahead = [outlook(series, block, changes, horizon_days, dearest, taught, settings) for block, changes in blocks]
    announce(ahead, series, announced)
    if settings.reconciled:
        agree(ahead, series)
    for each in ahead:
        made = banded(each, series, issued_on, settings, learned=taught is not None)
        for i, one in zip(each.group.members, made, strict=True):
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
            forecaster=VERSIONED[Baseline.name],
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
                forecaster=VERSIONED[Baseline.name],
            )
    return found


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
        forecaster=UNKNOWN,
        days=days,
        quantiles=np.zeros((len(LEVELS), horizon_days)),
        total_quantiles={days.end - timedelta(days=1): np.zeros(len(LEVELS))},
        measured_coverage={0.8: float("nan"), 0.95: float("nan")},
        degraded="no complete day to learn from",
    )
