"""Changes nearby in words: associated in place and time, and never more than that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from finops_ai.domain.change import Ranked
from finops_ai.domain.text import one_line

WHAT_LENGTH = 120
KINDS = {
    "merge": "merged change",
    "commit": "commit",
    "deployment": "deployment",
    "proposal": "merged proposal of this program",
    "price": "price list",
}


def changes_nearby(ranked: Iterable[Ranked]) -> list[dict[str, Any]]:
    """Plain data for pages and answers."""
    return [
        {
            "what": one_line(one.change.what, WHAT_LENGTH),
            "who": one_line(one.change.who, WHAT_LENGTH),
            "when": one.change.at.astimezone(UTC).isoformat(timespec="seconds"),
            "url": one.change.url,
            "words": _words(one),
        }
        for one in ranked
    ]


def lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines for a terminal, below an explanation."""
    found = list(rows)
    if not found:
        return []
    told = [
        f"    {row['when'][:16].replace('T', ' ')}Z  {row['what']}"
        + (f" ({row['who']})" if row["who"] else "")
        + f"\n                       {row['words']}"
        + (f"\n                       {row['url']}" if row["url"] else "")
        for row in found
    ]
    return ["  nearby       (associated in place and time, not proven)", *told]


def _words(one: Ranked) -> str:
    where = " · ".join(one_line(value, 48) for value in one.agrees.values())
    subject = KINDS.get(one.change.kind, "change")
    touches = f" to {where}" if where else ""
    return f"associated with this episode: {subject}{touches}, {_when(one.hours_before)}"


def _when(hours: float) -> str:
    if hours <= 0:
        return "on the day it opened"
    if hours < 48:
        return f"{max(1, round(hours))} h before the day it opened"
    return f"{round(hours / 24)} days before it opened"
