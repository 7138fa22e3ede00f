"""Scopes that began to cost something where nothing was expected: too young to be judged by habits of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from finops_ai.detection.runs import Run
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.forecast import Score
from finops_ai.domain.series import CostSeries

SCORER = "new@first charge"
_MONTH = 30
_SURE = 1e-6
"""p-value of a cost that nothing foretold: that it is there is certain, that it matters is told by its dollars."""


def newcomers(series: Sequence[CostSeries], today: date, settings: DetectSettings) -> list[Run]:
    """Runs of the scopes whose first charge is news: in a bill that was long known before, and dear enough.

    A run is the first `accept_days` of a scope; after these its level is the normal one.
    """
    known_since: dict[str, date] = {}
    for one in series:
        known_since[one.currency] = min(one.days.start, known_since.get(one.currency, date.max))
    found = (
        _run(one, first, today, settings)
        for one in series
        for first in [_first_charge(one, today, settings)]
        if first is not None and (first - known_since[one.currency]).days >= settings.min_days
    )
    return [run for run in found if run is not None]


def _first_charge(one: CostSeries, today: date, settings: DetectSettings) -> date | None:
    """The first day that cost anything, where it is among those that are judged."""
    newest = max(0, len(one.days) - settings.judge_days - (one.days.end - min(one.days.end, today)).days)
    if one.charged[:newest].any():
        return None
    costly = np.flatnonzero(one.charged[newest:])
    return one.days.start + timedelta(days=newest + int(costly[0])) if len(costly) else None


def _run(one: CostSeries, first: date, today: date, settings: DetectSettings) -> Run | None:
    begin = (first - one.days.start).days
    days = min(len(one.complete_days), (today - one.days.start).days) - begin
    values = [float(value) for value in one.charged[begin : begin + max(0, min(days, settings.accept_days))]]
    while values and values[-1] <= 0:
        values.pop()
    dear = max(settings.warning, settings.floor_of(one.currency, one.scope)) / _MONTH
    if sum(value >= dear for value in values) < settings.new_days or math.fsum(values) < dear * len(values):
        return None
    scores = tuple(
        Score(
            scope=one.scope,
            currency=one.currency,
            day=first + timedelta(days=i),
            observed=value,
            expected=0.0,
            upper=dear,
            z=0.0,
            p_value=_SURE,
            scorer=SCORER,
        )
        for i, value in enumerate(values)
    )
    over = len(values) + settings.normal_days
    return Run(
        scope=one.scope,
        currency=one.currency,
        is_drop=False,
        scores=scores,
        opening=scores[0],
        resolved_on=scores[-1].day + timedelta(days=settings.normal_days) if days >= over else None,
    )
