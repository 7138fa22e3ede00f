"""AI models from the command line: what a unit of use costs, and a gateway's account held against the bill."""

from __future__ import annotations

from typing import Annotated

import typer

from finops_ai.cli.context import Output, OutputOption, call, days_between, keys_of, progress, show
from finops_ai.cli.money import EndOption, StartOption, pairs
from finops_ai.domain.errors import UsageError
from finops_ai.domain.focus import COST_BASES

WhereOption = Annotated[list[str] | None, typer.Option("--where", "-w", help="KEY=VALUE; may be repeated.")]


def unit_costs(
    context: typer.Context,
    group_by: Annotated[
        str, typer.Option("--group-by", "-g", help="Keys with commas between, or tag:NAME.")
    ] = "x_ai_model",
    start: StartOption = None,
    end: EndOption = None,
    where: WhereOption = None,
    cost_basis: Annotated[str, typer.Option("--cost-basis", help="billed or effective.")] = "effective",
    output: OutputOption = Output.TABLE,
) -> None:
    """What a unit of use costs: a million tokens by direction, cache and modality, a request, GPU hour, image, minute.

    Two bases: usage is what is charged on the meter itself; allocated is its share of all that the keys cost, so that
    the meters of any one unit add up to it. An estimate is quantity by list price where the bill has no cost; it is in
    neither. What is not known is left empty.
    """
    from finops_ai.app.nothing import why_nothing

    if cost_basis not in COST_BASES:
        raise UsageError(f"--cost-basis is billed or effective, not {cost_basis!r}")
    keys = keys_of(group_by)
    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        days = days_between(start, end, as_of.date())
        rows = app.models(days, as_of).unit_costs(keys, pairs(where or ()), cost_basis=cost_basis)
        show(rows, output)
        if not rows:
            progress(why_nothing(app.engine, as_of, app.now()))


def reconcile_llm(
    context: typer.Context,
    gateway: Annotated[str | None, typer.Option("--gateway", help="Name of the gateway's source.")] = None,
    start: StartOption = None,
    end: EndOption = None,
    where: WhereOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Hold a gateway's account of model use against the providers' bills: a row for each day and model.

    The difference is bill minus gateway; the buckets that explain it add up to it to the last digit.
    """
    from finops_ai.app.nothing import why_nothing

    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        days = days_between(start, end, as_of.date())
        rows = app.models(days, as_of).reconcile(gateway, pairs(where or ()))
        show(rows, output)
        if not rows:
            progress(why_nothing(app.engine, as_of, app.now()))


def add_to(app: typer.Typer) -> None:
    app.command("unit-costs")(unit_costs)
    reconcile = typer.Typer(
        help="Hold two accounts of one cost against each other.", no_args_is_help=True, rich_markup_mode=None
    )
    reconcile.callback()(_reconcile)
    reconcile.command("llm")(reconcile_llm)
    app.add_typer(reconcile, name="reconcile")


def _reconcile() -> None:
    """Hold two accounts of one cost against each other."""
