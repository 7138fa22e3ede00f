"""An episode as a page: the plain body of its message, with a summary that fits a phone."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from finops_ai.domain.episode import BUDGET_KINDS, COST_KINDS, DATA_KINDS, Cause, Episode, EpisodeState, Severity
from finops_ai.domain.errors import Leak
from finops_ai.domain.focus import NONE
from finops_ai.domain.money import Money, plain, total
from finops_ai.domain.text import one_line
from finops_ai.reporting.formats import compact, day_year, money
from finops_ai.reporting.page_kinds import budget_summary, budget_title, data_summary, data_title

TAGS = {Severity.INFO: "INFO", Severity.WARNING: "WARN", Severity.ERROR: "ERROR", Severity.CRITICAL: "CRIT"}
PLACES = ("x_cost_center", "x_ai_model", "service_name", "x_sku_group")
"""Keys that name an episode's place, from wide to narrow."""

NAME_LENGTH = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """What the episode itself does not hold: its last day beside the 80% band, and where to read on.

    `since` is the first strange hour of that day (UTC), where its hours tell of it. `links` maps a text to an http(s)
    address.
    """

    as_of: datetime
    complete_through: date | None
    last_observed: Money | None = None
    last_low: Money | None = None
    last_high: Money | None = None
    since: datetime | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    changes_nearby: Sequence[Mapping[str, Any]] = ()


def page_body(episode: Episode, *, context: PageContext) -> dict[str, Any]:
    """Plain data for any sink: text and decimal strings only.

    Names in it are as the bill has them, on one line each; every sink escapes them for its own format.
    Raises Leak when the causes do not add up to the excess.
    """
    if episode.causes and total(cause.excess.amount for cause in episode.causes) != episode.excess.amount:
        raise Leak(f"causes of episode {episode.key} do not add up to its excess of {episode.excess}")
    return {
        "title": title(episode),
        "summary": summary(episode, context),
        "severity": str(episode.severity),
        "kind": episode.kind,
        "episode": episode.key,
        "scope": dict(episode.scope.pairs),
        "where": dict(episode.where),
        "opened_on": episode.opened_on.isoformat(),
        "last_day": episode.last_day.isoformat(),
        "resolved_on": episode.resolved_on.isoformat() if episode.resolved_on else None,
        "state": str(episode.state),
        "cost_basis": episode.cost_basis,
        "currency": episode.excess.currency,
        "expected": plain(episode.expected.amount),
        "observed": plain(episode.observed.amount),
        "excess": plain(episode.excess.amount),
        "projected": plain(episode.projected.amount),
        "causes": [_cause(cause) for cause in episode.causes],
        "forecaster": episode.forecaster,
        "threshold": episode.threshold,
        "data_as_of": context.as_of.isoformat(),
        "complete_through": context.complete_through.isoformat() if context.complete_through else None,
        "feedback": str(episode.feedback.verdict) if episode.feedback else None,
        "links": dict(context.links),
        "next": f"finops-ai explain {shlex.quote(episode.key)}",
        **({"steps": told} if (told := steps(episode, context)) else {}),
        **({"changes_nearby": [dict(one) for one in context.changes_nearby]} if context.changes_nearby else {}),
    }


def steps(episode: Episode, context: PageContext) -> list[str]:
    """What whoever is paged does now, in order; nothing once it is over."""
    if episode.state is EpisodeState.RESOLVED:
        return []
    found = []
    for change in context.changes_nearby[:1]:
        by = f" by {change['who']}" if change.get("who") else ""
        found.append(f"Look at {change['what']}{by} first: {change['words']}.")
    if episode.state is EpisodeState.OPEN:
        found.append(f"Take it, so that others know: finops-ai episodes ack {shlex.quote(episode.key)}")
    if episode.kind in COST_KINDS:
        found.append("If the cost is meant, answer Expected; if nothing is wrong, False positive.")
    return found


