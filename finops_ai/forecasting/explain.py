"""What a forecast is made of: parts in money per day that add up to its median."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finops_ai.domain.days_off import NONE, days_off
from finops_ai.domain.expectation import expand
from finops_ai.domain.forecast import Forecast
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.matrix import Group, align
from finops_ai.forecasting.parts import Parts
from finops_ai.forecasting.prophet import NoFit, ProphetForecaster, components
from finops_ai.forecasting.settings import ForecastSettings

PARTS = ("level", "trend", "weekday", "cycle", "year", "month", "holiday", "event", "shift", "learned")
"""What a part may be: of the calendar regression (or of Prophet) the first six; of what is on top of it the others.

`cycle` is what recurs by a clock other than week and year, told where there is any, as of sprints. `shift` is
how much higher or lower the days are altogether, `holiday` and `event` what is beyond that on holidays and after
announced changes, `learned` on all other days: what other series taught, and the limits of a forecast.
"""


def explain(
    series: CostSeries, forecast: Forecast, settings: ForecastSettings, announced: Sequence[KnownEvent] = ()
) -> dict[str, FloatArray]:
    """Parts of one forecast, see `explain_all`."""
    return explain_all([series], [forecast], settings, announced)[0]


def explain_all(
    series: Sequence[CostSeries],
    forecasts: Sequence[Forecast],
    settings: ForecastSettings,
    announced: Sequence[KnownEvent] = (),
) -> list[dict[str, FloatArray]]:
    """Parts of each forecast of the series at the same place, in currency per day, (len(forecast.days),) each.

    They are some of PARTS and add up to the forecast's median.
    """
    found: list[dict[str, FloatArray]] = [{} for _ in series]
    if not series:
        return found
    horizon_days = max(len(one.days) for one in forecasts)
    for group in align(series, history_days=settings.history_days):
        parts = Baseline(settings).parts(group.values, group.start, horizon_days)
        for row, i in enumerate(group.members):
            days = len(forecasts[i].days)
            prophet = forecasts[i].forecaster.partition("/")[0] == ProphetForecaster.name
            own = _prophet_parts(group, row, days) if prophet else _regression_parts(parts, row, days, settings)
            found[i] = own
    return [
        {**parts, **_beyond(one, one.median - sum(parts.values(), np.zeros(len(one.days))), announced)}
        for parts, one in zip(found, forecasts, strict=True)
    ]


def _regression_parts(parts: Parts, row: int, days: int, settings: ForecastSettings) -> dict[str, FloatArray]:
    total = np.zeros(days)
    before = np.zeros(days)
    result = {}
    known = (parts.level, parts.trend, parts.weekday, parts.cycle, parts.year, parts.month)
    for name, part in zip(PARTS, known, strict=False):
        if name != "cycle" or part[:days, row].any():
            total = total + part[:days, row]
            result[name] = expand(total, settings.small_cost) - before
            before = before + result[name]
    return result


def _prophet_parts(group: Group, row: int, days: int) -> dict[str, FloatArray]:
    try:
        parts = components(group.values[row], group.start, days)
    except NoFit:
        return {}
    names = {"trend": "trend", "weekly": "weekday", "yearly": "year"}
    return {names[name]: part for name, part in parts.items() if name in names}


def _beyond(one: Forecast, rest: FloatArray, announced: Sequence[KnownEvent]) -> dict[str, FloatArray]:
    """What the regression does not say, sorted by when it is said."""
    dates = np.datetime64(one.days.start, "D") + np.arange(len(one.days))
    holiday = days_off(dates) != NONE
    changed = np.zeros(len(dates), dtype=bool)
    for event in announced:
        if event.concerns(one.scope):
            changed |= dates >= np.datetime64(event.days.start, "D")
    changed &= ~holiday
    plain = ~(holiday | changed)
    shift = np.full(len(dates), float(np.median(rest[plain])) if plain.any() else 0.0)
    parts = {"shift": shift}
    for name, there in (("holiday", holiday), ("event", changed), ("learned", plain)):
        if there.any():
            parts[name] = np.where(there, rest - shift, 0.0)
    return parts
