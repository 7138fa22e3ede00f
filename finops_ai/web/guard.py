"""Around every request: a limit on its body, headers that keep browsers careful, one line of log without secrets."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from finops_ai.web.problems import problem

LARGEST_BODY = 1024 * 1024
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger()


class Guard:
    """Reads a body before anything acts on it, so that one too large is refused whole, whatever its header says."""

    def __init__(self, app: Asgi, largest_body: int = LARGEST_BODY) -> None:
        self._app = app
        self._largest = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                kept = [pair for pair in more if pair[0].lower() not in given]
                message["headers"] = [*message["headers"], *kept]
            await send(message)

        try:
            body = await self._body(scope, receive)
            if body is None:
                await problem(413, f"a body has at most {self._largest} bytes")(scope, receive, answer)
            else:
                await self._app(scope, _once(body, receive), answer)
        finally:
            # By the route's name: a path may hold a token.
            route = getattr(scope.get("route"), "path", "(none)")
            milliseconds = round((time.monotonic() - began) * 1000)
            quiet = route in ("/livez", "/readyz", "/metrics") and status < 400
            if not quiet:
                log.info("request", method=scope["method"], route=route, status=status, milliseconds=milliseconds)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None when it is larger than allowed."""
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or len(value) > 12 or int(value) > self._largest):
                return None
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            if len(body) > self._largest:
                return None
            more = message.get("more_body", False)
        return bytes(body)


def _once(body: bytes, receive: Receive) -> Receive:
    read = False

    async def again() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
