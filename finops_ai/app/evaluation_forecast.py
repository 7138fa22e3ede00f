"""Forecasts of a split as the forecast job would have issued them: on each origin from what was known that morning."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from finops_ai.app.evaluation import Split, cost_series
from finops_ai.domain.errors import UsageError
from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.forecasting.believed import believe
from finops_ai.forecasting.nowcast import nowcast
from finops_ai.forecasting.run import UNKNOWN, forecast_all
from finops_ai.forecasting.settings import ForecastSettings

HORIZON_DAYS = 90
SETTLING_DAYS = 4
ORIGINS = 5
COLUMNS = ("series_id", "origin", "date", *(f"q{level:g}" for level in LEVELS))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Morning:
    """One origin and the forecasts issued on it, in the order of the split's series."""

    origin: date
    found: list[Forecast]


def run(
    split: Split,
    output: Path,
    *,
    origins: Sequence[date],
    jobs: int,
    progress: Callable[[str], None],
    settings: ForecastSettings | None = None,
) -> None:
    """Write the forecasts of every series on every origin to `output` as CSV with COLUMNS.

    A series that no bill has named by an origin is not known then, and is told nothing of.
    Raises UsageError for a split by the hour, and for origins outside it.
    """
    chosen = chosen_origins(split, origins, "evaluate forecast")
    made = 0
    served: Counter[str] = Counter()
    best: Counter[str] = Counter()
    work = partial(morning, split, settings=settings or ForecastSettings())
    with output.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in _each(work, chosen, jobs):
            made += 1
            progress(f"{made} of {len(chosen)}: {one.origin}, {len(one.found)} series")
            for key, forecast in zip(split.keys, one.found, strict=True):
                if forecast.forecaster == UNKNOWN:
                    continue
                writer.writerows(_rows(key, one.origin, forecast))
                served[forecast.forecaster.partition("/")[0]] += 1
                if alone := {name: e for name, e in forecast.backtest_error.items() if "combination" not in name}:
                    best[min(alone, key=lambda name: (alone[name], name))] += 1
    progress(f"best on a series' own backtest: {_counted(best)}")
    progress(f"served by: {_counted(served)}")


def _counted(names: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in names.most_common())


def without_parts(names: Sequence[str]) -> ForecastSettings:
    """The shipped settings with some parts switched off: `prophet`, `boosted`."""
    settings = ForecastSettings()
    if "prophet" in names:
        settings = replace(settings, prophet_series=0)
    return replace(settings, boosted=False) if "boosted" in names else settings


def chosen_origins(split: Split, origins: Sequence[date], command: str) -> list[date]:
    """The mornings that were named, or the default ones. Raises UsageError where there are none to replay."""
    if split.hourly:
        raise UsageError(f"{command} wants a split by the day; this one is by the hour")
    chosen = list(origins) or default_origins(split)
    first, last = split.at(1).date(), split.at(split.log.steps).date()
    if wrong := [one for one in chosen if not first <= one <= last]:
        raise UsageError(f"origin {wrong[0]} lies outside the split ({first} to {last})")
    if not chosen:
        raise UsageError("the split is too short for an origin with 90 days after it; name --origins")
    return chosen


def default_origins(split: Split) -> list[date]:
    """The last five firsts of a month that leave the horizon and four days for settling."""
    first = split.first.date()
    end = first + timedelta(days=split.log.steps - HORIZON_DAYS - SETTLING_DAYS)
    months = [first + timedelta(days=i) for i in range(1, (end - first).days + 1)]
    return [day for day in months if day.day == 1][-ORIGINS:]


def morning(split: Split, origin: date, *, settings: ForecastSettings) -> _Morning:
    """What the engine says on the morning of `origin`."""
    step = (origin - split.first.date()).days
    mean, spread = nowcast(split.log.revisions(step, split.codes("provider")))
    series = [cost_series(split.scope(i), split.first.date(), row, origin) for i, row in enumerate(mean)]
    series = believe(series, list(spread), settings)
    found = forecast_all(
        series, horizon_days=HORIZON_DAYS, issued_on=origin, settings=settings, announced=split.announced
    )
    return _Morning(origin=origin, found=found)


def _each(work: Callable[[date], _Morning], origins: Sequence[date], jobs: int) -> Iterator[_Morning]:
    if jobs == 1 or len(origins) == 1:
        yield from map(work, origins)
        return
    with ProcessPoolExecutor(max_workers=min(jobs, len(origins))) as pool:
        yield from pool.map(work, origins)


def _rows(key: str, origin: date, forecast: Forecast) -> Iterator[tuple[str, ...]]:
    for i, day in enumerate(forecast.days):
        yield (key, origin.isoformat(), day.isoformat(), *(f"{value:.6g}" for value in forecast.quantiles[:, i]))
