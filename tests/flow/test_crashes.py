"""Killed at any moment, run again: the same figures, and nothing half-loaded is ever visible meanwhile."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.flow.conftest import Configure, Program

pytestmark = [pytest.mark.shared, pytest.mark.timeout(600)]

KILLS = 20


def ledger_of(program: Program) -> Any:
    rows = program("costs", "--group-by", "billing_period,day,x_cost_center,x_ai_model,service_name", "-o", "json").json
    return json.dumps(rows, sort_keys=True)


def ingesting(program: Program) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "finops_ai", "ingest", "--output", "json"],
        cwd=program.finops.folder,
        env=program.finops.environ({}),
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
    """Reads the ledger all the time and remembers every (source, period) total it ever saw."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.engine = sa.create_engine(url)
        self.seen: set[tuple[str, str, str]] = set()
        self.stop = threading.Event()

    def run(self) -> None:
        query = sa.text("SELECT source, billing_period, sum(billed_cost) FROM v_charge_day GROUP BY 1, 2")
        while not self.stop.is_set():
            try:
                with self.engine.connect() as connection:
                    self.seen |= {(s, str(p), str(t.normalize())) for s, p, t in connection.execute(query)}
            except sa.exc.DBAPIError:
                pass  # before the first schema, and while the server starts
            time.sleep(0.02)


def test_killed_ingest_leaves_old_or_new_and_converges(
    shared: Path, configure: Configure, tmp_path: Path, database_url: str
) -> None:
    program = configure(config(shared)).on(database_url)
    watcher = Watcher(database_url)
    watcher.start()
    moments = random.Random(20260423)
    started = time.monotonic()
    undisturbed = ingesting(program)
    assert undisturbed.wait(120) == 0
    usual = time.monotonic() - started
    truth = ledger_of(program)
    good = set(watcher.seen)
    with sa.create_engine(database_url).begin() as connection:
        connection.execute(sa.text("TRUNCATE delivery, delivery_total, charge, dimension CASCADE"))
    killed = 0
    for _ in range(KILLS):
        process = ingesting(program)
        time.sleep(moments.uniform(0.3, usual))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        if moments.random() < 0.3:
            with sa.create_engine(database_url).begin() as connection:
                connection.execute(sa.text("DELETE FROM delivery WHERE id = (SELECT max(id) FROM delivery)"))
    program("ingest")
    assert ledger_of(program) == truth
    watcher.stop.set()
    watcher.join(10)
    assert watcher.seen <= good | {seen for seen in watcher.seen if seen in good}
    assert killed >= KILLS // 2
    shutil.rmtree(tmp_path, ignore_errors=True)
