"""Days to episodes: scored, grown, explained, and put into the outbox in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from finops_ai.detection.answers import accepted_levels
from finops_ai.detection.budgets import advance_budgets
from finops_ai.detection.panel import Filling
from finops_ai.detection.run import detect as judge
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.budget import Budget
from finops_ai.domain.episode import COST_KINDS, Episode, EpisodeState
from finops_ai.domain.forecast import Score
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.outcome import Outcome
from finops_ai.jobs.answers import dearest_first, episode_row
from finops_ai.jobs.budgets import months_of, standings
from finops_ai.jobs.completeness import filling
from finops_ai.jobs.data_quality import doubted
from finops_ai.jobs.explained import explained
from finops_ai.jobs.run import Turn
from finops_ai.jobs.voice import Voice, told
from finops_ai.jobs.watched import by_day, by_hour, is_part, is_watched, of_gateways
from finops_ai.jobs.workloads import NOT_KNOWN, Attribution
from finops_ai.ledger import findings
from finops_ai.ledger.connect import transaction

NOBODY: Mapping[str, str] = {}
_INSTANT = timedelta(microseconds=1)


def detect(
    turn: Turn,
    *,
    cost_basis: str,
    settle_days: Mapping[str, int],
    settings: DetectSettings,
    voice: Voice,
    announced: Sequence[KnownEvent] = (),
    budgets: Sequence[Budget] = (),
    data_owners: Mapping[str, str] = NOBODY,
    attribution: Attribution = NOT_KNOWN,
    gateways: Collection[str] = (),
) -> Outcome:
    """Judge every scope's last days by what was expected before them, and bring its episodes up to date.

    Run again for the same instant it finds the same: episodes known before that instant are what it starts from.
    `gateways` are sources that tell whose the cost of others is, and are watched for what their log shows sooner.
    """
    whole = by_day(turn, cost_basis, settle_days, with_parts=True)
    every, beside = [one for one in whole if not is_part(one.scope)], [one for one in whole if is_part(one.scope)]
    billed = [one for one in every if is_watched(one.scope)]
    logged = of_gateways(turn, cost_basis, settle_days, gateways)
    watched = [*billed, *logged]
    turn.progress(f"judging {len(watched)} series")
    previous = findings.episodes(turn.engine, turn.as_of - _INSTANT)
    found = judge(
        watched,
        previous,
        as_of=turn.as_of,
        settings=settings,
        filling=_each(filling(turn, cost_basis), len(billed), len(logged), len(beside)),
        beside=beside,
        hours=by_hour(turn, cost_basis, gateways),
        announced=[*announced, *accepted_levels(findings.feedbacks(turn.engine, turn.as_of), previous, turn.as_of)],
    )
    known = {one.key: one for one in previous}
    by_key = {(one.scope, one.currency): one for one in watched}
    bill = doubted(
        turn,
        [one for one in found.episodes if one.kind in COST_KINDS],
        previous,
        every,
        cost_basis=cost_basis,
        settings=settings,
        owners=data_owners,
    )
    judged = {(score.scope, score.currency, score.day): score for score in found.scores}
    episodes = tuple(
        one
        if one == known.get(one.key)
        else explained(turn, one, cost_basis, by_key[one.scope, one.excess.currency], judged, attribution)
        for one in bill.cost
    )
    stand = standings(turn.engine, budgets, months_of(turn.as_of), cost_basis=cost_basis, as_of=turn.as_of)
    episodes += (*advance_budgets(previous, stand, as_of=turn.as_of, settings=settings), *bill.data)
    decisions, messages = told(turn, episodes, by_key, judged, voice=voice, detect=settings)
    if not turn.dry_run:
        _keep(turn, voice, scores=found.scores, episodes=episodes, decisions=decisions, messages=messages)
    return _outcome(turn, episodes, series=len(watched), messages=len(messages))


def _each(fill: Filling | None, billed: int, logged: int, beside: int) -> list[Filling | None]:
    """How days fill up of what is billed, of what gateways log and of parts: a log has no such days."""
    return [fill] * billed + [None] * logged + [fill] * beside


def _keep(turn: Turn, voice: Voice, *, episodes: Sequence[Episode], scores: Sequence[Score], **said: Any) -> None:
    """All of it in one transaction, and nothing that is older than anybody asks for."""
    with transaction(turn.engine) as connection:
        findings.record(connection, as_of=turn.as_of, scores=scores, episodes=episodes)
        findings.record(connection, as_of=turn.as_of, **said)
        findings.forget(connection, turn.as_of - timedelta(days=voice.keep_days))


def _outcome(turn: Turn, episodes: Sequence[Episode], *, series: int, messages: int) -> Outcome:
    open_now = [episode for episode in episodes if episode.state is not EpisodeState.RESOLVED]
    counts = {"series": series, "episodes": len(episodes), "open": len(open_now), "messages": messages}
    rows = tuple(episode_row(episode) for episode in sorted(episodes, key=dearest_first))
    return Outcome(job="detect", as_of=turn.as_of, counts=counts, results=rows)
