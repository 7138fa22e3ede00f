"""The command tree and the only map from errors to exit codes; heavy parts load inside the commands."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

from finops_ai import __version__
from finops_ai.cli import (
    advice,
    budgets,
    changes,
    drift,
    evaluate,
    flow,
    kubernetes,
    models,
    money,
    oncall,
    prices,
    serve,
    setup,
    sql,
    usage,
)
from finops_ai.cli.context import Call, Exit
from finops_ai.domain.errors import ConfigError, FinopsError, Leak, Malformed, Rejected, Unavailable, UsageError

app = typer.Typer(
    name="finops-ai",
    help="Bill in; report, page and pull request out. Data goes to stdout, messages and progress to stderr.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=True,
)


class ExitCode(IntEnum):
    """What the exit status of every command means."""

    OK = 0
    BUG = 1
    USAGE = 2
    FINDINGS = 3
    CONFIG = 4
    UNAVAILABLE = 5
    REFUSED = 6
    INTERRUPTED = 130


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"finops-ai {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", envvar="FINOPS_CONFIG", help="Configuration file [default: config/finops.yaml]."
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="DATE",
            help="Answer as known at the end of this UTC day, or at a timestamp [default: now].",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    context.obj = Call(config_path=config, as_of_text=as_of, environ=os.environ)


setup.add_to(app)
flow.add_to(app)
money.add_to(app)
kubernetes.add_to(app)
models.add_to(app)
budgets.add_to(app)
usage.add_to(app)
oncall.add_to(app)
changes.add_to(app)
drift.add_to(app)
advice.add_to(app)
evaluate.add_to(app)
prices.add_to(app)
serve.add_to(app)
sql.add_to(app)
serve.add_to(app)

GARBAGE_AFTER = 20_000
"""New objects, net, before the collector runs; Python's own is 700."""
_EVERYWHERE = ("--config", "-c", "--as-of")


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move the options of the whole program before the command, so that they may stand anywhere."""
    front: list[str] = []
    rest: list[str] = []
    todo = list(arguments)
    while todo:
        word = todo.pop(0)
        if word == "--":
            rest += [word, *todo]
            break
        if word in _EVERYWHERE and todo:
            front += [word, todo.pop(0)]
        elif word.startswith(("--config=", "--as-of=")):
            front.append(word)
        else:
            rest.append(word)
    return front + rest


def exit_code(error: BaseException) -> ExitCode:
    """The one map from errors to exit codes (see `ExitCode`)."""
    match error:
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case ConfigError():
            return ExitCode.CONFIG
        case UsageError():
            return ExitCode.USAGE
        case Unavailable():
            return ExitCode.UNAVAILABLE
        case Malformed() | Rejected():
            return ExitCode.REFUSED
        case Exit():
            return ExitCode(error.code)
        case _:
            return ExitCode.BUG


def run(arguments: Sequence[str] | None = None) -> None:
    """Entry of the `finops-ai` command."""
    # Loading libraries makes objects by the hundred thousand and no rubbish: Python would look for it again and again.
    gc.set_threshold(GARBAGE_AFTER, 20, 20)
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app(hoist(given), standalone_mode=True)
    except Exit as error:
        sys.exit(error.code)
    except FinopsError as error:
        if not isinstance(error, Leak):
            print(f"finops-ai: {error}", file=sys.stderr)
            sys.exit(exit_code(error))
        raise
    except KeyboardInterrupt:
        print("finops-ai: interrupted", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
