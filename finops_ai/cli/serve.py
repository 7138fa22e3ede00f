"""The web server from the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from finops_ai.cli.context import call


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen at [default: web.host].")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="[default: web.port].")] = None,
) -> None:
    """Serve the API, metrics, signed answers and webhooks until SIGTERM."""
    from finops_ai.web.server import serve as run

    with call(context).app() as app:
        run(app, host=host, port=port)


def add_to(app: typer.Typer) -> None:
    app.command()(serve)
