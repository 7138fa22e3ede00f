"""Receivers on loopback: a scripted HTTP peer, a real SMTP server and a real Alertmanager."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests import rig

START_SECONDS = 30
ACCEPTED = (200, {}, b'{"status": "success", "ok": true, "channel": "C1", "ts": "17.000100"}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    path: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class Peer:
    """Answers what it is told to, in order, then that all is well (or `always`); remembers what it was sent."""

    always: tuple[int, dict[str, str], bytes] = ACCEPTED
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    base: str = ""

    @property
    def events(self) -> list[Any]:
        return [request.json for request in self.requests]

    @property
    def url(self) -> str:
        return f"{self.base}/v2/enqueue"

    def will(self, status: int, body: Any = None, **headers: str) -> None:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, told, json.dumps(body or {}).encode()))


@contextmanager
def http_peer() -> Iterator[Peer]:
    known = Peer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            known.requests.append(Request(path=self.path, headers=headers, content=content))
            status, more, answer = known.answers.pop(0) if known.answers else known.always
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    known.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class MailBox:
    """What an SMTP server took, and how it answers: `answers` by the step's name, such as "RCPT a@b" or "DATA"."""

    host: str = "127.0.0.1"
    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[str, tuple[str, ...], bytes]] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(content, policy=default) for _, _, content in self.taken]  # type: ignore[misc]


@contextmanager
def smtp_server(*, tls: ssl.SSLContext | None = None, password: bytes | None = None) -> Iterator[MailBox]:
    """aiosmtpd on a free port; with `tls` it insists on STARTTLS, with `password` on being logged in."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword

    box = MailBox()

    class Handler:
        async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
            answer = box.answers.get(f"RCPT {address}", "250 OK")
            if answer.startswith("250"):
                envelope.rcpt_tos.append(address)
            return answer

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            answer = box.answers.get("DATA", "250 OK")
            if answer.startswith("250"):
                box.taken.append((envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content))
            return answer

    def known(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and data.password == password
        if right:
            box.logins.append(data.login)
        return AuthResult(success=right, handled=right)

    with socket.create_server(("127.0.0.1", 0)) as free:
        box.port = free.getsockname()[1]
    controller = Controller(
        Handler(),
        hostname=box.host,
        port=box.port,
        ready_timeout=START_SECONDS,
        **({"tls_context": tls, "require_starttls": True} if tls else {}),
        **({"authenticator": known, "auth_required": True, "auth_require_tls": bool(tls)} if password else {}),
    )
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """A real Alertmanager and what it told its own receiver."""

    url: str
    notified: Peer

    def groups(self) -> Any:
        return _get(f"{self.url}/api/v2/alerts/groups")

    def alerts(self) -> Any:
        return _get(f"{self.url}/api/v2/alerts")


@contextmanager
def alertmanager(folder: Path) -> Iterator[Alerts]:
    """Groups by team and tells a webhook at once; it is stopped whatever happens."""
    program = rig.need("prometheus-alertmanager")
    with http_peer() as notified, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        (folder / "am.yml").write_text(
            "route: {receiver: us, group_by: [team], group_wait: 200ms, group_interval: 300ms, repeat_interval: 1h}\n"
            f"receivers: [{{name: us, webhook_configs: [{{url: '{notified.base}/hook', send_resolved: true}}]}}]\n"
        )
        command = [
            str(program),
            f"--config.file={folder / 'am.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
            try:
                _await(f"http://127.0.0.1:{port}/-/ready", process, folder / "log")
                yield Alerts(url=f"http://127.0.0.1:{port}", notified=notified)
            finally:
                process.terminate()
                process.wait(30)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"Alertmanager did not start: {log.read_text(errors='replace')[-2000:]}")


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)
