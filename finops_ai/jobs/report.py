"""The weekly report: facts from the ledger as known at an instant, in every format from one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from finops_ai.allocation.coverage import COVERAGE_KEYS, coverage
from finops_ai.allocation.rates import converted
from finops_ai.allocation.splits import Pool, keys_needed, share
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.episode import COST_KINDS, Episode, EpisodeState
from finops_ai.domain.errors import Problem
from finops_ai.domain.forecast import BANDS
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.period import BillingPeriod, Days, end_of_day
from finops_ai.domain.proposal import Decision, Proposal
from finops_ai.domain.realised import RealisedSum, summed
from finops_ai.domain.report import Accuracy, DayFigure, ProposalFact, Report
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from finops_ai.forecasting.accuracy import bias, wape
from finops_ai.forecasting.accuracy import coverage as band_coverage
from finops_ai.forecasting.run import expected_now
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.jobs import paging
from finops_ai.jobs.rates import table
from finops_ai.jobs.reconciliation import reconciliation
from finops_ai.jobs.run import Turn
from finops_ai.jobs.watched import by_day, of_gateways
from finops_ai.ledger import charges, costs, drifts, findings, proposals, savings
from finops_ai.ledger.costs import CostQuery
from finops_ai.reporting.weekly import MOVER_KEYS, Facts, assemble, first_day, last_week

TRACE_DAYS = 35
TRACES = 6
WEEK = timedelta(days=7)
EVERY_DAY = Days(date.min, date.max)
Write = Callable[[Report], Mapping[str, str]]
"""Writes a report in all formats; format to the place it was written to."""


def report(
    turn: Turn,
    *,
    cost_basis: str,
    settle_days: Mapping[str, int],
    rules_version: str,
    pools: Sequence[Pool],
    forecast_settings: ForecastSettings,
    reporting_currency: str | None,
    alerts: AlertSettings,
    detect: DetectSettings,
    write: Write,
) -> Outcome:
    """Report on the last whole week before `as_of`; every table ties to the ledger or Leak is raised."""
    week = last_week(turn.as_of.date())
    direct = _direct(turn, week, pools)
    deliveries, accounts = reconciliation(turn)
    usage = by_day(turn, cost_basis, settle_days)
    realised = summed(savings.savings(turn.engine, turn.as_of))
    episodes = [one for one in findings.episodes(turn.engine, turn.as_of) if _is_news(one, week)]
    made = assemble(
        Facts(
            as_of=turn.as_of,
            week=week,
            cost_basis=cost_basis,
            rules_version=rules_version,
            complete_through=min((one.complete_through for one in usage if one.scope == Scope()), default=None),
            costs=share(direct, pools) if pools else direct,
            unsplit=direct if pools else (),
            forecasts=findings.forecasts(turn.engine, turn.as_of),
            episodes=episodes,
            traces=_traces(
                episodes, [*usage, *of_gateways(turn, cost_basis, settle_days, _gateways(episodes))], forecast_settings
            ),
            coverage=coverage([row for row in direct if row["day"] in week], cost_basis=cost_basis),
            accuracy=_accuracy(turn, week, cost_basis),
            proposals=[_proposal(one, realised.get(one.key)) for one in proposals.proposals(turn.engine, turn.as_of)],
            drifts=drifts.drifts(turn.engine, turn.as_of),
            deliveries=deliveries,
            accounts=accounts,
            converted=_converted(turn, direct, week, reporting_currency),
            problems=_refused(turn),
            paging=paging.notes(turn, week, alerts, detect),
        )
    )
    places = {} if turn.dry_run else write(made)
    rows = tuple({"week": made.week_name, "format": name, "file": place} for name, place in places.items())
    counts = {"sections": len(made.sections), "episodes": len(episodes), "files": len(rows)}
    return Outcome(job="report", as_of=turn.as_of, counts=counts, results=rows)


def _direct(turn: Turn, week: Days, pools: Sequence[Pool]) -> list[dict[str, Any]]:
    keys = {"day", *MOVER_KEYS, *COVERAGE_KEYS, *keys_needed(pools)}
    query = CostQuery(
        days=Days(first_day(week), turn.as_of.date()),
        group_by=tuple(sorted(keys)),
        where=(),
        currency=None,
        as_of=turn.as_of,
    )
    return costs.costs(turn.engine, query)


def _converted(
    turn: Turn, direct: Sequence[Mapping[str, Any]], week: Days, reporting: str | None
) -> list[dict[str, Any]]:
    """The week's cost of each currency beside its worth in the reporting currency, where one is configured."""
    if reporting is None:
        return []
    return converted((row for row in direct if row["day"] in week), (), reporting, table(turn.engine, turn.as_of))


