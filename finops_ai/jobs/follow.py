"""Asks the forges what became of open proposals and keeps the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from finops_ai.domain.errors import FinopsError, Problem
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.proposal import ProposalState
from finops_ai.forges.base import Forge
from finops_ai.jobs.run import Turn, problems_of
from finops_ai.ledger import proposals

ENDED = {"merged": ProposalState.MERGED, "closed": ProposalState.CLOSED}
PROPOSED = (ProposalState.OPEN, ProposalState.BLOCKED)


def follow(turn: Turn, forge: Forge | None) -> Outcome:
    """Mirror the state of every open proposal; a closed one is remembered and not proposed again."""
    problems: list[Problem] = []
    results = []
    counts: dict[str, int] = {}
    for proposal in proposals.proposals(turn.engine) if forge else ():
        if proposal.state not in PROPOSED or forge is None:
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
    return Outcome(job="follow", as_of=turn.as_of, counts=counts, results=tuple(results), problems=tuple(problems))


def by_key(forges: Mapping[str, Forge], name: str | None) -> Forge | None:
    """The forge that receives proposals: the one named, or the only one there is."""
    if name is not None:
        return forges.get(name)
    return next(iter(forges.values())) if len(forges) == 1 else None
