"""Whether one episode wants to page a team now, or what it is told instead, and why: one pure question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal

from finops_ai.detection.alert_budget import WEEK, AlertBudget
from finops_ai.detection.answers import ALWAYS, LEAST_REAL, Answers
from finops_ai.detection.routes import DATA_KINDS, Destination, Route, facts
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.severity import severity
from finops_ai.detection.windows import Maintenance, QuietHours, waits
from finops_ai.domain.episode import Episode, Severity
from finops_ai.domain.page_decision import PageDecision, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Who is told what, when, and how often. Without a budget everything that wants to page does.

    `page_from` by currency is what an episode must come to by month end to page; it takes the place of a severity.
    So many episodes at once as `storm` become one message (0: never), joined by later ones for `storm_hours`.
    A digest goes out once a day, at `digest_at` or the first run after it.
    """

    top: Route = field(default_factory=Route)
    page_from: Mapping[str, Decimal] = field(default_factory=dict)
    budget: AlertBudget | None = None
    storm: int = 10
    storm_hours: int = 24
    quiet: tuple[QuietHours, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    digest_at: time = time(8)
    digest_zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What comes of an episode that does not page; `quietly` leaves it out of the digest too."""

    told: Told
    reason: str
    quietly: bool = False


def instead(
    episode: Episode,
    where: Destination,
    standing: PageDecision | None,
    *,
    heard: bool,
    now: datetime,
    answers: Answers,
    settings: AlertSettings,
    detect: DetectSettings,
) -> Verdict | None:
    """What the episode is told instead of a page, None when it wants to page; `heard`: it was told aloud before."""
    today = now.date()
    if answered := answers.silence(episode, today, heard=heard):
        return Verdict(told=Told.SILENCED, reason=answered, quietly=True)
    if snoozed := answers.snooze(episode, today):
        return Verdict(told=Told.HELD, reason=snoozed, quietly=True)
    if episode.kind in DATA_KINDS and not where.for_data:
        return Verdict(told=Told.DIGEST, reason="doubt about the data: no route names its kind")
    if not where.sinks:
        return Verdict(told=Told.DIGEST, reason="its route names no sink")
    if below := _below(episode, where.page_at, answers, settings, detect):
        return below
    if reason := waits(episode, facts(episode), now, quiet=settings.quiet, maintenance=settings.maintenance):
        return Verdict(told=Told.HELD, reason=reason)
    if (
        standing is not None
        and standing.told is Told.DIGEST
        and now - standing.at >= WEEK
        and episode.severity.rank <= standing.severity.rank
    ):
        return Verdict(told=Told.DIGEST, reason=standing.reason)  # it had its week; graver it may page again
    return None


def _below(
    episode: Episode, page_at: Severity, answers: Answers, settings: AlertSettings, detect: DetectSettings
) -> Verdict | None:
    asks = answers.asks(episode)
    if asks > 1 and episode.severity.rank >= ALWAYS.rank:
        asks = 1.0
    if _pages(episode, asks, page_at, settings, detect):
        if not answers.doubts(episode):
            return None
        share = f"{answers.real(episode):.0%} of what people answered like it was real"
        return Verdict(told=Told.SILENCED, reason=f"{share}, {LEAST_REAL:.0%} pages")
    if asks > 1 and _pages(episode, 1.0, page_at, settings, detect):
        count = answers.counts[episode.scope, episode.excess.currency]
        given = "an answer asks" if count == 1 else f"{count} answers ask"
        return Verdict(told=Told.SILENCED, reason=f"{given} for {asks:.1f} times as much before this scope pages")
    currency = episode.projected.currency
    amount = settings.page_from.get(currency, settings.page_from.get("*"))
    line = str(page_at) if amount is None else f"{amount:f} {currency}"
    return Verdict(told=Told.DIGEST, reason=f"below what pages ({line})")


def _pages(episode: Episode, asks: float, page_at: Severity, settings: AlertSettings, detect: DetectSettings) -> bool:
    amount = settings.page_from.get(episode.projected.currency, settings.page_from.get("*"))
    if amount is not None and episode.kind not in DATA_KINDS:
        return episode.projected.amount / Decimal(asks) >= amount
    if asks == 1:
        return episode.severity.rank >= page_at.rank
    tuned = severity(float(episode.projected.amount) / asks, episode.p_value, episode.kind, detect)
    return tuned.rank >= page_at.rank
