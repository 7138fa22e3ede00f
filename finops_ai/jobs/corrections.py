"""Month ends as unsure as bills are once their month has closed, by what the ledger knew of earlier months and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta

import numpy as np

from finops_ai.domain.forecast import Forecast
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.corrections import CLOSED_DAYS, LEARN_MONTHS, SETTLED_DAYS, shares, with_corrections
from finops_ai.jobs.nowcasting import on_days
from finops_ai.jobs.run import Turn
from finops_ai.ledger.costs import CostQuery, costs

SOURCE, PART = ("source",), ("source", "x_cost_center")
"""Whole bills say how far the total may move, what a cost center has of one how far any narrower scope may."""


def corrected(
    turn: Turn, told: Sequence[Forecast], whole: Iterable[Sequence[CostSeries]], cost_basis: str
) -> list[Forecast]:
    """The forecasts with the totals of the month they begin in as unsure as its bill is; `whole` are all charges."""
    changed = {keys: _changed(turn, cost_basis, keys) for keys in (SOURCE, PART)}
    parts: dict[tuple[Scope, str], list[CostSeries]] = {}
    for part in (each for kind in whole for each in kind):
        parts.setdefault((part.scope, part.currency), []).append(part)
    found = []
    for one in told:
        before = Days(BillingPeriod.of(one.days.start).start, one.days.start)
        mine = parts.get((one.scope, one.currency), [])
        so_far = sum(float(on_days(before, part.days, part.values).sum()) for part in mine)
        found.append(with_corrections(one, so_far, changed[PART if one.scope.pairs else SOURCE]))
    return found


def _changed(turn: Turn, cost_basis: str, keys: tuple[str, ...]) -> FloatArray | None:
    """By what share the bills of the last closed months changed; None where the ledger has seen too few close."""
    closed, settled = list[float](), list[float]()
    month = BillingPeriod.of(turn.as_of.date())
    for _ in range(LEARN_MONTHS):
        month = BillingPeriod.of(month.start - timedelta(days=1))
        if month.end + timedelta(days=SETTLED_DAYS) > turn.as_of.date():
            continue
        then = datetime.combine(month.end + timedelta(days=CLOSED_DAYS), time(), tzinfo=UTC)
        early = _costs(turn, month, then, keys, cost_basis)
        late = _costs(turn, month, turn.as_of, keys, cost_basis) if early else {}
        for key in early.keys() & late.keys():
            closed.append(early[key])
            settled.append(late[key])
    return shares(np.array(closed), np.array(settled))


def _costs(
    turn: Turn, month: BillingPeriod, as_of: datetime, keys: tuple[str, ...], cost_basis: str
) -> dict[tuple[str, ...], float]:
    query = CostQuery(days=month.days, group_by=keys, where=(), currency=None, as_of=as_of)
    rows = costs(turn.engine, query)
    return {tuple(str(row[key]) for key in (*keys, "currency")): float(row[f"{cost_basis}_cost"]) for row in rows}
