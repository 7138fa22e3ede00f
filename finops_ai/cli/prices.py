"""List prices from the command line: what a provider's catalogue says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finops_ai.cli.context import Output, OutputOption, call, progress, show
from finops_ai.domain.errors import UsageError


def prices(
    context: typer.Context,
    catalogue: Annotated[str, typer.Argument(help="Whose catalogue; a wrong name lists those known.")],
    service: Annotated[str, typer.Option("--service", help="Service by its name in the catalogue.")] = "Compute Engine",
    region: Annotated[str | None, typer.Option("--region", help="Only prices that hold there.")] = None,
    sku: Annotated[str, typer.Option("--sku", help="Only SKUs whose description has this text.")] = "",
    machine: Annotated[
        str | None, typer.Option("--machine", help="Rates of a machine family such as n2, for recommend.prices.")
    ] = None,
    currency: Annotated[str, typer.Option("--currency", help="Currency of the prices.")] = "USD",
    file: Annotated[
        Path | None, typer.Option("--file", help="A recorded answer of the catalogue instead of the network.")
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option("--endpoint-url", help="Another address of the catalogue.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List prices of a provider, tier by tier, from its catalogue."""
    from finops_ai.app import prices as asked

    if machine is not None and region is None:
        raise UsageError("--machine wants --region: the rates of a family differ by region")
    found = asked.list_prices(call(context).environ, catalogue, service, currency, file, endpoint_url)
    if machine is not None and region is not None:
        show(asked.machine_rates(catalogue, found, machine, region), output)
        return
    rows = list(asked.shown(found, region, sku))
    show(rows, output)
    if not rows:
        progress(f"none of {len(found):,} prices of {service} fits")


def add_to(app: typer.Typer) -> None:
    app.command("prices")(prices)
