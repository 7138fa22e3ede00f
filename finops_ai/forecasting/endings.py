"""Use that was announced to end: from that day on a scope costs nothing, and the scopes around it that much less."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from finops_ai.forecasting.outlook import LESS, OVER, Outlook

_TOLD_DAYS = 14  # what ended earlier shows in the costs, or did not end
_REMAINS = 0.05  # share of what a day might have cost that it may still cost


def end_uses(outlooks: Sequence[Outlook], series: Sequence[CostSeries], announced: Sequence[KnownEvent]) -> None:
    """Write the announced ends into the outlooks, in place; those of scopes around them lose what is lost."""
    ending = [one for one in announced if one.ends_use]
    if not ending:
        return
    place = {
        (series[i].scope, series[i].currency): (one, row) for one in outlooks for row, i in enumerate(one.group.members)
    }
    for (scope, currency), (one, row) in place.items():
        at = _first(scope, one, ending)
        if at is None:
            continue
        lost = np.zeros(one.point.shape[1])
        lost[at:] = one.point[row, at:]
        left = _REMAINS * np.maximum(one.point[row, at:] + one.above[row, at:], 0.0)
        one.point[row, at:], one.below[row, at:], one.above[row, at:] = 0.0, 0.0, left
        one.told[row, at:] = OVER
        around = Scope(scope.pairs[:-1]) if scope.pairs else None
        while around is not None and (around, currency) in place:
            other, parent = place[around, currency]
            if _first(around, other, ending) is not None:
                break  # it ends by itself
            if other.group.end == one.group.end:
                other.point[parent] -= lost
                other.told[parent, at:] = np.maximum(other.told[parent, at:], LESS)
            around = Scope(around.pairs[:-1]) if around.pairs else None


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