def _is_news(episode: Episode, week: Days) -> bool:
    return episode.state is not EpisodeState.RESOLVED or episode.last_day >= week.start


def _gateways(episodes: Sequence[Episode]) -> set[str]:
    return {source for one in episodes if one.kind in COST_KINDS and (source := one.scope.get("source"))}


def _traces(
    episodes: Sequence[Episode], usage: Sequence[CostSeries], settings: ForecastSettings
) -> dict[str, tuple[DayFigure, ...]]:
    """Observed against expected around the dearest episodes, for their charts."""
    by_scope = {(one.scope, one.currency): one for one in usage}
    dearest = sorted(episodes, key=lambda one: (-abs(one.excess.amount), one.key))[:TRACES]
    found = {}
    for episode in dearest:
        one = by_scope.get((episode.scope, episode.excess.currency))
        if one is None:
            continue
        expected = expected_now([one], lookback_days=TRACE_DAYS, settings=settings)[0]
        found[episode.key] = tuple(
            DayFigure(
                day=day,
                observed=_cents(one.values[(day - one.days.start).days]),
                complete=day <= one.complete_through,
                # Inside the episode the level of a fortnight ago: what was expected before it began.
                expected=_cents(expected.fortnight_ahead[i] if day >= episode.opened_on else expected.day_ahead[i]),
            )
            for i, day in enumerate(expected.days)
        )
    return found


def _cents(value: float) -> Decimal | None:
    return Decimal(repr(float(value))).quantize(Decimal("0.01")) if np.isfinite(value) else None


def _accuracy(turn: Turn, week: Days, cost_basis: str) -> list[Accuracy]:
    """How the forecasts of the total known at the start of the month before last week's turned out."""
    month = BillingPeriod.of(BillingPeriod.of(week.end - timedelta(days=1)).start - timedelta(days=1))
    issued = [one for one in findings.forecasts(turn.engine, end_of_day(month.start)) if one.scope == Scope()]
    found = []
    for one in issued:
        days = [day for day in month.days if day in one.days]
        if not days:
            continue
        query = CostQuery(days=month.days, group_by=("day",), where=(), currency=one.currency, as_of=turn.as_of)
        billed = {row["day"]: float(row[f"{cost_basis}_cost"]) for row in costs.costs(turn.engine, query)}
        actual = np.array([billed.get(day, 0.0) for day in days])
        at = [(day - one.days.start).days for day in days]
        low, high = BANDS[0.8]
        inside = float(band_coverage(actual, one.quantiles[low, at], one.quantiles[high, at]))
        found.append(
            Accuracy(
                currency=one.currency,
                month=month,
                forecaster=one.forecaster,
                days=len(days),
                wape=float(wape(actual, one.median[at])),
                bias=float(bias(actual, one.median[at])),
                coverage_80=inside if np.isfinite(inside) else None,
            )
        )
    return found


def _proposal(one: Proposal, realised: RealisedSum | None) -> ProposalFact:
    changes = tuple(
        f"{change.container} {change.path} {change.now or 'unset'} → {change.proposed}"
        for change in one.recommendation.changes
    )
    denied = tuple(f"{v.rule}: {v.message}" for v in one.verdicts if v.decision is Decision.DENY)
    return ProposalFact(
        key=one.key,
        workload=str(one.recommendation.workload),
        changes=changes,
        saving=one.recommendation.saving,
        state=one.state,
        blocked_by=denied,
        realised=realised,
    )


def _refused(turn: Turn) -> list[Problem]:
    """Deliveries that were refused and not replaced since: the figures of their period are older than the export."""
    return [
        Problem(file=f"{source} {period or ''}".strip(), message=f"a delivery was refused: {problems[0]}")
        for source, period, problems in charges.refusals(turn.engine, turn.as_of)
        if problems
    ]
