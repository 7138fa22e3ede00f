"""Speaks: takes messages from the outbox to sinks and forges, and keeps their receipts as facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from finops_ai.domain.errors import Problem, Rejected, Unavailable
from finops_ai.domain.message import Message, Receipt
from finops_ai.domain.outcome import Outcome
from finops_ai.forges.base import Forge
from finops_ai.jobs.pull_requests import propose
from finops_ai.jobs.run import Turn
from finops_ai.ledger import outbox
from finops_ai.sinks.base import Sink

LEASE_SECONDS = 120
WAIT_SECONDS_MAX = 3600


def deliver(turn: Turn, sinks: Mapping[str, Sink], forges: Mapping[str, Forge], owner: str) -> Outcome:
    """Send everything that is due. At least once everywhere; a keyed receiver makes that exactly once.

    A receiver that is away delays only its own messages; one that refuses is told as a problem and never asked again.
    """
    counts = dict.fromkeys(("sent", "retry", "rejected"), 0)
    problems: list[Problem] = []
    results = []
    while claimed := outbox.claim(turn.engine, turn.now(), limit=20, lease_seconds=LEASE_SECONDS, owner=owner):
        for item in claimed:
            message = item.message
            turn.progress(f"{message.sink}: {message.kind} {message.key}")
            try:
                receipt = _voice(turn, sinks, forges, message)(message)
            except Unavailable as error:
                wait = error.retry_after_seconds or min(30.0 * 2**item.attempts, WAIT_SECONDS_MAX)
                outbox.retry(turn.engine, item.id, turn.now() + timedelta(seconds=wait), str(error))
                counts["retry"] += 1
                problems.append(Problem(file=message.sink, message=f"{message.key}: {error}", severity="warning"))
                state, remote = "queued", ""
            except Rejected as error:
                outbox.reject(turn.engine, item.id, str(error))
                counts["rejected"] += 1
                problems.append(Problem(file=message.sink, message=f"{message.key}: {error}"))
                state, remote = "rejected", ""
            else:
                outbox.sent(turn.engine, item.id, receipt)
                counts["sent"] += 1
                state, remote = "sent", receipt.remote_id
            results.append(
                {"key": message.key, "kind": message.kind, "sink": message.sink, "state": state, "remote_id": remote}
            )
    return Outcome(job="deliver", as_of=turn.as_of, counts=counts, results=tuple(results), problems=tuple(problems))


def _voice(
    turn: Turn, sinks: Mapping[str, Sink], forges: Mapping[str, Forge], message: Message
) -> Callable[[Message], Receipt]:
    if message.kind == "proposal":
        forge = forges.get(message.sink)
        if forge is None:
            raise Rejected(f"no forge named {message.sink!r} is configured")
        return lambda said: propose(turn, forge, said)
    sink = sinks.get(message.sink)
    if sink is None:
        raise Rejected(f"no sink named {message.sink!r} is configured")
    return sink.send


def waiting(turn: Turn) -> Outcome:
    """What a delivery would send now; nothing is claimed."""
    unsent = [item for item in outbox.messages(turn.engine, None) if item.state in ("queued", "claimed")]
    rows = tuple(
        {"key": one.key, "kind": one.kind, "sink": one.sink, "state": item.state, "remote_id": ""}
        for item in unsent
        for one in [item.message]
    )
    return Outcome(job="deliver", as_of=turn.as_of, counts={"waiting": len(rows)}, results=rows)
