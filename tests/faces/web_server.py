"""`finops-ai serve` as a process of its own on a free port, with one hostile episode in its ledger."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import sqlalchemy as sa

from finops_ai.ledger import findings
from tests.ledger.nouns import an_episode

SECRET, TOKEN, READER = "answers are signed by this", "the token of the dashboard", "the token of a reader"
KEY = "3f2a9c1b"
HOSTILE = "<script>alert(1)</script>\"'\n& co"
CONFIG = """\
web:
  public_url: http://127.0.0.1:{port}
  secrets: [{{env: ANSWERS}}, {{env: ANSWERS_BEFORE}}]
  callers:
    - {{name: dashboard, token: {{env: TOKEN}}, may_write: true}}
    - {{name: reader, token: {{env: READER}}}}
"""
START_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    url: str
    client: httpx.Client
    process: subprocess.Popen[bytes]
    ledger: sa.Engine
    log: Path

    def as_(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}


@contextmanager
def served(folder: Path, ledger_url: str, ledger: sa.Engine) -> Iterator[Served]:
    findings.record(
        ledger, as_of=datetime(2026, 4, 10, tzinfo=UTC), episodes=[an_episode(KEY, where={"x_cost_center": HOSTILE})]
    )
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "finops.yaml"
    config.write_text(CONFIG.format(port=port), encoding="utf-8")
    environ = {
        **os.environ,
        "FINOPS_HOME": str(folder / "home"),
        "FINOPS_DATABASE_URL": ledger_url,
        "ANSWERS": SECRET,
        "ANSWERS_BEFORE": "an older secret",
        "TOKEN": TOKEN,
        "READER": READER,
    }
    command = [sys.executable, "-m", "finops_ai", "--config", str(config), "serve", "--port", str(port)]
    with (folder / "log").open("wb") as log, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        try:
            _await(client, process, folder / "log")
            yield Served(
                url=f"http://127.0.0.1:{port}", client=client, process=process, ledger=ledger, log=folder / "log"
            )
        finally:
            process.kill()
            process.wait()


def _await(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            client.get("/livez")
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")
