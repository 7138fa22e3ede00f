"""The week's pages for the report: how many, how many were real, what did not page and why, what answers changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from finops_ai.detection.alerting import STORM
from finops_ai.detection.precision import precision
from finops_ai.detection.response import response
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.page_decision import PageDecision, Told
from finops_ai.domain.period import Days
from finops_ai.domain.report import Note
from finops_ai.jobs.replay import play
from finops_ai.jobs.run import Turn, silent
from finops_ai.ledger import decisions, findings
from finops_ai.reporting.formats import money
from finops_ai.reporting.page import title

ANSWERED_DAYS = 90
PLAYED_DAYS = 28
LISTED = 10


def notes(turn: Turn, week: Days, settings: AlertSettings, detect: DetectSettings) -> list[Note]:
    """Nothing where nobody has been told anything yet."""
    made = decisions.decisions(turn.engine, turn.as_of)
    if not made:
        return []
    episodes = findings.episodes(turn.engine, turn.as_of)
    return [
        Note("info", text)
        for text in (
            *_pages(made, week, settings),
            *_real(turn, made),
            *_response(turn, made, episodes),
            *_unpaged(made, episodes),
            *_answers(turn, settings, detect),
        )
    ]


def _pages(made: Sequence[PageDecision], week: Days, settings: AlertSettings) -> Iterator[str]:
    for team in sorted({one.team for one in made}):
        mine = [one for one in made if one.team == team and one.at.date() in week]
        pages = [one for one in mine if one.page]
        storms = sum(one.key.startswith(STORM) for one in pages)
        digested = len({one.key for one in mine if one.told is Told.DIGEST and "/" not in one.key})
        limit = f", at most {settings.budget.pages} in any seven days" if settings.budget else ""
        text = f"Pages to {team} this week: {len(pages)}{limit}"
        text += f", {storms} of them for many episodes at once" if storms else ""
        yield f"{text}; {digested} more went to the digest."


def _real(turn: Turn, made: Sequence[PageDecision]) -> Iterator[str]:
    since = turn.as_of - timedelta(days=ANSWERED_DAYS)
    said = {one.episode_key: one for one in findings.feedbacks(turn.engine, turn.as_of)}
    paged = [one for one in made if one.told in (Told.PAGED, Told.STORM) and one.at >= since]
    found = precision(paged, said)
    if found.answered:
        low, high = found.interval
        yield (
            f"Of {found.answered} pages answered in {ANSWERED_DAYS} days {found.real} were real "
            f"(95 % interval {low:.0%} to {high:.0%})."
        )


def _response(turn: Turn, made: Sequence[PageDecision], episodes: Sequence[Episode]) -> Iterator[str]:
    """How fast pages came, were taken and were over, and what that avoided."""
    since = turn.as_of - timedelta(days=ANSWERED_DAYS)
    found = response(episodes, made, findings.feedbacks(turn.engine, turn.as_of), since)
    if not found.paged:
        return
    times = (
        (found.awareness, "told after {:.1f} h (from the start of the first unusual day)"),
        (found.taken, "taken {:.1f} h later"),
        (found.over, "over {:.1f} h after the page"),
    )
    told = ", ".join(text.format(hours) for hours, text in times if hours is not None)
    paged = "The one paged episode" if found.paged == 1 else f"Median of the {found.paged} paged episodes"
    yield f"{paged} of {ANSWERED_DAYS} days: {told}."
    for amount in found.avoided:
        more = money(amount.amount, amount.currency)
        yield f"Had those that ended gone on to the end of their month as projected: {more} more."


def _unpaged(made: Sequence[PageDecision], episodes: Sequence[Episode]) -> Iterator[str]:
    """Open episodes that somebody might ask why they did not page; below what pages is no question."""
    known = {one.key: one for one in episodes if one.state is not EpisodeState.RESOLVED}
    last = {(one.team, one.key): one for one in made}
    quiet = [
        one
        for one in last.values()
        if one.key in known
        and one.told in (Told.DIGEST, Told.HELD, Told.SILENCED)
        and not one.reason.startswith("below")
    ]
    quiet.sort(key=lambda one: (-one.severity.rank, -abs(one.projected.amount), one.team, one.key))
    for one in quiet[:LISTED]:
        yield f"Did not page {one.team}: {title(known[one.key])} ({one.key}): {one.reason}."
    if len(quiet) > LISTED:
        yield f"{len(quiet) - LISTED} more did not page: finops-ai episodes list."


def _answers(turn: Turn, settings: AlertSettings, detect: DetectSettings) -> Iterator[str]:
    """What answers changed, measured by playing the last weeks again with and without them."""
    since = turn.as_of - timedelta(days=ANSWERED_DAYS)
    given = {one.episode_key for one in findings.feedbacks(turn.engine, turn.as_of) if one.at >= since}
    if not given:
        return
    start = datetime.combine(turn.as_of.date() - timedelta(days=PLAYED_DAYS), time(), UTC)
    counts = []
    for without in (True, False):
        found = play(
            turn.engine,
            start,
            turn.as_of,
            settings=settings,
            detect=detect,
            without_feedback=without,
            progress=silent,
        )
        counts.append(sum(one.page for one in found))
    before, after = counts
    who = "Your answer" if len(given) == 1 else f"Your {len(given)} answers"
    span = f"in the last {PLAYED_DAYS} days, played again with and without"
    if after < before:
        yield f"{who} cut pages by {(before - after) / before:.0%}: {after} instead of {before} {span}."
    elif after > before:
        yield f"{who} let more page: {after} instead of {before} {span}."
    else:
        yield f"{who} changed no number of pages: {after} {span}."
