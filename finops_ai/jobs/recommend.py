"""Usage to proposals: sized, guarded, edited where the truth is, judged by policy, put into the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.domain.evidence import has_moved
from finops_ai.domain.money import plain
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.proposal import Decision, Proposal, ProposalState, Recommendation, Verdict
from finops_ai.domain.pull_fact import Obeyed
from finops_ai.domain.usage import Workload
from finops_ai.forges.base import Forge
from finops_ai.forges.terms import Terms
from finops_ai.jobs.drift import reason as drift_reason
from finops_ai.jobs.pull_requests import PROPOSED, asked, changes, withdrawn
from finops_ai.jobs.run import Turn
from finops_ai.jobs.standing import standing
from finops_ai.ledger import drifts, outbox, proposals, pull_facts, usage
from finops_ai.rightsizing.manifest.truth import Undeclared
from finops_ai.rightsizing.markdown import escaped
from finops_ai.rightsizing.propose import branch, edit, propose
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
    terms: Terms = Terms(),  # noqa: B008 - frozen
) -> Outcome:
    """One answer per workload: a proposal (open, or blocked by policy), or the reason why there is none now."""
    usages = usage.usages(turn.engine, turn.as_of)
    turn.progress(f"sizing {len(usages)} containers")
    files = dict(forge.files(manifests))
    known = {proposal.key: proposal for proposal in proposals.proposals(turn.engine, turn.as_of)}
    ignored = pull_facts.ignored(turn.engine, turn.as_of)
    drifted = drifts.drifts(turn.engine, turn.as_of)
    results: list[Mapping[str, Any]] = []
    counts = {"open": 0, "blocked": 0, "closed": 0, "none": 0}
    pointless: dict[str, str] = {}
    around = partial(surroundings, files, settings=settings)
    stood = standing(turn, known)
    for answer in sized(usages, prices=prices, settings=settings, as_of=turn.as_of, around=around, stood=stood):
        key = branch(answer.workload)
        drift = drift_reason(drifted, answer.workload)
        proposal = (
            NotNow(workload=answer.workload, reasons=(drift,))
            if drift
            else _proposal(answer, files, judge, min_saving, settings.places)
        )
        if isinstance(proposal, NotNow):
            why = "; ".join(proposal.reasons)
            counts["none"] += 1
            results.append(_row(str(answer.workload), "none", reason=why))
            if proposal.is_obsolete:
                pointless[key] = why
            continue
        before = known.get(key)
        if remembered := _remembered(before, proposal, ignored.get(key), terms):
            counts["closed"] += 1
            results.append(_row(str(answer.workload), "closed", proposal, remembered))
            continue
        counts[proposal.state.value] += 1
        results.append(_row(str(answer.workload), proposal.state.value, proposal, _why_blocked(proposal)))
        if not turn.dry_run and not (before and before.state is proposal.state and _same(before, proposal)):
            _keep(turn, forge, proposal, terms, reopen=before is not None and before.state not in PROPOSED)
    counts["superseded"] = withdraw(turn, forge, known, pointless)
    return Outcome(job="recommend", as_of=turn.as_of, counts=counts, results=tuple(results))


def _remembered(before: Proposal | None, now: Proposal, ignored: Obeyed | None, terms: Terms) -> str:
    """Why it is not proposed although it could be; empty where nothing stands against it."""
    if ignored is not None:
        until = f"until {ignored.until}" if ignored.until else "for good"
        return f"ignored {until}, as {ignored.by} asked"
    if before is None or before.state is not ProposalState.CLOSED:
        return ""
    if has_moved(before.recommendation.changes, now.recommendation.changes, terms.again_step):
        return ""
    return "closed unmerged: not proposed again until its figures change"


def withdraw(turn: Turn, forge: Forge, known: Mapping[str, Proposal], pointless: Mapping[str, str]) -> int:
    """Close what no longer holds, by key with the reason. Silence is none: what nothing is known of stays open."""
    gone = 0
    for key, why in pointless.items():
        before = known.get(key)
        if before is None or before.state not in PROPOSED:
            continue
        try:
            pull = None if turn.dry_run else forge.find(key)
        except Unavailable:
            continue  # The next run closes it.
        # What was merged meanwhile is no longer ours to close; follow finds it.
        if turn.dry_run or (pull is not None and pull.state != "open"):
            continue
        gone += 1
        with turn.engine.begin() as connection:
            proposals.save(connection, replace(before, state=ProposalState.SUPERSEDED), turn.as_of)
            reason = f"Closed by finops-ai, because this no longer holds: {escaped(why)}."
            outbox.put(connection, (withdrawn(turn, forge.name, key, reason),), turn.as_of)
    return gone


def _proposal(
    answer: Recommendation | NotNow,
    files: Mapping[str, str],
    judge: Judge,
    min_saving: Decimal,
    places: Sequence[Place],
) -> Proposal | NotNow:
    """The proposal, or why it is not worth or not possible to propose."""
    if isinstance(answer, NotNow):
        return answer
    worth = answer.saving.middle.amount
    if not (answer.urgent or answer.strategy == PLACEMENT) and 0 <= worth < min_saving:
        why = f"saves only {plain(worth.quantize(Decimal('0.01')))} {answer.saving.low.currency} a month"
        return NotNow(workload=answer.workload, reasons=(why,), is_obsolete=True)
    try:
        worded, edits = edit(answer, files, places)
        verdicts = [verdict for one in edits for verdict in judge(one.path, one.after, answer.workload)]
        return propose(worded, edits, verdicts)
    except Rejected as error:
        gone = isinstance(error, Undeclared)
        return NotNow(workload=answer.workload, reasons=(str(error),), is_obsolete=gone)


def _keep(turn: Turn, forge: Forge, proposal: Proposal, terms: Terms, *, reopen: bool) -> None:
    """Proposal and message in one transaction.

    One that policy blocks is opened as a draft, so that its reviewer sees what stands in the way; one that policy
    could not be asked about is kept, shown, and opened nowhere.
    """
    with turn.engine.begin() as connection:
        proposals.save(connection, proposal, turn.as_of)
        if all(verdict.evaluated for verdict in proposal.verdicts):
            message = asked(turn, forge.name, proposal, terms, reopen=reopen)
            outbox.put(connection, (message,), turn.as_of)


def _same(before: Proposal, after: Proposal) -> bool:
    return before.recommendation.changes == after.recommendation.changes and before.edits == after.edits


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
            "changes": changes(proposal),
            "saving_low": saving.low.amount,
            "saving_high": saving.high.amount,
            "currency": saving.low.currency,
            "rate": saving.rate,
        }
    return row
