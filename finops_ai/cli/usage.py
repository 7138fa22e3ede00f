"""Usage from the command line: hours, coverage, averages and peaks of workloads and GPUs, with gaps told."""

from __future__ import annotations

from typing import Annotated

import typer

from finops_ai.cli.context import Output, OutputOption, call, days_between, keys_of, progress, show
from finops_ai.cli.money import EndOption, StartOption


def usage(
    context: typer.Context,
    group_by: Annotated[
        str, typer.Option("--group-by", "-g", help="Keys with commas between [default: by workload, GPU and volume].")
    ] = "",
    resource: Annotated[
        list[str] | None, typer.Option("--resource", "-r", help="Only this resource; may be repeated.")
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell what was used of CPU, memory, GPUs, storage and network, and which hours are unknown.

    Resources: cpu, memory, gpu, storage, network_received, network_transmitted. Keys: source, day, cluster, namespace,
    kind, workload, container, pod, gpu_model, gpu, gpu_slice, gpu_profile, node, volume, storage_class. Averages and
    peaks are of one pod, device or claim; used, reserved, idle and unused are unit-hours. An empty figure is unknown.
    """
    from finops_ai.app.usage import BY_DEFAULT, columns, why_nothing
    from finops_ai.app.usage import usage as answer
    from finops_ai.ledger.usage_rows import RESOURCES
    from finops_ai.ledger.usage_sums import UsageQuery

    keys = keys_of(group_by)
    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        query = UsageQuery(
            days=days_between(start, end, as_of.date()) if start or end else None,
            group_by=keys or BY_DEFAULT,
            resources=tuple(resource or RESOURCES),
            as_of=as_of,
        )
        rows = answer(app.engine, app.config.recommend.prices, query)
        show(rows, output, columns(rows, query.group_by, narrow=output is Output.TABLE))
        if not rows:
            progress(why_nothing(app.engine, as_of))


def add_to(app: typer.Typer) -> None:
    app.command()(usage)
