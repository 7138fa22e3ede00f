"""A message as a PagerDuty Events API v2 event: pure, within the API's limits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from finops_ai.domain.errors import Rejected
from finops_ai.domain.message import Message

DEDUP_KEY_CHARS = 255
SUMMARY_CHARS = 1024
EVENT_BYTES = 512_000
FIELD_CHARS = 1024
"""No limit of the API: longer names are cut so that one of them cannot crowd out the rest."""

SEVERITIES = ("critical", "error", "warning", "info")
FACTS = (
    "episode",
    "state",
    "opened_on",
    "last_day",
    "cost_basis",
    "forecaster",
    "threshold",
    "data_as_of",
    "complete_through",
    "feedback",
    "next",
)
"""What custom_details take over from the body as it stands."""

NO_ROUTING_KEY = "routing-key-not-shown"
"""Stands for the secret where an event is shown, not sent."""

EPISODE_KINDS: Mapping[str, str] = {
    "episode_opened": "trigger",
    "episode_updated": "trigger",
    "episode_resolved": "resolve",
}


def payload(message: Message, routing_key: str = NO_ROUTING_KEY) -> dict[str, Any]:
    """The event of an episode message.

    A trigger with a known dedup_key updates that alert; an update of an acknowledged episode acknowledges it.
    Raises Rejected for kinds of message that are nothing to be paged about.
    """
    if message.kind not in EPISODE_KINDS:
        raise Rejected(f"PagerDuty takes episodes, not a message of kind {message.kind}: route it to another sink")
    body = message.body
    action = EPISODE_KINDS[message.kind]
    if message.kind == "episode_updated" and body.get("state") == "acknowledged":
        action = "acknowledge"
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(message.key),
    }
    if action != "trigger":
        return event
    event["client"] = "finops-ai"
    event["links"] = [
        {"href": href, "text": _cut(text)}
        for text, href in body.get("links", {}).items()
        if href.startswith(("https://", "http://"))
    ]
    event["payload"] = _payload(body)
    return _trimmed(event)


def dedup_key(key: str) -> str:
    """`key`, or where it is too long a stable stand-in: its start and the SHA-256 of the whole."""
    if len(key) <= DEDUP_KEY_CHARS:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{key[: DEDUP_KEY_CHARS - len(digest) - 1]}-{digest}"


def _payload(body: Mapping[str, Any]) -> dict[str, Any]:
    names = {**body.get("scope", {}), **body.get("where", {})}
    fields = {
        "summary": _cut(body["summary"], SUMMARY_CHARS),
        "source": _cut(" · ".join(names.values())) or "finops-ai",
        "severity": body["severity"] if body["severity"] in SEVERITIES else "error",
        "timestamp": body.get("data_as_of"),
        "component": _cut(names.get("service_name", "")),
        "group": _cut(names.get("x_cost_center", "")),
        "class": _cut(body.get("kind", "")),
        "custom_details": _details(body),
    }
    return {name: value for name, value in fields.items() if value}


def _details(body: Mapping[str, Any]) -> dict[str, Any]:
    currency = body["currency"]
    amounts = {name: f"{body[name]} {currency}" for name in ("excess", "projected", "expected", "observed")}
    causes = [
        {"what": _cut(cause["what"]), "excess": f"{cause['excess']} {currency}", "note": _cut(cause["note"])}
        for cause in body.get("causes", ())
    ]
    facts = {name: _cut(str(body[name])) for name in FACTS if body.get(name) is not None}
    where = {name: _cut(value) for name, value in body.get("where", {}).items()}
    return {**amounts, **facts, "where": where, "causes": causes}


def _trimmed(event: dict[str, Any]) -> dict[str, Any]:
    """Causes are dropped from the end, then links, until the event is small enough, and a note says so."""
    details = event["payload"]["custom_details"]
    for holder, name in ((details, "causes"), (details, "where"), (event, "links")):
        if _size(event) <= EVENT_BYTES:
            return event
        items = list(holder[name].items() if isinstance(holder[name], dict) else holder[name])
        details["note"] = f"shortened to PagerDuty's limit of {EVENT_BYTES:,} bytes; the whole: {details['next']}"
        kind = type(holder[name])
        while items and _size(event) > EVENT_BYTES:
            items = items[: len(items) // 2]
            holder[name] = kind(items)
    return event


def _size(event: Mapping[str, Any]) -> int:
    """Bytes as sent in the widest spelling: every other character than ASCII escaped."""
    return len(json.dumps(event).encode())


def _cut(text: str, length: int = FIELD_CHARS) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
