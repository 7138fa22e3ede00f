"""Reads for the command line and the web: findings as plain rows, nothing decided and nothing written."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from finops_ai.detection.explain import explain
from finops_ai.domain.episode import COST_KINDS, Episode, EpisodeState
from finops_ai.domain.errors import UsageError
from finops_ai.domain.money import EXACT
from finops_ai.domain.page_decision import PageDecision
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import Decision, Proposal
from finops_ai.domain.realised import RealisedSum, summed
from finops_ai.jobs.nearby import near
from finops_ai.ledger import decisions, findings, proposals, savings, series
from finops_ai.reporting.explanation import explanation, threshold_told
from finops_ai.reporting.nearby import lines

BEFORE_DAYS = 14


def episode_row(episode: Episode) -> dict[str, Any]:
    """An episode as the public surface tells it; amounts in `currency`, causes add up to `excess`."""
    main = episode.causes[0] if episode.causes else None
    answer = episode.feedback
    return {
        "key": episode.key,
        "scope": dict(episode.scope.pairs),
        "where": dict(episode.where),
        "x_cost_center": episode.where.get("x_cost_center"),
        "x_ai_model": episode.where.get("x_ai_model"),
        "service_name": episode.where.get("service_name"),
        "kind": episode.kind,
        "state": episode.state.value,
        "severity": episode.severity.value,
        "opened_on": episode.opened_on,
        "last_day": episode.last_day,
        "resolved_on": episode.resolved_on,
        "accepted": episode.accepted,
        "restated": episode.restated,
        "shape": episode.shape,
        "cost_basis": episode.cost_basis,
        "currency": episode.excess.currency,
        "expected": episode.expected.amount,
        "observed": episode.observed.amount,
        "excess": episode.excess.amount,
        "projected": episode.projected.amount,
        "p_value": f"{episode.p_value:.3g}",
        "second_opinion": None if episode.second_opinion is None else f"{episode.second_opinion:.3f}",
        "forecaster": episode.forecaster,
        "threshold": episode.threshold,
        "main_cause": " · ".join(main.names) if main else "",
        "seen_in": [dict(scope.pairs) for scope in episode.seen_in],
        "feedback": answer.verdict.value if answer else None,
        "feedback_until": answer.until if answer else None,
        "feedback_note": answer.note if answer else None,
        "causes": [
            {
                "what": dict(cause.what),
                "expected": cause.expected.amount,
                "observed": cause.observed.amount,
                "excess": cause.excess.amount,
                "quantity_effect": cause.quantity_effect.amount if cause.quantity_effect else None,
                "price_effect": cause.price_effect.amount if cause.price_effect else None,
                "mix_effect": cause.mix_effect.amount if cause.mix_effect else None,
                "note": cause.note,
            }
            for cause in episode.causes
        ],
    }


def proposal_row(proposal: Proposal) -> dict[str, Any]:
    """A proposal as the public surface tells it; the saving is the middle of its range, per month."""
    saving = proposal.recommendation.saving
    denied = [f"{v.rule}: {v.message}" for v in proposal.verdicts if v.decision is Decision.DENY]
    return {
        "key": proposal.key,
        "workload": proposal.recommendation.workload.key,
        "state": proposal.state.value,
        "title": proposal.title,
        "saving": saving.middle.amount,
        "saving_low": saving.low.amount,
        "saving_high": saving.high.amount,
        "currency": saving.low.currency,
        "rate": saving.rate,
        "risk": proposal.recommendation.risk,
        "why": "; ".join(denied) or "; ".join(proposal.recommendation.reasons),
        "verdicts": [
            {"rule": v.rule, "decision": v.decision.value, "message": v.message, "resource": v.resource}
            for v in proposal.verdicts
        ],
        "labels": list(proposal.labels),
    }


def episodes(engine: Engine, as_of: datetime) -> list[dict[str, Any]]:
    """Every episode known, open ones first, then the dearest."""
    made: dict[str, list[PageDecision]] = {}
    for one in decisions.decisions(engine, as_of):
        made.setdefault(one.key, []).append(one)
    found = sorted(findings.episodes(engine, as_of), key=dearest_first)
    return [episode_row(one) | {"told": told(one, made.get(one.key, []))} for one in found]


def episode(engine: Engine, key: str, as_of: datetime) -> dict[str, Any]:
    """One episode by the beginning of its key, with what teams were told. Raises UsageError unless there is one."""
    found = findings.episode(engine, key, as_of)
    made = decisions.decisions(engine, as_of, key=found.key)
    history = [
        {"at": one.at, "team": one.team, "told": one.told.value, "reason": one.reason, "storm": one.storm}
        for one in made
    ]
    return episode_row(found) | {"told": told(found, made), "decisions": history}


def told(episode: Episode, made: Sequence[PageDecision]) -> str:
    """What each team was told last, and why; `made` are the decisions on the episode in order of time."""
    if not made and episode.state is EpisodeState.RESOLVED:
        return "nobody: over before it was found"
    last = {one.team: one for one in made}
    return "; ".join(
        f"{one.told.value}: {one.team}" + ("" if one.reason == one.told.value else f", {one.reason}")
        for _, one in sorted(last.items())
    )


def dearest_first(one: Episode) -> tuple[bool, Decimal, str]:
    return (one.state is EpisodeState.RESOLVED, -abs(one.excess.amount), one.key)


def explain_episode(engine: Engine, key: str, as_of: datetime, *, settle_days: Mapping[str, int]) -> dict[str, Any]:
    """Why an episode opened, as data and (under "text") as words; from the ledger as known then."""
    found = findings.episode(engine, key, as_of)
    if found.kind not in COST_KINDS:
        return {**episode_row(found), "text": threshold_told(found)}
    level = tuple(name for name, _ in found.scope.pairs)
    source = found.scope.get("source")
    every = series.series(
        engine,
        levels=[level],
        cost_basis=found.cost_basis,
        as_of=as_of,
        settle_days=settle_days,
        of=(source,) if source else None,
    )
    mine = [one for one in every if one.scope == found.scope and one.currency == found.excess.currency]
    if not mine:
        raise UsageError(f"no costs of episode {found.key} are in the ledger as known then: nothing can be explained")
    one = mine[0]
    days = Days(found.opened_on - timedelta(days=BEFORE_DAYS), found.last_day + timedelta(days=1))
    scores = [score for score in findings.scores(engine, days, as_of) if score.scope == found.scope]
    told = dict(explain(found, one, scores))
    beside = near(engine, found, as_of)
    text = "\n".join([explanation(found, told, one), *lines(beside)])
    return {**told, "changes_nearby": beside, "text": text}


def showback(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Cost rows added up by cost center, currency and the pool that shared costs came from."""
    sums: dict[tuple[str, str, str], dict[str, Decimal]] = {}
    for row in rows:
        at = sums.setdefault((row["x_cost_center"], row["x_shared_from"], row["currency"]), {})
        for name in ("billed_cost", "effective_cost"):
            at[name] = EXACT.add(at.get(name, Decimal(0)), row[name])
    return [
        {"x_cost_center": owner, "x_shared_from": pool, "currency": currency, **amounts}
        for (owner, pool, currency), amounts in sorted(sums.items())
    ]


