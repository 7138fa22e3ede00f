"""What a receiver is told when it is back: one message in place of the pages that waited for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from finops_ai.domain.episode import Severity
from finops_ai.domain.message import Message
from finops_ai.domain.money import EXACT, plain
from finops_ai.domain.text import clock
from finops_ai.reporting.bulletin import NEXT
from finops_ai.reporting.formats import money
from finops_ai.reporting.page import TAGS

OVER, OPEN, TAKEN = "over", "still open", "still open, somebody has taken it"


def items_of(message: Message, waited: str) -> list[dict[str, Any]]:
    """The episodes of a page: its own, or those that its storm lists. `waited` is the key of the page."""
    body = message.body
    state = OPEN
    if message.is_end:
        state = OVER
    elif message.is_taken:
        state = TAKEN
    told = body.get("items") or [
        {"key": body.get("episode") or message.key, **{name: body.get(name, "") for name in _OF_EPISODE}}
    ]
    teams = {"team": body["team"]} if body.get("team") else {}
    return [{**item, **teams, "reason": state, "waited": waited} for item in told if item.get("currency")]


_OF_EPISODE = ("title", "excess", "currency", "severity")


def outage_body(
    items: Sequence[Mapping[str, Any]], *, sink: str, since: datetime, told: Sequence[str], zone: str
) -> dict[str, Any]:
    """`told` are the receivers that heard of the pages meanwhile; what is open comes first, the gravest of it first."""
    ranked = sorted(items, key=_open_and_grave_first)
    open_ones = [item for item in ranked if item["reason"] != OVER]
    gravest = max((Severity(item["severity"]) for item in open_ones), key=lambda one: one.rank, default=Severity.INFO)
    waited = f"{len(ranked)} episode{'' if len(ranked) == 1 else 's'} waited for {sink}"
    left = f"{len(open_ones)} still open" if open_ones else "all over by now"
    tag = TAGS[gravest] if open_ones else "RESOLVED"
    heard = f", told to {' and '.join(told)} meanwhile" if told else ""
    came = _sums(open_ones or ranked)
    worth = ", ".join(money(amount, currency, sign=True) for currency, amount in came.items())
    summary = f"[{tag}] {waited}, which took no page from {clock(since, zone)} on{heard}; {left}: {worth} so far."
    if open_ones:
        summary += f" Gravest: {open_ones[0]['title']}."
    teams = {str(item["team"]) for item in ranked if item.get("team")}
    return {
        "title": f"{waited}: {left}",
        "summary": summary,
        "severity": str(gravest),
        "kind": "outage",
        "team": teams.pop() if len(teams) == 1 else "",
        "episodes": [item["key"] for item in ranked],
        "items": [dict(item) for item in ranked],
        "excess": {currency: plain(amount) for currency, amount in came.items()},
        "since": since.isoformat(),
        "opened_on": since.astimezone(ZoneInfo(zone)).date().isoformat(),
        "next": NEXT,
        "links": {},
    }


def in_place_of(body: Mapping[str, Any], why: str) -> dict[str, Any]:
    """A page's body for a second receiver, which is told why it came there."""
    note = ". ".join(filter(None, (str(body.get("note") or ""), why)))
    return {**body, "summary": f"{body['summary']} {why[:1].upper()}{why[1:]}.", "note": note}


def _open_and_grave_first(item: Mapping[str, Any]) -> tuple[bool, int, Decimal, str]:
    rank = Severity(item["severity"]).rank
    return item["reason"] == OVER, -rank, -abs(Decimal(item["excess"])), str(item["key"])


def _sums(items: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    """Excess by currency; no two currencies are added."""
    sums: dict[str, Decimal] = {}
    for item in items:
        sums[item["currency"]] = EXACT.add(sums.get(item["currency"], Decimal(0)), Decimal(item["excess"]))
    return dict(sorted(sums.items()))
