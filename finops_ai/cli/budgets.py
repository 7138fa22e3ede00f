"""Budgets from the command line: how each stands this month, and when it will be passed."""

from __future__ import annotations

from typing import Annotated

import typer

from finops_ai.cli.context import Output, OutputOption, call, month_of, progress, show

COLUMNS = (
    "budget",
    "where",
    "kind",
    "owner",
    "month",
    "amount",
    "spent",
    "share",
    "month_end",
    "low_80",
    "high_80",
    "currency",
    "exceeds_on",
    "state",
    "forecaster",
)


def status(
    context: typer.Context,
    month: Annotated[str | None, typer.Option("--month", help="This month instead, YYYY-MM.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Spent, the month's end as forecast with its 80 % band, and the day on which a budget is passed."""
    chosen = month_of(month)
    with call(context).app() as app:
        rows = app.budgets(chosen, call(context).as_of(app.now()))
        show(rows, output, COLUMNS if output is Output.TABLE else None)
        if not rows:
            progress("no budgets are configured: name some under budgets, see docs/episodes.md")


def add_to(app: typer.Typer) -> None:
    budgets = typer.Typer(help="What scopes may cost in a month.", no_args_is_help=True, rich_markup_mode=None)
    budgets.callback()(_budgets)
    budgets.command("status")(status)
    app.add_typer(budgets, name="budgets")


def _budgets() -> None:
    """What scopes may cost in a month."""
