"""Series laid side by side up to the morning on which they are judged, with how whole their last days are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.parts import parts_of
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.series import CostSeries, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filling:
    """What share of a day's final cost is on the bill, and how surely, so many mornings after it ended.

    Both have shape (mornings,): element 0 is the day before the morning. Days further back are whole.
    """

    share: FloatArray
    spread: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """`members` index the given series; matrices have shape (members, days) and end the day before `end`.

    `billed` is NaN where nothing is known or believed: before a series began, and on days that are not complete unless
    it is known how complete they are. `share` and `spread` are 1 and 0 for whole days. `announced` are days on which a
    new level may be found. `finest` (members,) are the series of the narrowest scopes, of which others are sums.
    `pairs` are those of `parts_of`; wholes come after all parts, in this panel or in a later one.
    """

    members: tuple[int, ...]
    finest: NDArray[np.bool_]
    pairs: NDArray[np.intp]
    start: date
    end: date
    billed: FloatArray
    share: FloatArray
    spread: FloatArray
    announced: NDArray[np.bool_]

    @property
    def days(self) -> int:
        return int(self.billed.shape[1])

    @property
    def wholes(self) -> NDArray[np.bool_]:
        """Series that others add up to, (members,)."""
        return np.isin(self.members, self.pairs[:, 1])

    def day(self, index: int) -> date:
        return self.start + timedelta(days=index)


def panels(
    series: Sequence[CostSeries],
    filling: Sequence[Filling | None],
    announced: Sequence[KnownEvent],
    *,
    today: date,
    size: int,
    settings: DetectSettings,
) -> list[Panel]:
    """Panels of at most `size` series as they stand on the morning of `today`; no later day is read.

    Series of which no day is known by then are left out. Values that are no numbers are unknown.
    """
    begun = [i for i, one in enumerate(series) if one.days.start < today]
    keys = [len(one.scope.pairs) for one in series]
    finest = np.array(keys) == max(keys, default=0)
    pairs = parts_of(series)
    wholes = set(pairs[:, 1].tolist())
    begun.sort(key=lambda i: i in wholes)
    parts = [begun[at : at + size] for at in range(0, len(begun), size)]
    return [_panel(series, finest, pairs, filling, announced, part, today, settings) for part in parts]


def _panel(
    series: Sequence[CostSeries],
    finest: NDArray[np.bool_],
    pairs: NDArray[np.intp],
    filling: Sequence[Filling | None],
    announced: Sequence[KnownEvent],
    members: list[int],
    today: date,
    settings: DetectSettings,
) -> Panel:
    earliest = min(series[i].days.start for i in members)
    start = max(earliest, today - timedelta(days=settings.history_days))
    width = (today - start).days
    shape = (len(members), width)
    billed, share, spread = np.full(shape, np.nan), np.ones(shape), np.zeros(shape)
    told = np.zeros(shape, dtype=np.bool_)
    for row, i in enumerate(members):
        one, fills = series[i], filling[i]
        believed = today if fills is not None else min(today, one.complete_days.end)
        first, last = max(one.days.start, start), min(believed, one.days.end)
        if first < last:
            values = one.values[(first - one.days.start).days : (last - one.days.start).days]
            billed[row, (first - start).days : (last - start).days] = values
        if fills is not None:
            mornings = min(len(fills.share), width)
            share[row, width - mornings :] = fills.share[:mornings][::-1]
            spread[row, width - mornings :] = fills.spread[:mornings][::-1]
        for event in announced:
            if event.concerns(one.scope):
                told[row, max((event.days.start - start).days, 0) : max((event.days.end - start).days, 0)] = True
    billed[~np.isfinite(billed)] = np.nan
    begun = np.logical_or.accumulate(np.nan_to_num(billed) != 0, axis=1)
    begun |= ~begun.any(axis=1, keepdims=True)  # never cost anything: its zeros are all there is to know
    billed[~begun] = np.nan
    return Panel(
        members=tuple(members),
        finest=finest[members],
        pairs=pairs,
        start=start,
        end=today,
        billed=billed,
        share=share,
        spread=spread,
        announced=told,
    )
