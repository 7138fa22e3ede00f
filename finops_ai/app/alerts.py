"""Alerts put together: the settings of their section, episodes put off, and history played again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops_ai.app.answer_links import answer_links
from finops_ai.config.alerts import WEEKDAYS
from finops_ai.detection.alert_budget import AlertBudget
from finops_ai.detection.routes import Route
from finops_ai.detection.telling import AlertSettings
from finops_ai.detection.windows import Maintenance, QuietHours
from finops_ai.domain.episode import Severity
from finops_ai.domain.errors import UsageError
from finops_ai.domain.page_decision import Snooze

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from finops_ai.config import Config
    from finops_ai.jobs.run import Progress
    from finops_ai.jobs.second_receivers import Detours
    from finops_ai.jobs.voice import Voice
    from finops_ai.world.secrets import Secrets


def alert_settings(config: Config) -> AlertSettings:
    told = config.alerts
    budget = told.budget
    return AlertSettings(
        top=Route(
            team=told.team,
            sinks=tuple(one.name for one in config.sinks) if told.sinks is None else told.sinks,
            digest=told.digest,
            page_at=config.detect.page_at,
            routes=tuple(one.route() for one in told.routes),
        ),
        page_from=told.page_from,
        budget=AlertBudget(
            pages=budget.pages, false_discovery=budget.false_discovery, break_through=budget.break_through
        )
        if budget
        else None,
        storm=told.storm.episodes,
        storm_hours=told.storm.hours,
        quiet=tuple(
            QuietHours(
                start=one.start,
                end=one.end,
                time_zone=one.time_zone or told.time_zone,
                days=frozenset(WEEKDAYS.index(day) for day in one.days),
                unless=one.unless,
            )
            for one in told.quiet_hours
        ),
        maintenance=tuple(
            Maintenance(start=start, end=end, note=one.note, match=one.match)
            for one in told.maintenance
            for start, end in [one.instants(told.time_zone)]
        ),
        digest_at=told.digest_at,
        digest_zone=told.time_zone,
    )


def voice(config: Config, secrets: Secrets, as_of: datetime) -> Voice:
    from finops_ai.jobs.voice import Voice

    return Voice(
        settings=alert_settings(config),
        answer_links=answer_links(config, secrets, as_of),
        keep_days=config.alerts.keep_days,
    )


def detours(config: Config) -> Detours:
    """Who is told the pages that a receiver does not take."""
    from finops_ai.jobs.second_receivers import Detours, Second

    seconds = tuple(
        Second(sink=one.sink, after=timedelta(minutes=one.after_minutes), to=one.to) for one in config.delivery.second
    )
    return Detours(seconds=seconds, zone=config.alerts.time_zone)


def snooze(engine: Engine, key: str, *, until: date, note: str, by: str, as_of: datetime) -> dict[str, Any]:
    """Put an episode off through `until`; the episode with what is decided of it. Raises UsageError."""
    from finops_ai.jobs import answers
    from finops_ai.ledger import decisions, findings

    found = findings.episode(engine, key, as_of)
    given = Snooze(episode_key=found.key, at=as_of, until=until, projected=found.projected, note=note, by=by)
    decisions.put_off(engine, given)
    row = answers.episode(engine, found.key, as_of)
    return {**row, "snoozed_until": until, "snooze_note": note}


def replay(
    engine: Engine,
    config: Config,
    *,
    since: date,
    budget: int | None,
    threshold: str | None,
    without_feedback: bool,
    as_of: datetime,
    progress: Progress,
) -> dict[str, Any]:
    """Both histories since a day: what was paged, and what these settings would have. Raises UsageError."""
    from finops_ai.app import parts
    from finops_ai.jobs.replay import replay

    settings = alert_settings(config)
    if budget is not None:
        limit = settings.budget or AlertBudget(pages=budget)
        settings = replace(settings, budget=replace(limit, pages=budget))
    if threshold is not None:
        settings = _with_threshold(settings, threshold)
    return replay(
        engine,
        since=since,
        as_of=as_of,
        settings=settings,
        detect=parts.detect_settings(config),
        without_feedback=without_feedback,
        progress=progress,
    )


def _with_threshold(settings: AlertSettings, text: str) -> AlertSettings:
    """A severity, or an amount that an episode must come to by month end; of all routes alike."""
    if text.lower() in list(Severity):
        return replace(settings, top=_everywhere(settings.top, Severity(text.lower())), page_from={})
    try:
        amount = Decimal(text)
    except ArithmeticError:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--threshold wants one of {', '.join(Severity)}, or an amount such as 500, not {text!r}")
    amounts: Mapping[str, Decimal] = {"*": amount}
    return replace(settings, page_from=amounts)


def _everywhere(route: Route, page_at: Severity) -> Route:
    below = tuple(replace(one, routes=_everywhere(one, page_at).routes, page_at=None) for one in route.routes)
    return replace(route, page_at=page_at, routes=below)
