"""Forecast error by archetype on the shared accuracy set: the engine beside baselines, same mornings, same series.

`ratio` is the best baseline's MASE over ours, larger is better. Baselines are given the costs of the morning with the
last days completed as the engine completes them. AutoTheta, MSTL and AutoETS are statsforecast's and left out where it
is not installed; Prophet forecasts every second series and is held against ours on those.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from finops_ai.app import evaluation_forecast as production
from finops_ai.app.evaluation import Split, read_split
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.naive import SeasonalNaive
from finops_ai.forecasting.nowcast import nowcast
from finops_ai.forecasting.prophet import NoFit, ProphetForecaster
from tests.benchmarks.judge import judge
from tests.benchmarks.pages import FOLDER

HORIZONS = (7, 30, 90)
_DAYS = production.HORIZON_DAYS
_LEAST_DAYS = 15  # fewer are two weeks at most: every baseline repeats the last one
_SLOW = 2
"""Prophet runs on each so manyth series."""

Baseline = Callable[[FloatArray, date], FloatArray]
"""From the costs of one series without gaps, (days,), and its first day: the days ahead, (_DAYS,)."""
Errors = Mapping[tuple[str, int], float]
"""MASE of an archetype, or "all", at a horizon."""


def naive(costs: FloatArray, start: date) -> FloatArray:
    made: FloatArray = SeasonalNaive().forecast(costs[None], start, _DAYS, ())[0]
    return made


def prophet(costs: FloatArray, start: date) -> FloatArray:
    try:
        made: FloatArray = ProphetForecaster().forecast(costs[None], start, _DAYS, ())[0]
    except NoFit:
        return naive(costs, start)
    return made


def _statistical(name: str) -> Baseline:
    """A model of statsforecast by its name, with a weekly season."""
    model = getattr(importlib.import_module("statsforecast.models"), name)

    def forecast(costs: FloatArray, start: date) -> FloatArray:
        made = np.asarray(model(season_length=7).forecast(y=costs, h=_DAYS)["mean"], dtype=np.float64)
        return made if np.isfinite(made).all() else naive(costs, start)

    return forecast


def _filled(costs: FloatArray) -> FloatArray:
    """From the first known day on; a day that is missing gets the cost of a week before, or of the day before."""
    made = costs[np.isfinite(costs).argmax() :].copy()
    for day in np.flatnonzero(np.isnan(made)):
        made[day] = made[day - 7 if day >= 7 else day - 1]
    return made


def _forecasts(
    split: Split, mornings: set[tuple[str, str]], forecast: Baseline
) -> Iterator[tuple[str, str, str, float]]:
    """Rows of series, origin, day and cost, for each series on each of the `mornings`."""
    for origin in sorted({morning for _, morning in mornings}):
        today = date.fromisoformat(origin)
        step = (today - split.first.date()).days
        costs, _ = nowcast(split.log.revisions(step, split.codes("provider")))
        for key, row in zip(split.keys, costs, strict=True):
            if (key, origin) not in mornings:
                continue
            known = _filled(row)
            begin = today - timedelta(days=len(known))
            made = (forecast if len(known) >= _LEAST_DAYS else naive)(known, begin)
            yield from ((key, origin, f"{today + timedelta(days=i)}", float(cost)) for i, cost in enumerate(made))


def _judged(rows: list[tuple[Any, ...]]) -> Errors:
    """What the set's own judge says of rows of series, origin, day and median."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "medians.csv"
        with path.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines)
            writer.writerow(production.COLUMNS)
            writer.writerows((*row[:3], *[row[3]] * (len(production.COLUMNS) - 3)) for row in rows)
        every, each = judge("forecast")(FOLDER, path), judge("forecast")(FOLDER, path, "archetype")
    found = {("all", h): float(every.loc[h, "mase"]) for h in HORIZONS}
    return found | {(kind, h): float(each.loc[(kind, h), "mase"]) for kind, h in each.index}


def _ours(split: Split, *, quick: bool) -> list[tuple[Any, ...]]:
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "ours.csv"
        origins = production.default_origins(split)[-1:] if quick else ()
        production.run(split, path, origins=origins, jobs=1, progress=lambda _: None)
        with path.open(encoding="utf-8") as lines:
            return [(row["series_id"], row["origin"], row["date"], row["q0.5"]) for row in csv.DictReader(lines)]


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Rows of {name, ours, the baselines, ratio} for every archetype and horizon."""
    split = read_split(FOLDER).every(8 if quick else 1)
    half = split.every(_SLOW)
    ours = _ours(split, quick=quick)
    mornings = {(row[0], row[1]) for row in ours}
    kept = set(half.keys)
    found = {"ours": _judged(ours), "ours_half": _judged([row for row in ours if row[0] in kept])}
    baselines: dict[str, Baseline] = {"naive": naive}
    missing = importlib.util.find_spec("statsforecast") is None
    if not missing:
        baselines |= {name.lower(): _statistical(name) for name in ("AutoTheta", "MSTL", "AutoETS")}
    for name, forecast in baselines.items():
        print(f"archetypes: {name}", file=sys.stderr, flush=True)
        found[name] = _judged(list(_forecasts(split, mornings, forecast)))
    found["prophet"] = _judged(list(_forecasts(half, mornings, prophet)))
    note = "statsforecast is not installed: without AutoTheta, MSTL and AutoETS" if missing else ""
    return [_row(kind, h, found, note) for h in HORIZONS for kind, at in found["ours"] if at == h]


def _row(kind: str, horizon: int, found: Mapping[str, Errors], note: str) -> dict[str, Any]:
    """One line; `ratio` is over the baseline that comes nearest."""
    told = {name: errors.get((kind, horizon), float("nan")) for name, errors in found.items()}
    leads = {
        name: error / max(told["ours_half" if name == "prophet" else "ours"], 1e-9)
        for name, error in told.items()
        if not name.startswith("ours") and np.isfinite(error)
    }
    best = min(leads, key=lambda name: leads[name])
    near = f"nearest: {best}"
    return {
        "name": f"{kind}, {horizon} days",
        **told,
        "ratio": leads[best],
        "note": f"{near}; {note}" if note else near,
    }
