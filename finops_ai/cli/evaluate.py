"""How good the engines are: replayed over given series for others to judge, and by their own past promises."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from finops_ai.cli.context import Output, OutputOption, call, month_of, progress, show
from finops_ai.domain.errors import UsageError

InputOption = Annotated[
    Path, typer.Option("--input", "-i", help="Folder with one split: costs, series.csv, task.json.")
]
FileOption = Annotated[Path, typer.Option("--output", "-o", help="The CSV file to write.")]
SampleOption = Annotated[int, typer.Option("--sample", min=1, help="Only every so manyth series.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes to use.")]


class ForecastPart(StrEnum):
    PROPHET = "prophet"
    BOOSTED = "boosted"


class DetectionPart(StrEnum):
    PYOD = "pyod"


OriginsOption = Annotated[
    str,
    typer.Option("--origins", help="Mornings, YYYY-MM-DD with commas [default: the last five firsts of a month]."),
]


def evaluate_forecast(
    input: InputOption,
    output: FileOption,
    sample: SampleOption = 1,
    jobs: JobsOption = 1,
    origins: OriginsOption = "",
    without: Annotated[
        list[ForecastPart] | None, typer.Option("--without", help="Leave this part out; may be given more than once.")
    ] = None,
) -> None:
    """Forecast 90 days on each origin from what was known then; one row for each series, origin and day.

    At the end it tells which forecasters were best on how many series, and which served them.
    """
    from finops_ai.app.evaluation import read_split
    from finops_ai.app.evaluation_forecast import run, without_parts

    run(
        read_split(input).every(sample),
        output,
        origins=_mornings(origins),
        jobs=jobs,
        progress=progress,
        settings=without_parts([one.value for one in without or ()]),
    )


def _mornings(origins: str) -> list[date]:
    try:
        return [date.fromisoformat(one.strip()) for one in origins.split(",") if one.strip()]
    except ValueError as error:
        raise UsageError(f"--origins wants YYYY-MM-DD with commas between: {error}") from None


def evaluate_detection(
    input: InputOption,
    output: FileOption,
    sample: SampleOption = 1,
    jobs: JobsOption = 1,
    without: Annotated[
        DetectionPart | None, typer.Option("--without", help="Leave this part out and tell what that changed.")
    ] = None,
) -> None:
    """Judge each day on the mornings after it from what was known then; one row for each verdict."""
    from finops_ai.app.evaluation import read_split
    from finops_ai.app.evaluation_detection import run

    run(read_split(input).every(sample), output, jobs=jobs, progress=progress, pyod=without is None)


def evaluate_month(
    input: InputOption,
    sample: SampleOption = 1,
    months: Annotated[int, typer.Option("--months", min=1, help="How many of the last whole months.")] = 3,
    every: Annotated[int, typer.Option("--every", min=1, help="Each so manyth day of a month.")] = 3,
    output: OutputOption = Output.TABLE,
) -> None:
    """How well a month's total was known on each day of it: median error, and how often its bands held."""
    from finops_ai.app.evaluation import read_split
    from finops_ai.app.evaluation_month import by_day

    show(by_day(read_split(input).every(sample), months=months, every=every, progress=progress), output)


def evaluate_coherence(input: InputOption, origins: OriginsOption = "", output: OutputOption = Output.TABLE) -> None:
    """Forecasts of scopes within scopes alone and made to add up: error and coverage by level, and cents amiss."""
    from finops_ai.app.evaluation import read_split
    from finops_ai.app.evaluation_coherence import by_level

    show(by_level(read_split(input), origins=_mornings(origins), progress=progress), output)


def accuracy(
    context: typer.Context,
    month: Annotated[str | None, typer.Option("--month", help="Only this month, YYYY-MM.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """What the forecasts known when a month began promised, and what came; `naive_error` is last week repeated."""
    from finops_ai.app.accuracy import accuracy as kept

    chosen = month_of(month)
    with call(context).app() as app:
        rows = kept(app.engine, chosen, call(context).as_of(app.now()))
        show(rows, output)
        if not rows:
            progress("no promise has been looked at yet: the forecast job does so a week after a month ends")


def add_to(app: typer.Typer) -> None:
    app.command()(accuracy)
    group = typer.Typer(help="Replay given series through the engines.", no_args_is_help=True, rich_markup_mode=None)
    group.callback()(_evaluate)
    group.command("forecast")(evaluate_forecast)
    group.command("detection")(evaluate_detection)
    group.command("month")(evaluate_month)
    group.command("coherence")(evaluate_coherence)
    app.add_typer(group, name="evaluate")


def _evaluate() -> None:
    """Replay given series through the engines."""
