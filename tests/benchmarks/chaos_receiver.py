"""A receiver on loopback that answers 200, 429 or 500, hangs, or drops the connection, and keeps count of what it took.

As a paging service it keeps one incident for a key; as a plain hook it takes whatever comes, repeats included.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG_SECONDS = 0.8
FAULTS = ("429", "500", "hang", "drop")


@dataclass
class Incident:
    open: bool = False
    opened: int = 0
    summary: str = ""


@dataclass
class Receiver:
    """`healthy` ends the faults."""

    moments: random.Random
    healthy: bool = False
    url: str = ""
    incidents: dict[str, Incident] = field(default_factory=dict)
    hooked: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fate(self) -> tuple[str, bool]:
        """How the next request is answered, and whether it is taken all the same."""
        with self.lock:
            if self.healthy or self.moments.random() < 0.6:
                return "200", True
            fault = self.moments.choice(FAULTS)
            return fault, fault != "429" and self.moments.random() < 0.5

    def take(self, path: str, told: dict[str, Any]) -> None:
        with self.lock:
            if path.startswith("/hook"):
                self.hooked[told["id"]] += 1
                return
            incident = self.incidents.setdefault(told["dedup_key"], Incident())
            if told["event_action"] == "trigger":
                incident.opened += not incident.open
                incident.open = True
                incident.summary = told["payload"]["summary"]
            elif told["event_action"] == "resolve":
                incident.open = False


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that is killed breaks its connection: nothing to tell."""


@contextmanager
def receiver(seed: int) -> Iterator[Receiver]:
    known = Receiver(moments=random.Random(seed))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            answer, taken = known.fate()
            known.answers[answer] += 1
            if taken:
                known.take(self.path, json.loads(content))
            if answer == "hang":
                time.sleep(HANG_SECONDS)
            if answer in ("hang", "drop"):
                self.close_connection = True
                return
            self.send_response(int(answer))
            if answer == "429":
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    known.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
