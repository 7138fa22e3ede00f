"""Recall by archetype at one false episode per series-year: the engine beside baselines on the shared accuracy set.

`ratio` is ours over the best baseline's, on the same series. Every method gives one score for each day and one global
threshold is chosen in hindsight, as the set's protocol has it. Baselines judge a day on its second morning, when it is
nearly whole; PyOD is refitted weekly, Prophet and MSTL (where statsforecast is installed) every four weeks, on every
second series.
"""

from __future__ import annotations

import importlib
import logging
import math
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from finops_ai.app import evaluation_detection as production
from finops_ai.app.evaluation import Split, read_split
from finops_ai.domain.series import FloatArray
from tests.benchmarks.judge import judge
from tests.benchmarks.pages import FOLDER

_AGE = 2
_LEAST_DAYS = 60
_QUICK_DAYS = 30
_REFIT = 28
_SLOW = 2
"""Slow baselines run on each so manyth series."""

Scorer = Callable[[FloatArray, int], FloatArray]
"""From costs as known, (series, days), and the number of the morning: strangeness of the last day, (series,)."""


def _apart(now: FloatArray, past: FloatArray, *, robust: bool) -> FloatArray:
    """Size of the distance of `now` (series,) from `past` (series, days), in its usual deviations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a series that has not begun has no mean
        middle = np.nanmedian(past, axis=1) if robust else np.nanmean(past, axis=1)
        away = np.abs(past - middle[:, None])
        width = 1.4826 * np.nanmedian(away, axis=1) if robust else np.nanstd(past, axis=1)
    found: FloatArray = np.nan_to_num(np.abs(now - middle) / (width + 0.01 * np.abs(middle) + 0.01))
    return found


def z_score(costs: FloatArray, _morning: int) -> FloatArray:
    return _apart(costs[:, -1], costs[:, -29:-1], robust=False)


def mad(costs: FloatArray, _morning: int) -> FloatArray:
    return _apart(costs[:, -1], costs[:, -29:-1], robust=True)


def weekday_mad(costs: FloatArray, _morning: int) -> FloatArray:
    return _apart(costs[:, -1], costs[:, -1 - 7 * 8 : -1 : 7], robust=True)


def lags(costs: FloatArray) -> FloatArray:
    """Features of the days from the 29th on, (days, 6): logarithms against yesterday, last week, their means."""
    log = np.log1p(np.maximum(np.nan_to_num(costs), 0.0))
    at = np.arange(28, len(log))
    week = np.array([log[t - 7 : t].mean() for t in at])
    month = np.array([log[t - 28 : t].mean() for t in at])
    return np.stack([log[at] - log[at - 1], log[at] - log[at - 7], log[at] - log[at - 14], log[at] - week, week - month,
                     (at % 7) / 7.0], axis=1)  # fmt: skip


class Pyod:
    """A PyOD detector on lag features, one for each series, fitted again every seventh morning."""

    def __init__(self, module: str, name: str) -> None:
        self.make = getattr(importlib.import_module(f"pyod.models.{module}"), name)
        self.models: dict[int, tuple[Any, float, float]] = {}

    def __call__(self, costs: FloatArray, morning: int) -> FloatArray:
        found = np.zeros(len(costs))
        for i, row in enumerate(costs):
            known = row[np.flatnonzero(np.nan_to_num(row) != 0)[:1].sum() :]
            if len(known) < _LEAST_DAYS:
                continue
            if i not in self.models or morning % 7 == 0:
                model = self.make()
                model.fit(lags(known[:-1]))
                usual = model.decision_scores_
                self.models[i] = model, float(np.median(usual)), float(np.quantile(usual, 0.95) - np.median(usual))
            model, middle, width = self.models[i]
            found[i] = (float(model.decision_function(lags(known[-29:]))[0]) - middle) / max(width, 1e-9)
        return found


Known = np.ndarray[tuple[int], np.dtype[np.intp]]
Fit = Callable[[FloatArray, Known], FloatArray]
"""From costs (days,), of which the last is to be judged, and the days known before: band of that and the days after."""


class Banded:
    """A forecaster's 99 % band, fitted again every 28th morning: how many half bands a day lies from the middle."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.bands: dict[int, tuple[int, FloatArray]] = {}

    def __call__(self, costs: FloatArray, morning: int) -> FloatArray:
        found = np.zeros(len(costs))
        for i, row in enumerate(costs):
            known = np.flatnonzero(np.isfinite(row[:-1]))
            if len(known) < _LEAST_DAYS:
                continue
            if i not in self.bands or morning % _REFIT == 0:
                self.bands[i] = morning, self.fit(row, known)
            fitted, band = self.bands[i]
            low, middle, high = band[:, morning - fitted]
            half = (high - middle) if row[-1] > middle else (middle - low)
            found[i] = abs(float(np.nan_to_num(row[-1])) - middle) / max(half, 0.01 * abs(middle) + 0.01)
        return found


