"""What teams are told of episodes: decided from the history of decisions, as messages for the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from finops_ai.detection.alerting import Decided, decide
from finops_ai.detection.answers import Answers, learned
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.speech import Speech
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.episode import COST_KINDS, Episode
from finops_ai.domain.forecast import Score
from finops_ai.domain.message import Message
from finops_ai.domain.money import Money
from finops_ai.domain.page_decision import PageDecision
from finops_ai.domain.series import CostSeries
from finops_ai.jobs.nearby import near_each
from finops_ai.jobs.run import Turn
from finops_ai.ledger import decisions, findings
from finops_ai.reporting.bulletin import digest_body, storm_body, with_note
from finops_ai.reporting.page import PageContext, page_body
from finops_ai.reporting.page_chart import chart

AnswerLinks = Callable[[str], Mapping[str, str]]


def no_links(_: str) -> Mapping[str, str]:
    """Answers are given at the command line only."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who is told what, and how an episode is answered: `answer_links` gives an address for each answer.

    What was decided longer ago than `keep_days`, and is not the last word on anything, is forgotten.
    """

    settings: AlertSettings
    answer_links: AnswerLinks = no_links
    keep_days: int = 400


def told(
    turn: Turn,
    episodes: Sequence[Episode],
    series_of: Mapping[Any, CostSeries],
    judged: Mapping[Any, Score],
    *,
    voice: Voice,
    detect: DetectSettings,
) -> tuple[tuple[PageDecision, ...], tuple[Message, ...]]:
    """What is decided about the episodes now, and what is said because of it; to be written together with them."""
    done = decide(
        episodes,
        decisions.decisions(turn.engine),
        now=turn.as_of,
        scopes=len(series_of),
        answers=answers(turn, episodes),
        settings=voice.settings,
        detect=detect,
    )
    said = messages(turn, done, series_of, judged, voice.answer_links)
    zone = {"time_zone": voice.settings.digest_zone}
    return done.decisions, tuple(replace(one, body={**one.body, **zone}) for one in said)


def answers(turn: Turn, episodes: Sequence[Episode]) -> Answers:
    """What people have answered and put off by now."""
    given = findings.feedbacks(turn.engine, turn.as_of)
    return learned(given, decisions.snoozes(turn.engine, turn.as_of), episodes, turn.as_of)


def messages(
    turn: Turn,
    done: Decided,
    series_of: Mapping[Any, CostSeries],
    judged: Mapping[Any, Score],
    answer_links: AnswerLinks,
) -> Iterator[Message]:
    """Each speech once for every sink that is to hear it, the first team's where several share one."""
    said: set[tuple[str, str, str]] = set()
    about = {speech.episode.key: speech.episode for speech in done.speeches if speech.episode is not None}
    changed = near_each(turn.engine, list(about.values()), turn.as_of)
    for speech in done.speeches:
        if speech.episode is not None:
            key = f"finops/{speech.episode.key}"
            context = _context(turn, speech.episode, series_of, judged, changed[speech.episode.key])
            body = page_body(speech.episode, context=context) | {"team": speech.team}
            if drawn := _chart(turn, speech.episode, series_of, judged):
                body["chart"] = drawn
            if links := answer_links(speech.episode.key):
                body["answers"] = dict(links)
            if speech.note:
                body = with_note(body, speech.note)
        else:
            name, _, day = speech.key.partition("/")
            key = f"finops/{name}/{speech.team}/{day}"
            body = _bulletin(speech, date.fromisoformat(day))
        for sink in speech.sinks:
            if (key, speech.kind, sink) in said:
                continue
            said.add((key, speech.kind, sink))
            yield Message(key=key, kind=speech.kind, sink=sink, body=body)


def _bulletin(speech: Speech, day: date) -> dict[str, Any]:
    if speech.kind == "digest":
        since = speech.since or day
        return digest_body(speech.members, speech.reasons, team=speech.team, start=since, end=day)
    return storm_body(speech.members, team=speech.team, first_day=day, note=speech.note)


def _context(
    turn: Turn,
    episode: Episode,
    series_of: Mapping[Any, CostSeries],
    judged: Mapping[Any, Score],
    changed: Sequence[Mapping[str, Any]],
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
        since=score.since if score else None,
        changes_nearby=changed,
    )


def _chart(
    turn: Turn, episode: Episode, series_of: Mapping[Any, CostSeries], judged: Mapping[Any, Score]
) -> list[dict[str, Any]]:
    """The days of the episode's scope; none for what is not about the cost of days."""
    currency = episode.excess.currency
    one = series_of.get((episode.scope, currency)) if episode.kind in COST_KINDS else None
    if one is None:
        return []
    scores = {day: judged[at] for day in one.days if (at := (episode.scope, currency, day)) in judged}
    return chart(one, scores, turn.as_of.date())


def _cents(value: float, currency: str) -> Money:
    return Money(Decimal(repr(float(value))).quantize(Decimal("0.01")), currency)
