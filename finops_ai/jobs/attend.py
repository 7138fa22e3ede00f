"""Attends to what people say on the forge: commands in comments, approvals, and check-boxes of the overview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from finops_ai.domain import marker
from finops_ai.domain.errors import FinopsError
from finops_ai.domain.evidence import evidence_hash
from finops_ai.domain.message import Message
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.domain.pull_command import USAGE, Command, Order, commands
from finops_ai.domain.pull_fact import Approval, Obeyed
from finops_ai.forges.base import NEEDS_APPROVAL, Comment, Forge, PullRequest
from finops_ai.forges.terms import Terms
from finops_ai.jobs import overview
from finops_ai.jobs.pull_requests import PROPOSED, asked, changes, withdrawn
from finops_ai.jobs.run import Turn, problems_of
from finops_ai.ledger import outbox, proposals, pull_facts, runs
from finops_ai.rightsizing.markdown import escaped

ANSWER = "finops:answer"
OVERLAP = timedelta(hours=1)
"""Looked at again although an earlier run may have: clocks differ, and every command is obeyed once anyway."""
EVER = timedelta(days=400)
DASHBOARD = "overview"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What a command brings about, to be written in one transaction with the fact that it was obeyed."""

    answer: str
    state: ProposalState | None = None
    messages: tuple[Message, ...] = ()


def attend(turn: Turn, forge: Forge | None, terms: Terms, mirrored: Outcome) -> Outcome:
    """The outcome of `mirrored`, with what was asked for since the last run; nothing is obeyed twice."""
    if forge is None or turn.dry_run:
        return mirrored
    counts = dict(mirrored.counts)
    problems = list(mirrored.problems)
    known = {one.key: one for one in proposals.proposals(turn.engine) if one.state in PROPOSED}
    try:
        for pull in forge.changed_since(_since(turn)) if known else ():
            proposal = known.get(pull.key)
            if proposal is not None and pull.state == "open":
                _count(counts, "approved", _approve(turn, forge, terms, proposal, pull))
                _count(counts, "commands", _obey_all(turn, forge, terms, proposal))
        if terms.overview:
            _count(counts, "ticked", _obey_ticks(turn, forge, terms))
            overview.show(turn, forge, terms)
    except FinopsError as error:
        problems.extend(problems_of(error, forge.name))
    return replace(mirrored, counts=counts, problems=tuple(problems))


def _count(counts: dict[str, int], name: str, more: int) -> None:
    if more:
        counts[name] = counts.get(name, 0) + more


def _since(turn: Turn) -> datetime:
    """From when on pull requests are looked at: since the last run that ended well."""
    last = runs.last_done(turn.engine, "follow")
    return last - OVERLAP if last else turn.now() - EVER


def _approve(turn: Turn, forge: Forge, terms: Terms, proposal: Proposal, pull: PullRequest) -> int:
    """Keep the first approval by somebody named who may write; the pull request is no draft from then on."""
    evidence = evidence_hash(proposal)
    told = marker.found(pull.body, "finops:pull")
    if NEEDS_APPROVAL not in pull.labels or (told and told.get("evidence") != evidence):
        return 0
    named = {name.lower() for name in terms.approval.by}
    for consent in forge.consents(proposal.key):
        if consent.by.lower() in named and forge.may_write(consent.by):
            given = Approval(
                key=proposal.key,
                evidence=evidence,
                by=consent.by,
                at=consent.at,
                how=consent.how,
                commit=consent.commit,
                url=consent.url,
            )
            with turn.engine.begin() as connection:
                is_new = pull_facts.approve(connection, given)
            # Told again as long as it still waits: the message is queued once for each approval.
            with turn.engine.begin() as connection:
                message = asked(turn, forge.name, proposal, terms, reopen=False, why=f"approved {evidence}")
                outbox.put(connection, (message,), turn.as_of)
            return int(is_new)
    return 0


def _obey_all(turn: Turn, forge: Forge, terms: Terms, proposal: Proposal) -> int:
    """Every command in the comments of one pull request that was not obeyed yet."""
    said = forge.comments(proposal.key)
    before = pull_facts.obeyed(turn.engine, proposal.key)
    done = {(one.comment, one.number) for one in before if one.forge == forge.name}
    refused = {one.by for one in before if not one.allowed}
    # Answers that stand there already count as well, in case the ledger was lost.
    answers = [marker.found(one.text, ANSWER) for one in said if one.ours]
    done |= {(str(one.get("comment")), int(one.get("number", 0))) for one in answers if one}
    obeyed = 0
    for comment in said:
        for number, command in enumerate(commands(comment.text)):
            if not comment.ours and (comment.id, number) not in done:
                obeyed += _obey(turn, forge, terms, proposal, comment, number, command, refused)
    return obeyed


