"""Brings proposals to their forge: one branch and one pull request each."""

from __future__ import annotations

from finops_ai.domain.errors import Rejected
from finops_ai.domain.message import Message, Receipt
from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.forges.base import Forge
from finops_ai.jobs.run import Turn
from finops_ai.ledger import proposals


def propose(turn: Turn, forge: Forge, message: Message) -> Receipt:
    """Open or update the pull request that a message asks for; may be called again after a crash."""
    proposal: Proposal | None = proposals.proposal(turn.engine, message.key)
    if proposal is None:
        raise Rejected(f"proposal {message.key} is not in the ledger")
    if proposal.state not in (ProposalState.OPEN, ProposalState.BLOCKED):
        return Receipt(key=message.key, sent_at=turn.now(), remote_id=f"not proposed: {proposal.state.value}")
    pull = forge.propose(proposal)
    return Receipt(key=message.key, sent_at=turn.now(), remote_id=pull.url)
