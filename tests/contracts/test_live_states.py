"""The live state of a cluster: recorded lists and the API over real sockets give the same objects."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from finops_ai.domain.errors import Malformed, Rejected, Unavailable
from finops_ai.kinds import LIVE
from finops_ai.rightsizing.drift.objects import Index, items
from finops_ai.world.clock import SystemClock
from finops_ai.world.http import Http
from finops_ai.world.objects import Store
from finops_ai.world.secrets import SecretRef, Secrets
from finops_ai.world.world import World

TOKEN = "eyJhbGciOi-secret"
PAGE = 500


class StandingClock(SystemClock):
    def now(self) -> datetime:
        return datetime(2026, 5, 1, tzinfo=UTC)

    def sleep(self, seconds: float) -> None: ...


def deployments(count: int) -> list[dict[str, Any]]:
    """As the items of a list are: without kind and version of their own."""
    return [{"metadata": {"name": f"web-{number}", "namespace": "shop"}, "spec": {}} for number in range(count)]


@dataclass(kw_only=True)
class Server:
    """A Kubernetes API on loopback that knows deployments only; `status` stands in for every answer."""

    url: str = ""
    objects: list[dict[str, Any]] = field(default_factory=lambda: deployments(1200))
    status: int | None = None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        self.asked.append((path, query))
        if self.status:
            return self.status, {"kind": "Status", "status": "Failure"}
        if path != "/apis/apps/v1/deployments":
            return 404, {"kind": "Status", "code": 404}
        first = int(query.get("continue", "0"))
        last = first + int(query["limit"])
        after = {"continue": str(last)} if last < len(self.objects) else {}
        page = {"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": after, "items": self.objects[first:last]}
        return 200, page


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.tokens.add(self.headers.get("Authorization"))
            where = urlsplit(self.path)
            status, body = made.answer(where.path, dict(parse_qsl(where.query)))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{listening.server_port}"
    yield made
    listening.shutdown()
    listening.server_close()


def world(tmp_path: Path, environ: Mapping[str, str]) -> World:
    secrets, clock = Secrets(environ), StandingClock()
    return World(
        clock=clock, http=Http(secrets, clock), objects=Store(tmp_path / "cache", secrets, clock), secrets=secrets
    )


def api(server: Server, tmp_path: Path) -> Any:
    kind = LIVE["kubernetes_api"]
    settings = kind.Settings(name="prod", cluster="prod", url=server.url, token=SecretRef(env="KUBE_TOKEN"))
    return kind.make(settings, world(tmp_path, {"KUBE_TOKEN": TOKEN}))


def recorded(folder: Path, tmp_path: Path) -> Any:
    kind = LIVE["kubernetes_files"]
    return kind.make(kind.Settings(name="prod", cluster="prod", uri=folder.as_uri()), world(tmp_path, {}))


def index(live: Any) -> Index:
    return Index.of(each for one in live.objects() for each in items(one))


def test_the_api_is_read_page_by_page_and_what_it_does_not_know_is_left_out(server: Server, tmp_path: Path) -> None:
    found = index(api(server, tmp_path))
    assert len(found.objects) == 1200
    assert ("apps", "Deployment", "shop", "web-1199") in found.objects
    pages = [query.get("continue") for path, query in server.asked if path.endswith("/deployments")]
    assert pages == [None, "500", "1000"]
    assert server.tokens == {f"Bearer {TOKEN}"}


def test_recorded_lists_say_the_same(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    whole = {"kind": "DeploymentList", "apiVersion": "apps/v1", "items": deployments(1200)}
    head, tail = ({**whole, "items": part} for part in (whole["items"][:700], whole["items"][700:]))
    (folder / "a.json").write_text(json.dumps(head) + "\n" + json.dumps({"kind": "List", "items": []}))
    (folder / "b.json.gz").write_bytes(gzip.compress(json.dumps(tail).encode()))
    (folder / "notes.txt").write_text("not looked at")
    assert index(recorded(folder, tmp_path)) == index(api(server, tmp_path))


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, Rejected, "right to list"),
        (403, Rejected, "right to list"),
        (410, Unavailable, "changed while"),
        (500, Unavailable, "500"),
    ],
)
def test_a_refusal_is_told_with_its_remedy_and_without_the_token(
    server: Server, tmp_path: Path, status: int, error: type[Exception], said: str
) -> None:
    server.status = status
    with pytest.raises(error, match=said) as refusal:
        list(api(server, tmp_path).objects())
    assert TOKEN not in str(refusal.value)


@pytest.mark.parametrize(("text", "said"), [("{", "a.json:1"), ("[1]", "not an object"), ('{}\n{"a": \n', "a.json:3")])
def test_a_file_that_is_none_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    (folder / "a.json").write_text(text)
    with pytest.raises(Malformed, match=said):
        list(recorded(folder, tmp_path).objects())


def test_an_empty_folder_is_no_empty_cluster(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    with pytest.raises(Unavailable, match="holds no"):
        list(recorded(tmp_path / "live", tmp_path).objects())
