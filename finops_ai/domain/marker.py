"""Hidden marks in Markdown: a named HTML comment with exact values for programs, that its content cannot close."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"finops:[a-z0-9-]+")
_UNSAFE = (("--", "-\\u002d"), ("<", "\\u003c"), (">", "\\u003e"))


def marked(name: str, values: Mapping[str, Any]) -> str:
    """The comment that holds `values` under `name`, such as finops:v1."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a mark: {name!r}")
    text = json.dumps(values, separators=(",", ":"))
    for unsafe, safe in _UNSAFE:
        text = text.replace(unsafe, safe)
    return f"<!-- {name} {text} -->"


def found(text: str, name: str) -> dict[str, Any] | None:
    """The values of the last such mark in a text; None where there is none that can be read.

    The last, because what others wrote is quoted above what the program adds.
    """
    for comment in reversed(re.findall(rf"<!-- {re.escape(name)} (\{{.*?\}}) -->", text)):
        try:
            values = json.loads(comment)
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict):
            return values
    return None
