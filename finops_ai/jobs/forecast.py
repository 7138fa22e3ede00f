"""Ledger to forecasts: every scope's usage and its other charges are forecast apart and told as one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from finops_ai.domain.forecast import BANDS, LEVELS, Forecast
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.money import plain, total
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.coherence import Coherent, coherent
from finops_ai.forecasting.explain import explain_all
from finops_ai.forecasting.run import forecast_all
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.jobs.corrections import corrected
from finops_ai.jobs.nowcasting import (
    Key,
    Nowcast,
    as_billed,
    billed_so_far,
    both,
    extended,
    nowcasts,
    on_days,
    with_days,
)
from finops_ai.jobs.promises import look_back
from finops_ai.jobs.run import Turn
from finops_ai.ledger import costs, findings, promises, series

(LOW_80, HIGH_80), (LOW_95, HIGH_95) = BANDS[0.8], BANDS[0.95]
LEVELS_OF_SCOPE: tuple[tuple[str, ...], ...] = (
    (),
    ("x_cost_center",),
    ("x_ai_model",),
    ("x_cost_center", "service_name"),
)
"""Scopes that are forecast and watched: total, cost center, AI model, cost center x service."""

_QUIET_DAYS = 28
_BANDS = {"low_95": LOW_95, "low_80": LOW_80, "high_80": HIGH_80, "high_95": HIGH_95}
_KEYS = tuple(dict.fromkeys(key for level in LEVELS_OF_SCOPE for key in level))


def forecast(
    turn: Turn,
    *,
    cost_basis: str,
    horizon_days: int,
    settle_days: Mapping[str, int],
    settings: ForecastSettings,
    announced: Sequence[KnownEvent] = (),
    where: Sequence[tuple[str, str]] = (),
) -> Outcome:
    """Forecast every scope from the day after its last complete day; record, and tell month ends.

    Days that are on the bill in part are completed first. Usage follows people and machines, the rest (tax, fees,
    credits) the calendar, so that each is forecast by itself; a scope's forecast is their sum, with the band of its
    usage.
    """
    usage, other = _from_one_day(
        _series(turn, cost_basis, settle_days, "usage"), _series(turn, cost_basis, settle_days, "other")
    )
    begun = nowcasts(turn, usage, levels=LEVELS_OF_SCOPE, cost_basis=cost_basis)
    charged = as_billed(other, begun)
    known = both(begun, charged)
    whole = usage, other
    usage, other = [*extended(usage, begun, settings), *_launches(usage, announced)], extended(other, charged, settings)
    turn.progress(f"forecasting {len(usage)} series")
    issued_on = turn.as_of.date()
    found = forecast_all(usage, horizon_days=horizon_days, issued_on=issued_on, settings=settings, announced=announced)
    cheap = replace(settings, prophet_series=0, boosted=False)
    fees = {
        (one.scope, one.currency): one
        for one in forecast_all(other, horizon_days=horizon_days + 62, issued_on=issued_on, settings=cheap)
    }
    told = [_with_fees(one, fees.get((one.scope, one.currency))) for one in found]
    alone = fees.keys() - {(one.scope, one.currency) for one in found}
    told += [_cut(fees[key], horizon_days) for key in sorted(alone)]
    told = [with_days(one, known.get((one.scope, one.currency))) for one in told]
    told = corrected(turn, told, whole, cost_basis)
    family = coherent(told, billed_so_far(told, *whole, fees))
    told = [one.forecast for one in family]
    if not turn.dry_run:
        findings.record(turn.engine, as_of=turn.as_of, forecasts=told)
        promises.keep(turn.engine, look_back(turn, *whole), turn.as_of)
    wanted = [one for one in family if all(one.forecast.scope.get(key) == value for key, value in where)]
    billed = _Billed(turn, cost_basis)
    reasons = _reasons(
        usage, found, settings, announced, {(one.forecast.scope, one.forecast.currency) for one in wanted}, known
    )
    rows = tuple(
        _told(one, billed.of(one.forecast), cost_basis, reasons.get((one.forecast.scope, one.forecast.currency), {}))
        for one in sorted(wanted, key=lambda one: one.forecast.scope)
    )
    counts = {"scopes": len(told)}
    for one in told:
        name = one.forecaster.partition("/")[0]
        counts[name] = counts.get(name, 0) + 1
    return Outcome(job="forecast", as_of=turn.as_of, counts=counts, results=rows)


def _series(turn: Turn, cost_basis: str, settle_days: Mapping[str, int], charges: str) -> list[CostSeries]:
    return series.series(
        turn.engine,
        levels=LEVELS_OF_SCOPE,
        cost_basis=cost_basis,
        as_of=turn.as_of,
        settle_days=settle_days,
        charges=charges,
    )


def _from_one_day(*kinds: Sequence[CostSeries]) -> list[list[CostSeries]]:
    """All series of a currency end with the day that is whole for all of them, so that their forecasts can add up.

    A source that brought nothing for long holds nobody back, as in `complete_through` of the total.
    """
    through: dict[str, date] = {}
    for one in (each for kind in kinds for each in kind):
        if one.days.end - timedelta(days=series.RECENT_DAYS) <= one.complete_through:
            through[one.currency] = min(one.complete_through, through.get(one.currency, date.max))
    return [
        [replace(one, complete_through=through.get(one.currency, one.complete_through)) for one in kind]
        for kind in kinds
    ]


def _launches(usage: Sequence[CostSeries], announced: Sequence[KnownEvent]) -> list[CostSeries]:
    """Scopes that an announced sum falls on and that never cost anything: a month of nothing, to be added to."""
    known = {(one.scope, one.currency) for one in usage}
    made: dict[tuple[Scope, str], CostSeries] = {}
    for event in announced:
        like = next((one for one in usage if event.adds and one.currency == event.adds.currency), None)
        told = dict(event.scope.pairs)
        for level in LEVELS_OF_SCOPE:
            if like is None or not all(name in told for name in level):
                continue
            key = Scope(tuple((name, told[name]) for name in level)), like.currency
            if key not in known and key not in made:
                end = like.complete_days.end
                days = Days(end - timedelta(days=_QUIET_DAYS), end)
                made[key] = replace(like, scope=key[0], days=days, values=np.zeros(_QUIET_DAYS))
    return list(made.values())


def _with_fees(usage: Forecast, fees: Forecast | None) -> Forecast:
    """`usage` plus the expected other charges of the same days; days before the fees' own forecast have none."""
    if fees is None:
        return usage
    expected = on_days(usage.days, fees.days, fees.median)
    summed = np.cumsum(expected)
    start = usage.days.start
    totals = {day: values + summed[(day - start).days] for day, values in usage.total_quantiles.items()}
    return replace(usage, quantiles=usage.quantiles + expected, total_quantiles=totals)


