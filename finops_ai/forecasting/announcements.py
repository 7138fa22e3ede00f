"""What was announced for a day ahead: a scope that ends, costs so much more, or changes its price; and all around it.

A known sum is written into the forecast before scopes agree: into the scope itself, and into every scope that holds it.
What began before the forecast does shows in the costs already and is not counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np

from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.outlook import OF_A_PART, OVER, Outlook

_TOLD_DAYS = 14  # an end that lies further back shows in the costs, or did not come
_REMAINS = 0.05  # share of what a day might have cost that it may still cost after its end
_UNSURE = 0.25  # share of an announced sum by which it may be wrong, in the units of errors
Place = Mapping[tuple[Scope, str], tuple[Outlook, int]]


def announce(outlooks: Sequence[Outlook], series: Sequence[CostSeries], announced: Sequence[KnownEvent]) -> None:
    """Write what is announced into the outlooks, in place: prices first, then sums, then ends."""
    place = {
        (series[i].scope, series[i].currency): (one, row) for one in outlooks for row, i in enumerate(one.group.members)
    }
    for event in announced:
        if event.times is not None:
            _price(event, float(event.times), place)
    for event in announced:
        if event.adds is not None:
            _sum(event, event.adds.currency, float(event.adds.amount), place)
    ending = [one for one in announced if one.ends_use]
    if ending:
        _ends(ending, place)


def _price(event: KnownEvent, times: float, place: Place) -> None:
    """Every scope within the event's costs so many times as much from its first day on."""
    for (scope, currency), (one, row) in place.items():
        at = (event.days.start - one.group.end).days
        if not event.scope.contains(scope) or not 0 <= at < one.point.shape[1]:
            continue
        change = np.zeros(one.point.shape[1])
        change[at:] = (times - 1) * one.point[row, at:]
        one.point[row] += change
        one.below[row, at:] *= times
        one.above[row, at:] *= times
        if scope.parent is not None and not event.scope.contains(scope.parent):
            _carry_up(scope, currency, change, at, place)


def _sum(event: KnownEvent, currency: str, amount: float, place: Place) -> None:
    """Every scope that holds the event's costs so much more a day; what lies within it was told nothing."""
    for (scope, told_in), (one, row) in place.items():
        at = (event.days.start - one.group.end).days
        if told_in != currency or not scope.contains(event.scope) or not 0 <= at < one.point.shape[1]:
            continue
        one.point[row, at:] += amount
        one.below[row, at:] += _UNSURE * abs(amount)
        one.above[row, at:] += _UNSURE * abs(amount)
        one.highest[row] += max(amount, 0.0)
        one.told[row, at:] = np.maximum(one.told[row, at:], OF_A_PART)


def _ends(ending: Sequence[KnownEvent], place: Place) -> None:
    """From its end on a scope costs nothing; those around it that go on lose what it had cost."""
    for (scope, currency), (one, row) in place.items():
        at = _first(scope, one, ending)
        if at is None:
            continue
        lost = np.zeros(one.point.shape[1])
        lost[at:] = -one.point[row, at:]
        left = _REMAINS * np.maximum(one.point[row, at:] + one.above[row, at:], 0.0)
        one.point[row, at:], one.below[row, at:], one.above[row, at:] = 0.0, 0.0, left
        one.told[row, at:] = OVER
        above = scope.parent
        if above is None or (above, currency) not in place:
            continue
        if _first(above, place[above, currency][0], ending) is None:
            _carry_up(scope, currency, lost, at, place)


def _first(scope: Scope, one: Outlook, ending: Sequence[KnownEvent]) -> int | None:
    """The day ahead on which a scope's use is over; None where nothing was announced or it lies behind the horizon."""
    start = one.group.end
    told = [
        event.days.start
        for event in ending
        if event.scope.contains(scope) and event.days.start >= start - timedelta(days=_TOLD_DAYS)
    ]
    at = max((min(told) - start).days, 0) if told else one.point.shape[1]
    return at if at < one.point.shape[1] else None


def _carry_up(scope: Scope, currency: str, change: FloatArray, at: int, place: Place) -> None:
    """Add the change of a scope's days to every scope around it that is forecast from the same day."""
    one = place[scope, currency][0]
    around = scope.parent
    while around is not None:
        found = place.get((around, currency))
        if found is not None and found[0].group.end == one.group.end:
            other, row = found
            other.point[row] += change
            other.highest[row] += max(float(change.max()), 0.0)
            other.told[row, at:] = np.maximum(other.told[row, at:], OF_A_PART)
        around = around.parent
