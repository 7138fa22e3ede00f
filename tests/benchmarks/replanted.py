"""Detection with the accuracy set's incidents planted anew: the same bills and shapes, other series and other days.

Rules that were tuned to where the set's 139 incidents happen to lie would find fewer of them elsewhere. What cost more
is taken out of the bills and put into a random series of the same archetype, whole weeks away, in proportion to its
level; lost tags and faults of the data stay where they are. `ratio` is the mean of saved@1 over new places, over that
of the places as they are.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from finops_ai.app import evaluation_detection as production
from finops_ai.app.evaluation import Split, read_split
from finops_ai.app.evaluation_forecast import SETTLING_DAYS
from finops_ai.domain.series import FloatArray
from tests.benchmarks.judge import judge
from tests.benchmarks.pages import FOLDER

PLACES = 5
_TOLD = ("incidents", "precision", "recall", "false_per_series_year", "recall@1", "saved@1", "f1@1", "auc_pr")
_TIED = ("lost_tags", "tag_inflow")
"""What one series loses another has: these stay where they are."""
_APART, _LEARNING = 10, 21  # days between incidents of a series and after its first day, and before one in its training
_BEFORE, _LEAST = 60, 3  # days before an incident that tell its level, by those that cost something: so many at least
_IDLE = 0.3  # of the level: what costs less is idle, and an excess there is in proportion to the level
_TRIES, _QUICK_DAYS = 400, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an incident lies: row of the series, first day, how many days."""

    row: int
    first: int
    days: int

    @property
    def span(self) -> slice:
        return slice(self.first, self.first + self.days)