def pulls(engine: Engine) -> list[dict[str, Any]]:
    """The latest state of every proposal, what it promised and what it realised."""
    known = summed(savings.savings(engine))
    return [proposal_row(one) | realised_row(known.get(one.key)) for one in proposals.proposals(engine)]


def realised_row(one: RealisedSum | None) -> dict[str, Any]:
    """What a proposal realised so far; None where nothing is measured."""
    return {
        "realised": one.estimate if one else None,
        "realised_low": one.low if one else None,
        "realised_high": one.high if one else None,
        "booked": one.booked if one else None,
        "realised_through": one.through if one else None,
        "proved_on": one.proved_on if one else None,
    }


def pull(engine: Engine, key: str) -> dict[str, Any]:
    """One proposal with its body and diff, by branch name or the end of it. Raises UsageError."""
    every = proposals.proposals(engine)
    found = [one for one in every if one.key == key] or [one for one in every if one.key.endswith(key)]
    if len(found) != 1:
        known = ", ".join(one.key for one in found) or "none"
        raise UsageError(f"{key!r} names {len(found)} proposals ({known}); see: finops-ai pr list")
    realised = summed(savings.savings(engine)).get(found[0].key)
    return proposal_row(found[0]) | realised_row(realised) | {"body": found[0].body, "diff": diff(found[0])}


def diff(proposal: Proposal) -> str:
    """Unified diff of all edits."""
    lines: list[str] = []
    for edit in proposal.edits:
        before, after = edit.before.splitlines(keepends=True), edit.after.splitlines(keepends=True)
        lines += difflib.unified_diff(before, after, f"a/{edit.path}", f"b/{edit.path}")
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
