"""Complete days to episodes: scored, grown, explained, and put into the outbox in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from finops_ai.detection.causes import BASELINE_DAYS, Breakdown, Share, causes, finish, pick_breakdown, where
from finops_ai.detection.levels import accepted
from finops_ai.detection.news import news
from finops_ai.detection.run import detect as judge
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode, EpisodeState, FeedbackVerdict, Severity
from finops_ai.domain.forecast import Score
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.message import Message
from finops_ai.domain.money import EXACT, Money, total
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.period import Days
from finops_ai.domain.series import CostSeries
from finops_ai.jobs.answers import dearest_first, episode_row
from finops_ai.jobs.completeness import filling
from finops_ai.jobs.forecast import LEVELS_OF_SCOPE
from finops_ai.jobs.nearby import near
from finops_ai.jobs.run import Turn
from finops_ai.ledger import costs, findings, series
from finops_ai.reporting.page import PageContext, page_body

ATTRIBUTES = ("x_sku_group", "x_ai_model", "service_name", "x_cost_center", "sub_account_id", "region_id")
"""Keys by which an episode is explained and placed; where several explain it as well, the first does."""

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who is told, and from which severity on."""

    sinks: tuple[str, ...]
    page_at: Severity


def detect(
    turn: Turn,
    *,
    cost_basis: str,
    settle_days: Mapping[str, int],
    settings: DetectSettings,
    voice: Voice,
    announced: Sequence[KnownEvent] = (),
) -> Outcome:
    """Judge every scope's last days by what was expected before them, and bring its episodes up to date.

    Run again for the same instant it finds the same: episodes known before that instant are what it starts from.
    """
    watched = series.series(
        turn.engine,
        levels=LEVELS_OF_SCOPE,
        cost_basis=cost_basis,
        as_of=turn.as_of,
        settle_days=settle_days,
        charges="usage",
    )
    turn.progress(f"judging {len(watched)} series")
    previous = findings.episodes(turn.engine, turn.as_of - _INSTANT)
    fills = filling(turn, cost_basis)
    found = judge(
        watched,
        previous,
        as_of=turn.as_of,
        settings=settings,
        filling=[fills] * len(watched),
        announced=announced,
    )
    known = {episode.key: episode for episode in previous}
    by_key = {(one.scope, one.currency): one for one in watched}
    episodes = tuple(
        episode
        if episode == known.get(episode.key)
        else _explained(turn, episode, cost_basis, by_key[episode.scope, episode.excess.currency])
        for episode in found.episodes
    )
    judged = {(score.scope, score.currency, score.day): score for score in found.scores}
    messages = tuple(_messages(turn, episodes, known, by_key, judged, voice))
    if not turn.dry_run:
        findings.record(turn.engine, as_of=turn.as_of, scores=found.scores, episodes=episodes, messages=messages)
    open_now = [episode for episode in episodes if episode.state is not EpisodeState.RESOLVED]
    counts = {"series": len(watched), "episodes": len(episodes), "open": len(open_now), "messages": len(messages)}
    rows = tuple(episode_row(episode) for episode in sorted(episodes, key=dearest_first))
    return Outcome(job="detect", as_of=turn.as_of, counts=counts, results=rows)


def _explained(turn: Turn, episode: Episode, cost_basis: str, watched: CostSeries) -> Episode:
    """The episode with the ledger's exact cost, the dimension that explains it best, and where it is."""
    during = Days(episode.opened_on, episode.last_day + timedelta(days=1))
    before = Days(episode.opened_on - timedelta(days=BASELINE_DAYS), episode.opened_on)
    rows = costs.breakdown(
        turn.engine,
        scope=episode.scope,
        currency=episode.excess.currency,
        cost_basis=cost_basis,
        days=Days(before.start, during.end),
        keys=ATTRIBUTES,
        as_of=turn.as_of,
    )
    observed = total(row["cost"] for row in rows if row["day"] in during)
    breakdowns = {key: _breakdown(rows, (key,), before, during) for key in ATTRIBUTES}
    within = [one for key, one in breakdowns.items() if episode.scope.get(key) is None]
    done = finish(episode, observed=observed, breakdown=pick_breakdown(within)[0])
    places: dict[str, str] = {}
    for breakdown in breakdowns.values():
        places |= where(causes(breakdown, expected=done.expected, observed=done.observed))
    return done.with_(where={**places, **done.where}, accepted=accepted(done, watched))


def _breakdown(rows: Iterable[Mapping[str, Any]], keys: tuple[str, ...], before: Days, during: Days) -> Breakdown:
    sums: dict[tuple[date, tuple[str, ...]], tuple[Decimal, Decimal | None]] = {}
    for row in rows:
        at = (row["day"], tuple(str(row[key]) for key in keys))
        cost, quantity = sums.get(at, (Decimal(0), Decimal(0)))
        more = row["quantity"]
        known = None if quantity is None or more is None else EXACT.add(quantity, more)
        sums[at] = (EXACT.add(cost, row["cost"]), known)
    shares = [Share(day, what, cost, quantity) for (day, what), (cost, quantity) in sums.items()]
    return Breakdown(
        keys=keys,
        baseline_days=tuple(before),
        episode_days=tuple(during),
        baseline=[share for share in shares if share.day in before],
        during=[share for share in shares if share.day in during],
    )


def _messages(
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
        changes_nearby=near(turn.engine, episode, turn.as_of),
    )


def _cents(value: float, currency: str) -> Money:
    return Money(Decimal(repr(float(value))).quantize(Decimal("0.01")), currency)
