"""What a message asks of a receiver that keeps one alert for a key: to open, update, acknowledge or resolve it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from finops_ai.domain.errors import Rejected
from finops_ai.domain.message import Message
from finops_ai.domain.text import one_line

PerMinute = Annotated[int, Field(ge=1, le=100_000)] | None
"""How many messages a receiver is sent at most; as many as there are where it is not set."""


class Act(StrEnum):
    OPEN = "opened"
    UPDATE = "updated"
    ACKNOWLEDGE = "acknowledged"
    RESOLVE = "resolved"


PAGES: Mapping[str, Act] = {f"{noun}_{act}": act for noun in ("episode", "storm") for act in Act}
"""Kinds of message that belong to an alert: of an episode, or of the storm that many episodes are told as."""

SEVERITIES = ("critical", "error", "warning", "info")


def act_of(message: Message) -> Act | None:
    """None for what is not a page. An update of what was acknowledged acknowledges."""
    act = PAGES.get(message.kind)
    if act is Act.UPDATE and message.body.get("state") == "acknowledged":
        return Act.ACKNOWLEDGE
    return act


def is_storm(message: Message) -> bool:
    return message.kind.startswith("storm_")


def severity_of(body: Mapping[str, Any]) -> str:
    severity = body.get("severity")
    return severity if severity in SEVERITIES else "error"


def wrong_kind(who: str, takes: str, message: Message) -> Rejected:
    """The refusal of a message that a receiver has no form for."""
    return Rejected(f"{who} takes {takes}, not a message of kind {message.kind}: route it to another sink")


def web_links(links: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """Text and address of those that are web addresses, on one line each; anything else is no link."""
    found = [(one_line(text), href) for text, href in (links or {}).items()]
    return [(text or href, href) for text, href in found if is_web(href)]


def is_web(href: object) -> bool:
    return (
        isinstance(href, str)
        and href.startswith(("https://", "http://"))
        and href.isprintable()
        and not any(char in " <>\"'\\^`{|}" for char in href)
    )


def message_id(message: Message) -> str:
    """Of key, kind and body: the same for every try, another for everything else that is said."""
    told = json.dumps([message.key, message.kind, message.body], sort_keys=True, allow_nan=False)
    return f"msg_{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def short_key(key: str, longest: int, *, plain: bool = False) -> str:
    """`key`, or where it is too long, or not `plain` text of one line, a stable stand-in: its start and its SHA-256."""
    shown = one_line(key) if plain else key
    if shown == key and len(key) <= longest:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{shown[: longest - len(digest) - 1]}-{digest}"