class Bills:
    """A split's bills without the incidents that move, and where there is room for them."""

    def __init__(self, split: Split, folder: Path) -> None:
        self.split = split
        self.final = np.nan_to_num(split.log.as_of(split.log.steps + SETTLING_DAYS))
        with (folder / "events.csv").open(encoding="utf-8", newline="") as file:
            self.events: list[dict[str, Any]] = list(csv.DictReader(file))
        excess = pd.read_parquet(folder / "excess.parquet").sort_values("day")
        self.excess: dict[str, FloatArray] = {
            str(name): part["excess"].to_numpy() for name, part in excess.groupby("event_id")
        }
        kinds = pd.read_csv(folder / "strata.csv").set_index("series_id")["archetype"].to_dict()
        self.kinds = [kinds[key] for key in split.keys]
        self.usual = self.final.copy()
        self.moving: dict[int, Place] = {}
        self.staying: list[Place] = []
        tied = {one["incident_id"] for one in self.events if one["type"] in _TIED}
        for at, one in enumerate(self.events):
            place = self._place(one)
            if one["category"] != "cost_up" or one["incident_id"] in tied or self.kinds[place.row] == "untagged":
                self.staying.append(place)
            else:
                self.moving[at] = place
                self.usual[place.row, place.span] -= self.excess[one["event_id"]]
        self.usual = np.maximum(self.usual, 0.0)

    def _place(self, event: dict[str, Any]) -> Place:
        row, start = self.split.keys.index(event["series_id"]), _start(event)
        days = (datetime.fromisoformat(event["end"]) - start).days + 1
        return Place(row=row, first=(start - self.split.first).days, days=days)

    def levels(self, at: Place) -> FloatArray:
        """What its days cost without incidents, or where they are idle the level before them, (days,)."""
        before = self.usual[at.row, max(at.first - _BEFORE, 0) : at.first]
        spent = before[before > 0]
        level = float(np.median(spent if len(spent) else self.usual[at.row][self.usual[at.row] > 0]))
        cost = self.usual[at.row, at.span]
        return np.where(cost > _IDLE * level, cost, level)

    def elsewhere(self, at: Place, taken: list[Place], random: np.random.Generator) -> Place:
        """A series like its own and a first day whole weeks away; as it is where nothing is free."""
        alike = [row for row, kind in enumerate(self.kinds) if kind == self.kinds[at.row]]
        is_scored = at.first >= self.split.score_from
        for _ in range(_TRIES):
            row = int(random.choice(alike))
            born = int(np.argmax(self.usual[row] > 0))
            first = max(self.split.score_from, born + _APART) if is_scored else born + _LEARNING
            last = (self.split.score_to if is_scored else self.split.score_from) - at.days - 1
            weeks = -((at.first - first) // 7), (last - at.first) // 7
            if weeks[0] > weeks[1]:
                continue
            found = Place(row=row, first=at.first + 7 * int(random.integers(weeks[0], weeks[1] + 1)), days=at.days)
            spent = self.usual[row, max(found.first - _BEFORE, 0) : found.first] > 0
            if spent.sum() >= _LEAST and not any(_near(found, one) for one in taken):
                return found
        return at


def _near(one: Place, other: Place) -> bool:
    apart = max(one.first - other.first - other.days, other.first - one.first - one.days)
    return one.row == other.row and apart < _APART


def planted_anew(bills: Bills, source: Path, target: Path, seed: int) -> None:
    """Write the split, which was read from `source`, to `target` with its incidents in other places."""
    random = np.random.default_rng(seed)
    events, costs, taken = [{**one} for one in bills.events], bills.usual.copy(), list(bills.staying)
    excess, split = {**bills.excess}, bills.split
    for at in random.permutation(list(bills.moving)).tolist():
        old, name = bills.moving[at], events[at]["event_id"]
        new = bills.elsewhere(old, taken, random)
        taken.append(new)
        excess[name] = bills.excess[name] / bills.levels(old) * bills.levels(new)
        costs[new.row, new.span] += excess[name]
        start, end = (f"{split.at(day):%Y-%m-%d}" for day in (new.first, new.first + new.days - 1))
        events[at] |= {"series_id": split.keys[new.row], "start": start, "end": end}
        events[at]["excess_usd"] = float(excess[name].sum())
    days = [
        {"event_id": one["event_id"], "day": split.at(day).date(), "excess": cost}
        for one in events
        for day, cost in enumerate(excess.get(one["event_id"], ()), (_start(one) - split.first).days)
    ]
    for file in ("series.csv", "calendar.csv", "strata.csv", "task.json"):
        shutil.copy(source / file, target / file)
    pd.DataFrame(days).to_parquet(target / "excess.parquet")
    pd.DataFrame(events).to_csv(target / "events.csv", index=False)
    _filling(bills, pd.read_parquet(source / "costs_log.parquet"), costs).to_parquet(target / "costs_log.parquet")


def _start(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["start"])


def _filling(bills: Bills, log: pd.DataFrame, costs: FloatArray) -> pd.DataFrame:
    """The bill as it filled up, with what changed in the same shares; on days that were idle in its provider's."""
    split = bills.split
    row = log["series_id"].map({key: i for i, key in enumerate(split.keys)}).to_numpy()
    day = (log["usage_date"] - pd.Timestamp(split.first)).dt.days.to_numpy()
    age = (log["known_on"] - log["usage_date"]).dt.days.to_numpy()
    was, now, cost = bills.final[row, day], costs[row, day], log["cost"].to_numpy(np.float64)
    spent = was > 0
    share = np.where(spent, cost / np.where(spent, was, 1.0), np.nan)
    usual = pd.Series(share).groupby([split.codes("provider")[row], age]).transform("median").to_numpy()
    filled = np.where(now == was, cost, now * np.where(spent, share, np.nan_to_num(usual, nan=1.0)))
    return log.assign(cost=filled.astype(np.float32))


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Rows of the places as they are, of each new draw, and of their mean, by the judge's figures."""
    bills = Bills(read_split(FOLDER), FOLDER)
    as_it_is, new = _judged(FOLDER, quick=quick), []
    for seed in range(1, 2 if quick else PLACES + 1):
        with tempfile.TemporaryDirectory() as home:
            planted_anew(bills, FOLDER, Path(home), seed)
            new.append(_judged(Path(home), quick=quick))
    mean = {name: float(np.mean([one[name] for one in new])) for name in _TOLD}
    named = {"as it is": as_it_is, **{f"places {k}": one for k, one in enumerate(new, 1)}, "new places": mean}
    ratio = mean["saved@1"] / max(as_it_is["saved@1"], 1e-9)
    return [{"name": name, **figures, "ratio": ratio} for name, figures in named.items()]


def _judged(folder: Path, *, quick: bool) -> dict[str, float]:
    split = read_split(folder)
    if quick:
        split = replace(split.every(4), score_from=split.score_to - _QUICK_DAYS)
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "verdicts.csv"
        production.run(split, path, jobs=1, progress=lambda _: None)
        found = judge("detection")(folder, path).loc["all"]
    return {name: float(found[name]) for name in _TOLD}
