"""The jobs from the command line: each runs once, as of any instant, dry when asked."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from finops_ai.cli.context import (
    DryRunOption,
    Exit,
    OnceOption,
    Output,
    OutputOption,
    call,
    finish,
    show,
)
from finops_ai.domain.episode import Severity

INGEST_COLUMNS = (
    "source",
    "billing_period",
    "status",
    "rows",
    "rows_rejected",
    "billed_cost",
    "effective_cost",
)


class ScanEngine(StrEnum):
    DUCKDB = "duckdb"
    SPARK = "spark"


FailOnOption = Annotated[
    Severity | None, typer.Option("--fail-on", help="Exit 3 when an open episode is at least this severe.")
]


def ingest(
    context: typer.Context,
    source: Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")] = None,
    engine: Annotated[
        ScanEngine | None, typer.Option("--engine", help="What scans deliveries [default: scan.engine, duckdb].")
    ] = None,
    once: OnceOption = True,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Load new deliveries: whole, settled against their control totals, or not at all."""
    with call(context).app(engine=engine) as app:
        outcome = app.ingest(call(context).as_of(app.now()), names=source or (), dry_run=dry_run)
        show(outcome.results, output, None if output is Output.JSON else INGEST_COLUMNS)
        finish(outcome)


def forecast(
    context: typer.Context,
    scope: Annotated[list[str] | None, typer.Option("--where", help="KEY=VALUE of the scopes to show.")] = None,
    once: OnceOption = True,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Forecast every scope and say where the month will end, with bands whose coverage was measured."""
    from finops_ai.cli.money import pairs

    with call(context).app() as app:
        outcome = app.forecast(call(context).as_of(app.now()), where=pairs(scope or ()), dry_run=dry_run)
        columns = None
        if output is Output.TABLE:
            columns = ("scope", "currency", "month", "month_to_date", "month_end", "low_80", "high_80", "forecaster")
        show(outcome.results, output, columns)
        finish(outcome)


def detect(
    context: typer.Context,
    fail_on: FailOnOption = None,
    once: OnceOption = True,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Judge days under the forecast made before them, today by all of it; open, grow and close episodes."""
    from finops_ai.cli.oncall import EPISODE_COLUMNS

    with call(context).app() as app:
        outcome = app.detect(call(context).as_of(app.now()), dry_run=dry_run)
        show(outcome.results, output, EPISODE_COLUMNS if output is Output.TABLE else None)
        finish(outcome)
        if fail_on and any(
            row["state"] != "resolved" and Severity(row["severity"]).rank >= fail_on.rank for row in outcome.results
        ):
            raise Exit(3)


def recommend(
    context: typer.Context,
    once: OnceOption = True,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Propose right-sizing changes, judged by policy, as pull requests in the outbox."""
    with call(context).app() as app:
        outcome = app.recommend(call(context).as_of(app.now()), dry_run=dry_run)
        show(outcome.results, output, None if output is Output.JSON else ("workload", "state", "title", "reason"))
        finish(outcome)


def report(
    context: typer.Context,
    once: OnceOption = True,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Write the weekly report: it ties to the bill, says why spend moved and where the month will end."""
    with call(context).app() as app:
        outcome = app.report(call(context).as_of(app.now()), dry_run=dry_run)
        show(outcome.results, output)
        finish(outcome)


def deliver(
    context: typer.Context,
    once: OnceOption = True,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Send what waits in the outbox to sinks and forges, and keep the receipts."""
    with call(context).app() as app:
        outcome = app.deliver(call(context).as_of(app.now()), dry_run=dry_run)
        show(outcome.results, output, ("key", "kind", "sink", "state", "remote_id", "reason"))
        finish(outcome)


def follow(
    context: typer.Context,
    once: OnceOption = True,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """See what became of pull requests, measure what merged ones saved, and propose to take back what broke."""
    with call(context).app() as app:
        outcome = app.follow(call(context).as_of(app.now()), dry_run=dry_run)
        show(outcome.results, output, ("key", "state", "url"))
        finish(outcome)


def run_all(
    context: typer.Context,
    once: OnceOption = True,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run the whole chain in order: ingest, forecast, detect, drift, recommend, follow, deliver, report."""
    with call(context).app() as app:
        rows = []
        outcomes = []
        for outcome in app.run_all(call(context).as_of(app.now()), dry_run=dry_run):
            outcomes.append(outcome)
            counts = ", ".join(f"{count} {name}" for name, count in outcome.counts.items() if count)
            rows.append({"job": outcome.job, "problems": len(outcome.problems), "counts": counts})
        show(rows, output)
        for outcome in outcomes:
            finish(outcome)


def nearby(
    context: typer.Context, once: OnceOption = True, dry_run: DryRunOption = False, output: OutputOption = Output.TABLE
) -> None:
    """Gather what changed beside the bill: merges, deployments, own proposals; explain and pages show them."""
    with call(context).app() as app:
        outcome = app.nearby(call(context).as_of(app.now()), dry_run=dry_run)
        show(outcome.results, output)
        finish(outcome)


def scheduler(context: typer.Context) -> None:
    """Run the jobs on the cron lines of the configuration until SIGTERM."""
    from finops_ai.scheduler import serve

    with call(context).app() as app:
        serve(app)


def add_to(app: typer.Typer) -> None:
    for command in (ingest, forecast, nearby, detect, recommend, report, deliver, follow, scheduler):
        app.command()(command)
    runner = typer.Typer(help="Run several jobs.", no_args_is_help=True, rich_markup_mode=None)
    runner.command("all")(run_all)
    app.add_typer(runner, name="run")