def prophet(first: datetime) -> Fit:
    """Prophet as it comes; `first` is the date of the first day."""
    import pandas as pd
    from prophet import Prophet

    for name in ("prophet", "cmdstanpy"):
        logging.getLogger(name).setLevel(logging.ERROR)

    def fit(row: FloatArray, known: Known) -> FloatArray:
        day = pd.Timestamp(first) + pd.to_timedelta(np.arange(len(row) + _REFIT), unit="D")
        model = Prophet(interval_width=0.99, uncertainty_samples=200)
        model.fit(pd.DataFrame({"ds": day[known], "y": row[known]}))
        ahead = model.predict(pd.DataFrame({"ds": day[len(row) - 1 :]}))
        band: FloatArray = ahead[["yhat_lower", "yhat", "yhat_upper"]].to_numpy().T
        return band

    return fit


def mstl() -> Fit | None:
    """MSTL of weeks and months over an automatic ETS; None where statsforecast is not installed."""
    try:
        from statsforecast.models import MSTL, AutoETS
    except ImportError:
        return None

    def fit(row: FloatArray, known: Known) -> FloatArray:
        begun = row[known[0] : -1]
        filled = np.interp(np.arange(len(begun)), known - known[0], row[known])
        model = MSTL(season_length=[7, 30], trend_forecaster=AutoETS(model="ZZN"))
        told = model.forecast(y=filled, h=_REFIT + 1, level=[99])
        return np.stack([told["lo-99"], told["mean"], told["hi-99"]])

    return fit


def verdicts(split: Split, score: Scorer) -> Iterator[tuple[str, str, str, float]]:
    """Rows of series, day, morning and score, each day judged once."""
    for day in range(split.score_from, min(split.score_to + 1, split.log.steps - _AGE)):
        morning = day + _AGE
        found = score(split.log.as_of(morning)[:, : day + 1], morning)
        on = [(split.first + timedelta(days=at)).date().isoformat() for at in (day, morning)]
        yield from ((key, on[0], on[1], float(found[i])) for i, key in enumerate(split.keys))


def recalls(folder: Path, rows: Sequence[tuple[Any, ...]], *, by_archetype: bool = True) -> dict[str, float]:
    """Recall of "all" and, `by_archetype`, of each of them at the one global threshold."""
    import pandas as pd

    scored = judge("detection")
    table = pd.DataFrame(rows, columns=["series_id", "date", "known_on", "score"])
    table["alert"] = 0
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "scores.csv"
        table.to_csv(path, index=False)
        every = scored(folder, path).loc["all"]
        if not by_archetype:
            return {"all": float(every["recall@1"])}
        line = every["threshold@1"]
        table["alert"] = (table["score"] >= line).astype(int)
        table.to_csv(path, index=False)
        found = scored(folder, path, "archetype")
    recall: dict[str, float] = found["recall"].to_dict()
    return recall


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Rows of {name, ours, the baselines, ratio} for every archetype; `ours_half` is on the slow baselines' series."""
    split = read_split(FOLDER)
    if quick:
        split = replace(split.every(4), score_from=split.score_to - _QUICK_DAYS)
    half = split.every(_SLOW)
    slow: dict[str, Scorer] = {"ecod": Pyod("ecod", "ECOD")}
    simple: dict[str, Scorer] = {"weekday_mad": weekday_mad}
    if not quick:
        slow |= {"knn": Pyod("knn", "KNN"), "prophet": Banded(prophet(split.first))}
        if (fit := mstl()) is not None:
            slow["mstl"] = Banded(fit)
        simple |= {"z": z_score, "mad": mad}
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "ours.csv"
        production.run(split, path, jobs=1, progress=lambda _: None)
        lines = [line.split(",") for line in path.read_text("utf-8").splitlines()[1:]]
    mine = [(key, day, on, float(score)) for key, day, on, score, _ in lines]
    kept = set(half.keys)
    told = partial(recalls, FOLDER, by_archetype=not quick)
    found = {"ours": told(mine), "ours_half": told([row for row in mine if row[0] in kept])}
    for name, score in {**simple, **slow}.items():
        print(f"detection: {name}", file=sys.stderr, flush=True)
        found[name] = told(list(verdicts(half if name in slow else split, score)))
    return [_row(kind, found, set(slow)) for kind in (["all"] if quick else found["ours"])]


def _row(kind: str, found: dict[str, dict[str, float]], slow: set[str]) -> dict[str, Any]:
    """One line; `lead` is over the baseline that comes nearest, in recall, negative where it is ahead."""
    told = {name: recall.get(kind, math.nan) for name, recall in found.items()}
    pairs = [
        (told["ours_half" if name in slow else "ours"], recall)
        for name, recall in told.items()
        if not name.startswith("ours") and not math.isnan(recall)
    ]
    ours, best = min(pairs, key=lambda pair: pair[0] - pair[1])
    return {"name": kind, **told, "ratio": ours / best if best > 0 else 1.0, "note": f"lead {ours - best:+.2f}"}
