"""How every budget stands: what the ledger has of the month, and its end by the newest forecast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from statistics import NormalDist
from typing import Any

import numpy as np
from sqlalchemy import Engine

from finops_ai.detection.budgets import GRACE_DAYS
from finops_ai.domain.budget import Budget, Standing
from finops_ai.domain.forecast import BANDS, LEVELS, MEDIAN, Forecast
from finops_ai.domain.money import Money, total
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.series import FloatArray
from finops_ai.ledger import costs, findings

_FRESH_DAYS = 7
_RATE_DAYS = 28
_UNSETTLED_DAYS = 2
_LOW, _HIGH = BANDS[0.8]
_TOGETHER = 1.5
"""By how much more a sum of days varies than if they were independent."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ahead:
    """What is still to come after `start`: quantiles of its sum at LEVELS, and days that come to the median of it."""

    start: date
    quantiles: FloatArray
    by_day: FloatArray
    forecaster: str


def standings(
    engine: Engine, budgets: Sequence[Budget], months: Sequence[BillingPeriod], *, cost_basis: str, as_of: datetime
) -> list[Standing]:
    """Every budget in every month, as known at `as_of`: in the order given."""
    if not budgets:
        return []
    forecasts = [
        one
        for one in findings.forecasts(engine, as_of)
        if one.cost_basis == cost_basis and one.issued_on > as_of.date() - timedelta(days=_FRESH_DAYS)
    ]
    keys = tuple(sorted({key for one in budgets for key in one.where}))
    found = []
    for month in months:
        days = Days(month.start - timedelta(days=_RATE_DAYS + _UNSETTLED_DAYS), month.end)
        query = costs.CostQuery(days=days, group_by=("day", *keys), where=(), currency=None, as_of=as_of)
        rows = costs.costs(engine, query)
        found += [_standing(one, month, rows, forecasts, cost_basis, as_of.date()) for one in budgets]
    return found


def months_of(as_of: datetime) -> list[BillingPeriod]:
    """The month of the day before `as_of`, and the one before it while its bill may still come."""
    last = as_of.date() - timedelta(days=1)
    return sorted({BillingPeriod.of(last - timedelta(days=GRACE_DAYS)), BillingPeriod.of(last)})


def standing_row(one: Standing) -> dict[str, Any]:
    """As the public surface tells it; amounts in `currency`, `share` of the amount that is spent."""
    amount = one.budget.amount
    return {
        "budget": one.budget.name,
        "where": dict(one.budget.where),
        "kind": "hard" if one.budget.hard else "soft",
        "owner": one.budget.owner,
        "month": str(one.month),
        "currency": amount.currency,
        "cost_basis": one.cost_basis,
        "amount": amount.amount,
        "spent": one.spent.amount,
        "share": f"{float(one.spent.amount / amount.amount):.3f}",
        "month_end": one.month_end.amount,
        "low_80": one.low_80.amount,
        "high_80": one.high_80.amount,
        "sure": f"{one.sure:.3g}",
        "exceeds_on": one.exceeds_on,
        "state": one.state,
        "complete_through": one.complete_through,
        "forecaster": one.forecaster,
    }


def _standing(
    budget: Budget,
    month: BillingPeriod,
    rows: Rows,
    forecasts: Sequence[Forecast],
    cost_basis: str,
    today: date,
) -> Standing:
    currency, measure = budget.amount.currency, f"{cost_basis}_cost"
    mine = [row for row in rows if row["currency"] == currency and _fits(budget.where, row)]
    by_day: dict[date, Decimal] = {}
    for row in mine:
        by_day[row["day"]] = total((by_day.get(row["day"], Decimal(0)), row[measure]))
    spent = total(cost for day, cost in by_day.items() if day in month.days)
    ahead = _by_forecast(budget, month, forecasts) or _by_rate(by_day, month, today)
    before = total(cost for day, cost in by_day.items() if day in month.days and day < ahead.start)
    ends = [max(_cents(float(before) + float(value)), spent) for value in ahead.quantiles]
    amount = budget.amount.amount
    above = [level for level, end in zip(LEVELS, ends, strict=True) if end > amount]
    return Standing(
        budget=budget,
        month=month,
        complete_through=ahead.start - timedelta(days=1),
        cost_basis=cost_basis,
        spent=Money(spent, currency),
        month_end=Money(ends[MEDIAN], currency),
        low_80=Money(ends[_LOW], currency),
        high_80=Money(ends[_HIGH], currency),
        sure=round(1 - min(above), 6) if above else 0.0,
        exceeds_on=_passed_on(by_day, month, ahead, amount),
        forecaster=ahead.forecaster,
    )


