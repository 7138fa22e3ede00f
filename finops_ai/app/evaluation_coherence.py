"""What it brings, or costs, that forecasts of scopes within scopes add up: the same ones alone and in agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import numpy as np

from finops_ai.app.evaluation import Split, cost_series
from finops_ai.app.evaluation_forecast import HORIZON_DAYS, SETTLING_DAYS, chosen_origins
from finops_ai.domain.forecast import BANDS, MEDIAN, Forecast
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.believed import believe
from finops_ai.forecasting.coherence import Coherent, coherent, sums_of
from finops_ai.forecasting.nowcast import nowcast
from finops_ai.forecasting.run import forecast_all
from finops_ai.forecasting.settings import ForecastSettings

MONTH_DAYS = 31
LEVELS_OF_SPLIT: tuple[tuple[str, ...], ...] = ((), ("cost_center",), ("ai_model",), ("cost_center", "service"))
"""Levels below an organisation, as the forecast job has them below the total."""

_HALF_A_CENT = 0.005


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tree:
    """`scopes` with the rows of a split's series that make up each; `levels` names each scope's level."""

    scopes: tuple[Scope, ...]
    rows: tuple[tuple[int, ...], ...]
    levels: tuple[str, ...]


def by_level(
    split: Split,
    *,
    origins: Sequence[date],
    progress: Callable[[str], None],
    settings: ForecastSettings | None = None,
) -> list[dict[str, Any]]:
    """One row for each level: forecasts of 31 days alone and in agreement, against the bill as it was in the end.

    `mase…` is the mean absolute error of a day in errors of the weekly seasonal naive; `inside_80…` and `inside_95…`
    are the shares of days in their band, `month_80…` of sums to the end of the month. `cents_off` is the largest
    difference, on any day and at any level, between a scope's row in the shown table and the sum of its parts. Raises
    UsageError for a split by the hour or one too short.
    """
    chosen = chosen_origins(split, origins, "evaluate coherence")
    tree = _tree(split)
    announced = _announced(split, tree)
    final = _final(split, tree)
    shipped = settings or ForecastSettings()
    held: dict[str, list[FloatArray]] = {level: [] for level in dict.fromkeys(tree.levels)}
    off = dict.fromkeys(held, 0)
    for k, origin in enumerate(chosen, start=1):
        series = _series(split, tree, origin, shipped)
        forecasts = partial(forecast_all, series, horizon_days=HORIZON_DAYS, issued_on=origin, announced=announced)
        alone = forecasts(settings=replace(shipped, reconciled=False))
        family = coherent(forecasts(settings=shipped))
        for level, cents in _violations(tree, family).items():
            off[level] = max(off[level], cents)
        for i, level in enumerate(tree.levels):
            held[level].append(_judged(series[i], alone[i], family[i], final[i], split, origin))
        progress(f"{k} of {len(chosen)}: {origin}, {len(series)} scopes")
    return [_row(level, np.array(parts), off[level]) for level, parts in held.items()]


def _tree(split: Split) -> _Tree:
    found: dict[Scope, list[int]] = {}
    names: dict[Scope, str] = {}
    top = ("org",) if any("org" in one for one in split.attributes) else ()
    for i, attributes in enumerate(split.attributes):
        for level in LEVELS_OF_SPLIT:
            if not all(name in attributes for name in level):
                continue
            scope = Scope(tuple((name, attributes.get(name) or "(none)") for name in (*top, *level)))
            found.setdefault(scope, []).append(i)
            names[scope] = " x ".join(level) or "total"
    order = sorted(found, key=lambda one: (len(one.pairs), one))
    return _Tree(
        scopes=tuple(order),
        rows=tuple(tuple(found[one]) for one in order),
        levels=tuple(names[one] for one in order),
    )


def _series(split: Split, tree: _Tree, origin: date, settings: ForecastSettings) -> list[CostSeries]:
    """Cost of each scope that morning, its last days completed; a day without any bill after the first cost nothing."""
    mean, spread = nowcast(split.log.revisions((origin - split.first.date()).days, split.codes("provider")))
    made, spreads = [], []
    for scope, rows in zip(tree.scopes, tree.rows, strict=True):
        part = mean[list(rows)]
        spreads.append(np.sqrt((np.nan_to_num(spread[list(rows)]) ** 2).sum(axis=0)))
        begun = np.logical_or.accumulate(np.isfinite(part).any(axis=0))
        costs = np.where(begun, np.nan_to_num(part).sum(axis=0), np.nan)
        made.append(cost_series(scope, split.first.date(), costs, origin))
    return believe(made, spreads, settings)


def _announced(split: Split, tree: _Tree) -> list[KnownEvent]:
    """What was announced of scopes that are one series."""
    place = {split.scope(rows[0]): scope for scope, rows in zip(tree.scopes, tree.rows, strict=True) if len(rows) == 1}
    return [replace(one, scope=place[one.scope]) for one in split.announced if one.scope in place]


def _final(split: Split, tree: _Tree) -> FloatArray:
    """Cost of each scope as it was in the end, (scopes, days)."""
    known = np.nan_to_num(split.log.as_of(split.log.steps + SETTLING_DAYS))
    return np.stack([known[list(rows)].sum(axis=0) for rows in tree.rows])


def _violations(tree: _Tree, family: Sequence[Coherent]) -> dict[str, int]:
    """By level of the parent, how many cents its row, or a total, is away from the sum of its parts, at most."""
    found: dict[str, int] = {}
    for one in sums_of(tree.scopes):
        parent, children = family[one.parent], [family[i] for i in one.children]
        parts = np.sum([child.table for child in children], axis=0)
        ends = parent.forecast.total_quantiles
        gaps = [abs(parent.total(day) - sum(child.total(day) for child in children)) for day in ends]
        away = max([int(np.abs(parent.table - parts).max()), *gaps])
        found[tree.levels[one.parent]] = max(found.get(tree.levels[one.parent], 0), away)
    return found


def _judged(
    series: CostSeries, alone: Forecast, agreed: Coherent, final: FloatArray, split: Split, origin: date
) -> FloatArray:
    """Scaled error, shares inside both bands and whether the month was, alone and then in agreement; (8,)."""
    at = (origin - split.first.date()).days
    came = final[at : at + MONTH_DAYS]
    steps = np.abs(series.values[7:] - series.values[:-7])
    scale = float(steps.mean()) if len(steps) else 0.0
    shown = agreed.table[MEDIAN, :MONTH_DAYS] / 100
    return np.array(
        [
            part
            for one, median in ((alone, alone.median[:MONTH_DAYS]), (agreed.forecast, shown))
            for part in _measures(one, median, came, scale)
        ]
    )


def _measures(one: Forecast, median: FloatArray, came: FloatArray, scale: float) -> list[float]:
    error = float(np.abs(came - median).mean()) / scale if scale > 0 else float("nan")
    days = one.quantiles[:, :MONTH_DAYS]
    inside = [float(_inside(came, days[low], days[high]).mean()) for low, high in BANDS.values()]
    return [error, *inside, _month(one, came)]


def _month(one: Forecast, came: FloatArray) -> float:
    """1.0 where the 80 % band of the longest sum within these days held, else 0.0; NaN where there is none."""
    ends = [day for day in one.total_quantiles if (day - one.days.start).days < len(came)]
    if not ends:
        return float("nan")
    last = max(ends)
    low, high = (one.total_quantiles[last][end] for end in BANDS[0.8])
    return float(_inside(came[: (last - one.days.start).days + 1].sum(), low, high))


def _inside(came: Any, low: Any, high: Any) -> Any:
    """Whether it lies in the band, to the cent as both are shown."""
    return (low - _HALF_A_CENT <= came) & (came <= high + _HALF_A_CENT)


def _row(level: str, held: FloatArray, off: int) -> dict[str, Any]:
    alone, agreed = held[:, :4], held[:, 4:]
    row: dict[str, Any] = {"level": level, "forecasts": len(held)}
    for k, name in enumerate(("mase", "inside_80", "inside_95", "month_80")):
        for suffix, part in (("_alone", alone), ("", agreed)):
            row[name + suffix] = f"{np.nanmean(np.minimum(part[:, k], 20.0)):.3f}"
    return {**row, "cents_off": off}
