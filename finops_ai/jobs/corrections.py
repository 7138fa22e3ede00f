"""Month ends as unsure as bills are once their month has closed, by what the ledger knew of earlier months and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta

import numpy as np

from finops_ai.domain.forecast import Forecast
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.corrections import CLOSED_DAYS, settled_months, shares, with_corrections
from finops_ai.jobs.nowcasting import on_days
from finops_ai.jobs.run import Turn
from finops_ai.ledger.costs import CostQuery, costs

PART = ("source", "x_cost_center")
"""What one cost center has of a bill says how far any narrower scope may move, whole bills how far the total may."""

Costs = dict[tuple[str, ...], float]
"""By source, cost center and currency."""


def corrected(
    turn: Turn, told: Sequence[Forecast], whole: Iterable[Sequence[CostSeries]], cost_basis: str
) -> list[Forecast]:
    """The forecasts with the totals of the month they begin in as unsure as its bill is; `whole` are all charges."""
    bills, parts = _changed(turn, cost_basis)
    charges: dict[tuple[Scope, str], list[CostSeries]] = {}
    for one in (each for kind in whole for each in kind):
        charges.setdefault((one.scope, one.currency), []).append(one)
    found = []
    for each in told:
        before = Days(BillingPeriod.of(each.days.start).start, each.days.start)
        mine = charges.get((each.scope, each.currency), [])
        so_far = sum(float(on_days(before, one.days, one.values).sum()) for one in mine)
        found.append(with_corrections(each, so_far, parts if each.scope.pairs else bills))
    return found


def _changed(turn: Turn, cost_basis: str) -> tuple[FloatArray | None, FloatArray | None]:
    """By what share the last closed bills changed, and the parts of them; None where the ledger saw too few close."""
    bills, parts = list[tuple[float, float]](), list[tuple[float, float]]()
    for month in settled_months(turn.as_of.date()):
        then = datetime.combine(month.end + timedelta(days=CLOSED_DAYS), time(), tzinfo=UTC)
        closed = _costs(turn, month, then, cost_basis)
        settled = _costs(turn, month, turn.as_of, cost_basis) if closed else {}
        parts += [(closed[key], settled[key]) for key in sorted(closed.keys() & settled.keys())]
        before, after = _by_bill(closed), _by_bill(settled)
        bills += [(before[key], after[key]) for key in sorted(before.keys() & after.keys())]
    first, second = (shares(*np.array(each).reshape(-1, 2).T) for each in (bills, parts))
    return first, second


def _by_bill(costs_of: Costs) -> Costs:
    sums: Costs = {}
    for (source, _, currency), cost in costs_of.items():
        sums[source, currency] = sums.get((source, currency), 0.0) + cost
    return sums


def _costs(turn: Turn, month: BillingPeriod, as_of: datetime, cost_basis: str) -> Costs:
    query = CostQuery(days=month.days, group_by=PART, where=(), currency=None, as_of=as_of)
    rows = costs(turn.engine, query)
    return {tuple(str(row[key]) for key in (*PART, "currency")): float(row[f"{cost_basis}_cost"]) for row in rows}