def _fits(where: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    return all(fnmatchcase(str(values[key]), glob) for key, glob in where.items())


def _by_forecast(budget: Budget, month: BillingPeriod, forecasts: Sequence[Forecast]) -> _Ahead | None:
    """The sum of the forecasts of the scopes that the budget holds; None where no level of scopes has its keys.

    Bands are added as if all scopes erred together: never too narrow.
    """
    mine = [
        one
        for one in forecasts
        if one.currency == budget.amount.currency
        and {key for key, _ in one.scope.pairs} == budget.where.keys()
        and _fits(budget.where, dict(one.scope.pairs))
    ]
    start = max((one.days.start for one in mine), default=None)
    last = month.end - timedelta(days=1)
    if start is None or any(one.days.end <= last and start < month.end for one in mine):
        return None
    left = Days(min(start, month.end), month.end)
    quantiles, by_day = np.zeros(len(LEVELS)), np.zeros(len(left))
    for one in mine if len(left) else ():
        skipped = (max(left.start, month.start) - one.days.start).days
        daily = one.median[skipped : skipped + len(Days(max(left.start, month.start), month.end))]
        by_day[len(by_day) - len(daily) :] += daily
        whole = one.total_quantiles.get(last)  # none where a scope has ended
        quantiles += float(daily.sum()) if whole is None else whole - float(one.median[:skipped].sum())
    by_day += (quantiles[MEDIAN] - by_day.sum()) / max(len(left), 1)  # what runs now and then may run on any day
    return _Ahead(start=left.start, quantiles=quantiles, by_day=by_day, forecaster=mine[0].forecaster)


def _by_rate(by_day: Mapping[date, Decimal], month: BillingPeriod, today: date) -> _Ahead:
    """As the last four weeks went, where nothing has forecast the scope."""
    start = min(max(today - timedelta(days=_UNSETTLED_DAYS), month.start), month.end)
    last = [float(by_day.get(start - timedelta(days=back), 0)) for back in range(1, _RATE_DAYS + 1)]
    left = (month.end - start).days
    mean, spread = float(np.mean(last)), float(np.std(last)) * math.sqrt(left) * _TOGETHER
    quantiles = np.array([mean * left + NormalDist().inv_cdf(level) * spread for level in LEVELS])
    return _Ahead(start=start, quantiles=quantiles, by_day=np.full(left, mean), forecaster="run rate of four weeks")


def _passed_on(by_day: Mapping[date, Decimal], month: BillingPeriod, ahead: _Ahead, amount: Decimal) -> date | None:
    """The first day on which the sum of the month is above the amount, billed or by the median."""
    so_far = Decimal(0)
    first = max(ahead.start, month.start)
    for day in month.days:
        billed = by_day.get(day, Decimal(0))
        if day >= first and (day - first).days < len(ahead.by_day):
            at = len(ahead.by_day) - (month.end - day).days
            billed = max(billed, _cents(float(ahead.by_day[at])))
        so_far = total((so_far, billed))
        if so_far > amount:
            return day
    return None


def _cents(value: float) -> Decimal:
    return Decimal(repr(float(value))).quantize(Decimal("0.01"))
