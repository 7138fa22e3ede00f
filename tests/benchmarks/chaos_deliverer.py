"""One process that delivers again and again until it is killed, or told that nothing waits any more."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection

from finops_ai import kinds
from finops_ai.jobs.couriers import Patience
from finops_ai.jobs.deliver import deliver
from finops_ai.jobs.run import Turn
from finops_ai.ledger import connect, receivers
from finops_ai.world.clock import SystemClock
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World

SECRETS = {"ROUTING_KEY": "R0123456789abcdef0123456789abcde", "HOOK": "a secret of the hook's"}
PATIENCE = Patience(first_wait_seconds=0.05, longest_wait_seconds=0.4, lease_seconds=1.5)
TIMEOUT_SECONDS = 0.4


def work(database_url: str, receiver_url: str, owner: str, pipe: Connection | None = None) -> None:
    """With a `pipe`: until nothing is left, telling that it began and that it is done."""
    secrets, clock = Secrets(SECRETS), SystemClock()
    world = World(clock=clock, http=Http(secrets, clock), objects=None, secrets=secrets)  # type: ignore[arg-type]
    told = {
        "pagerduty": {"routing_key": {"env": "ROUTING_KEY"}, "url": f"{receiver_url}/v2/enqueue"},
        "webhook": {"secret": {"env": "HOOK"}, "url": f"{receiver_url}/hook"},
    }
    sinks = {
        kind: kinds.SINKS[kind].make(
            kinds.SINKS[kind].Settings(kind=kind, name=kind, timeout_seconds=TIMEOUT_SECONDS, **settings), world
        )
        for kind, settings in told.items()
    }
    engine = connect.open_engine(database_url)
    if pipe is not None:
        pipe.send("began")
    while True:
        deliver(Turn(engine=engine, as_of=clock.now(), now=clock.now), sinks, {}, owner, PATIENCE)
        if pipe is not None and pipe.poll() and not receivers.waited_for(engine):
            break
        time.sleep(0.02)
    engine.dispose()
