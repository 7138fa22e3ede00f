"""Samples of time series reduced to hours: how much of each was seen, mean, peak and the idle share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import IDLE_BELOW

HOUR_SECONDS = 3600
LONGEST_STEP_SECONDS = 300
"""A sample tells of five minutes at most, as Prometheus takes it."""

IntArray = NDArray[np.int64]
Labels = tuple[tuple[str, str], ...]
"""Names and values of the labels that are not empty, sorted, without the metric's name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Samples of one time series in any order. `at`: seconds since the epoch."""

    labels: Labels
    at: FloatArray
    values: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hourly:
    """Arrays with one entry per hour that has samples; `hours` counts from the epoch and ascends.

    `seen`, `mean`, `peak` and `idle` (share of the samples below IDLE_BELOW) are finite; `last` is the last sample.
    """

    hours: IntArray
    seen: FloatArray
    mean: FloatArray
    peak: FloatArray
    idle: FloatArray
    last: FloatArray


Metric = Mapping[Labels, Hourly]
Figure = Literal["seen", "mean", "peak", "idle", "last"]
FIGURES: tuple[Figure, ...] = ("seen", "mean", "peak", "idle", "last")


def labels_of(pairs: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in pairs.items() if value and name != "__name__"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a metric's samples are multiplied with, and the largest product that can be true."""

    factor: float = 1.0
    largest: float = np.inf


def hourly(series: Series, step_seconds: float, scale: Scale = Scale()) -> Hourly:
    """A series by hours. A sample that is NaN, infinite, negative or too large is none; each stands for `step_seconds`.

    Of two samples at one instant the larger counts.
    """
    order = np.lexsort((series.values, series.at))
    at, values = series.at[order], series.values[order] * scale.factor
    known = np.isfinite(values) & (values >= 0) & (values <= scale.largest)
    at, values = at[known], values[known]
    if at.size:
        final = np.append(at[1:] != at[:-1], True)
        at, values = at[final], values[final]
    hour = np.floor_divide(at, HOUR_SECONDS).astype(np.int64)
    hours, starts, counts = np.unique(hour, return_index=True, return_counts=True)
    if not hours.size:
        empty = np.empty(0)
        return Hourly(hours=hours, seen=empty, mean=empty, peak=empty, idle=empty, last=empty)
    return Hourly(
        hours=hours,
        seen=np.minimum(counts * (step_seconds / HOUR_SECONDS), 1.0),
        mean=np.add.reduceat(values, starts) / counts,
        peak=np.maximum.reduceat(values, starts),
        idle=np.add.reduceat((values < IDLE_BELOW).astype(np.float64), starts) / counts,
        last=values[starts + counts - 1],
    )


def by_labels(found: Iterable[tuple[Labels, Hourly]]) -> dict[Labels, Hourly]:
    """One entry for each set of labels; of an hour that is told twice, the telling that saw more of it counts."""
    pieces: dict[Labels, list[Hourly]] = {}
    for labels, piece in found:
        if piece.hours.size:
            pieces.setdefault(labels, []).append(piece)
    return {labels: parts[0] if len(parts) == 1 else _joined(parts) for labels, parts in pieces.items()}


def _joined(parts: list[Hourly]) -> Hourly:
    hours = np.concatenate([part.hours for part in parts])
    figures = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FIGURES}
    order = np.lexsort((figures["seen"], hours))
    hours = hours[order]
    final = np.append(hours[1:] != hours[:-1], True)
    return Hourly(hours=hours[final], **{name: values[order][final] for name, values in figures.items()})


def step_of(instants: FloatArray) -> float:
    """Seconds between samples as most of them have it, at most LONGEST_STEP_SECONDS."""
    gaps = np.diff(np.unique(instants))
    return min(float(np.median(gaps)), LONGEST_STEP_SECONDS) if gaps.size else LONGEST_STEP_SECONDS


def hours_of(*found: Hourly | None) -> IntArray:
    """Every hour that any of them tells of."""
    return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(one.hours for one in found if one)]))


def figure(found: Hourly | None, name: Figure, hours: IntArray) -> FloatArray:
    """A figure at `hours`; NaN (of `seen`: 0) where nothing was seen."""
    values = np.full(hours.size, 0.0 if name == "seen" else np.nan)
    if found is not None:
        mine = np.isin(found.hours, hours)
        values[np.searchsorted(hours, found.hours[mine])] = getattr(found, name)[mine]
    return values


def instants(hours: IntArray) -> tuple[datetime, ...]:
    return tuple(datetime.fromtimestamp(hour * HOUR_SECONDS, UTC) for hour in hours.tolist())
