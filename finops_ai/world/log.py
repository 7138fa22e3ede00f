"""Structured logs on stderr: JSON for machines, colours for people, secrets masked, control characters shown."""

from __future__ import annotations

import logging
import sys
import unicodedata
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

from finops_ai.world.clock import Clock
from finops_ai.world.secrets import Secrets

LONGEST_TEXT = 2_000
LONGEST_TRACEBACK = 20_000
LARGEST_COLLECTION = 20
"""Larger values are told by their size alone: line items of a bill are never logged."""

_SHOWN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    """One line of `text` in which nothing can move the cursor, break the line or turn the reading direction."""
    cut = text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
    return "".join(_escaped(char) if unicodedata.category(char) in _SHOWN_CATEGORIES else char for char in cut)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def configure(
    secrets: Secrets, clock: Clock, *, level: str = "info", stream: TextIO | None = None, pretty: bool | None = None
) -> None:
    """Send structlog and the standard library's logging to `stream` (stderr); pretty by default on a terminal.

    Libraries are heard from WARNING on. May be called again: the last call counts.
    """
    import structlog

    out = stream or sys.stderr
    if pretty is None:
        pretty = out.isatty()

    def stamp(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["time"] = clock.now().isoformat(timespec="milliseconds")
        return event

    def guard(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        shown = {name: value for name, value in event.items() if name != "exception"}
        guarded: dict[str, Any] = _guarded(shown, secrets, largest=len(shown))
        if trace := event.get("exception"):
            guarded["exception"] = _traceback(str(trace), secrets)
        return guarded

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        stamp,
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True, timestamp_key="time")
        if pretty
        else structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=False)
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, guard, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("finops_ai").setLevel(level.upper())


def _guarded(value: Any, secrets: Secrets, largest: int = LARGEST_COLLECTION) -> Any:
    """A value that is safe to print: masked, on one line, and a collection beyond `largest` told by its size."""
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            if len(value) > largest:
                return f"<{len(value)} entries>"
            return {_guarded(str(name), secrets): _guarded(item, secrets) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            if len(value) > largest:
                return f"<{len(value)} items>"
            return [_guarded(item, secrets) for item in value]
        case _:
            return printable(secrets.redact(str(value)))


def _traceback(text: str, secrets: Secrets) -> str:
    """Keeps its lines, indented, so that none of them can pass for a line of the log."""
    lines = secrets.redact(text)[-LONGEST_TRACEBACK:].split("\n")
    return "\n".join(f"  {printable(line)}" for line in lines)
