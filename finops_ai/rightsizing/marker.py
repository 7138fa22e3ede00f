"""Exact values for programs, in a comment of a page that its content cannot close, and read back as they were."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from finops_ai.domain.proposal import Change, Recommendation

MARKER = "finops:v1"
_FOUND = re.compile(rf"<!-- {MARKER} (\{{[^<>]*\}}) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What a marker says: the proposal's key, the workload's, the strategy and every value."""

    key: str
    workload: str
    strategy: str
    changes: tuple[Change, ...]


def marker(key: str, recommendation: Recommendation) -> str:
    values = {
        "key": key,
        "workload": recommendation.workload.key,
        "strategy": recommendation.strategy,
        "changes": [_plain(one) for one in recommendation.changes],
    }
    text = json.dumps(values, separators=(",", ":"))
    for unsafe, safe in (("--", "-\\u002d"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(unsafe, safe)
    return f"<!-- {MARKER} {text} -->"


def marked(body: str) -> Marked | None:
    """The values of the last marker in a page; None where there is none that can be read."""
    found = _FOUND.findall(body)
    if not found:
        return None
    try:
        values = json.loads(found[-1])
        return Marked(
            key=_text(values["key"]),
            workload=_text(values["workload"]),
            strategy=_text(values["strategy"]),
            changes=tuple(_change(row) for row in values["changes"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _plain(change: Change) -> Sequence[str | None]:
    return [change.container, change.path, change.now, change.proposed]


def _change(row: Sequence[str | None]) -> Change:
    container, path, now, proposed = row
    return Change(
        container=_text(container), path=_text(path), now=None if now is None else _text(now), proposed=_text(proposed)
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
