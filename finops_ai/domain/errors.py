"""The few errors that mean something to a caller; only the command line maps them to exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong in data or configuration, told where it is and what it says.

    `line` counts from 1 and includes the header; None where the format has no lines.
    `severity` is "error" (the delivery is refused or a row rejected) or "warning" (told, loaded all the same).
    """

    file: str
    message: str
    line: int | None = None
    column: str | None = None
    value: str | None = None
    severity: str = "error"

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part not in (None, ""))
        column = f" {self.column}:" if self.column else ""
        value = f" ({self.value!r})" if self.value is not None else ""
        return f"{place}:{column} {self.message}{value}"


class FinopsError(Exception):
    """Root of every expected failure: its text is shown to a person as it stands."""


class ConfigError(FinopsError):
    """The configuration cannot be used; carries every problem found, not the first."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = (Problem(file="", message=problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem).lstrip(": ") for problem in self.problems))


class UsageError(FinopsError):
    """A command was asked for something that does not exist or cannot be combined."""


class Unknown(UsageError):
    """There is nothing of that name."""


class Ambiguous(UsageError):
    """The name fits several."""


class Unavailable(FinopsError):
    """An upstream did not answer as it should; trying again later may help.

    `unsure` when it may have done what it was asked all the same.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, unsure: bool = False) -> None:
        self.retry_after_seconds = retry_after_seconds
        self.unsure = unsure
        super().__init__(message)


class Rejected(FinopsError):
    """An upstream or a guard said no; trying the same again will not help."""


class Malformed(FinopsError):
    """Input data cannot be trusted; nothing of it was applied."""

    def __init__(self, problems: Sequence[Problem], *, rows: int = 0, rejected: int = 0) -> None:
        self.problems = tuple(problems)
        self.rows = rows
        self.rejected = rejected
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Leak(FinopsError):
    """Sum in differs from sum out: a bug, never shown as a result."""
