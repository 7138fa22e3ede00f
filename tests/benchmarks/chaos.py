"""Two deliverers at once, each killed at random again and again, before a receiver that fails in every way it can.

Nothing may be lost; a receiver that takes a key has one incident for each; at one that takes none the repeats are no
more than what is told as possible.
"""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from finops_ai.domain.message import Message
from finops_ai.ledger import connect, outbox, receivers
from tests.benchmarks.chaos_deliverer import work
from tests.benchmarks.chaos_receiver import Receiver, receiver

MESSAGES = 500
KILLS = 50
DELIVERERS = 2
STEPS = 4
PATIENCE_SECONDS = 240
SINKS = ("pagerduty", "webhook")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """Figures of one play; `lost` are messages that no receiver took."""

    messages: int
    kills: int
    seconds: float
    lost: int
    superseded: int
    keys: int
    opened: int
    wrong: tuple[str, ...]
    repeats: int
    possible: int
    answers: Counter[str]


def messages_of(count: int, sink: str) -> list[Message]:
    """Episodes in turn: each opens, grows and grows; a third of them ends."""
    keys = max(1, count // STEPS)
    made = []
    for n in range(count):
        number, step = n % keys, n // keys
        ends = step >= STEPS - 1 and number % 3 == 0
        kind = "episode_opened" if step == 0 else "episode_resolved" if ends else "episode_updated"
        body = {
            "title": f"place {number}",
            "summary": f"place {number}, step {step}",
            "severity": "warning",
            "currency": "USD",
            **{name: str(step) for name in ("excess", "projected", "expected", "observed")},
            "next": "finops-ai explain",
        }
        made.append(Message(key=f"finops/ep-{number}", kind=kind, sink=sink, body=body))
    return made


def play(database_url: str, *, messages: int = MESSAGES, kills: int = KILLS, seed: int = 20261128) -> Played:
    """Queue `messages` for each of the two receivers while the deliverers die, then let them finish."""
    moments = random.Random(seed)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.benchmarks.chaos_deliverer"])
    engine = connect.open_engine(database_url)
    queued = [messages_of(messages, sink) for sink in SINKS]
    began = time.monotonic()
    with receiver(seed) as peer:

        def start(number: int, *more: object) -> multiprocessing.process.BaseProcess:
            process = processes.Process(target=work, args=(database_url, peer.url, f"deliverer-{number}", *more))
            process.start()
            return process

        alive = [start(number) for number in range(DELIVERERS)]
        killed = 0
        for turn in range(kills):
            part = slice(turn * messages // kills, (turn + 1) * messages // kills)
            with engine.begin() as connection:
                for one in queued:
                    outbox.put(connection, one[part], datetime.now(UTC))
            for number in moments.sample(range(DELIVERERS), DELIVERERS):
                time.sleep(moments.uniform(0.05, 0.5))
                killed += alive[number].is_alive()
                alive[number].kill()
                alive[number].join()
                alive[number] = start(number)
        for process in alive:
            process.kill()
            process.join()
        pipes = [processes.Pipe() for _ in range(DELIVERERS)]
        last = [start(number, theirs) for number, (_, theirs) in enumerate(pipes)]
        for ours, _ in pipes:
            ours.send("end when nothing waits")
        for process in last:
            process.join(PATIENCE_SECONDS)
            assert process.exitcode == 0, "a deliverer did not come to an end"
        seconds = time.monotonic() - began
        played = _counted(engine, peer, queued, killed, seconds)
    engine.dispose()
    return played


def _counted(
    engine: sa.Engine, peer: Receiver, queued: Sequence[Sequence[Message]], killed: int, seconds: float
) -> Played:
    stored = outbox.messages(engine)
    keyed = queued[0]
    final = {message.key: message for message in keyed}
    wrong = []
    for key, message in final.items():
        incident = peer.incidents.get(key)
        if incident is None or incident.opened != 1 or incident.open == (message.kind == "episode_resolved"):
            wrong.append(f"{key}: {message.kind}, {incident}")
        elif incident.open and incident.summary != message.body["summary"]:
            wrong.append(f"{key}: {incident.summary!r} is not the last word")
    superseded = Counter(one.message.sink for one in stored if one.state == "superseded")
    unsent = [one for one in stored if one.state not in ("sent", "superseded")]
    missing = {one.receipt.remote_id for one in stored if one.receipt and one.message.sink == SINKS[1]} - set(
        peer.hooked
    )
    assert not superseded[SINKS[1]]
    return Played(
        messages=len(stored),
        kills=killed,
        seconds=seconds,
        lost=len(unsent) + len(missing) + sum(map(len, queued)) - len(stored),
        superseded=superseded[SINKS[0]],
        keys=len(final),
        opened=sum(incident.opened for incident in peer.incidents.values()),
        wrong=tuple(wrong),
        repeats=sum(peer.hooked.values()) - len(peer.hooked),
        possible=receivers.possible_duplicates(engine),
        answers=peer.answers,
    )


def run(*, quick: bool = False) -> list[dict[str, object]]:
    """Rows of {name, ratio, note}: incidents for each key, and distinct messages taken of those queued."""
    from finops_ai.world.postgres import embedded

    with tempfile.TemporaryDirectory(prefix="finops-bench-") as folder, embedded(Path(folder)) as url:
        engine = connect.open_engine(url)
        connect.upgrade(engine)
        engine.dispose()
        played = play(url, messages=24, kills=3) if quick else play(url)
    size = f"{played.messages} messages, {played.kills} kills, {played.seconds:.0f} s"
    answers = ", ".join(f"{count} × {answer}" for answer, count in sorted(played.answers.items()))
    return [
        {
            "name": f"a keyed receiver: {size}",
            "ratio": played.opened / played.keys,
            "note": f"incidents opened for {played.keys} keys; {len(played.wrong)} end otherwise than they should; "
            f"{played.superseded} messages superseded; answers {answers}",
        },
        {
            "name": "one without a key",
            "ratio": (played.messages - played.lost) / played.messages,
            "note": f"taken of those queued, {played.lost} lost; {played.repeats} taken twice, "
            f"{played.possible} told as possible duplicates",
        },
    ]
