"""Brings proposals to their forge: one branch and one pull request each, in the manner that was decided for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from finops_ai.domain.errors import Rejected
from finops_ai.domain.evidence import evidence_hash
from finops_ai.domain.message import Message, Receipt
from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.domain.pull_fact import Approval
from finops_ai.forges.base import NEEDS_APPROVAL, Forge, Manner
from finops_ai.forges.terms import Terms
from finops_ai.jobs.run import Turn
from finops_ai.ledger import proposals, pull_facts
from finops_ai.rightsizing.markdown import escaped

PROPOSED = (ProposalState.OPEN, ProposalState.BLOCKED)


def propose(turn: Turn, forge: Forge, message: Message) -> Receipt:
    """Do what a message to a forge asks for: open or update, close, or answer. May be called again after a crash."""
    body = message.body
    if "say" in body:
        forge.say(message.key, str(body["say"]))
        return _receipt(turn, message, f"said on {message.key}")
    proposal = proposals.proposal(turn.engine, message.key)
    if proposal is None:
        raise Rejected(f"proposal {message.key} is not in the ledger")
    if proposal.state is ProposalState.SUPERSEDED:
        forge.close(message.key, str(body.get("close") or "This recommendation no longer holds."))
        return _receipt(turn, message, f"closed: {message.key}")
    if proposal.state not in PROPOSED or "close" in body:
        return _receipt(turn, message, f"not proposed: {proposal.state.value}")
    if body.get("evidence", evidence_hash(proposal)) != evidence_hash(proposal):
        # The manner was decided for other figures; those of today have a message of their own.
        return _receipt(turn, message, "not proposed: a newer version follows")
    told: Mapping[str, Any] = body.get("manner") or {}
    manner = Manner(
        draft=told.get("draft"),
        reopen=bool(told.get("reopen")),
        labels=tuple(told.get("labels", ())),
        notes=tuple(told.get("notes", ())),
    )
    return _receipt(turn, message, forge.propose(proposal, manner).url)


def asked(turn: Turn, forge: str, proposal: Proposal, terms: Terms, *, reopen: bool, why: str = "") -> Message:
    """The message that has a proposal opened or updated, with everything that was decided about how.

    `why` keeps two messages apart that ask for the same: one is queued once, whatever became of it.
    """
    evidence = evidence_hash(proposal)
    approval = pull_facts.approval_of(turn.engine, proposal.key, evidence)
    body = {
        "title": proposal.title,
        "workload": proposal.recommendation.workload.key,
        "changes": changes(proposal),
        # The same change on a base that moved is told again, so that its branch is made anew.
        "content": digest(proposal),
        "evidence": evidence,
        "manner": manner_of(proposal, terms, evidence, approval, reopen=reopen),
        "why": why or turn.as_of.isoformat(),
    }
    return Message(key=proposal.key, kind="proposal", sink=forge, body=body)


def withdrawn(turn: Turn, forge: str, key: str, why: str) -> Message:
    """The message that has the pull request of a superseded proposal closed."""
    return Message(key=key, kind="proposal", sink=forge, body={"close": why, "why": turn.as_of.isoformat()})


def manner_of(
    proposal: Proposal, terms: Terms, evidence: str, approval: Approval | None, *, reopen: bool
) -> dict[str, Any]:
    """Draft where policy blocks it, where the risk is high and while it waits for a person."""
    waits = terms.approval.asked_for(proposal.recommendation) and approval is None
    unsure = proposal.recommendation.risk in terms.draft_risks
    notes = []
    if waits:
        names = ", ".join(f"`{escaped(name)}`" for name in terms.approval.by)
        notes.append(
            f"**Waits for approval** by one of {names}: approve this pull request, or set the label "
            f"`finops:approved`. It is a draft until then. What is approved is evidence `{evidence}`; other figures "
            "have to be approved anew."
        )
    elif approval is not None:
        notes.append(
            f"Approved by {escaped(approval.by)} on {approval.at:%Y-%m-%d %H:%M} UTC ({escaped(approval.how)}), "
            f"evidence `{evidence}`."
        )
    if unsure:
        notes.append(f"A draft, because the risk is {escaped(proposal.recommendation.risk)}: look closely.")
    return {
        "draft": proposal.state is ProposalState.BLOCKED or unsure or waits,
        "reopen": reopen,
        "labels": [NEEDS_APPROVAL] if waits else [],
        "notes": notes,
    }


def digest(proposal: Proposal) -> str:
    """Tells two edits apart, by the texts before and after."""
    edits = "".join(f"{edit.path}\0{edit.before}\0{edit.after}\0" for edit in proposal.edits)
    return hashlib.sha256(edits.encode("utf-8", "surrogatepass")).hexdigest()


def changes(proposal: Proposal) -> list[str]:
    return [
        f"{change.container} {change.path}: {change.now or 'unset'} -> {change.proposed}"
        for change in proposal.recommendation.changes
    ]


def _receipt(turn: Turn, message: Message, remote_id: str) -> Receipt:
    return Receipt(key=message.key, sent_at=turn.now(), remote_id=remote_id)
