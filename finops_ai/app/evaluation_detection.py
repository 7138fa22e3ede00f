"""Detection replayed over a split: each morning the engine of `detect` judges what was on the bill by then.

One row for each verdict: `series_id, date, known_on, score, alert`. `score` is the strangeness of the day itself,
-log10 of its p-value under the forecast made before it; `alert` is 1 on the day for which an episode was news that
morning (it opened, opened again, or became graver), so that one cause speaks once. Without PyOD's opinion the same
verdicts are followed twice, and what that changed is told.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from finops_ai.app.evaluation import Split, cost_series
from finops_ai.config.schema import Detect
from finops_ai.config.values import ANY_CURRENCY
from finops_ai.detection.hours import alerts, judge_hours
from finops_ai.detection.news import OPENED, UPDATED, news
from finops_ai.detection.panel import Filling, panels
from finops_ai.detection.run import follow
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.verdicts import Verdicts, judge
from finops_ai.domain.episode import Episode, Severity
from finops_ai.domain.errors import UsageError
from finops_ai.domain.series import CostSeries
from finops_ai.forecasting.nowcast import completeness

COLUMNS = ("series_id", "date", "known_on", "score", "alert")
VIEWS = 3
"""Each day is judged on so many mornings: half there, nearly whole, whole."""

Row = tuple[str, str, str, str, int]

_LEAST_P = 1e-300
_TELL_EVERY = 30


def settings() -> DetectSettings:
    """As `detect` has them with nothing configured."""
    told = Detect()
    return DetectSettings(false_per_series_year=told.false_per_series_year, floor=float(told.floor[ANY_CURRENCY]))


def run(split: Split, output: Path, *, jobs: int, progress: Callable[[str], None], pyod: bool = True) -> None:
    """Judge every step of the split's scored time and write the verdicts, in order of mornings, series and days.

    Without `pyod` they are those that PyOD's opinion had no part in. Raises UsageError for that by the hour, where it
    is not asked.
    """
    if split.hourly and not pyod:
        raise UsageError("PyOD is not asked about hours; leave out --without, or give a split by the day")
    if split.hourly:
        _write(output, _hours(split))
        return
    shipped = settings()
    alone = _Replay(settings=replace(shipped, second_opinions=0))
    both = (_Replay(settings=shipped),) if pyod else (alone, _Replay(settings=shipped))
    _write(output, _days(split, both, jobs, progress))
    if not pyod:
        progress(_told_apart(*both))


def _write(output: Path, rows: Iterable[Row]) -> None:
    with output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _hours(split: Split) -> Iterator[Row]:
    """Each hour as judged when it ended; nothing of it is restated."""
    told = settings()
    values = split.log.as_of(split.log.steps)
    p_value = judge_hours(values, told, begin=split.first.weekday() * 24 + split.first.hour)
    loud = alerts(p_value, told)
    for hour in range(split.score_from, min(split.score_to + 1, split.log.steps)):
        at, known_on = split.at(hour).isoformat(sep=" "), split.at(hour + 1).isoformat(sep=" ")
        for i in np.flatnonzero(np.isfinite(values[:, hour])):
            yield split.keys[i], at, known_on, _score(p_value[i, hour]), int(loud[i, hour])


@dataclass(slots=True, eq=False)
class _Replay:
    """Episodes carried on from one morning to the next under some settings; `loud` are series and days of alerts."""

    settings: DetectSettings
    episodes: tuple[Episode, ...] = ()
    loud: set[tuple[str, str]] = field(default_factory=set)

    def morning(
        self, split: Split, morning: int, verdicts: Sequence[Verdicts], series: Sequence[CostSeries]
    ) -> list[Row]:
        found = follow(verdicts, series, self.episodes, as_of=_instant(split, morning), settings=self.settings)
        rows = list(_rows(split, morning, verdicts, self.episodes, found.episodes))
        self.loud |= {(key, day) for key, day, _, _, alert in rows if alert}
        self.episodes = found.episodes
        return rows


def _days(split: Split, replays: Sequence[_Replay], jobs: int, progress: Callable[[str], None]) -> Iterator[Row]:
    """Every morning's rows of the first of `replays`; all of them follow the same verdicts."""
    mornings = range(split.score_from + 1, min(split.score_to + 1, split.log.steps) + VIEWS)
    for morning, verdicts in zip(mornings, _verdicts(split, mornings, jobs), strict=True):
        if morning % _TELL_EVERY == 0:
            progress(f"morning {morning - mornings.start + 1} of {len(mornings)}")
        series = series_of(split, morning)
        rows, *_ = [one.morning(split, morning, verdicts, series) for one in replays]
        yield from rows


