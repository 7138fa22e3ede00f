"""Days to episodes: scored, grown, explained, and put into the outbox in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from finops_ai.detection.answers import accepted_levels
from finops_ai.detection.budgets import advance_budgets
from finops_ai.detection.run import detect as judge
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.budget import Budget
from finops_ai.domain.episode import COST_KINDS, Episode, EpisodeState
from finops_ai.domain.focus import NONE
from finops_ai.domain.forecast import Score
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import HourlySeries
from finops_ai.jobs.answers import dearest_first, episode_row
from finops_ai.jobs.budgets import months_of, standings
from finops_ai.jobs.completeness import filling
from finops_ai.jobs.data_quality import SOURCE_LEVEL, doubted
from finops_ai.jobs.explained import explained
from finops_ai.jobs.forecast import LEVELS_OF_SCOPE
from finops_ai.jobs.run import Turn
from finops_ai.jobs.voice import Voice, told
from finops_ai.jobs.workloads import NOT_KNOWN, Attribution
from finops_ai.ledger import findings, hours, series
from finops_ai.ledger.connect import transaction

ALSO_WATCHED: tuple[tuple[str, ...], ...] = (
    ("sub_account_id",),
    ("service_name",),
    ("x_cost_center", "x_ai_model"),
)
"""Scopes that nobody is forecast a month for, but where cost may move without any other scope showing it."""
WATCHED_LEVELS = (*LEVELS_OF_SCOPE, *ALSO_WATCHED)
"""Levels at which an episode of cost may open."""

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
) -> Outcome:
    """Judge every scope's last days by what was expected before them, and bring its episodes up to date.

    Run again for the same instant it finds the same: episodes known before that instant are what it starts from.
    """
    every = series.series(
        turn.engine,
        levels=(*WATCHED_LEVELS, SOURCE_LEVEL),
        cost_basis=cost_basis,
        as_of=turn.as_of,
        settle_days=settle_days,
    )
    watched = [one for one in every if _is_watched(one.scope)]
    turn.progress(f"judging {len(watched)} series")
    previous = findings.episodes(turn.engine, turn.as_of - _INSTANT)
    fills = filling(turn, cost_basis)
    found = judge(
        watched,
        previous,
        as_of=turn.as_of,
        settings=settings,
        filling=[fills] * len(watched),
        hours=_hours(turn, cost_basis),
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
    episodes = tuple(
        one
        if one == known.get(one.key)
        else explained(turn, one, cost_basis, by_key[one.scope, one.excess.currency], attribution)
        for one in bill.cost
    )
    stand = standings(turn.engine, budgets, months_of(turn.as_of), cost_basis=cost_basis, as_of=turn.as_of)
    episodes += (*advance_budgets(previous, stand, as_of=turn.as_of, settings=settings), *bill.data)
    judged = {(score.scope, score.currency, score.day): score for score in found.scores}
    decisions, messages = told(turn, episodes, by_key, judged, voice=voice, detect=settings)
    if not turn.dry_run:
        _keep(turn, voice, scores=found.scores, episodes=episodes, decisions=decisions, messages=messages)
    return _outcome(turn, episodes, series=len(watched), messages=len(messages))


def _keep(turn: Turn, voice: Voice, *, episodes: Sequence[Episode], scores: Sequence[Score], **said: Any) -> None:
    """All of it in one transaction, and nothing that is older than anybody asks for."""
    with transaction(turn.engine) as connection:
        findings.record(connection, as_of=turn.as_of, scores=scores, episodes=episodes)
        findings.record(connection, as_of=turn.as_of, **said)
        findings.forget(connection, turn.as_of - timedelta(days=voice.keep_days))


def _hours(turn: Turn, cost_basis: str) -> list[HourlySeries]:
    """Hours of the watched scopes, as far as sources are asked for them."""
    every = hours.hourly(turn.engine, levels=WATCHED_LEVELS, cost_basis=cost_basis, as_of=turn.as_of)
    return [one for one in every if _is_watched(one.scope)]


def _is_watched(scope: Scope) -> bool:
    """Sources are the data's; what names no account, service or model is the rest of the bill and not a scope."""
    keys = tuple(key for key, _ in scope.pairs)
    named = all(value not in ("", NONE) for _, value in scope.pairs)
    return keys != SOURCE_LEVEL and (keys not in ALSO_WATCHED or named)


def _outcome(turn: Turn, episodes: Sequence[Episode], *, series: int, messages: int) -> Outcome:
    open_now = [episode for episode in episodes if episode.state is not EpisodeState.RESOLVED]
    counts = {"series": series, "episodes": len(episodes), "open": len(open_now), "messages": messages}
    rows = tuple(episode_row(episode) for episode in sorted(episodes, key=dearest_first))
    return Outcome(job="detect", as_of=turn.as_of, counts=counts, results=rows)
