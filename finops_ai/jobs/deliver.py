"""Speaks: takes messages from the outbox to sinks and forges, and keeps their receipts as facts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping

from finops_ai.domain.errors import Problem, Rejected, Unavailable
from finops_ai.domain.message import Receipt
from finops_ai.domain.outcome import Outcome
from finops_ai.forges.base import Forge
from finops_ai.jobs.couriers import Line, Run, Told, carry
from finops_ai.jobs.couriers import Patience as Patience
from finops_ai.jobs.pull_requests import propose
from finops_ai.jobs.run import Turn
from finops_ai.jobs.second_receivers import NO_DETOURS, Detours, detour, press
from finops_ai.ledger import outbox, receivers
from finops_ai.ledger.outbox import ClaimedMessage
from finops_ai.sinks.base import Forgetful, Sink

USUAL = Patience()


def deliver(
    turn: Turn,
    sinks: Mapping[str, Sink],
    forges: Mapping[str, Forge],
    owner: str,
    patience: Patience = USUAL,
    detours: Detours = NO_DETOURS,
) -> Outcome:
    """Send everything that is due. At least once everywhere; a keyed receiver makes that exactly once.

    A receiver that is away delays only its own messages; one that refuses is told as a problem and never asked again.
    What either has not taken goes to its second one, if `detours` names any.
    Several processes may deliver at once: `owner` is made unique, so that no two of them share a claim.
    """
    run = Run(turn=turn, owner=f"{owner}:{uuid.uuid4().hex[:8]}", patience=patience)
    press(turn, detours)
    waited_for = set(receivers.waited_for(turn.engine))
    reminded = {name for name, sink in sinks.items() if isinstance(sink, Forgetful)}
    carry(run, [_line(turn, sinks, forges, name) for name in sorted(waited_for | reminded)])
    failed = {told.message.sink for told in run.told if told.state == "retry"}
    detoured, copies = detour(turn, detours, failed, sinks)
    if copies:
        run.problems.extend(detoured)
        second = {name for one in detours.seconds for name in one.to} - failed
        carry(run, [_line(turn, sinks, forges, name) for name in sorted(second)])
    counts = dict.fromkeys(("sent", "retry", "rejected"), 0)
    for told in run.told:
        counts[told.state] += 1
    counts |= {"copied": copies} if copies else {}
    counts["superseded"] = sum(run.superseded)
    counts["possible_duplicates"] = sum(told.possible_duplicates for told in run.told)
    problems = [*run.problems, *(told.problem for told in run.told if told.problem)]
    results = tuple(_row(told) for told in run.told)
    return Outcome(job="deliver", as_of=turn.as_of, counts=counts, results=results, problems=tuple(problems))


def _row(told: Told) -> dict[str, str]:
    """`reason` says why a message was not taken, or what is doubtful about it."""
    message = told.message
    return {
        "key": message.key,
        "kind": message.kind,
        "sink": message.sink,
        "state": "queued" if told.state == "retry" else told.state,
        "remote_id": told.remote_id,
        "reason": told.problem.message.removeprefix(f"{message.key}: ") if told.problem else "",
    }


def _line(turn: Turn, sinks: Mapping[str, Sink], forges: Mapping[str, Forge], name: str) -> Line:
    """How messages for `name` are told: a sink's or a forge's; one that is not configured refuses all of them."""
    sink = sinks.get(name)

    def say(item: ClaimedMessage) -> Receipt:
        message = item.message
        if message.kind == "proposal":
            forge = forges.get(name)
            if forge is None:
                raise Rejected(f"no forge named {name!r} is configured")
            return propose(turn, forge, message)
        if sink is None:
            raise Rejected(f"no sink named {name!r} is configured")
        return _told(sink, item)

    if sink is None:
        return Line(name=name, say=say)
    return Line(
        name=name,
        say=say,
        per_minute=sink.per_minute,
        keyed=sink.keyed,
        begin=lambda: tuple(_remind(turn, name, sink)),
    )


def _told(sink: Sink, item: ClaimedMessage) -> Receipt:
    """A body that a sink cannot read must not stop what waits behind it."""
    try:
        return sink.send(item.message, item.before)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise Rejected(f"the message cannot be put into this sink's form: {type(error).__name__}: {error}") from error


def _remind(turn: Turn, name: str, sink: Sink) -> Iterator[Problem]:
    """Tell a forgetful receiver again what holds; what ended meanwhile, told by another process, ends once more."""
    if not isinstance(sink, Forgetful):
        return
    standing = receivers.standing(turn.engine, name)
    try:
        sink.remind(standing)
        now = receivers.standing(turn.engine, name)
        for key, known in now.items():
            if key in standing and known != standing[key]:
                sink.send(known.message, standing[key])
    except (Rejected, Unavailable) as error:
        severity = "warning" if isinstance(error, Unavailable) else "error"
        yield Problem(file=name, message=f"was not reminded of what holds: {error}", severity=severity)


def waiting(turn: Turn) -> Outcome:
    """What a delivery would send now; nothing is claimed."""
    unsent = [item for item in outbox.messages(turn.engine, None) if item.state in ("queued", "claimed")]
    rows = tuple(
        {"key": one.key, "kind": one.kind, "sink": one.sink, "state": item.state, "remote_id": "", "reason": ""}
        for item in unsent
        for one in [item.message]
    )
    return Outcome(job="deliver", as_of=turn.as_of, counts={"waiting": len(rows)}, results=rows)
