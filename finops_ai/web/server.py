"""Serves until SIGTERM, then lets running requests and the running job end."""

from __future__ import annotations

import signal
import socket

import structlog

from finops_ai.app import App
from finops_ai.domain.errors import ConfigError

DRAIN_SECONDS = 25

log = structlog.get_logger()


def serve(app: App, *, host: str | None = None, port: int | None = None) -> None:
    """Listen at web.host and web.port, or as given; port 0 takes a free one. Raises ConfigError when it is taken."""
    import uvicorn

    from finops_ai.web.application import application
    from finops_ai.web.work import Work

    told = app.config.web
    listening = _listen(host or told.host, told.port if port is None else port)
    work = Work(lambda job: app.run(job, app.now()))
    # The server ends by raising the signal that ended it once more: by then it was obeyed.
    previous = {name: signal.signal(name, lambda *_: None) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        server = uvicorn.Server(
            uvicorn.Config(
                application(app, work),
                log_config=None,
                access_log=False,  # its lines hold whole paths, and paths hold tokens
                server_header=False,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                lifespan="off",
            )
        )
        address, number = listening.getsockname()[:2]
        log.info("web server started", url=f"http://{f'[{address}]' if ':' in address else address}:{number}")
        server.run(sockets=[listening])
    finally:
        drained = work.close(DRAIN_SECONDS)
        listening.close()
        for name, handler in previous.items():
            signal.signal(name, handler)
        log.info("web server stopped", drained=drained)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise ConfigError(f"cannot listen at {host}:{port} (web.host, web.port): {error.strerror or error}") from None
    return listening
