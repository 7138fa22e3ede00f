"""History played again: which pages other settings, or none of the answers, would have made of the same findings.

The steps are the runs whose findings the ledger keeps: the last of each UTC day. Each sees the episodes, answers and
snoozes known at its instant and the decisions made before the first day; what was really paged later is not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from finops_ai.detection.alerting import decide
from finops_ai.detection.answers import learned
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.episode import Episode
from finops_ai.domain.errors import UsageError
from finops_ai.domain.money import EXACT, plain
from finops_ai.domain.page_decision import PageDecision
from finops_ai.jobs.run import Progress
from finops_ai.ledger import decisions, findings, runs
from finops_ai.reporting.page import place

_TELL_EVERY = 30


def replay(
    engine: Engine,
    *,
    since: date,
    as_of: datetime,
    settings: AlertSettings,
    detect: DetectSettings,
    without_feedback: bool,
    progress: Progress,
) -> dict[str, Any]:
    """`was` and `would`: pages and what they came to by currency; `pages`: each page of either history."""
    start = datetime.combine(since, time(), UTC)
    if start > as_of:
        raise UsageError(f"--since {since} lies after what is known")
    was = [one for one in decisions.decisions(engine, as_of) if one.page and one.at >= start]
    would = [
        one
        for one in play(
            engine,
            start,
            as_of,
            settings=settings,
            detect=detect,
            without_feedback=without_feedback,
            progress=progress,
        )
        if one.page
    ]
    known = {one.key: one for one in findings.episodes(engine, as_of)}
    return {
        "since": since,
        "was": _sums(was, known),
        "would": _sums(would, known),
        "pages": _rows(was, would, known),
    }


def play(
    engine: Engine,
    start: datetime,
    as_of: datetime,
    *,
    settings: AlertSettings,
    detect: DetectSettings,
    without_feedback: bool,
    progress: Progress,
) -> list[PageDecision]:
    """The decisions from `start` to `as_of` as `settings` would have made them, in the order of the ledger."""
    before = [one for one in decisions.decisions(engine, as_of) if one.at < start]
    given = [] if without_feedback else findings.feedbacks(engine, as_of)
    put_off = decisions.snoozes(engine, as_of)
    scopes = runs.counted(engine, "detect", "series")
    made: list[PageDecision] = []
    for number, instant in enumerate(findings.instants(engine, start, as_of)):
        if number % _TELL_EVERY == 0:
            progress(f"playing {instant:%Y-%m-%d} again")
        episodes = findings.episodes(engine, instant)
        done = decide(
            episodes,
            [*before, *made],
            now=instant,
            scopes=scopes.get(instant, 1),
            answers=learned(given, put_off, episodes, instant),
            settings=settings,
            detect=detect,
        )
        made += done.decisions
    return sorted(made, key=lambda one: (one.at, one.team, one.key))


def _sums(pages: Sequence[PageDecision], known: Mapping[str, Episode]) -> dict[str, Any]:
    """How many pages, and the excess of the episodes told in them by currency, each once."""
    amounts: dict[str, Decimal] = {}
    for key in {one.key for one in pages}:
        if key in known:
            excess = known[key].excess
            amounts[excess.currency] = EXACT.add(amounts.get(excess.currency, Decimal(0)), excess.amount)
    by_team = Counter(one.team for one in pages)
    return {
        "pages": len(pages),
        "by_team": dict(sorted(by_team.items())),
        "excess": {currency: plain(amount) for currency, amount in sorted(amounts.items())},
    }


def _rows(
    was: Iterable[PageDecision], would: Iterable[PageDecision], known: Mapping[str, Episode]
) -> list[dict[str, Any]]:
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for name, pages in (("was", was), ("would", would)):
        times: Counter[tuple[str, str]] = Counter()
        for one in pages:
            times[one.team, one.key] += 1
            row = found.setdefault(
                (one.team, one.key, times[one.team, one.key]),
                {"team": one.team, "key": one.key, **_what(one, known.get(one.key)), "was": None, "would": None},
            )
            row[name] = one.at
    return sorted(found.values(), key=lambda row: (row["was"] or row["would"], row["team"], row["key"]))


def _what(one: PageDecision, episode: Episode | None) -> dict[str, Any]:
    if episode is None:
        return {"what": "many at once", "severity": str(one.severity), "excess": None, "currency": None}
    return {
        "what": place(episode),
        "severity": str(one.severity),
        "excess": episode.excess.amount,
        "currency": episode.excess.currency,
    }