def _told_apart(alone: _Replay, shipped: _Replay) -> str:
    lost, more = len(shipped.loud - alone.loud), len(alone.loud - shipped.loud)
    return (
        f"alerts without PyOD: {len(alone.loud)}, with its opinion {len(shipped.loud)}; "
        f"{lost} are lost without it, {more} are raised only without it"
    )


def series_of(split: Split, morning: int) -> list[CostSeries]:
    """The split's series as known on `morning`, each from its first charge as in the ledger; NaN where nothing was on
    the bill. Only the age of a day tells how complete it is, so that all are taken as incomplete until `Filling` says
    more."""
    first = split.first.date()
    origin = first + timedelta(days=morning)
    known = split.log.as_of(morning)
    return [cost_series(split.scope(i), first, costs, origin) for i, costs in enumerate(known)]


def verdicts_of(split: Split, morning: int) -> list[Verdicts]:
    """The engine's verdicts on what was known on `morning`, with the completeness learned from what was known then."""
    found = completeness(split.log.revisions(morning, split.codes("provider")))
    filling = [Filling(share=found.share[:, i], spread=found.spread[:, i]) for i in range(len(split.keys))]
    series = series_of(split, morning)
    side_by_side = panels(
        series, filling, split.announced, today=_instant(split, morning).date(), size=len(series), settings=settings()
    )
    return judge(side_by_side, settings())


def _verdicts(split: Split, mornings: range, jobs: int) -> Iterator[list[Verdicts]]:
    """One list for each morning, in their order, whatever the number of processes."""
    if jobs == 1:
        yield from (verdicts_of(split, morning) for morning in mornings)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_hold, initargs=(split,)) as pool:
        yield from pool.map(_held_verdicts, mornings, chunksize=4)


_HELD: list[Split] = []


def _hold(split: Split) -> None:
    _HELD[:] = [split]


def _held_verdicts(morning: int) -> list[Verdicts]:
    return verdicts_of(_HELD[0], morning)


def _rows(
    split: Split,
    morning: int,
    verdicts: Sequence[Verdicts],
    previous: Sequence[Episode],
    episodes: Sequence[Episode],
) -> Iterator[Row]:
    """Verdicts on the newest days of each series, and on any older day for which an episode was news."""
    before = {one.key: one for one in previous}
    today = _instant(split, morning).date()
    loud: dict[str, set[int]] = {}
    for one in episodes:
        if news(one, before.get(one.key), Severity.INFO) in (OPENED, UPDATED):
            loud.setdefault(one.scope.pairs[0][1], set()).add((today - one.last_day).days)
    known_on = today.isoformat()
    for part in verdicts:
        p_value, judged_days = part.p_value, part.surprise.judged
        for row, i in enumerate(part.panel.members):
            key = split.keys[i]
            told = loud.get(key, set())
            for age in sorted({*range(1, min(VIEWS, p_value.shape[1]) + 1), *told}, reverse=True):
                if age <= p_value.shape[1] and (age in told or judged_days[row, -age] or age == 1):
                    day = (today - timedelta(days=age)).isoformat()
                    yield key, day, known_on, _score(p_value[row, -age]), int(age in told)


def _score(p_value: float) -> str:
    return f"{-math.log10(max(float(p_value), _LEAST_P)):.6f}"


def _instant(split: Split, morning: int) -> datetime:
    return split.at(morning).replace(tzinfo=UTC)
