"""Looks, once a month, at what the forecasts had promised when the month began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from finops_ai.domain.period import BillingPeriod, end_of_day
from finops_ai.domain.promise import Promise
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from finops_ai.forecasting.promises import held
from finops_ai.jobs.run import Turn
from finops_ai.ledger import findings, promises
from finops_ai.ledger.series import CLOSED_AFTER_DAYS


def look_back(turn: Turn, usage: Sequence[CostSeries], other: Sequence[CostSeries]) -> list[Promise]:
    """Promises of the last month whose bill is closed, one for each scope; none when they were looked at before.

    `usage` and `other` are the scopes' series as known now; a promise is about both together.
    """
    closed = turn.as_of.date() - timedelta(days=CLOSED_AFTER_DAYS)
    month = BillingPeriod.of(BillingPeriod.of(closed).start - timedelta(days=1))
    if promises.promises(turn.engine, turn.as_of, month):
        return []
    charged = _together(usage, other)
    found = []
    for one in findings.forecasts(turn.engine, end_of_day(month.start)):
        actual = charged.get((one.scope, one.currency, one.cost_basis))
        promise = held(one, actual, month) if actual else None
        if promise:
            found.append(promise)
    return found


def _together(*kinds: Sequence[CostSeries]) -> dict[tuple[Scope, str, str], CostSeries]:
    """Each scope's series of all kinds of charges, added up over the days of the first."""
    found: dict[tuple[Scope, str, str], CostSeries] = {}
    for one in (each for kind in kinds for each in kind):
        key = (one.scope, one.currency, one.cost_basis)
        known = found.get(key)
        if known is None:
            found[key] = one
            continue
        first, last = min(known.days.start, one.days.start), max(known.days.end, one.days.end)
        values = np.zeros((last - first).days)
        for part in (known, one):
            at = (part.days.start - first).days
            values[at : at + len(part.values)] += part.values
        days = replace(known.days, start=first, end=last)
        found[key] = replace(known, days=days, values=values)
    return found