def _obey(
    turn: Turn,
    forge: Forge,
    terms: Terms,
    proposal: Proposal,
    comment: Comment,
    number: int,
    command: Command,
    refused: set[str],
) -> int:
    allowed = forge.may_write(comment.author)
    if allowed:
        forge.seen(proposal.key, comment)
        why = f"asked in {comment.id}.{number}"
        done = _brought_about(turn, forge, terms, proposal, command, by=comment.author, why=why)
    elif comment.author in refused:
        done = _Done(answer="")
    else:
        refused.add(comment.author)
        done = _Done(answer="Only people who may write to this repository can give commands here.")
    fact = Obeyed(
        forge=forge.name,
        comment=comment.id,
        number=number,
        key=proposal.key,
        order=command.order,
        by=comment.author,
        at=comment.at,
        allowed=allowed,
        until=command.until,
    )
    mark = marker.marked(ANSWER, {"comment": comment.id, "number": number})
    return _write(turn, forge, proposal, fact, done, mark)


def _write(turn: Turn, forge: Forge, proposal: Proposal, fact: Obeyed, done: _Done, mark: str) -> int:
    """The fact, its effect and its answer in one transaction: all of them once, or none."""
    with turn.engine.begin() as connection:
        if not pull_facts.obey(connection, fact):
            return 0
        if done.state is not None:
            proposals.save(connection, replace(proposal, state=done.state), turn.as_of)
        said = f"{done.answer}\n\n{mark}"
        answer = Message(key=proposal.key, kind="proposal", sink=forge.name, body={"say": said})
        outbox.put(connection, (*((answer,) if done.answer else ()), *done.messages), turn.as_of)
    return 1


def _brought_about(
    turn: Turn, forge: Forge, terms: Terms, proposal: Proposal, command: Command, *, by: str, why: str
) -> _Done:
    """What somebody who may write gets for a command."""
    match command.order:
        case Order.REBASE:
            message = asked(turn, forge.name, proposal, terms, reopen=False, why=why)
            text = (
                "The branch is made anew on the base. Where the base changed the same file, the next run of "
                "`recommend` does it; commits of people on the branch are never overwritten."
            )
            return _Done(answer=text, messages=(message,))
        case Order.IGNORE:
            until = f"until {command.until}" if command.until else "for good"
            text = f"Ignored {until}, as {escaped(by)} asked. The overview issue has a box to open it again."
            message = withdrawn(turn, forge.name, proposal.key, f"Closed: ignored {until}, as {escaped(by)} asked.")
            return _Done(answer=text, state=ProposalState.SUPERSEDED, messages=(message,))
        case Order.EXPLAIN:
            return _Done(answer=_explained(proposal))
        case Order.REOPEN | Order.UNKNOWN:
            return _Done(answer=f"I do not know `{_code(command.said)}`. I know {USAGE}.")


def _obey_ticks(turn: Turn, forge: Forge, terms: Terms) -> int:
    """Boxes that were ticked in the overview; only people who may write can tick them."""
    obeyed = 0
    for tick in overview.ticks(forge.dashboard() or ""):
        proposal = proposals.proposal(turn.engine, tick.key)
        if proposal is None:
            continue
        command = Command(order=tick.order, said=tick.order.value)
        if tick.order is Order.REBASE and proposal.state in PROPOSED:
            why = f"ticked {tick.shown}"
            done = replace(_brought_about(turn, forge, terms, proposal, command, by="", why=why), answer="")
        elif tick.order is Order.REOPEN and proposal.state in (ProposalState.CLOSED, ProposalState.SUPERSEDED):
            # The next run of recommend decides with the figures of then, and nothing stands against it any more.
            done = _Done(answer="", state=ProposalState.SUPERSEDED)
        else:
            continue
        fact = Obeyed(
            forge=forge.name,
            comment=f"{DASHBOARD} {tick.key} {tick.shown}",
            number=0,
            key=tick.key,
            order=tick.order,
            by=DASHBOARD,
            at=turn.now(),
            allowed=True,
        )
        obeyed += _write(turn, forge, proposal, fact, done, "")
    return obeyed


def _explained(proposal: Proposal) -> str:
    it = proposal.recommendation
    lines: Sequence[str] = [
        f"**Why {escaped(str(it.workload))}**: strategy {escaped(it.strategy)}, {escaped(it.risk)} risk, at "
        f"{escaped(it.saving.rate)} rates.",
        "",
        *(f"- {escaped(line)}" for line in changes(proposal)),
        *(f"- {escaped(reason)}" for reason in it.reasons),
        *(f"- policy, {one.decision.value}: {escaped(one.rule)}: {escaped(one.message)}" for one in _told(proposal)),
        "",
        f"Evidence `{evidence_hash(proposal)}`; every figure behind it: `finops-ai pr show {proposal.key}`.",
    ]
    return "\n".join(lines)


def _told(proposal: Proposal) -> list[Any]:
    return [one for one in proposal.verdicts if one.decision.value != "allow"]


def _code(said: str) -> str:
    """Somebody's own words inside a span of code, without what would end it or call others."""
    return "".join(letter for letter in said[:60] if letter.isalnum() or letter in " .:-_/")
