"""One courier for each receiver: what waits for one that is away holds up nobody else's."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from finops_ai.domain.errors import ConfigError, Problem, Rejected, Unavailable
from finops_ai.domain.message import Message, Receipt
from finops_ai.jobs.run import Turn
from finops_ai.ledger import outbox, receivers, second_receivers
from finops_ai.ledger.outbox import ClaimedMessage

ENOUGH_FAILURES = 3
"""In a row; then a receiver is left alone until the next run."""

POISON_ATTEMPTS = 20
POISON_AGE = timedelta(hours=6)
"""So often, and for so long at least, is one message tried at a receiver that takes others. Tries that a dying
process of ours cut short count as well, hence the time.
"""

POLL_SECONDS = 0.2
LONGEST_TURN_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a message waits after its first failure, doubling up to the longest, and how long a claim holds."""

    first_wait_seconds: float = 30.0
    longest_wait_seconds: float = 3600.0
    lease_seconds: float = 120.0

    def wait(self, attempts: int) -> timedelta:
        """Longer every time, with jitter, so that many messages do not come back together."""
        longest = min(self.first_wait_seconds * 2.0 ** min(attempts - 1, 30), self.longest_wait_seconds)
        return timedelta(seconds=longest * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of one message in this run: sent, retry or rejected, and why."""

    message: Message
    state: str
    remote_id: str = ""
    problem: Problem | None = None
    possible_duplicates: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One receiver: how it is told a message, how fast, and what to do before the first."""

    name: str
    say: Callable[[ClaimedMessage], Receipt]
    per_minute: int | None = None
    keyed: bool = False
    begin: Callable[[], Sequence[Problem]] = tuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the couriers of one run share. `owner` is the name under which this run claims, of no other run."""

    turn: Turn
    owner: str
    patience: Patience
    told: list[Told] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)


def carry(run: Run, lines: Sequence[Line]) -> None:
    """Tell every receiver what is due, each in its own thread; returns when nothing more is due for any of them.

    What becomes due for one receiver while another keeps its courier waiting is told at once.
    """
    if not lines:
        return
    run.busy.update(line.name for line in lines)
    with _leases_renewed(run), ThreadPoolExecutor(len(lines), thread_name_prefix="courier") as pool:
        for one in [pool.submit(_courier, run, line) for line in lines]:
            one.result()


def _courier(run: Run, line: Line) -> None:
    engine, pause = run.turn.engine, threading.Event()
    failures = 0
    try:
        if line.keyed and receivers.ails(engine, line.name):
            run.superseded.append(receivers.supersede(engine, line.name))
        run.problems.extend(line.begin())
        while failures < ENOUGH_FAILURES:
            lease = run.patience.lease_seconds
            claimed = outbox.claim(engine, run.turn.now(), 1, lease, run.owner, sink=line.name)
            if not claimed:
                run.busy.discard(line.name)
                if not run.busy:
                    return
                pause.wait(POLL_SECONDS)
                continue
            run.busy.add(line.name)
            if not _in_turn(run, line, claimed[0], pause):
                return
            told = _tell(run, line, claimed[0])
            failures = failures + 1 if told.state == "retry" else 0
            run.told.append(told)
    finally:
        run.busy.discard(line.name)


def _in_turn(run: Run, line: Line, item: ClaimedMessage, pause: threading.Event) -> bool:
    """Wait for the receiver's next turn; False when it is far, and the rest is left to a later run."""
    if line.per_minute is None:
        return True
    now = run.turn.now()
    longest = timedelta(seconds=LONGEST_TURN_SECONDS)
    turn = receivers.turn_of(run.turn.engine, line.name, now, line.per_minute, longest)
    if turn is None:
        outbox.release(run.turn.engine, item.id, run.owner, now)
        return False
    pause.wait(max(0.0, (turn - now).total_seconds()))
    return True


def _tell(run: Run, line: Line, item: ClaimedMessage) -> Told:
    """Say one message and keep what came of it."""
    engine, message = run.turn.engine, item.message
    run.turn.progress(f"{message.sink}: {message.kind} {message.key}")
    try:
        receipt = line.say(item)
    except Unavailable as error:
        return _later(run, line, item, str(error), unsure=error.unsure, asked=error.retry_after_seconds)
    except ConfigError as error:
        return _later(run, line, item, str(error), severity="error")
    except Rejected as error:
        outbox.reject(engine, item.id, run.owner, str(error))
        return Told(message=message, state="rejected", problem=_problem(message, str(error)))
    outbox.sent(engine, item.id, receipt)
    if receivers.well(engine, line.name):
        second_receivers.hurry(engine, line.name)
    doubt = None
    repeats = 0 if receipt.certain else item.unsure
    if repeats:
        said = "may have been told more than once: an earlier answer was lost and this receiver takes no key"
        doubt = _problem(message, said, severity="warning")
    return Told(message=message, state="sent", remote_id=receipt.remote_id, problem=doubt, possible_duplicates=repeats)


def _later(
    run: Run,
    line: Line,
    item: ClaimedMessage,
    error: str,
    *,
    unsure: bool = False,
    asked: float | None = None,
    severity: str = "warning",
) -> Told:
    """Give a message back for another try, or give it up where its receiver takes all but this one."""
    engine, message, now = run.turn.engine, item.message, run.turn.now()
    poison = item.attempts >= POISON_ATTEMPTS and asked is None
    if poison and receivers.refuses_only(engine, item.id, now - POISON_AGE):
        error = f"given up after {item.attempts} tries, while others were taken: {error}"
        outbox.reject(engine, item.id, run.owner, error)
        return Told(message=message, state="rejected", problem=_problem(message, error))
    wait = run.patience.wait(item.attempts) if asked is None else timedelta(seconds=asked)
    outbox.retry(engine, item.id, run.owner, now + wait, error, unsure=unsure)
    receivers.failed(engine, line.name, now)
    if asked is not None:
        receivers.pause(engine, line.name, now + wait)
    return Told(message=message, state="retry", problem=_problem(message, error, severity=severity))


def _problem(message: Message, text: str, severity: str = "error") -> Problem:
    return Problem(file=message.sink, message=f"{message.key}: {text}", severity=severity)


@contextmanager
def _leases_renewed(run: Run) -> Iterator[None]:
    """Keep what this run has claimed for as long as it lives, however slow its receivers are."""
    over = threading.Event()
    lease = run.patience.lease_seconds

    def renew() -> None:
        while not over.wait(lease / 3):
            # A ledger that is away for now ends the lease at worst.
            with suppress(Unavailable):
                outbox.renew(run.turn.engine, run.owner, run.turn.now() + timedelta(seconds=lease))

    thread = threading.Thread(target=renew, name="leases", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
