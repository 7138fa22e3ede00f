"""The web server from the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from finops_ai.cli.context import call


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on [default: web.host].")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on [default: web.port].")] = None,
) -> None:
    """Answer on HTTP until SIGTERM: API, signed answers, hooks, livez, readyz and metrics."""
    from finops_ai.web.server import serve as run

    with call(context).app() as app:
        web = app.config.web
        run(app, host or web.host, web.port if port is None else port)


def add_to(app: typer.Typer) -> None:
    app.command()(serve)
