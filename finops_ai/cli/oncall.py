"""For the person on call: episodes, their explanation, and the answer that changes the next page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

import typer

from finops_ai.cli.context import Output, OutputOption, call, show
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import UsageError

EPISODE_COLUMNS = (
    "key",
    "scope",
    "x_ai_model",
    "kind",
    "state",
    "severity",
    "opened_on",
    "expected",
    "observed",
    "excess",
    "projected",
    "currency",
    "main_cause",
    "told",
)

ANSWER_COLUMNS = ("key", "scope", "state", "excess", "currency", "feedback", "feedback_until", "feedback_note")
SNOOZE_COLUMNS = ("key", "scope", "state", "excess", "currency", "snoozed_until", "snooze_note")
PAGE_COLUMNS = ("team", "key", "what", "severity", "excess", "currency", "was", "would")


def episodes_list(
    context: typer.Context,
    state: Annotated[str | None, typer.Option("--state", help="open, acknowledged or resolved.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Episodes as known, the most expensive first."""
    with call(context).app() as app:
        rows = [row for row in app.episodes(call(context).as_of(app.now())) if state in (None, row["state"])]
        show(rows, output, EPISODE_COLUMNS if output is Output.TABLE else None)


def episodes_show(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Episode key, or an unambiguous beginning of it.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """One episode whole: figures, causes that add up to the excess, answers given, who was told and why not."""
    with call(context).app() as app:
        row = app.episode(key, call(context).as_of(app.now()))
        if output is not Output.TABLE:
            show([row], output)
            return
        causes, decisions = row.pop("causes"), row.pop("decisions")
        show([{"field": name, "value": value} for name, value in row.items()], output)
        show(causes, output)
        if decisions:
            show(decisions, output)


def episodes_feedback(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Episode key, or an unambiguous beginning of it.")],
    verdict: Annotated[FeedbackVerdict, typer.Argument(help="real, false_positive or expected.")],
    until: Annotated[str | None, typer.Option("--until", help="Last day it is expected, YYYY-MM-DD.")] = None,
    note: Annotated[str, typer.Option("--note", help="A word for the next reader.")] = "",
    by: Annotated[str, typer.Option("--by", envvar="USER", help="Who answers.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Answer an episode: kept, shown, and used from the next detection on."""
    last = _day(until, "--until") if until else None
    with call(context).app() as app:
        as_of = call(context).as_of(app.now())
        row = app.feedback(key, verdict, until=last, note=note, by=by, as_of=as_of)
        show([row], output, ANSWER_COLUMNS if output is Output.TABLE else None)


def episodes_ack(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Episode key, or an unambiguous beginning of it.")],
    note: Annotated[str, typer.Option("--note", help="A word for the next reader.")] = "",
    by: Annotated[str, typer.Option("--by", envvar="USER", help="Who looks after it.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Say that you look after an episode: whoever was told of it is told so too."""
    with call(context).app() as app:
        row = app.acknowledge(key, note=note, by=by, as_of=call(context).as_of(app.now()))
        show([row], output, EPISODE_COLUMNS if output is Output.TABLE else None)


def episodes_snooze(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Episode key, or an unambiguous beginning of it.")],
    until: Annotated[str, typer.Option("--until", help="Last day without pages, YYYY-MM-DD; a past day ends it.")],
    note: Annotated[str, typer.Option("--note", help="A word for the next reader.")] = "",
    by: Annotated[str, typer.Option("--by", envvar="USER", help="Who puts it off.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Put an episode off: no page until the day has passed, unless it grows to three times what it comes to now."""
    from finops_ai.app.alerts import snooze

    last = _day(until, "--until")
    with call(context).app() as app:
        row = snooze(app.engine, key, until=last, note=note, by=by, as_of=call(context).as_of(app.now()))
        show([row], output, SNOOZE_COLUMNS if output is Output.TABLE else None)


def replay(
    context: typer.Context,
    since: Annotated[str, typer.Option("--since", help="First day, YYYY-MM-DD.")],
    budget: Annotated[int | None, typer.Option("--budget", min=0, help="Pages per team in seven days.")] = None,
    threshold: Annotated[
        str | None, typer.Option("--threshold", help="Severity that pages, or an amount by month end.")
    ] = None,
    without_feedback: Annotated[bool, typer.Option("--without-feedback", help="As if nobody had answered.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Both histories: what was paged, and what would have been with these settings; with counts and dollars."""
    from finops_ai.app.alerts import replay as play

    first = _day(since, "--since")
    with call(context).app() as app:
        told = play(
            app.engine,
            app.config,
            since=first,
            budget=budget,
            threshold=threshold,
            without_feedback=without_feedback,
            as_of=call(context).as_of(app.now()),
            progress=app.progress,
        )
    if output is Output.JSON:
        show([told], output)
        return
    show(told["pages"], output, PAGE_COLUMNS)
    if output is Output.TABLE:
        sums = [{"history": name, **told[name]} for name in ("was", "would")]
        show([{**one, "by_team": _pairs(one["by_team"]), "excess": _pairs(one["excess"])} for one in sums], output)


def _pairs(found: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items())


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} wants YYYY-MM-DD, not {text!r}") from None


def explain(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Episode key, or an unambiguous beginning of it.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Why an episode opened: expected against observed, the threshold crossed, contributors, counterfactual."""
    with call(context).app() as app:
        told = app.explain(key, call(context).as_of(app.now()))
        if output is Output.TABLE:
            typer.echo(told.pop("text"))
        else:
            told.pop("text")
            show([told], output)


def add_to(app: typer.Typer) -> None:
    episodes = typer.Typer(help="Unusual cost, one episode per cause.", no_args_is_help=True, rich_markup_mode=None)
    episodes.command("list")(episodes_list)
    episodes.command("show")(episodes_show)
    episodes.command("ack")(episodes_ack)
    episodes.command("feedback")(episodes_feedback)
    episodes.command("snooze")(episodes_snooze)
    app.add_typer(episodes, name="episodes")
    app.command()(explain)
    app.command()(replay)
