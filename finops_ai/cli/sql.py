"""The SQL of a scan, for an engine that has the rows."""

from __future__ import annotations

from typing import Annotated

import typer

from finops_ai.cli.context import call
from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import BillingPeriod


def sql(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="Name of a source of bills.")],
    dialect: Annotated[str, typer.Option("--dialect", help="Whose SQL; an unknown one is told the known.")] = "spark",
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="Table of the rows; once for each set of columns [default: charges]."),
    ] = None,
    period: Annotated[
        str | None, typer.Option("--period", metavar="YYYY-MM", help="Billing period [default: the newest].")
    ] = None,
) -> None:
    """Print one query that adds up a month of rows where they lie; its answer is a small bill in FOCUS.

    Write the answer as Parquet and read it with a source of kind focus_files: only that comes home.
    """
    from finops_ai.app.scan_sql import scan_sql

    try:
        month = BillingPeriod.parse(period) if period else None
    except ValueError:
        raise UsageError(f"--period wants YYYY-MM, not {period!r}") from None
    asked = call(context)
    typer.echo(scan_sql(asked.config(), asked.environ, source, dialect, table or ["charges"], month), nl=False)


def add_to(app: typer.Typer) -> None:
    app.command("sql")(sql)
