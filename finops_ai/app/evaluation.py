"""Reads a split of labelled or plain cost series and replays it: what was known on each morning, and nothing more.

A split is a folder:

- `costs_log.parquet` (`series_id, usage_date, known_on, cost`), append-only: the cost of a day as of morning A is its
  last row with `known_on <= A`; or `costs.parquet` (`series_id, ts, cost`), each value known one step later.
- `series.csv`: `series_id` and any attributes (`provider`, `cost_center`, `service`, `org` are used where present).
- `calendar.csv`, optional: `series_id, start, end, note`, changes announced in advance.
- `task.json`: `first`, `score_from`, `score_to`, `freq` ("d" or "h").

What else lies in the folder (labels, excess, strata) is the judge's and is never opened. A step is a day or an hour;
steps are numbered from `Split.first`, and morning `m` is the beginning of step `m`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.nowcast import AGES, Revisions

SERIES_KEY = "series_id"
_STEPS = {"d": timedelta(days=1), "h": timedelta(hours=1)}
_ENDS = ("decommission", "shutdown", "shut down", "retire", "turn off", "switch off")

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BilledLog:
    """Every amount that was ever on a bill, in the order in which it became known; append-only.

    Row i says that from the beginning of step `known[i]` on, series `series[i]` cost `cost[i]` in step `step[i]`.
    """

    size: int
    steps: int
    series: IntArray
    step: IntArray
    known: IntArray
    cost: FloatArray

    def as_of(self, morning: int) -> FloatArray:
        """Costs as known on `morning`, shape (series, morning); NaN where nothing was on the bill."""
        return self._filled(0, morning, int(np.searchsorted(self.known, morning, side="right")), morning)

    def revisions(self, morning: int, provider: NDArray[np.intp], *, recent: int = 90) -> Revisions:
        """Costs as known on `morning` with the way the `recent` last days filled up."""
        first = max(0, morning - recent)
        rows = slice(int(np.searchsorted(self.known, first, side="right")), None)
        by_age = np.full((AGES, self.size, morning - first), np.nan)
        upto = int(np.searchsorted(self.known, morning, side="right"))
        series, step, known, cost = (
            part[rows.start : upto] for part in (self.series, self.step, self.known, self.cost)
        )
        for age in range(AGES):
            seen = (known - step <= age + 1) & (step >= first)
            by_age[age, series[seen], step[seen] - first] = cost[seen]
            by_age[age, :, max(0, morning - first - age) :] = np.nan  # that morning is still to come
        return Revisions(known=self.as_of(morning), by_age=by_age, provider=provider)

    def _filled(self, first: int, last: int, rows: int, morning: int) -> FloatArray:
        values = np.full((self.size, last - first), np.nan)
        series, step = self.series[:rows], self.step[:rows]
        inside = (step >= first) & (step < min(last, morning))
        values[series[inside], step[inside] - first] = self.cost[:rows][inside]  # a later row replaces an earlier one
        return values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """One split, without its labels. `attributes[i]` are the columns of `series.csv` for series i."""

    keys: tuple[str, ...]
    attributes: tuple[Mapping[str, str], ...]
    first: datetime
    step: timedelta
    score_from: int
    score_to: int
    log: BilledLog
    announced: tuple[KnownEvent, ...]

    @property
    def hourly(self) -> bool:
        return self.step < timedelta(days=1)

    def at(self, step: int) -> datetime:
        """Beginning of a step, without a time zone as in the files; UTC."""
        return self.first + step * self.step

    def scope(self, i: int) -> Scope:
        """The scope under which a series is judged: its key, so that no two are one."""
        return Scope(((SERIES_KEY, self.keys[i]),))

    def codes(self, name: str) -> NDArray[np.intp]:
        """Numbers of an attribute's values, shape (series,); all 0 where the split has no such column."""
        return np.unique([one.get(name, "") for one in self.attributes], return_inverse=True)[1].astype(np.intp)

    def every(self, sample: int) -> Split:
        """Each `sample`-th series by key, for a quick look."""
        kept = sorted(range(len(self.keys)), key=lambda i: self.keys[i])[::sample]
        place = np.full(len(self.keys), -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        rows = place[self.log.series] >= 0
        keys = {self.keys[i] for i in kept}
        return Split(
            keys=tuple(self.keys[i] for i in kept),
            attributes=tuple(self.attributes[i] for i in kept),
            first=self.first,
            step=self.step,
            score_from=self.score_from,
            score_to=self.score_to,
            log=BilledLog(
                size=len(kept),
                steps=self.log.steps,
                series=place[self.log.series][rows],
                step=self.log.step[rows],
                known=self.log.known[rows],
                cost=self.log.cost[rows],
            ),
            announced=tuple(one for one in self.announced if one.scope.pairs[0][1] in keys),
        )


def cost_series(scope: Scope, first: date, costs: FloatArray, origin: date) -> CostSeries:
    """A series as the ledger would hand it: from its first day on the bill; a day without one inside is a gap."""
    known = np.flatnonzero(np.isfinite(costs))
    begin = int(known[0]) if len(known) else len(costs)
    return CostSeries(
        scope=scope,
        cost_basis="billed",
        currency="USD",
        days=Days(first + timedelta(days=begin), origin),
        values=costs[begin:],
        complete_through=origin - timedelta(days=1),
    )


def read_split(folder: Path) -> Split:
    """Read a split. Raises Malformed, naming the file, for one that does not have the form above."""
    task = _task(folder / "task.json")
    step = _STEPS[task.get("freq", "d")]
    attributes = _rows(folder / "series.csv", (SERIES_KEY,))
    keys = tuple(row[SERIES_KEY] for row in attributes)
    if len(set(keys)) < len(keys):
        raise _malformed(folder / "series.csv", "names a series twice")
    bitemporal = folder / "costs_log.parquet"
    path = bitemporal if bitemporal.exists() else folder / "costs.parquet"
    columns = ("usage_date", "known_on") if path == bitemporal else ("ts",)
    table = _table(path, (SERIES_KEY, *columns, "cost"))
    known_keys, number = np.unique(np.array(table[SERIES_KEY].to_pylist(), dtype=object), return_inverse=True)
    place = {key: i for i, key in enumerate(keys)}
    if strangers := [key for key in known_keys if key not in place]:
        raise _malformed(path, f"has a series that series.csv does not name: {strangers[0]!r}")
    used = _steps(table[columns[0]], step)
    first = int(used.min())
    used = used - first
    known = _steps(table["known_on"], step) - first if path == bitemporal else used + 1
    if (known <= used).any():
        raise _malformed(path, "has an amount that was known before its day had ended")
    order = np.argsort(known, kind="stable")
    log = BilledLog(
        size=len(keys),
        steps=int(used.max()) + 1,
        series=np.array([place[key] for key in known_keys], dtype=np.int64)[number][order],
        step=used[order],
        known=known[order],
        cost=np.asarray(table["cost"].to_numpy(), dtype=np.float64)[order],
    )
    begin = datetime(1970, 1, 1) + first * step  # noqa: DTZ001 (the files' days carry no zone)
    return Split(
        keys=keys,
        attributes=attributes,
        first=begin,
        step=step,
        score_from=_index(task, "score_from", begin, step, folder),
        score_to=_index(task, "score_to", begin, step, folder),
        log=log,
        announced=_announced(folder / "calendar.csv"),
    )


def _task(path: Path) -> Mapping[str, Any]:
    try:
        task = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _malformed(path, f"cannot be read: {error}") from error
    if not isinstance(task, dict) or task.get("freq", "d") not in _STEPS:
        raise _malformed(path, 'wants an object with "freq" d or h')
    return task


def _index(task: Mapping[str, Any], name: str, first: datetime, step: timedelta, folder: Path) -> int:
    try:
        return int((datetime.fromisoformat(str(task[name])) - first) / step)
    except (KeyError, ValueError) as error:
        raise _malformed(folder / "task.json", f"wants a date in {name}") from error


def _rows(path: Path, wanted: Sequence[str]) -> tuple[Mapping[str, str], ...]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            rows = tuple(reader)
            names = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _malformed(path, f"cannot be read: {error}") from error
    if missing := [name for name in wanted if name not in names]:
        raise _malformed(path, f"has no column {missing[0]}")
    return rows


def _table(path: Path, columns: Sequence[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise _malformed(path, f"cannot be read: {error}") from error


def _steps(column: pa.ChunkedArray, step: timedelta) -> IntArray:
    """Numbers of the steps since 1970."""
    moments = column.cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]").astype(np.int64)
    return np.asarray(moments // (step // timedelta(microseconds=1)), dtype=np.int64)


def _announced(path: Path) -> tuple[KnownEvent, ...]:
    """The calendar; without the file nothing was announced."""
    if not path.exists():
        return ()
    found = []
    for line, row in enumerate(_rows(path, (SERIES_KEY, "start", "end", "note")), start=2):
        try:
            start, end = (datetime.fromisoformat(row[name]).date() for name in ("start", "end"))
            days = Days(Days(start, end).start, end + timedelta(days=1))
        except ValueError as error:
            raise _malformed(path, f"wants dates in start and end, start first: {error}", line) from error
        note = row["note"].strip()
        ends = any(word in note.lower() for word in _ENDS)
        found.append(KnownEvent(scope=Scope(((SERIES_KEY, row[SERIES_KEY]),)), days=days, note=note, ends_use=ends))
    return tuple(found)


def _malformed(path: Path, message: str, line: int | None = None) -> Malformed:
    return Malformed([Problem(file=str(path), line=line, message=message)])
