"""Series with different calendars as few matrices that end on one day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from finops_ai.domain.series import CostSeries, FloatArray

_LARGEST = 1e15  # no bill of a day is larger; squares of what is not a bill would not be numbers any more


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """`members` index the given series; `values` has shape (members, days), NaN where a series has no day."""

    members: tuple[int, ...]
    keys: tuple[str, ...]
    start: date
    values: FloatArray

    @property
    def end(self) -> date:
        """First day after the last complete one."""
        return self.start + timedelta(days=self.values.shape[1])

    def rows(self, first: int, last: int) -> Group:
        part = slice(first, last)
        return Group(members=self.members[part], keys=self.keys[part], start=self.start, values=self.values[part])


def align(series: Sequence[CostSeries], *, history_days: int) -> list[Group]:
    """Group series by their last complete day; days after it are left out, values that are no numbers are missing.

    Zeros before the first cost are missing too: a series begins when it first costs something. A series without any
    complete day belongs to no group.
    """
    by_end: dict[date, list[int]] = {}
    for i, one in enumerate(series):
        if len(one.complete_days):
            by_end.setdefault(one.complete_days.end, []).append(i)
    return [_group(series, members, end, history_days) for end, members in sorted(by_end.items())]


def _group(series: Sequence[CostSeries], members: list[int], end: date, history_days: int) -> Group:
    start = max(min(series[i].days.start for i in members), end - timedelta(days=history_days))
    width = (end - start).days
    values = np.full((len(members), width), np.nan)
    for row, i in zip(values, members, strict=True):
        known = series[i].complete_values[-width:]
        row[width - len(known) :] = known
    values[~np.isfinite(values)] = np.nan
    np.clip(values, -_LARGEST, _LARGEST, out=values)
    begun = np.logical_or.accumulate(np.nan_to_num(values) != 0, axis=1)
    begun |= ~begun.any(axis=1, keepdims=True)  # never cost anything: its zeros are all there is to know
    values[~begun] = np.nan
    return Group(members=tuple(members), keys=tuple(series[i].key for i in members), start=start, values=values)
