"""The server put together, and served until it is asked to stop."""

from __future__ import annotations

import signal

import structlog
from fastapi import FastAPI

from finops_ai import __version__
from finops_ai.app import App
from finops_ai.web import answers, api, guard, health, hooks

DRAIN_SECONDS = 30

log = structlog.get_logger()


def build(app: App) -> FastAPI:
    """Every secret that requests need is looked at now: one that cannot be had raises ConfigError at the start."""
    for secret in (*app.config.web.secrets, *(caller.token for caller in app.config.web.callers)):
        app.world.secrets.get(secret)
    made = FastAPI(
        title="finops-ai",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        description="Costs, episodes and proposed changes of one ledger. Amounts are decimal strings with a currency.",
    )
    guard.protect(made)
    for part in (health, api, answers, hooks):
        made.include_router(part.router(app))
    return made


def serve(app: App, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT; requests under way may finish within DRAIN_SECONDS. Raises OSError."""
    import uvicorn

    config = uvicorn.Config(
        build(app),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    # The server repeats the signal that ended it, to whoever was asked before: being asked to stop is no failure.
    previous = {name: signal.signal(name, lambda _, __: None) for name in (signal.SIGTERM, signal.SIGINT)}
    log.info("serving", host=host, port=port)
    try:
        uvicorn.Server(config).run()
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
    log.info("served")
