"""Set-up and health: init, doctor, demo, config, db."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from finops_ai.cli.context import Exit, Output, OutputOption, call, progress, show
from finops_ai.domain.errors import UsageError


def init(
    file: Annotated[Path, typer.Argument(help="Where to write the commented configuration.")] = Path(
        "config/finops.yaml"
    ),
) -> None:
    """Write a commented configuration to start from; never overwrites."""
    from finops_ai.config import starter

    if file.exists():
        raise UsageError(f"{file} exists; remove it first or name another file")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(starter(), encoding="utf-8")
    progress(f"wrote {file}; edit `sources`, then: finops-ai doctor")


def doctor(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Check what a run needs, and say how to mend what is missing."""
    from finops_ai.app import examine

    rows = examine(call(context).config, call(context).environ)
    show(rows, output)
    if any(row["state"] == "fail" for row in rows):
        raise Exit(5)


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo lives.")] = Path(".finops-demo"),
    reset: Annotated[bool, typer.Option("--reset", help="Start over: empty the demo's folder first.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """The whole chain on own sample exports: no credentials, nothing leaves this machine."""
    from finops_ai.demo.files import AS_OF
    from finops_ai.demo.play import play

    asked = call(context)

    def table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if output is Output.TABLE:
            typer.echo(f"\n{title}")
            show(rows, output)

    as_of = AS_OF if asked.as_of_text is None else asked.as_of(datetime.min.replace(tzinfo=UTC)).date()
    told = play(folder, as_of=as_of, reset=reset, tell=progress, table=table)
    if output is not Output.TABLE:
        show([told], output)


def config_check(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Effective values and where each came from; secrets masked."""
    from finops_ai.config import doubts, effective

    config = call(context).config()
    show(effective(config), output)
    for doubt in doubts(config):
        progress(f"warning: {doubt}")


def config_schema() -> None:
    """JSON Schema of the configuration file."""
    from finops_ai.app import kinds
    from finops_ai.config import schema

    typer.echo(json.dumps(schema(kinds()), indent=2))


def db_upgrade(context: typer.Context) -> None:
    """Bring the database to the newest schema."""
    from finops_ai.app import upgrade_database

    progress(f"database is at {upgrade_database(call(context).config())}")


def db_status(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Schema version of the database against the newest."""
    from finops_ai.app import database_status

    show([database_status(call(context).config())], output)


def add_to(app: typer.Typer) -> None:
    for command in (init, doctor, demo):
        app.command()(command)
    config = typer.Typer(help="Configuration.", no_args_is_help=True, rich_markup_mode=None)
    config.command("check")(config_check)
    config.command("schema")(config_schema)
    app.add_typer(config, name="config")
    database = typer.Typer(help="Database schema.", no_args_is_help=True, rich_markup_mode=None)
    database.command("upgrade")(db_upgrade)
    database.command("status")(db_status)
    app.add_typer(database, name="db")
