"""Episodes of budgets: projected to be exceeded, exceeded; one of each for a budget and month, whatever is restated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.severity import severity
from finops_ai.domain.budget import Standing
from finops_ai.domain.episode import BUDGET_KINDS, Episode, EpisodeState, FeedbackVerdict, Severity
from finops_ai.domain.money import Money
from finops_ai.domain.scope import Scope

GRACE_DAYS = 7
"""So long after its end a month is still judged: its bill comes late."""

EXCEEDED, PROJECTED = "budget_exceeded", "budget_projected"
_NOT_LIKELY = 0.5
"""A projection is taken back once the month ends below the amount as likely as not."""


def budget_key(name: str, month: object, currency: str, kind: str) -> str:
    return hashlib.sha256(f"budget|{name}|{month}|{currency}|{kind}".encode()).hexdigest()[:16]


def advance_budgets(
    previous: Sequence[Episode], standings: Sequence[Standing], *, as_of: datetime, settings: DetectSettings
) -> list[Episode]:
    """The budgets' episodes as known at `as_of`, all `previous` ones among them; by opening day and key.

    One that is projected ends when it is exceeded, which is told by its own episode, or is no longer likely; one that
    is exceeded when its month is over or the bill takes it back. Episodes of budgets that are gone end with them.
    """
    known = {one.key: one for one in previous if one.kind in BUDGET_KINDS}
    yesterday = as_of.date() - timedelta(days=1)
    told: dict[str, Episode] = {}
    for one in standings:
        for kind, holds, still in (
            (EXCEEDED, one.is_exceeded, one.is_exceeded),
            (PROJECTED, one.is_projected, not one.is_exceeded and one.sure >= _NOT_LIKELY),
        ):
            key = budget_key(one.budget.name, one.month, one.budget.amount.currency, kind)
            before = known.get(key)
            over = yesterday >= one.month.end + timedelta(days=GRACE_DAYS)
            if before is None and (not holds or over):
                continue
            was_open = before is not None and before.state is not EpisodeState.RESOLVED
            goes_on = (still if was_open else holds) and not over
            told[key] = _episode(one, kind, key, before, yesterday, goes_on, settings)
    for key, before in known.items():
        if key not in told:
            told[key] = before if before.state is EpisodeState.RESOLVED else _ended(before, yesterday)
    return sorted(told.values(), key=lambda one: (one.opened_on, one.key))


def _episode(
    one: Standing,
    kind: str,
    key: str,
    before: Episode | None,
    yesterday: date,
    goes_on: bool,
    settings: DetectSettings,
) -> Episode:
    if before is not None and before.state is EpisodeState.RESOLVED and not goes_on:
        return before
    limit = one.budget.amount
    observed = one.spent if kind == EXCEEDED else one.month_end
    opened_on = before.opened_on if before else min(yesterday, one.month.end - timedelta(days=1))
    answer = before.feedback if before else None
    expected = answer is not None and answer.verdict is FeedbackVerdict.EXPECTED
    quieted = expected and answer is not None and (answer.until is None or yesterday < answer.until)
    is_open = goes_on and not quieted
    acknowledged = before is not None and before.state is EpisodeState.ACKNOWLEDGED
    state = EpisodeState.ACKNOWLEDGED if acknowledged else EpisodeState.OPEN
    projected = one.month_end - limit
    place = {key: value for key, value in one.budget.where.items() if not any(sign in value for sign in "*?[")}
    return Episode(
        key=key,
        scope=Scope(tuple(sorted(one.budget.where.items()))),
        cost_basis=one.cost_basis,
        kind=kind,
        state=state if is_open else EpisodeState.RESOLVED,
        severity=_severity(one, kind, projected, settings),
        opened_on=opened_on,
        last_day=max(yesterday, opened_on) if goes_on or before is None else before.last_day,
        resolved_on=None if is_open else (before.resolved_on if before and before.resolved_on else yesterday),
        expected=limit,
        observed=observed,
        excess=observed - limit,
        projected=projected,
        p_value=round(1 - one.sure, 6) if kind == PROJECTED else 0.0,
        forecaster=one.forecaster,
        threshold=_threshold(one, kind),
        where={"budget": one.budget.name, **place, **({"owner": one.budget.owner} if one.budget.owner else {})},
        feedback=answer,
    )


def _severity(one: Standing, kind: str, projected: Money, settings: DetectSettings) -> Severity:
    """By the dollars that the month ends above the amount; a plan never more than warns, a passed limit is an error."""
    over = max(projected.amount, one.spent.amount - one.budget.amount.amount, Decimal(0))
    by_dollars = severity(float(over), 0.0 if kind == EXCEEDED else 1 - one.sure, kind, settings)
    if not one.budget.hard:
        return min(by_dollars, Severity.WARNING, key=lambda each: each.rank)
    least = Severity.ERROR if kind == EXCEEDED else Severity.WARNING
    return max(by_dollars, least, key=lambda each: each.rank)


def _threshold(one: Standing, kind: str) -> str:
    limit = f"{one.budget.amount.amount:.2f} {one.budget.amount.currency}"
    what = "limit" if one.budget.hard else "plan"
    if kind == EXCEEDED:
        return f"spent more than the {what} of {limit} for {one.month}, passed on {one.exceeds_on}"
    return (
        f"at least {one.sure:.0%} sure by the forecast that {one.month} ends above the {what} of {limit}"
        f" (told from {one.budget.probability:.0%} on); passed on {one.exceeds_on or 'no day of the median'}"
    )


def _ended(before: Episode, yesterday: date) -> Episode:
    return before.with_(
        state=EpisodeState.RESOLVED, resolved_on=max(yesterday, before.last_day), projected=before.excess
    )
