"""Killed at any moment, run again: the same figures, and nothing half-loaded is ever visible meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.flow.conftest import Configure, Program

pytestmark = [pytest.mark.shared, pytest.mark.timeout(600)]

KILLS = 20


def ledger_of(program: Program) -> str:
    rows = program("costs", "--group-by", "billing_period,day,x_cost_center,x_ai_model,service_name", "-o", "json").json
    return json.dumps(rows, sort_keys=True)


def ingesting(program: Program) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "finops_ai", "ingest", "--output", "json"],
        cwd=program.finops.folder,
        env=program.finops.environ(program.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def config(shared: Path) -> str:
    return f"""
        sources:
          - {{name: legacy, kind: aws_cur, uri: "file://{shared / "data/aws-cur-legacy/cur"}"}}
          - {{name: focus, kind: focus_files, uri: "file://{shared / "data/focus/focus-1.2-all.parquet"}"}}
    """


class Watcher(threading.Thread):
    """Reads the ledger all the time and remembers every total of a source and period that it ever saw."""

    QUERY = sa.text(
        "SELECT source, billing_period::text, count(*), sum(billed_cost), sum(effective_cost) "
        "FROM v_charge_day GROUP BY 1, 2"
    )

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.engine = sa.create_engine(url)
        self.seen: set[tuple[object, ...]] = set()
        self.looks = 0
        self.stop = threading.Event()

    def look(self) -> set[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return {tuple(row) for row in connection.execute(self.QUERY)}

    def run(self) -> None:
        while not self.stop.is_set():
            self.seen |= self.look()
            self.looks += 1
            time.sleep(0.02)
        self.engine.dispose()


def test_killed_ingest_leaves_old_or_new_and_converges(shared: Path, configure: Configure) -> None:
    program = configure(config(shared))
    started = time.monotonic()
    undisturbed = ingesting(program)
    assert undisturbed.wait(120) == 0
    usual_seconds = time.monotonic() - started
    truth = ledger_of(program)
    watcher = Watcher(program.database_url)
    whole = watcher.look()
    engine = sa.create_engine(program.database_url)
    moments = random.Random(20260423)
    watcher.start()
    killed = 0
    for _ in range(KILLS):
        with engine.begin() as connection:
            # Versions go as retention would take them, so that every run has something to load.
            connection.execute(sa.text("DELETE FROM delivery WHERE id % 2 = :rest"), {"rest": moments.randint(0, 1)})
        process = ingesting(program)
        time.sleep(moments.uniform(0.2, usual_seconds))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    program("ingest")
    watcher.stop.set()
    watcher.join(10)
    engine.dispose()
    assert ledger_of(program) == truth
    assert watcher.seen <= whole
    assert watcher.looks > KILLS
    assert killed >= KILLS // 2
