"""The HTTP client against real loopback peers: polite ones, busy ones, broken ones and hostile ones."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.world.http import ATTEMPTS, LONGEST_WAIT_SECONDS, Http, Response
from finops_ai.world.secrets import Secrets

NOW = datetime(2026, 4, 30, 12, 0, tzinfo=UTC)
SECRET = "s3cr3t-Value/+"


@dataclass
class FakeClock:
    """Stands at NOW and remembers how long it was asked to sleep."""

    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Peer:
    """A scripted server: one answer per request, the last one again and again."""

    url: str
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def peer(*script: Answer) -> Iterator[Peer]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = script[min(len(told.requests), len(script) - 1)]
            told.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Peer(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def raw_peer(behave: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[int]]]:
    """A peer below HTTP: `behave` has each connection after its request arrived."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    ended, connections = threading.Event(), [0]

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connections[0] += 1
            with connection:
                connection.settimeout(5)
                connection.recv(65536)
                try:
                    behave(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x", connections
    finally:
        ended.set()
        thread.join()
        listener.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def http(clock: FakeClock) -> Http:
    secrets = Secrets({"KEY": SECRET})
    secrets.get("KEY")
    return Http(secrets, clock)


def test_a_call_carries_what_it_was_given_and_brings_the_whole_answer(http: Http) -> None:
    with peer(Answer(201, b'{"id": 7}', {"X-Id": "7"})) as server:
        answer = http.request(
            "POST",
            f"{server.url}/a?size=5",
            json={"a": 1},
            headers={"X-Key": "k"},
            params={"page": 2},
            idempotent=False,
        )
        method, path, headers, body = server.requests[0]
    assert (answer.status, answer.headers["x-id"], answer.json()) == (201, "7", {"id": 7})
    assert (method, path, json.loads(body), headers["x-key"]) == ("POST", "/a?size=5&page=2", {"a": 1}, "k")
    assert headers["user-agent"].startswith("finops-ai/")


def test_a_url_is_sent_as_it_was_written(http: Http) -> None:
    with peer(Answer()) as server:
        http.request("GET", f"{server.url}/a%2Fb/?sig=x%20y+z&sig=%2F~", idempotent=True)
    assert server.requests[0][1] == "/a%2Fb/?sig=x%20y+z&sig=%2F~"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_peer_is_asked_again_with_growing_waits(http: Http, clock: FakeClock, status: int) -> None:
    with peer(Answer(status), Answer(status), Answer(200, b'"ok"')) as server:
        assert http.request("GET", server.url, idempotent=True).json() == "ok"
        assert len(server.requests) == 3
    first, second = clock.slept
    assert 0.25 <= first <= 0.5 <= second <= 1.0


def test_only_a_harmless_repeat_is_made(http: Http, clock: FakeClock) -> None:
    with peer(Answer(503)) as server:
        with pytest.raises(Unavailable, match="503 Service Unavailable"):
            http.request("POST", server.url, idempotent=False)
        assert len(server.requests) == 1
        with pytest.raises(Unavailable, match=f"tried {ATTEMPTS} times"):
            http.request("POST", server.url, idempotent=True)
        assert len(server.requests) == 1 + ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=9), usegmt=True), 9.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
    ],
)
def test_retry_after_is_obeyed_in_seconds_and_as_a_date(
    http: Http, clock: FakeClock, retry_after: str, wait: float
) -> None:
    with peer(Answer(429, headers={"Retry-After": retry_after}), Answer(200)) as server:
        http.request("GET", server.url, idempotent=True)
    assert clock.slept == [wait]


def test_a_long_wait_is_left_to_the_caller(http: Http, clock: FakeClock) -> None:
    long = int(LONGEST_WAIT_SECONDS) + 1
    for status in (429, 403):
        with peer(Answer(status, headers={"Retry-After": str(long)})) as server:
            with pytest.raises(Unavailable) as caught:
                http.request("GET", server.url, idempotent=True)
            assert len(server.requests) == 1
        assert caught.value.retry_after_seconds == long
    assert clock.slept == []


def test_waiting_never_goes_beyond_the_deadline(http: Http, clock: FakeClock) -> None:
    with peer(Answer(503, headers={"Retry-After": "3"})) as server, pytest.raises(Unavailable) as caught:
        http.request("GET", server.url, idempotent=True, timeout_seconds=2)
    assert (clock.slept, caught.value.retry_after_seconds) == ([], 3.0)


@pytest.mark.parametrize("junk", ["soon", "", "-5", "1e3", "nan", "Thu, 99 Foo 2026"])
def test_a_senseless_retry_after_does_no_harm(http: Http, clock: FakeClock, junk: str) -> None:
    with peer(Answer(503, headers={"Retry-After": junk}), Answer(200)) as server:
        assert http.request("GET", server.url, idempotent=True).status == 200
    assert 0 < clock.slept[0] < 1
    with peer(Answer(503, headers={"Retry-After": "9" * 400})) as server, pytest.raises(Unavailable):
        http.request("GET", server.url, idempotent=True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_final_and_tells_the_reason(http: Http, clock: FakeClock, status: int) -> None:
    with peer(Answer(status, b'{"message": "severity is wrong\x1b[31m"}')) as server:
        with pytest.raises(Rejected, match=rf"GET {server.url}/a: {status} .*severity is wrong\\x1b") as caught:
            http.request("GET", f"{server.url}/a", idempotent=True)
        assert len(server.requests) == 1
        assert http.request("GET", server.url, idempotent=True, accept={status}).status == status
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 501, 505])
def test_a_fault_of_the_peer_is_told_at_once(http: Http, status: int) -> None:
    with peer(Answer(status)) as server:
        with pytest.raises(Unavailable, match=str(status)):
            http.request("GET", server.url, idempotent=True)
        assert len(server.requests) == 1


