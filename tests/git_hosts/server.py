"""One loopback server per host: Git under /OWNER/NAME.git, the API beside it, both with faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from tests.git_hosts.description import Description
from tests.git_hosts.repository import body_of
from tests.git_hosts.state import State

WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Refused(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, document: Any = None, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.document = document if document is not None else {"message": "refused"}
        self.headers = dict(headers or {})
        super().__init__(str(status))


class Vendor(Protocol):
    name: str
    prefix: str
    state: State
    description: Description

    def who(self, headers: Mapping[str, str]) -> str:
        """The account that asks. Raises Refused."""
        ...

    def answer(self, operation: str, parts: Mapping[str, str], query: Mapping[str, str], body: Any, who: str) -> Any:
        """Status, values and headers of a described operation. Raises Refused."""
        ...

    def beside(self, method: str, path: str, body: Any, who: str) -> tuple[int, Any] | None:
        """What the description does not cover."""
        ...


@contextmanager
def serving(vendor: Vendor) -> Iterator[str]:
    """The host's address for as long as the block runs."""
    state = vendor.state

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = body_of(self)
            where = urlsplit(self.path)
            state.asked.append((self.command, self.path, body))
            if where.path.startswith(f"/{state.repository.name}.git/"):
                self.git(where.path, where.query, body)
            else:
                self.api(where.path, dict(parse_qsl(where.query, keep_blank_values=True)), body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def git(self, path: str, query: str, body: bytes) -> None:
            if not state.repository.allows(self.headers.get("Authorization", "")):
                self.reply(401, [("WWW-Authenticate", 'Basic realm="git"')], b"who are you?")
                return
            what = "push" if path.endswith("/git-receive-pack") and self.command == "POST" else ""
            if what and self.hindered("before", what):
                return
            with state.lock:
                status, headers, content = state.repository.serve(self, path, query, body)
            if not (what and self.hindered("after", what)):
                self.reply(status, headers, content)

        def api(self, path: str, query: dict[str, str], body: bytes) -> None:
            what = f"{self.command} {path.removeprefix(vendor.prefix)}"
            if self.hindered("before", what):
                return
            with state.lock:
                status, document, headers = self.answered(path, query, body)
            if not self.hindered("after", what):
                content = b"" if document is None else json.dumps(document).encode()
                self.reply(status, [("Content-Type", "application/json"), *headers.items()], content)

        def answered(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
            try:
                who = vendor.who({name.lower(): value for name, value in self.headers.items()})
                state.sync()
                told = json.loads(body) if body else None
                place = path.removeprefix(vendor.prefix)
                if (beside := vendor.beside(self.command, path, told, who)) is not None:
                    return (*beside, {})
                found = vendor.description.operation(self.command, place)
                if found is None:
                    return 404, {"message": "Not Found"}, {}
                operation, parts = found
                if wrong := vendor.description.check_request(operation, query, told):
                    return 422, {"message": "; ".join(wrong)}, {}
                status, values, headers = vendor.answer(operation, parts, query, told, who)
                document = vendor.description.filled(operation, status, values)
                vendor.description.check_answer(operation, status, document)
                return status, document, headers
            except Refused as error:
                return error.status, error.document, error.headers

        def hindered(self, phase: str, what: str) -> bool:
            """True when something else was done in the place of the answer."""
            told = state.fault(phase, what) if state.fault else None
            if told is None:
                return False
            self.close_connection = True
            if told != "drop":
                status, headers, document = told
                self.reply(status, list(headers.items()), json.dumps(document).encode())
            return True

        def reply(self, status: int, headers: Any, content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that was killed is no news; anything else is."""
            import sys

            error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
            if not isinstance(error, ConnectionError):
                vendor.description.violations.append(f"the host itself failed: {error!r}")

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def paged(
    items: list[Any], query: Mapping[str, str], size_name: str, default: int = 30
) -> tuple[list[Any], dict[str, str]]:
    """One page, and the header that says whether there is another."""
    size, page = int(query.get(size_name, default)), int(query.get("page", 1))
    rest = items[page * size :]
    headers = {"Link": f'<http://elsewhere.invalid/?page={page + 1}>; rel="next"'} if rest else {}
    return items[(page - 1) * size : page * size], {**headers, "X-Total-Count": str(len(items))}
