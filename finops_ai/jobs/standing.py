"""What became of each workload's merged changes: since when they have stood, and whether one was taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.domain.usage import Workload
from finops_ai.jobs.pull_requests import PROPOSED
from finops_ai.jobs.run import Turn
from finops_ai.ledger import savings
from finops_ai.rightsizing.propose import branch
from finops_ai.rightsizing.revert import key_of
from finops_ai.rightsizing.staged import Stood
from finops_ai.rightsizing.strategies import PLACEMENT


def standing(turn: Turn, known: Mapping[str, Proposal]) -> Callable[[Workload], Stood | None]:
    """None for a workload without a merged change of its sizes; where it runs says nothing about them.

    `known` are the newest proposals by key. A revert that a person closed was not wanted.
    """
    first: dict[str, date] = {}
    for merge in savings.merges(turn.engine, turn.as_of):
        if merge.proposal.recommendation.strategy != PLACEMENT:
            first.setdefault(merge.key, merge.on)

    def stood(workload: Workload) -> Stood | None:
        key = branch(workload)
        if (since := first.get(key)) is None:
            return None
        back = known.get(key_of(key))
        taken_back = back is not None and back.state in (*PROPOSED, ProposalState.MERGED)
        return Stood(since=since, days=(turn.as_of.date() - since).days, was_taken_back=taken_back)

    return stood