def test_a_redirect_is_not_followed(http: Http) -> None:
    with peer(Answer(302, headers={"Location": "http://169.254.169.254/latest"})) as server:
        with pytest.raises(Rejected, match=r"302 Found: redirects to http://169\.254"):
            http.request("GET", server.url, idempotent=True)
        assert len(server.requests) == 1


def test_secrets_do_not_show_in_errors(http: Http) -> None:
    echo = f'{{"got": "{SECRET}"}} {"." * 280} {SECRET}'.encode()
    with peer(Answer(400, echo)) as server:
        host = server.url.removeprefix("http://")
        with pytest.raises(Rejected) as caught:
            http.request("GET", f"http://user:pa55word@{host}/{SECRET}?token=abc123", idempotent=True)
    text = f"{caught.value}"
    for hidden in (SECRET, "s3cr3t", "pa55word", "abc123"):
        assert hidden not in text


def test_nobody_there(http: Http, clock: FakeClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unavailable, match=f"cannot connect: .*tried {ATTEMPTS} times"):
        http.request("GET", f"http://127.0.0.1:{port}", idempotent=True)
    assert len(clock.slept) == ATTEMPTS - 1


def _silent(connection: socket.socket) -> None:
    connection.recv(1)


def _drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(100):
        connection.sendall(b"a")
        time.sleep(0.05)


def _drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"a")
        time.sleep(0.05)


@pytest.mark.parametrize("behave", [_silent, _drip_headers, _drip_body])
def test_no_peer_holds_a_call_beyond_its_deadline(http: Http, behave: Callable[[socket.socket], None]) -> None:
    with raw_peer(behave) as (url, _):
        started = time.monotonic()
        with pytest.raises(Unavailable, match=r"no whole answer within 0\.4 s"):
            http.request("GET", url, idempotent=True, timeout_seconds=0.4)
        assert time.monotonic() - started < 1.4


def _cut(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")


def test_a_cut_answer_is_never_taken_for_a_whole_one(http: Http) -> None:
    with raw_peer(_cut) as (url, connections):
        with pytest.raises(Unavailable, match="the connection broke"):
            http.request("GET", url, idempotent=True)
        assert connections[0] == ATTEMPTS
        with pytest.raises(Unavailable, match="may have been taken all the same"):
            http.request("POST", url, idempotent=False)
        assert connections[0] == ATTEMPTS + 1


def test_an_answer_without_end_is_refused(http: Http) -> None:
    with peer(Answer(200, b"x" * 5000)) as server, pytest.raises(Rejected, match="larger than 4096 bytes"):
        http.request("GET", server.url, idempotent=True, largest_bytes=4096)
    bomb = gzip.compress(b"\0" * 50_000_000)
    with peer(Answer(200, bomb, {"Content-Encoding": "gzip"})) as server, pytest.raises(Rejected, match="larger than"):
        http.request("GET", server.url, idempotent=True, largest_bytes=1_000_000)


@pytest.mark.parametrize(
    "url", ["", "ftp://host/x", "file:///etc/passwd", "host/path", "http://", "http://[::1", "a b:c"]
)
def test_what_is_no_url_is_a_configuration_error(http: Http, url: str) -> None:
    with pytest.raises(ConfigError, match="not a"):
        http.request("GET", url, idempotent=True)


def test_an_answer_that_is_not_json_is_no_answer() -> None:
    with pytest.raises(Unavailable, match="status 200"):
        Response(status=200, headers={}, content=b"<html>").json()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_a_url_from_data_does_not_reach_inside(http: Http, url: str) -> None:
    with pytest.raises(Rejected, match="not a public address"):
        http.request("GET", url, idempotent=True, public_only=True)


def test_a_judged_address_is_the_one_called_though_the_name_changes(clock: FakeClock) -> None:
    answers: Iterator[Sequence[str]] = iter([["93.184.215.14", "2606:2800::1"], ["127.0.0.1"]])
    seen: list[httpx.Request] = []

    def transport(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(503 if len(seen) == 1 else 200)

    http = Http(Secrets({}), clock, transport=httpx.MockTransport(transport), resolve=lambda host, port: next(answers))
    with pytest.raises(Rejected, match=r"is 127\.0\.0\.1"):
        http.request("GET", "https://data.example:8443/x?y=1", idempotent=True, public_only=True)
    assert [str(request.url) for request in seen] == ["https://93.184.215.14:8443/x?y=1"]
    assert seen[0].headers["host"] == "data.example:8443"
    assert seen[0].extensions["sni_hostname"] == "data.example"
