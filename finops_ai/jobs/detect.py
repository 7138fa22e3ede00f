"""Complete days to episodes: scored, grown, explained, and put into the outbox in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from finops_ai.detection.answers import accepted_levels
from finops_ai.detection.causes import BASELINE_DAYS, Breakdown, Share, causes, finish, pick_breakdown, where
from finops_ai.detection.levels import accepted
from finops_ai.detection.run import detect as judge
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.money import EXACT, total
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.period import Days
from finops_ai.domain.series import CostSeries
from finops_ai.jobs.answers import dearest_first, episode_row
from finops_ai.jobs.completeness import filling
from finops_ai.jobs.forecast import LEVELS_OF_SCOPE
from finops_ai.jobs.run import Turn
from finops_ai.jobs.voice import Voice, told
from finops_ai.ledger import costs, findings, series

ATTRIBUTES = (
    "x_sku_group",
    "x_ai_model",
    "service_name",
    "x_cost_center",
    "sub_account_id",
    "region_id",
    "x_environment",
)
"""Keys by which an episode is explained and placed; where several explain it as well, the first does."""

PLACES = (*ATTRIBUTES, "x_environment")
"""Keys that say where an episode is."""

_INSTANT = timedelta(microseconds=1)


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
        announced=[*announced, *accepted_levels(findings.feedbacks(turn.engine, turn.as_of), previous, turn.as_of)],
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
    decisions, messages = told(turn, episodes, by_key, judged, voice=voice, detect=settings)
    if not turn.dry_run:
        findings.record(
            turn.engine,
            as_of=turn.as_of,
            scores=found.scores,
            episodes=episodes,
            decisions=decisions,
            messages=messages,
        )
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
        keys=PLACES,
        as_of=turn.as_of,
    )
    observed = total(row["cost"] for row in rows if row["day"] in during)
    breakdowns = {key: _breakdown(rows, (key,), before, during) for key in PLACES}
    within = [one for key, one in breakdowns.items() if key in ATTRIBUTES and episode.scope.get(key) is None]
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
