"""Forecasts of scopes within scopes as one set that adds up: total, cost centers, their services, AI models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from finops_ai.domain.forecast import Forecast
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.reconcile import Cents, Sum, allocate, in_cents, reconcile

_LOW, _HIGH, _SIGMAS = 1, -2, 2.563  # the 80 % band is so many standard deviations wide


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coherent:
    """A forecast whose median adds up with those of its relatives, with its own band around it.

    `table` (len(LEVELS), len(days)) in whole cents adds up at every level: the outermost scope's row is its band, an
    inner scope's row is how it takes part in it.
    """

    forecast: Forecast
    table: Cents


def coherent(forecasts: Sequence[Forecast]) -> list[Coherent]:
    """The same forecasts in the same order, made to add up among those of one currency and the same days.

    A scope's parent is the scope of all its pairs but the last; every parent is taken to be the sum of its children of
    each kind of key.
    """
    found: list[Coherent | None] = [None] * len(forecasts)
    groups: dict[tuple[str, str, Days], list[int]] = {}
    for i, one in enumerate(forecasts):
        groups.setdefault((one.currency, one.cost_basis, one.days), []).append(i)
    for members in groups.values():
        for i, made in zip(members, _family([forecasts[i] for i in members]), strict=True):
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


def _family(forecasts: Sequence[Forecast]) -> list[Coherent]:
    sums = sums_of([one.scope for one in forecasts])
    bands = np.stack([one.quantiles for one in forecasts])
    medians = np.stack([one.median for one in forecasts])
    width = (bands[:, _HIGH] - bands[:, _LOW]) / _SIGMAS
    lowest = np.where((bands >= 0).all(axis=(1, 2)), 0.0, -np.inf)
    for one in reversed(sums):  # a parent may go as low as its children
        if np.isneginf(lowest[list(one.children)]).any():
            lowest[one.parent] = -np.inf
    made = reconcile(medians, np.square(width).mean(axis=1), sums, lowest)
    moved = [_moved(*each) for each in zip(forecasts, made, lowest, strict=True)]
    table = in_cents(allocate(np.stack([one.quantiles for one in moved]), made, sums, lowest), sums)
    return [Coherent(forecast=one, table=cents) for one, cents in zip(moved, table, strict=True)]


def _moved(one: Forecast, median: FloatArray, lowest: float) -> Forecast:
    """The forecast around another median: its bands keep their width and stay above `lowest`."""
    change = median - one.median
    summed = np.cumsum(change)
    totals = {
        day: np.maximum(values + summed[(day - one.days.start).days], lowest)
        for day, values in one.total_quantiles.items()
    }
    return replace(one, quantiles=np.maximum(one.quantiles + change, lowest), total_quantiles=totals)
