"""What the commands of one call share: configuration, the instant of knowledge, and the way out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import BillingPeriod, Days, as_of_instant

if TYPE_CHECKING:
    from finops_ai.app import App
    from finops_ai.config import Config
    from finops_ai.domain.outcome import Outcome


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Exit(Exception):
    """A command ended as it should, with a status other than 0."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"exit {code}")


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How values are shown.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Compute and show, write nothing.")]
OnceOption = Annotated[bool, typer.Option("--once", help="Run once and end (the default; for job runners).")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Made from the options before the command; opens the rest when a command needs it."""

    config_path: Path | None
    as_of_text: str | None
    environ: Mapping[str, str]

    def config(self) -> Config:
        from finops_ai import app, config

        return config.load(self.config_path, self.environ, app.kinds())

    def as_of(self, now: datetime) -> datetime:
        if self.as_of_text is None:
            return now
        try:
            return as_of_instant(self.as_of_text)
        except ValueError:
            raise UsageError(f"--as-of wants YYYY-MM-DD or an ISO timestamp, not {self.as_of_text!r}") from None

    @contextmanager
    def app(self, *, engine: str | None = None) -> Iterator[App]:
        """The whole program put together; its embedded database stops with the last user.

        `engine` scans deliveries, whatever the configuration says.
        """
        from finops_ai import app

        config = self.config()
        if engine is not None:
            config = replace(config, scan=config.scan.model_copy(update={"engine": engine}))
        with app.open_app(config, self.environ, progress=progress) as built:
            yield built


def call(context: typer.Context) -> Call:
    found = context.obj
    if not isinstance(found, Call):
        raise TypeError("a command ran without the options of the whole program")
    return found


def progress(text: str) -> None:
    """One line of progress on stderr; control characters in names from data are not obeyed."""
    print("  " + "".join(char if char.isprintable() else "?" for char in text), file=sys.stderr, flush=True)


def show(rows: Sequence[Mapping[str, Any]], output: Output, columns: Sequence[str] | None = None) -> None:
    """Print values to stdout."""
    from finops_ai.cli.show import show as print_rows

    print_rows(rows, columns=columns, output=output.value, stream=sys.stdout)


def keys_of(text: str) -> tuple[str, ...]:
    """Keys with commas between, as --group-by takes them."""
    return tuple(key.strip() for key in text.split(",") if key.strip())


def finish(outcome: Outcome) -> None:
    """Tell the problems of a job on stderr and leave with the status they ask for."""
    for problem in outcome.problems:
        progress(f"{problem.severity}: {problem}")
    if outcome.counts.get("unavailable"):
        raise Exit(5)
    if outcome.refused:
        raise Exit(6)


def month_of(text: str | None) -> BillingPeriod | None:
    """The month that an option names as YYYY-MM. Raises UsageError."""
    try:
        return BillingPeriod.parse(text) if text else None
    except ValueError as error:
        raise UsageError(str(error)) from None


def days_between(start: str | None, end: str | None, today: date) -> Days:
    """The days asked for; `end` is exclusive. Without a start: from the first of the month of the last full day."""
    try:
        last = date.fromisoformat(end) if end else today
        first = date.fromisoformat(start) if start else BillingPeriod.of(last).start
        if not start and first == last:
            first = BillingPeriod.of(date.fromordinal(last.toordinal() - 1)).start
        return Days(first, last)
    except ValueError as error:
        raise UsageError(
            f"--start and --end want YYYY-MM-DD with start before end (end is exclusive): {error}"
        ) from None
