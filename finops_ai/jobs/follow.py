"""Asks the forges what became of open proposals, measures what merges saved, and watches for what they broke."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from finops_ai.domain.errors import FinopsError, Problem
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.proposal import ProposalState
from finops_ai.forges.base import Forge
from finops_ai.jobs.regressions import Watch, watch
from finops_ai.jobs.run import Turn, problems_of
from finops_ai.jobs.savings import Measuring, measure, note_merges, say
from finops_ai.ledger import proposals

ENDED = {"merged": ProposalState.MERGED, "closed": ProposalState.CLOSED}
PROPOSED = (ProposalState.OPEN, ProposalState.BLOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What follows a merge; `tell` are the sinks that hear of it."""

    measuring: Measuring
    watch: Watch
    tell: tuple[str, ...] = ()


def follow(turn: Turn, forge: Forge | None, after: Following | None = None) -> Outcome:
    """Mirror the state of every open proposal; a closed one is remembered and not proposed again.

    Then every merge is measured, said of on its pull request, and watched. What cannot be done now is told as a
    problem and done by the next run.
    """
    if forge is None:
        return Outcome(job="follow", as_of=turn.as_of, counts={})
    results, problems, counts = _mirrored(turn, forge)
    if after is not None:
        if not turn.dry_run:
            problems += note_merges(turn, forge, after.tell)
        rows = measure(turn, after.measuring)
        said, unsaid = say(turn, forge, after.measuring)
        worse, unknown = watch(turn, forge, after.watch)
        results += [*said, *worse]
        problems += [*unsaid, *unknown]
        counts |= {"savings": len(rows), "told": len(said), "regressions": len(worse)}
    return Outcome(job="follow", as_of=turn.as_of, counts=counts, results=tuple(results), problems=tuple(problems))


def _mirrored(turn: Turn, forge: Forge) -> tuple[list[Mapping[str, Any]], list[Problem], dict[str, int]]:
    problems: list[Problem] = []
    results: list[Mapping[str, Any]] = []
    counts: dict[str, int] = {}
    for proposal in proposals.proposals(turn.engine):
        if proposal.state not in PROPOSED:
            continue
        try:
            pull = forge.find(proposal.key)
        except FinopsError as error:
            problems.extend(problems_of(error, forge.name))
            continue
        if pull is None:
            continue
        state = ENDED.get(pull.state, proposal.state)
        counts[state.value] = counts.get(state.value, 0) + 1
        results.append({"key": proposal.key, "state": state.value, "url": pull.url})
        if state is not proposal.state and not turn.dry_run:
            proposals.save(turn.engine, replace(proposal, state=state), turn.as_of)
    return results, problems, counts


def by_key(forges: Mapping[str, Forge], name: str | None) -> Forge | None:
    """The forge that receives proposals: the one named, or the only one there is."""
    if name is not None:
        return forges.get(name)
    return next(iter(forges.values())) if len(forges) == 1 else None
