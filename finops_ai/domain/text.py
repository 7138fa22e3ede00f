"""Names from bills made fit for one line; escaping for a format belongs to that format's module."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from zoneinfo import ZoneInfo

_DROPPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that break lines, hide or reorder text (controls, bidirectional marks, surrogates)."""


def one_line(text: str, length: int | None = None) -> str:
    """`text` without controls and invisible marks, white space collapsed, cut to `length` with an ellipsis."""
    shown = "".join(" " if unicodedata.category(char) in _DROPPED else char for char in text)
    line = " ".join(shown.split())
    if length is not None and len(line) > length:
        return line[: length - 1].rstrip() + "…"
    return line


def clock(at: datetime, zone: str) -> str:
    """`2026-05-24 09:05 CEST`, by the clock of `zone`."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"
