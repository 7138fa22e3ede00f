"""Forecasts of scopes within scopes as one set that adds up: total, cost centers, their services, AI models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from finops_ai.domain.forecast import BANDS, MEDIAN, Forecast
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.reconcile import Cents, Sum, allocate, in_cents, reconcile

(_LOW, _HIGH), _SIGMAS = BANDS[0.8], 2.563  # the 80 % band is so many standard deviations wide
_HALF_A_CENT = 0.005


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coherent:
    """A forecast whose median adds up with those of its relatives, with its own band around it.

    `table` (len(LEVELS), len(days)) in whole cents adds up at every level: the outermost scope's row is its band, an
    inner scope's row is how it takes part in it. `beyond` are the cents by which the total through a day is expected to
    exceed the medians of its days, where the forecast has a total; they add up as well.
    """

    forecast: Forecast
    table: Cents
    beyond: Mapping[date, int]

    def total(self, through: date) -> int:
        """Cents that the days through that one are expected to come to."""
        days = (through - self.forecast.days.start).days + 1
        return int(self.table[MEDIAN, :days].sum()) + self.beyond.get(through, 0)


def coherent(forecasts: Sequence[Forecast], billed: Sequence[FloatArray] | None = None) -> list[Coherent]:
    """The same forecasts in the same order, made to add up among those of one currency and the same days.

    A scope's parent is the scope of all its pairs but the last; every parent is taken to be the sum of its children of
    each kind of key. `billed`, if given, has for each forecast what its days cost already, (len(days),): a day's bill
    grows, so that no day comes to less.
    """
    found: list[Coherent | None] = [None] * len(forecasts)
    groups: dict[tuple[str, str, Days], list[int]] = {}
    for i, one in enumerate(forecasts):
        groups.setdefault((one.currency, one.cost_basis, one.days), []).append(i)
    for members in groups.values():
        floors = [billed[i] if billed else np.zeros(len(forecasts[i].days)) for i in members]
        for i, made in zip(members, _family([forecasts[i] for i in members], floors), strict=True):
            found[i] = made
    return [one for one in found if one is not None]


def sums_of(scopes: Sequence[Scope]) -> list[Sum]:
    """Which of `scopes` add up to which, parents before their children."""
    place = {scope: i for i, scope in enumerate(scopes)}
    kids: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for i, scope in enumerate(scopes):
        parent = place.get(scope.parent) if scope.parent is not None else None
        if parent is not None:
            kids.setdefault((parent, tuple(name for name, _ in scope.pairs)), []).append(i)
    ordered = sorted(kids.items(), key=lambda item: (len(item[0][1]), item[0]))
    return [Sum(parent=parent, children=tuple(children)) for (parent, _), children in ordered]


def _family(forecasts: Sequence[Forecast], billed: Sequence[FloatArray]) -> list[Coherent]:
    sums = sums_of([one.scope for one in forecasts])
    lowest = _lowest(forecasts, billed, sums)
    forecasts = _lifted(forecasts, lowest, sums)
    bands = np.stack([one.quantiles for one in forecasts])
    medians = np.stack([one.median for one in forecasts])
    width = (bands[:, _HIGH] - bands[:, _LOW]) / _SIGMAS
    made = reconcile(medians, np.square(width).mean(axis=1), sums, lowest)
    moved = [_moved(*each) for each in zip(forecasts, made, lowest, strict=True)]
    table = in_cents(allocate(np.stack([one.quantiles for one in moved]), made, sums, lowest), sums)
    ends = sorted({day for one in moved for day in one.total_quantiles})
    beyond = _beyond(moved, ends, sums, lowest)
    cents = in_cents(beyond[:, None], sums)[:, 0]
    return [
        Coherent(
            forecast=_with_totals(one, dict(zip(ends, more.tolist(), strict=True)), floor),
            table=rows,
            beyond={day: count for day, count in zip(ends, counts.tolist(), strict=True) if day in one.total_quantiles},
        )
        for one, rows, more, counts, floor in zip(moved, table, beyond, cents, lowest, strict=True)
    ]


def _lowest(forecasts: Sequence[Forecast], billed: Sequence[FloatArray], sums: Sequence[Sum]) -> FloatArray:
    """What no forecast goes below, (forecasts, days): nothing, unless its band does, and what a day cost already."""
    lowest = np.array([0.0 if (one.quantiles >= 0).all() else -np.inf for one in forecasts])
    lowest[[one.parent for one in sums]] = -np.inf
    for one in reversed(sums):  # a parent goes as low as its children and no lower, whatever its own band says
        lowest[one.parent] = max(lowest[one.parent], float(lowest[list(one.children)].sum()))
    known = np.stack(billed)
    return np.where(known > 0, np.maximum(known, lowest[:, None]), lowest[:, None])


def _lifted(forecasts: Sequence[Forecast], lowest: FloatArray, sums: Sequence[Sum]) -> list[Forecast]:
    """Forecasts not below `lowest` (forecasts, days); whoever is above one that was raised is raised with it."""
    lift = np.stack([np.maximum(floor - one.median, 0.0) for one, floor in zip(forecasts, lowest, strict=True)])
    for one in reversed(sums):
        lift[one.parent] = np.maximum(lift[one.parent], lift[list(one.children)].sum(axis=0))
    if not lift.any():
        return list(forecasts)
    return [_moved(one, one.median + up, floor) for one, up, floor in zip(forecasts, lift, lowest, strict=True)]


def _beyond(forecasts: Sequence[Forecast], ends: Sequence[date], sums: Sequence[Sum], lowest: FloatArray) -> FloatArray:
    """By how much totals through `ends` exceed their days' medians, (forecasts, ends), so that they add up as well.

    Work that runs now and then comes to more than the medians of its days (`now_and_then.py`).
    """
    own, width, least = np.zeros((3, len(forecasts), len(ends)))
    for row, one in enumerate(forecasts):
        for k, day in enumerate(ends):
            through = (day - one.days.start).days + 1
            median = one.median[:through].sum()
            least[row, k] = lowest[row, :through].sum() - median
            own[row, k] = one.expected(day) - median
            if day in one.total_quantiles:
                width[row, k] = (one.total_quantiles[day][_HIGH] - one.total_quantiles[day][_LOW]) / _SIGMAS
    own[np.abs(own) < _HALF_A_CENT] = 0.0
    if not own.any():
        return own
    return reconcile(own, np.square(width).mean(axis=1), sums, np.minimum(least, 0.0))


def _with_totals(one: Forecast, beyond: Mapping[date, float], lowest: FloatArray) -> Forecast:
    """The forecast with totals expected at `beyond` their days' medians; bands keep their width above `lowest`."""
    totals = {}
    for day, values in one.total_quantiles.items():
        days = (day - one.days.start).days + 1
        change = one.median[:days].sum() + beyond[day] - values[MEDIAN]
        totals[day] = np.maximum(values + change, lowest[:days].sum()) if abs(change) >= _HALF_A_CENT else values
    return replace(one, total_quantiles=totals)


def _moved(one: Forecast, median: FloatArray, lowest: FloatArray) -> Forecast:
    """The forecast around another median: its bands keep their width and stay above `lowest` (days,)."""
    change = median - one.median
    summed, least = np.cumsum(change), np.cumsum(lowest)
    totals = {}
    for day, values in one.total_quantiles.items():
        through = (day - one.days.start).days
        totals[day] = np.maximum(values + summed[through], least[through])
    return replace(one, quantiles=np.maximum(one.quantiles + change, lowest), total_quantiles=totals)
