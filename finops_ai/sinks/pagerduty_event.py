"""A message as a PagerDuty Events API v2 event: pure, within the API's limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from finops_ai.domain.message import Message
from finops_ai.sinks.figures import UNPLACED, nearby, sums
from finops_ai.sinks.pages import Act, act_of, is_storm, is_web, severity_of, short_key, web_links, wrong_kind

DEDUP_KEY_CHARS = 255
SUMMARY_CHARS = 1024
EVENT_BYTES = 512_000
FIELD_CHARS = 1024
"""No limit of the API: longer names are cut so that one of them cannot crowd out the rest."""

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
    "team",
    "next",
)
"""What custom_details take over from the body as it stands."""

NO_ROUTING_KEY = "routing-key-not-shown"
"""Stands for the secret where an event is shown, not sent."""

CHANGE = "change"
ACTIONS: Mapping[Act, str] = {
    Act.OPEN: "trigger",
    Act.UPDATE: "trigger",
    Act.ACKNOWLEDGE: "acknowledge",
    Act.RESOLVE: "resolve",
}


def takes(message: Message) -> bool:
    return act_of(message) is not None or message.kind == CHANGE


def payload(message: Message, routing_key: str = NO_ROUTING_KEY) -> dict[str, Any]:
    """The event of a page or of a change.

    A trigger with a known dedup_key updates that alert; an update of an acknowledged episode acknowledges it. A
    change has its own endpoint and no key. Raises Rejected for kinds of message that are nothing to be paged about.
    """
    if message.kind == CHANGE:
        return _change(message.body, routing_key)
    act = act_of(message)
    if act is None:
        raise wrong_kind("PagerDuty", "episodes, storms and changes", message)
    body = message.body
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": ACTIONS[act],
        "dedup_key": dedup_key(message.key),
    }
    if ACTIONS[act] != "trigger":
        return event
    event["client"] = "finops-ai"
    event["links"] = _links(body)
    if images := _images(body):
        event["images"] = images
    event["payload"] = _storm(body) if is_storm(message) else _payload(body)
    return _trimmed(event)


def _change(body: Mapping[str, Any], routing_key: str) -> dict[str, Any]:
    """A change event: it never pages and stands beside the incidents of its time."""
    facts = {
        "summary": _cut(str(body.get("summary") or body["title"]), SUMMARY_CHARS),
        "timestamp": _instant(body.get("when")),
        "source": "finops-ai",
        "custom_details": {"title": _cut(str(body.get("title", "")))},
    }
    told = {"payload": {name: value for name, value in facts.items() if value}, "links": _links(body)}
    return _trimmed({"routing_key": routing_key, **told})


def _instant(when: object) -> str | None:
    """RFC 3339; a day alone is its beginning."""
    text = str(when or "")
    return f"{text}T00:00:00Z" if len(text) == len("2026-01-01") else text or None


def _links(body: Mapping[str, Any]) -> list[dict[str, str]]:
    answers = {f"Answer: {verdict.replace('_', ' ')}": href for verdict, href in (body.get("answers") or {}).items()}
    return [{"href": href, "text": _cut(text)} for text, href in web_links({**(body.get("links") or {}), **answers})]


def _images(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """Pictures that the API can show: fetched by it, so by https only."""
    found = [image for image in body.get("images") or () if is_web(image.get("src"))]
    return [
        {name: _cut(str(image[name])) for name in ("src", "href", "alt") if image.get(name)}
        for image in found
        if image["src"].startswith("https://") and (not image.get("href") or is_web(image["href"]))
    ]


def dedup_key(key: str) -> str:
    return short_key(key, DEDUP_KEY_CHARS)


def _payload(body: Mapping[str, Any]) -> dict[str, Any]:
    names = _named({**body.get("scope", {}), **body.get("where", {})})
    fields = {
        "summary": _cut(body["summary"], SUMMARY_CHARS),
        "source": _cut(" · ".join(dict.fromkeys(names.values()))) or "finops-ai",
        "severity": severity_of(body),
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
        {
            "what": _cut(cause["what"]),
            "excess": f"{cause['excess']} {currency}",
            "note": _cut(cause["note"]),
        }
        for cause in body.get("causes", ())
    ]
    facts = {name: _cut(str(body[name])) for name in FACTS if body.get(name) is not None}
    where = {name: _cut(value) for name, value in _named(body.get("where", {})).items()}
    steps = {"what_to_do_now": [_cut(str(step)) for step in body["steps"]]} if body.get("steps") else {}
    changed = [
        _cut(" · ".join([str(change.get("what") or "a change"), *nearby(change, body)]))
        for change in body.get("changes_nearby") or ()
    ]
    told = {**steps, **amounts, **facts, "where": where, "causes": causes}
    return {**told, "changed_nearby": changed} if changed else told


def _named(places: Mapping[str, str]) -> dict[str, str]:
    """Without what stands for no name at all."""
    return {key: value for key, value in places.items() if value not in UNPLACED}


def _storm(body: Mapping[str, Any]) -> dict[str, Any]:
    """Many episodes as one alert: the dearest first, as they come."""
    items = [
        {
            "what": _cut(str(item.get("title") or item["key"])),
            "excess": f"{item['excess']} {item['currency']}",
            "severity": str(item.get("severity", "")),
            "episode": _cut(str(item["key"])),
            **({"state": _cut(str(item["reason"]))} if item.get("reason") else {}),
        }
        for item in body.get("items") or ()
    ]
    team = str(body.get("team") or "")
    details = {
        "excess": sums(body.get("excess") or {}),
        **{name: _cut(str(body[name])) for name in ("team", "opened_on", "next") if body.get(name) is not None},
        "episodes": len(body.get("episodes") or items),
        "items": items,
    }
    fields = {
        "summary": _cut(body["summary"], SUMMARY_CHARS),
        "source": _cut(team) or "finops-ai",
        "severity": severity_of(body),
        "group": _cut(team),
        "class": "storm",
        "custom_details": details,
    }
    return {name: value for name, value in fields.items() if value}


def _trimmed(event: dict[str, Any]) -> dict[str, Any]:
    """Causes are dropped from the end, then links, until the event is small enough, and a note says so."""
    details = event["payload"]["custom_details"]
    for holder, name in (
        (details, "items"),
        (details, "causes"),
        (details, "changed_nearby"),
        (details, "where"),
        (event, "images"),
        (event, "links"),
    ):
        if _size(event) <= EVENT_BYTES:
            return event
        if name not in holder:
            continue
        items = list(holder[name].items() if isinstance(holder[name], dict) else holder[name])
        details["note"] = f"shortened to PagerDuty's limit of {EVENT_BYTES:,} bytes" + (
            f"; the whole: {details['next']}" if "next" in details else ""
        )
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
