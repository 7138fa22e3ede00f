"""A loading process is killed at random moments: the ledger has the old version or the new one, never a part."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import pytest
import sqlalchemy as sa

from finops_ai.ledger import charges
from finops_ai.ledger.pruning import prune
from tests.ledger.bills import billed, dump, large_bill, load, load_when_told

KILLS = 20
START = datetime(2026, 4, 1, tzinfo=UTC)


@contextlib.contextmanager
def loader(url: str, seed: int, known_at: datetime) -> Iterator[tuple[ForkServerProcess, Connection]]:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.ledger.bills"])
    ours, theirs = processes.Pipe()
    process = processes.Process(target=load_when_told, args=(url, seed, known_at, theirs))
    process.start()
    theirs.close()
    assert ours.recv() == "ready"
    yield process, ours
    process.join()
    process.close()
    ours.close()


@pytest.mark.slow
def test_killed_loads_leave_old_or_new_and_a_rerun_gives_the_undisturbed_ledger(
    ledger: sa.Engine, ledger_url: str
) -> None:
    totals = [sum(large_bill(seed).facts["billed_cost"].to_pylist(), Decimal(0)) for seed in (0, 1)]
    load(ledger, large_bill(0), known_at=START)
    undisturbed = dump(ledger)
    moments = random.Random(20260402)
    with loader(ledger_url, 1, START + timedelta(hours=1)) as (_, pipe):
        started = time.monotonic()
        pipe.send("go")
        assert pipe.recv() == "done"
        usual = time.monotonic() - started
    kept = 0
    for attempt in range(KILLS):
        now, before = START + timedelta(days=attempt + 1), billed(ledger)
        seed = (attempt + 1) % 2
        with loader(ledger_url, seed, now) as (process, pipe):
            pipe.send("go")
            time.sleep(moments.uniform(0, usual))
            process.kill()
        after = billed(ledger)
        assert after in (before, totals[seed])
        kept += charges.known_all(ledger, now)[0].known_at == now
    assert kept < KILLS, "no kill came in time"
    load(ledger, large_bill(0), known_at=START + timedelta(days=100))
    assert dump(ledger) == undisturbed
    prune(ledger, START + timedelta(days=100))
    with ledger.connect() as connection:
        tables = connection.scalars(sa.text("SELECT relname FROM pg_class WHERE relname ~ '^charge_[0-9]+$'")).all()
    assert len(tables) == 1
    assert dump(ledger) == undisturbed
