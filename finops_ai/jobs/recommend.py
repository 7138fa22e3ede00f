"""Usage to proposals: sized, guarded, edited where the truth is, judged by policy, put into the outbox."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from finops_ai.domain.errors import Rejected
from finops_ai.domain.message import Message
from finops_ai.domain.money import plain
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.proposal import Decision, Proposal, ProposalState, Recommendation, Verdict
from finops_ai.domain.usage import Workload
from finops_ai.forges.base import Forge
from finops_ai.jobs.run import Turn
from finops_ai.ledger import outbox, proposals, usage
from finops_ai.rightsizing.propose import edit, propose
from finops_ai.rightsizing.settings import Place, Prices, Settings
from finops_ai.rightsizing.strategies import PLACEMENT, NotNow
from finops_ai.rightsizing.strategies import recommend as sized
from finops_ai.rightsizing.surroundings import surroundings

Judge = Callable[[str, str, Workload], Sequence[Verdict]]
"""Path and text of a manifest to the verdicts of every policy pack on one workload; cannot be judged = denied."""


def recommend(
    turn: Turn,
    *,
    forge: Forge,
    manifests: str,
    judge: Judge,
    prices: Prices,
    settings: Settings,
    min_saving: Decimal,
) -> Outcome:
    """One answer per workload: a proposal (open, or blocked by policy), or the reason why there is none now."""
    usages = usage.usages(turn.engine, turn.as_of)
    turn.progress(f"sizing {len(usages)} containers")
    files = dict(forge.files(manifests))
    known = {proposal.key: proposal for proposal in proposals.proposals(turn.engine, turn.as_of)}
    results: list[Mapping[str, Any]] = []
    counts = {"open": 0, "blocked": 0, "closed": 0, "none": 0}
    around = partial(surroundings, files, settings=settings)
    for answer in sized(usages, prices=prices, settings=settings, as_of=turn.as_of, around=around):
        if isinstance(answer, NotNow):
            counts["none"] += 1
            results.append(_row(str(answer.workload), "none", reason="; ".join(answer.reasons)))
            continue
        try:
            proposal = _proposal(answer, files, judge, min_saving, settings.places)
        except Rejected as error:
            counts["none"] += 1
            results.append(_row(str(answer.workload), "none", reason=str(error)))
            continue
        before = known.get(proposal.key)
        if before and before.state is ProposalState.CLOSED and _same(before, proposal):
            counts["closed"] += 1
            reason = "closed unmerged: not proposed again until its figures change"
            results.append(_row(str(answer.workload), "closed", proposal, reason))
            continue
        counts[proposal.state.value] += 1
        results.append(_row(str(answer.workload), proposal.state.value, proposal, _why_blocked(proposal)))
        if not turn.dry_run and not (before and before.state is proposal.state and _same(before, proposal)):
            _keep(turn, forge, proposal)
    return Outcome(job="recommend", as_of=turn.as_of, counts=counts, results=tuple(results))


def _proposal(
    answer: Recommendation, files: Mapping[str, str], judge: Judge, min_saving: Decimal, places: Sequence[Place]
) -> Proposal:
    """Raises Rejected with the reason why it is not worth or not possible to propose."""
    worth = answer.saving.middle.amount
    if not (answer.urgent or answer.strategy == PLACEMENT) and 0 <= worth < min_saving:
        raise Rejected(f"saves only {plain(worth.quantize(Decimal('0.01')))} {answer.saving.low.currency} a month")
    worded, edits = edit(answer, files, places)
    verdicts = [verdict for one in edits for verdict in judge(one.path, one.after, answer.workload)]
    return propose(worded, edits, verdicts)


def _keep(turn: Turn, forge: Forge, proposal: Proposal) -> None:
    """Proposal and message in one transaction.

    One that policy blocks is opened as a draft, so that its reviewer sees what stands in the way; one that policy
    could not be asked about is kept, shown, and opened nowhere.
    """
    with turn.engine.begin() as connection:
        proposals.save(connection, proposal, turn.as_of)
        if all(verdict.evaluated for verdict in proposal.verdicts):
            body = {
                "title": proposal.title,
                "workload": proposal.recommendation.workload.key,
                "changes": _changes(proposal),
                # The same change on a base that moved is told again, so that its branch is made anew.
                "content": _digest(proposal),
            }
            outbox.put(
                connection, (Message(key=proposal.key, kind="proposal", sink=forge.name, body=body),), turn.as_of
            )


def _digest(proposal: Proposal) -> str:
    edits = "".join(f"{edit.path}\0{edit.before}\0{edit.after}\0" for edit in proposal.edits)
    return hashlib.sha256(edits.encode("utf-8", "surrogatepass")).hexdigest()


def _same(before: Proposal, after: Proposal) -> bool:
    return before.recommendation.changes == after.recommendation.changes and before.edits == after.edits


def _changes(proposal: Proposal) -> list[str]:
    return [
        f"{change.container} {change.path}: {change.now or 'unset'} -> {change.proposed}"
        for change in proposal.recommendation.changes
    ]


def _why_blocked(proposal: Proposal) -> str:
    denied = [verdict for verdict in proposal.verdicts if verdict.decision is Decision.DENY]
    return "; ".join(f"{verdict.rule}: {verdict.message}" for verdict in denied)


def _row(workload: str, state: str, proposal: Proposal | None = None, reason: str = "") -> Mapping[str, Any]:
    row: dict[str, Any] = {"workload": workload, "state": state, "key": None, "title": "", "reason": reason}
    if proposal is not None:
        saving = proposal.recommendation.saving
        row |= {
            "key": proposal.key,
            "title": proposal.title,
            "changes": _changes(proposal),
            "saving_low": saving.low.amount,
            "saving_high": saving.high.amount,
            "currency": saving.low.currency,
            "rate": saving.rate,
        }
    return row