def title(episode: Episode) -> str:
    """Where, and by how much so far: the line of a list."""
    if episode.kind in BUDGET_KINDS:
        return budget_title(episode)
    if episode.kind in DATA_KINDS:
        return data_title(episode)
    return f"{place(episode)}: {money(episode.excess.amount, episode.excess.currency, sign=True)} against expected"


def summary(episode: Episode, context: PageContext) -> str:
    if episode.kind in BUDGET_KINDS | DATA_KINDS:
        tag = "RESOLVED" if episode.state is EpisodeState.RESOLVED else TAGS[episode.severity]
        return f"[{tag}] {budget_summary(episode) if episode.kind in BUDGET_KINDS else data_summary(episode)}"
    if episode.state is EpisodeState.RESOLVED:
        return f"[RESOLVED] {place(episode)}: {_resolved(episode)}"
    return f"[{TAGS[episode.severity]}] {place(episode)}: {_observed(episode, context)} {_outlook(episode)}"


def place(episode: Episode) -> str:
    """Names from wide to narrow, such as "ml-serve · clip-vit-l · Amazon EC2"; a title has no room for more."""
    known = {**episode.where, **dict(episode.scope.pairs)}
    named = [(key, known.pop(key)) for key in PLACES if key in known]
    return _names(named) or _names(known.items()) or "Total spend"


def _names(pairs: Iterable[tuple[str, str]]) -> str:
    names = (one_line(value, NAME_LENGTH) for value in dict(pairs).values() if value and value != NONE)
    return " · ".join(dict.fromkeys(names))


def _observed(episode: Episode, context: PageContext) -> str:
    """What the last day cost beside its band; the whole episode where that day is not given."""
    days = _days(episode)
    if context.last_observed is None and days > 1:
        return f"{_money(episode.observed)} over {days} days vs {_money(episode.expected)} expected."
    observed = _money(context.last_observed or episode.observed)
    expected = _money(episode.expected)
    if context.last_low is not None and context.last_high is not None:
        ends = dict.fromkeys((_money(context.last_low), _money(context.last_high)))
        expected = "-".join(ends)
    since = f", too much since {context.since:%H:%M} UTC" if context.since else ""
    return f"{observed} {_when(episode.last_day, context.as_of.date())} vs {expected} expected{since}."


def _outlook(episode: Episode) -> str:
    if episode.excess.amount < 0:
        less = money(abs(episode.excess.amount), episode.excess.currency)
        return f"{less} less than expected so far: check that the workload runs and that its bill is whole."
    so_far = f"{money(episode.excess.amount, episode.excess.currency, sign=True)} so far"
    if episode.projected.amount <= episode.excess.amount:
        return f"{so_far}."
    month_end = compact(episode.projected.amount, episode.projected.currency, sign=True)
    return f"{so_far}, about {month_end} by month end if it continues."


def _resolved(episode: Episode) -> str:
    since = f" since {day_year(episode.resolved_on)}" if episode.resolved_on else ""
    excess = money(episode.excess.amount, episode.excess.currency, sign=True)
    days = _days(episode)
    if episode.restated:
        return f"the bill was corrected: what it showed is no longer there{since}. It now comes to {excess}."
    if episode.accepted:
        return (
            f"taken as the new normal{since}: the cost stayed. The change came to {excess} over its first {days} days."
        )
    return f"back to expected{since}. It came to {excess} over {days} {'day' if days == 1 else 'days'}."


def _days(episode: Episode) -> int:
    return (episode.last_day - episode.opened_on).days + 1


def _when(day: date, today: date) -> str:
    if day == today - timedelta(days=1):
        return "yesterday"
    return "so far today" if day == today else f"on {day_year(day)}"


def _money(amount: Money) -> str:
    return money(amount.amount, amount.currency)


def _cause(cause: Cause) -> dict[str, str]:
    names = " · ".join(one_line(name, NAME_LENGTH) for name in cause.names)
    return {"what": names, "excess": plain(cause.excess.amount), "note": cause.note}
