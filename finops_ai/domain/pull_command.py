"""What people tell the program in the comments of a pull request: `finops rebase | ignore [until DAY] | explain`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

_ADDRESSED = re.compile(r"^[ \t]*[@/]?finops(?:-ai)?(?:\[bot\])?[:,]?[ \t]+(\S.*?)[ \t]*$", re.IGNORECASE)
_FENCE = re.compile(r"^[ ]{0,3}(```|~~~)")
USAGE = (
    "`finops rebase`, `finops ignore`, `finops ignore until 2027-01-31` or `finops explain`, each on a line of its own"
)


class Order(StrEnum):
    REBASE = "rebase"
    IGNORE = "ignore"
    EXPLAIN = "explain"
    REOPEN = "reopen"
    """By a check-box of the dashboard only: what was closed has no comments that are looked at."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`until` is the last day of an ignore, None for ever; `said` is the line as it was written."""

    order: Order
    said: str
    until: date | None = None


def commands(comment: str) -> list[Command]:
    """The commands of a comment in order; lines that are quoted or stand in a block of code are no commands."""
    found, fence = [], ""
    for line in comment.splitlines():
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif not fence and not line.startswith(("    ", "\t")) and (addressed := _ADDRESSED.match(line)):
            found.append(_command(addressed[1]))
    return found


def _command(said: str) -> Command:
    words = said.lower().rstrip(".!").split()
    match words:
        case ["rebase"]:
            return Command(order=Order.REBASE, said=said)
        case ["explain"]:
            return Command(order=Order.EXPLAIN, said=said)
        case ["ignore"]:
            return Command(order=Order.IGNORE, said=said)
        case ["ignore", "until", day]:
            try:
                return Command(order=Order.IGNORE, said=said, until=date.fromisoformat(day))
            except ValueError:
                return Command(order=Order.UNKNOWN, said=said)
        case _:
            return Command(order=Order.UNKNOWN, said=said)
