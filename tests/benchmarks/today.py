"""How much sooner a rise is told when the day that is not over is judged: the shared hourly set as a bill by the day.

The bill is read and judged after every hour. `ratio` is the median of the hours from the beginning of a rise to its
first episode when only days that are over are judged, over that of the production engine by the day, and of it
with the hours. The last row tells what judging hours costs, beside judging the same series by the day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from time import process_time
from typing import Any

import numpy as np
import pandas as pd

from finops_ai.app.evaluation import read_split
from finops_ai.app.evaluation_detection import settings
from finops_ai.detection.by_hour import bursts
from finops_ai.detection.run import detect
from finops_ai.detection.settings import DAYS_PER_YEAR
from finops_ai.domain.episode import Episode
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray, HourlySeries
from tests.benchmarks.hours import HOURLY

_FIRST = 40  # days known before the first judgement
_WEEKS, _COPIES = 12, 20
_AFTER = timedelta(days=3)


class _Bill:
    """The set by series, day and hour, and what was planted in it."""

    def __init__(self) -> None:
        split = read_split(HOURLY)
        self.start: date = split.first.date()
        self.keys = split.keys
        days = split.log.steps // 24
        self.cost: FloatArray = split.log.as_of(split.log.steps)[:, : days * 24].reshape(len(self.keys), days, 24)
        self.events = pd.read_csv(HOURLY / "events.csv", parse_dates=["start", "end"])

    @property
    def days(self) -> int:
        return int(self.cost.shape[1])

    def known(self, day: int, hours: int) -> list[CostSeries]:
        """Every series by the day after so many hours of `day`."""
        found = []
        for key, cost in zip(self.keys, self.cost, strict=True):
            values = np.append(cost[:day].sum(axis=1), cost[day, :hours].sum())
            found.append(
                CostSeries(
                    scope=Scope((("x_cost_center", key),)),
                    cost_basis="effective",
                    currency="USD",
                    days=Days(self.start, self.start + timedelta(days=day + 1)),
                    values=values,
                    complete_through=self.start + timedelta(days=day - 1),
                )
            )
        return found

    def hours(self, day: int, hours: int) -> list[HourlySeries]:
        """Every series by the hour after so many hours of `day`."""
        return [
            HourlySeries(
                scope=Scope((("x_cost_center", key),)),
                cost_basis="effective",
                currency="USD",
                start=datetime.combine(self.start, time(), UTC),
                values=cost.ravel()[: day * 24 + hours],
            )
            for key, cost in zip(self.keys, self.cost, strict=True)
        ]


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Rows of {name, rises found, of them on their own day, median hours until told, false per series-year, ratio}."""
    bill = _Bill()
    days = range(_FIRST, _FIRST + 20 if quick else bill.days)
    through = (0, 12, 22) if quick else range(24)
    told = {
        "when the day is over": _opened(bill, days, [0]),
        "while it lasts": _opened(bill, days, through),
        "by the hour": _opened(bill, days, through, by_hour=True),
    }
    rows = [{"name": name, **_judged(bill, days, opened)} for name, opened in told.items()]
    return [*(row | {"ratio": rows[0]["hours"] / row["hours"]} for row in rows), _cost(bill, 1 if quick else _COPIES)]


def _cost(bill: _Bill, copies: int) -> dict[str, Any]:
    """CPU seconds for the hours of the last twelve weeks, and for the days of the same series."""
    day = bill.days - 1
    start = datetime.combine(bill.start + timedelta(days=day - _WEEKS * 7), time(), UTC)
    late = [replace(one, start=start, values=one.values[-_WEEKS * 7 * 24 :]) for one in bill.hours(day, 0)] * copies
    series = bill.known(day, 0) * copies
    at = datetime.combine(bill.start + timedelta(days=day), time(), UTC)
    took = []
    for work in (
        lambda: bursts(late, (), as_of=at, settings=settings()),
        lambda: detect(series, (), as_of=at, settings=replace(settings(), second_opinions=0)),
    ):
        before = process_time()
        work()
        took.append(process_time() - before)
    return {"name": f"{len(late)} series, CPU s", "ours_s": took[0], "yardstick_s": took[1], "ratio": took[1] / took[0]}


def _opened(bill: _Bill, days: range, hours: Sequence[int], *, by_hour: bool = False) -> list[tuple[Episode, datetime]]:
    """Every episode with the instant at which it was first known, when `hours` of each day are looked at."""
    shipped = replace(settings(), second_opinions=0)
    previous: tuple[Episode, ...] = ()
    first: dict[str, tuple[Episode, datetime]] = {}
    for day in days:
        for hour in hours:
            at = datetime.combine(bill.start + timedelta(days=day), time(hour), tzinfo=UTC)
            told = bill.hours(day, hour) if by_hour else ()
            previous = detect(bill.known(day, hour), previous, as_of=at, settings=shipped, hours=told).episodes
            for one in previous:
                first.setdefault(one.key, (one, at))
    return list(first.values())


def _judged(bill: _Bill, days: range, opened: Sequence[tuple[Episode, datetime]]) -> dict[str, Any]:
    begin, end = (pd.Timestamp(bill.start) + pd.Timedelta(days=day) for day in (days.start, days.stop))
    events = bill.events[(bill.events["start"] >= begin) & (bill.events["start"] < end)]
    found: dict[int, datetime] = {}
    false = 0
    for episode, at in opened:
        own = events[events["series_id"] == episode.scope.get("x_cost_center")]
        hits = [
            int(str(number))
            for number, event in own.iterrows()
            if event["start"].date() <= at.date() <= event["end"].date() + _AFTER
            and episode.opened_on <= event["end"].date()
        ]
        for number in hits:
            found.setdefault(number, at)
        false += not hits
    rises = events[events["category"] == "cost_up"]
    waited = [(at.replace(tzinfo=None) - rises["start"][i]) for i, at in found.items() if i in rises.index]
    same = sum(at.date() == rises["start"][i].date() for i, at in found.items() if i in rises.index)
    return {
        "rises": len(rises),
        "found": len(waited),
        "on their day": same,
        "hours": float(np.median([one / pd.Timedelta(hours=1) for one in waited])),
        "false per series-year": false / (len(bill.keys) * len(days) / DAYS_PER_YEAR),
    }
