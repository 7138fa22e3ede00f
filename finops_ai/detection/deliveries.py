"""Sources that are overdue or bring no new days, and deliveries that took cost away: by how they came so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from operator import attrgetter

import numpy as np

from finops_ai.domain.arrival import Arrival
from finops_ai.domain.doubt import Doubt
from finops_ai.domain.money import Money

LEARN_DAYS = 75
"""How far back arrivals teach what is usual."""

_LEAST = 5
_OFTEN = 0.9
_PATIENCE = timedelta(hours=24)
_LATER = 1.5
_RETIRED_DAYS = 45
_SETTLED_DAYS = 14
_LESS_COST, _FEWER_ROWS, _FAR_FEWER_ROWS, _SAME_COST = Decimal("0.85"), 0.7, 0.5, Decimal("0.98")


def overdue(arrivals: Sequence[Arrival], as_of: datetime, usual_cost: Mapping[str, Money]) -> list[Doubt]:
    """One doubt at most for each source: nothing arrived in time, or what arrived brought no new day in time.

    `usual_cost` is what a day of a source usually costs: so much is missing for each day that should be there.
    """
    found = []
    for source, mine in _by_source(arrivals).items():
        doubt = _silent(source, mine, as_of, usual_cost) or _stale(source, mine, as_of, usual_cost)
        if doubt is not None:
            found.append(doubt)
    return found


def shrunk(arrivals: Sequence[Arrival], as_of: datetime, floors: Mapping[str, Decimal]) -> list[Doubt]:
    """Periods whose newest version has far less cost, or far fewer rows, than one before it had."""
    found = []
    for source, mine in _by_source(arrivals).items():
        mine.sort(key=lambda one: (one.billing_period, one.known_at))
        for _, versions in groupby(mine, key=attrgetter("billing_period")):
            *before, newest = versions
            found += _less(source, before, newest, as_of, floors) if before else []
    return found


def _by_source(arrivals: Sequence[Arrival]) -> dict[str, list[Arrival]]:
    """Arrivals that changed something, by source; the same delivery read once more is none."""
    found: dict[str, list[Arrival]] = {}
    seen: set[tuple[str, object, str]] = set()
    for one in arrivals:
        same = (one.source, one.billing_period, one.fingerprint)
        if same not in seen:
            seen.add(same)
            found.setdefault(one.source, []).append(one)
    return found


def _silent(source: str, mine: Sequence[Arrival], as_of: datetime, usual_cost: Mapping[str, Money]) -> Doubt | None:
    moments = sorted({one.known_at for one in mine})
    waits = [(later - earlier) / timedelta(hours=1) for earlier, later in pairwise(moments)]
    if len(waits) < _LEAST:
        return None
    usual = timedelta(hours=float(np.quantile(waits, _OFTEN)))
    since = as_of - moments[-1]
    if since <= usual * _LATER + _PATIENCE:
        return None
    words = f"nothing has arrived since {moments[-1]:%Y-%m-%d %H:%M} UTC; it usually does within {_span(usual)}"
    return _missing("gap", source, moments[-1].date(), as_of, since.days, usual_cost, words)


def _stale(source: str, mine: Sequence[Arrival], as_of: datetime, usual_cost: Mapping[str, Money]) -> Doubt | None:
    newest: date | None = None
    lags: list[int] = []
    for one in mine:
        if one.last_usage_day is not None and (newest is None or one.last_usage_day > newest):
            if newest is not None:
                lags.append((one.known_at.date() - newest).days)
            newest = one.last_usage_day
    if newest is None or len(lags) < _LEAST:
        return None
    usual = float(np.quantile(lags, _OFTEN))
    lag = (as_of.date() - newest).days
    if lag <= usual + max(2.0, usual / 2):
        return None
    words = f"what arrives ends with {newest}; the next day is usually there within {usual:.0f} days"
    return _missing("late_delivery", source, newest, as_of, lag - round(usual), usual_cost, words)


def _missing(
    kind: str, source: str, first: date, as_of: datetime, days: int, usual_cost: Mapping[str, Money], words: str
) -> Doubt:
    a_day = usual_cost.get(source, Money(Decimal(0), "USD"))
    last = as_of.date() - timedelta(days=1)
    return Doubt(
        kind=kind,
        anchor=source,
        first=min(first + timedelta(days=1), last),
        last=last,
        expected=Money(a_day.amount * max(days, 1), a_day.currency),
        observed=Money(Decimal(0), a_day.currency),
        words=words,
        where={"source": source},
        settled=(last - first).days > _RETIRED_DAYS,
    )


def _less(
    source: str, before: Sequence[Arrival], newest: Arrival, as_of: datetime, floors: Mapping[str, Decimal]
) -> list[Doubt]:
    most_rows = max(one.rows for one in before)
    worst: tuple[Decimal, str, Decimal, Decimal] | None = None
    for currency in sorted({currency for one in before for currency in one.billed_cost}):
        peak = max(one.billed_cost.get(currency, Decimal(0)) for one in before)
        now = newest.billed_cost.get(currency, Decimal(0))
        floor = floors.get(currency, floors.get("*", Decimal(0)))
        fewer = newest.rows < _FEWER_ROWS * most_rows and now < peak * _SAME_COST
        far_fewer = newest.rows < _FAR_FEWER_ROWS * most_rows
        if (now < peak * _LESS_COST or fewer or far_fewer) and peak - now >= (0 if far_fewer else floor):
            worst = max(worst or (Decimal(-1), "", peak, now), (peak - now, currency, peak, now))
    if worst is None:
        return []
    _, currency, peak, now = worst
    words = (
        f"the newest delivery of {newest.billing_period} has {newest.rows:,} rows and {now:.2f} {currency},"
        f" an earlier one had {most_rows:,} and {peak:.2f}"
    )
    known_on = newest.known_at.date()
    return [
        Doubt(
            kind="shrunk_delivery",
            anchor=f"{source}/{newest.billing_period}",
            first=newest.billing_period.start,
            last=min(newest.billing_period.end, as_of.date()) - timedelta(days=1),
            expected=Money(peak, currency),
            observed=Money(now, currency),
            words=words,
            where={"source": source, "billing_period": str(newest.billing_period)},
            settled=(as_of.date() - known_on).days > _SETTLED_DAYS,
        )
    ]


def _span(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