def _cut(one: Forecast, horizon_days: int) -> Forecast:
    days = Days(one.days.start, one.days.start + timedelta(days=horizon_days))
    totals = {day: values for day, values in one.total_quantiles.items() if day in days}
    return replace(one, days=days, quantiles=one.quantiles[:, : len(days)], total_quantiles=totals)


class _Billed:
    """What the ledger has for any scope, whatever the charge, from the first of the month in which a forecast begins.

    One query a month, because there are thousands of scopes.
    """

    def __init__(self, turn: Turn, cost_basis: str) -> None:
        self._turn = turn
        self._measure = f"{cost_basis}_cost"
        self._months: dict[BillingPeriod, list[dict[str, Any]]] = {}

    def of(self, one: Forecast) -> Decimal:
        month = BillingPeriod.of(one.days.start)
        if month not in self._months:
            query = costs.CostQuery(
                days=month.days, group_by=("day", *_KEYS), where=(), currency=None, as_of=self._turn.as_of
            )
            self._months[month] = costs.costs(self._turn.engine, query)
        return total(
            row[self._measure]
            for row in self._months[month]
            if row["day"] < one.days.start
            and row["currency"] == one.currency
            and all(row[key] == value for key, value in one.scope.pairs)
        )


def _reasons(
    usage: Sequence[CostSeries],
    found: Sequence[Forecast],
    settings: ForecastSettings,
    announced: Sequence[KnownEvent],
    wanted: Collection[Key],
    known: Mapping[Key, Nowcast],
) -> dict[Key, Mapping[str, FloatArray]]:
    """What the wanted scopes' usage forecasts are made of, and before them what was completed; per day each."""
    chosen = [i for i, one in enumerate(usage) if (one.scope, one.currency) in wanted]
    parts = explain_all([usage[i] for i in chosen], [found[i] for i in chosen], settings, announced)
    made: dict[Key, Mapping[str, FloatArray]] = {}
    for i, each in zip(chosen, parts, strict=True):
        key = usage[i].scope, usage[i].currency
        now = known.get(key)
        if now is None:
            made[key] = each
            continue
        none, later = np.zeros(len(now.days)), np.zeros(len(found[i].days))
        made[key] = {
            "completed": np.concatenate([now.mean, later]),
            **{name: np.concatenate([none, part]) for name, part in each.items()},
        }
    return made


