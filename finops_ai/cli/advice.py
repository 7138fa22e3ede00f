"""Advice from the command line: what people should decide who know more than the figures."""

from __future__ import annotations

from datetime import timedelta

import typer

from finops_ai.cli.context import Output, OutputOption, call, days_between, progress, show
from finops_ai.cli.money import EndOption, StartOption
from finops_ai.domain.period import Days

MONTH = 30
"""Days whose tokens are looked at."""


def advise(
    context: typer.Context, start: StartOption = None, end: EndOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Advise on GPUs, volumes, and idle or oversized workloads, most money first; nothing is changed.

    Savings are per month at the named rate, from what is sure to what is possible, and never more than is billed.
    Start and end choose the days whose tokens are looked at [default: the last 30].
    """
    from finops_ai.app.advice import COLUMNS, advice

    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        told = app.config.recommend
        today = as_of.date()
        month = Days(today - timedelta(days=MONTH), today)
        models = app.models(days_between(start, end, today) if start or end else month, as_of)
        rows = advice(app.engine, told.prices, told.strategy, models)
        show(rows, output, COLUMNS if output is Output.TABLE else None)
        if not rows:
            progress("nothing to advise: no usage is known, or all of it is needed")


def add_to(app: typer.Typer) -> None:
    app.command()(advise)
