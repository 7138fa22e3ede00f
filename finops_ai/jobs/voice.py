"""What the on-call engineer is told of episodes, and where: news since the last run, as messages for the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from finops_ai.detection.news import news
from finops_ai.domain.episode import Episode, FeedbackVerdict, Severity
from finops_ai.domain.forecast import Score
from finops_ai.domain.message import Message
from finops_ai.domain.money import Money
from finops_ai.domain.series import CostSeries
from finops_ai.jobs.run import Turn
from finops_ai.reporting.page import PageContext, page_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who is told, and from which severity on."""

    sinks: tuple[str, ...]
    page_at: Severity


def messages_of(
    turn: Turn,
    episodes: Sequence[Episode],
    known: Mapping[str, Episode],
    series_of: Mapping[Any, CostSeries],
    judged: Mapping[Any, Score],
    voice: Voice,
) -> Iterable[Message]:
    """What is new to tell: an episode grave enough that opened, became graver, or ended."""
    for episode in episodes:
        before = known.get(episode.key)
        kind = news(episode, before, voice.page_at)
        if kind is None or _answered(episode, turn.as_of.date()):
            continue
        body = page_body(episode, context=_context(turn, episode, series_of, judged))
        for sink in voice.sinks:
            yield Message(key=f"finops/{episode.key}", kind=kind, sink=sink, body=body)


def _answered(episode: Episode, today: date) -> bool:
    """A person said that this is no news; "expected" ends with its last day."""
    answer = episode.feedback
    if answer is None or answer.verdict is FeedbackVerdict.REAL:
        return False
    return answer.until is None or today <= answer.until


def _context(
    turn: Turn, episode: Episode, series_of: Mapping[Any, CostSeries], judged: Mapping[Any, Score]
) -> PageContext:
    """The episode's last day beside what was expected of it, up to the threshold."""
    currency = episode.excess.currency
    one = series_of.get((episode.scope, currency))
    score = judged.get((episode.scope, currency, episode.last_day))
    return PageContext(
        as_of=turn.as_of,
        complete_through=one.complete_through if one else None,
        last_observed=_cents(score.observed, currency) if score else None,
        last_low=_cents(score.expected, currency) if score else None,
        last_high=_cents(score.upper, currency) if score else None,
    )


def _cents(value: float, currency: str) -> Money:
    return Money(Decimal(repr(float(value))).quantize(Decimal("0.01")), currency)