def _components(found: Coherent, reasons: Mapping[str, FloatArray], last: date) -> dict[str, Decimal]:
    """Parts of what is expected through `last`, adding up to it to the cent.

    `completed` is what days that are on the bill in part will cost; `now_and_then` what days come to beyond their
    medians, if anything; `other` what no usage explains: other charges, and what it takes to add up with other scopes.
    """
    days = (last - found.forecast.days.start).days + 1
    parts = {name: _cents(part[:days].sum()) for name, part in reasons.items()}
    beyond = found.beyond.get(last, 0)
    parts |= {"now_and_then": _hundredths(beyond)} if beyond else {}
    return {**parts, "other": _hundredths(found.total(last)) - total(parts.values())}


def _told(found: Coherent, billed: Decimal, cost_basis: str, reasons: Mapping[str, FloatArray]) -> Mapping[str, Any]:
    """A forecast as the public surface tells it: by day, and for the month in which it begins.

    Amounts by level add up over scopes; `low_…` and `high_…` are the scope's own band.
    """
    one = found.forecast
    month = BillingPeriod.of(one.days.start)
    last = month.end - timedelta(days=1)
    end = one.total_quantiles.get(last)
    return {
        "scope": dict(one.scope.pairs),
        "currency": one.currency,
        "cost_basis": cost_basis,
        "issued_on": one.issued_on,
        "forecaster": one.forecaster,
        "degraded": one.degraded,
        "measured_coverage": {f"{level:g}": _share(share) for level, share in one.measured_coverage.items()},
        "backtest_error": dict(one.backtest_error),
        "month": str(month),
        "month_to_date": billed,
        "month_end": None if end is None else billed + _hundredths(found.total(last)),
        "low_80": None if end is None else billed + _cents(end[LOW_80]),
        "high_80": None if end is None else billed + _cents(end[HIGH_80]),
        "low_95": None if end is None else billed + _cents(end[LOW_95]),
        "high_95": None if end is None else billed + _cents(end[HIGH_95]),
        "components": None if end is None else _components(found, reasons, last),
        "days": [
            {
                "day": day.isoformat(),
                **{f"q{level:g}": plain(_hundredths(found.table[k, i])) for k, level in enumerate(LEVELS)},
                **{name: plain(_cents(one.quantiles[k, i])) for name, k in _BANDS.items()},
            }
            for i, day in enumerate(one.days)
        ],
    }


def _hundredths(cents: int) -> Decimal:
    return Decimal(int(cents)).scaleb(-2)


def _cents(value: float) -> Decimal:
    return Decimal(repr(float(value))).quantize(Decimal("0.01"))


def _share(share: float) -> str | None:
    return None if share != share else f"{share:.3f}"
