"""Advice from the command line: what people should decide who know more than the figures."""

from __future__ import annotations

import typer

from finops_ai.cli.context import Output, OutputOption, call, progress, show


def advise(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Advise on GPUs, volumes, and idle or oversized workloads, most money first; nothing is changed.

    Savings are per month at the named rate, from what is sure to what is possible, and never more than is billed.
    """
    from finops_ai.app.advice import COLUMNS, advice

    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        told = app.config.recommend
        rows = advice(app.engine, told.prices, told.strategy, as_of)
        show(rows, output, COLUMNS if output is Output.TABLE else None)
        if not rows:
            progress("nothing to advise: no usage is known, or all of it is needed")


def add_to(app: typer.Typer) -> None:
    app.command()(advise)
