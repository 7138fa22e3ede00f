"""Drift from the command line: where clusters differ from Git, by whose hand, whose it is and what it costs."""

from __future__ import annotations

import typer

from finops_ai.cli.context import DryRunOption, OnceOption, Output, OutputOption, call, finish, progress, show

COLUMNS = ("cluster", "namespace", "workload", "drift", "state", "owner", "monthly", "currency", "by", "what")


def drift(
    context: typer.Context,
    once: OnceOption = True,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare the manifests in Git, rendered, with what runs; tell hand-made and out-of-sync values with their cost.

    Values that an autoscaler owns, defaults of the server and what Argo CD or Flux is told to ignore are no drift;
    what they put right by themselves is told as healing. No change is proposed for a workload that has drifted.
    """
    with call(context).app() as app:
        outcome = app.drift(call(context).as_of(app.now()), dry_run=dry_run)
        show(outcome.results, output, None if output is Output.JSON else COLUMNS)
        if not app.config.live:
            progress("no live state is configured: name a cluster under `live`")
        finish(outcome)


def add_to(app: typer.Typer) -> None:
    app.command()(drift)
