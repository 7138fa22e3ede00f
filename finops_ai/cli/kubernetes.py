"""Clusters from the command line: what was billed for their nodes, by what ran on them."""

from __future__ import annotations

from typing import Annotated

import typer

from finops_ai.cli.context import Output, OutputOption, call, days_between, keys_of, progress, show
from finops_ai.cli.money import EndOption, StartOption


def kubernetes(
    context: typer.Context,
    group_by: Annotated[
        str, typer.Option("--group-by", "-g", help="Keys with commas between, or tag:NAME.")
    ] = "cluster,namespace",
    start: StartOption = None,
    end: EndOption = None,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="The bill beside the attribution, by day and cluster.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Split what the bill charges for nodes and GPUs over what ran on them; sums are the bill's.

    Keys: day, cluster, namespace, workload, controller, x_cost_center, x_ai_model, x_environment, tag:NAME, and
    columns of the bill such as service_name. What nothing ran on is (idle); what no attribution tells of is
    (unmatched).
    """
    keys = keys_of(group_by)
    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        days = days_between(start, end, as_of.date())
        rows, split = app.clusters(days, as_of).workloads(keys)
        for told in split.told:
            progress(f"warning: {told}")
        if reconcile:
            show(split.reconciliation, output)
            return
        columns = [*keys, *(() if "currency" in keys else ("currency",)), "billed_cost", "effective_cost"]
        show(rows, output, columns)
        if not rows:
            progress("no charge of these days belongs to a cluster: say which do in allocation.kubernetes")


def add_to(app: typer.Typer) -> None:
    app.command()(kubernetes)
