"""Money from the command line: what the ledger answers, and its export as FOCUS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finops_ai.cli.context import Output, OutputOption, call, days_between, keys_of, progress, show
from finops_ai.domain.errors import UsageError
from finops_ai.domain.focus import COST_BASES

StartOption = Annotated[str | None, typer.Option("--start", help="First UTC day, YYYY-MM-DD.")]
EndOption = Annotated[str | None, typer.Option("--end", help="Day after the last UTC day, YYYY-MM-DD.")]


def costs(
    context: typer.Context,
    group_by: Annotated[str, typer.Option("--group-by", "-g", help="Keys with commas between, or tag:NAME.")] = "",
    start: StartOption = None,
    end: EndOption = None,
    where: Annotated[list[str] | None, typer.Option("--where", "-w", help="KEY=VALUE; may be repeated.")] = None,
    cost_basis: Annotated[
        str | None, typer.Option("--cost-basis", help="Order by and show only this one: billed or effective.")
    ] = None,
    currency: Annotated[str | None, typer.Option("--currency", help="Only charges billed in this currency.")] = None,
    report_in: Annotated[
        str | None, typer.Option("--report-in", metavar="CURRENCY", help="Show beside it what it is worth in this one.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Ask the ledger: costs by any keys, per currency, as known at any instant.

    Keys: day, billing_period, source, provider_name, billing_account_id, sub_account_id, service_name,
    x_service_code, region_id, charge_category, x_cost_center, x_ai_model, x_environment, currency, tag:NAME.
    """
    if cost_basis not in (None, *COST_BASES):
        raise UsageError(f"--cost-basis is billed or effective, not {cost_basis!r}")
    keys = keys_of(group_by)
    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        days = days_between(start, end, as_of.date()) if start or end else None
        rows = app.costs(
            days=days, group_by=keys, where=pairs(where or ()), currency=currency, as_of=as_of, report_in=report_in
        )
        show(rows, output, _columns(keys, cost_basis, reporting=report_in is not None))
        from finops_ai.app.nothing import left_out, why_nothing

        if not rows:
            progress(why_nothing(app.engine, as_of, app.now()))
        elif told := left_out(app.engine, as_of, [value for key, value in pairs(where or ()) if key == "source"]):
            progress(told)
        if report_in:
            from finops_ai.app.currencies import without_rates

            if told := without_rates(rows):
                progress(told)


def _columns(keys: tuple[str, ...], cost_basis: str | None, *, reporting: bool) -> list[str]:
    bases = [cost_basis] if cost_basis else list(COST_BASES)
    named = [*keys, *(() if "currency" in keys else ("currency",)), *(f"{basis}_cost" for basis in bases)]
    if not reporting:
        return [*named, "consumed_quantity"]
    return [*named, "x_reporting_currency", *(f"x_reporting_{basis}_cost" for basis in bases)]


def pairs(texts: tuple[str, ...] | list[str]) -> tuple[tuple[str, str], ...]:
    """KEY=VALUE texts as pairs. Raises UsageError."""
    found = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--where wants KEY=VALUE, not {text!r}")
        found.append((key, value))
    return tuple(found)


def export_focus(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--file", "-f", help="Target: .csv, .csv.gz or .parquet.")],
    start: StartOption = None,
    end: EndOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Write FOCUS 1.2 rows at the finest grain kept; their sums are the ledger's."""
    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        days = days_between(start, end, as_of.date()) if start or end else None
        show(app.export_focus(days=days, file=file, as_of=as_of), output)


def showback(
    context: typer.Context,
    start: StartOption = None,
    end: EndOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Costs by cost center after shared costs are split; every cent lands once."""
    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        days = days_between(start, end, as_of.date())
        show(app.showback(days=days, as_of=as_of), output)


def add_to(app: typer.Typer) -> None:
    app.command()(costs)
    app.command()(showback)
    export = typer.Typer(help="Write the ledger for other programs.", no_args_is_help=True, rich_markup_mode=None)
    export.callback()(_export)
    export.command("focus")(export_focus)
    app.add_typer(export, name="export")


def _export() -> None:
    """Write the ledger for other programs."""
