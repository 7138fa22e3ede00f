"""Amounts and days of a body as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from finops_ai.domain.text import clock as text_clock

CENT = Decimal("0.01")
UNPLACED = frozenset({"(none)", "(untagged)", ""})
"""Values of a place that name nothing."""


def amount(text: str, currency: str, *, sign: bool = False) -> str:
    """`+3,295.35 USD`: to the cent, with a real minus, and its plus where a difference is meant."""
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(f"{text!r} is not an amount")
    shown = f"{abs(value).quantize(CENT, ROUND_HALF_EVEN):,}"
    before = "−" if value < 0 else "+" if sign and value > 0 else ""
    return f"{before}{shown} {currency}"


def sums(excess: Mapping[str, str]) -> str:
    """By currency; sums of two currencies are never added."""
    return " and ".join(amount(text, currency, sign=True) for currency, text in excess.items())


def since(body: Mapping[str, Any]) -> str:
    """`2026-05-21 (3 days)`, told up to the last day that was judged."""
    opened = str(body.get("opened_on") or "")
    if not opened or not body.get("last_day"):
        return opened
    days = (date.fromisoformat(body["last_day"]) - date.fromisoformat(opened)).days + 1
    return f"{opened} ({days} day{'s' if days != 1 else ''})"


def clock(told: object, body: Mapping[str, Any]) -> str:
    """An instant as the body's `time_zone` has it, such as `2026-05-24 09:05 CEST`; a day or other text as it is."""
    text = str(told)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if at.tzinfo is None else text_clock(at, body.get("time_zone") or "UTC")


def nearby(change: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
    """Who changed something, when, and what that has to do with it: those that are known."""
    when = clock(change["when"], body) if change.get("when") else ""
    return [told for told in (str(change.get("who") or ""), when, str(change.get("words") or "")) if told]


def figures(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a page says in figures: name and value, those that its body has."""
    excess, currency = body.get("excess"), body.get("currency")
    found: list[tuple[str, str]] = []
    if isinstance(excess, Mapping):
        found.append(("So far", sums(excess)))
    elif excess is not None and currency:
        over = body.get("state") == "resolved"
        found.append(("Came to" if over else "So far", amount(excess, currency, sign=True)))
        if body.get("projected") is not None and not over:
            found.append(("By month end", amount(body["projected"], currency, sign=True)))
        for name in ("observed", "expected"):
            if body.get(name) is not None:
                found.append((name.capitalize(), amount(body[name], currency)))
    if body.get("opened_on"):
        found.append(("Since", since(body)))
    found.extend((name.capitalize(), str(body[name])) for name in ("state", "team") if body.get(name))
    return found


def unlisted(body: Mapping[str, Any], shown: int) -> int:
    """How many causes or items are not among the first `shown`, those that the body itself only counts too."""
    listed = len(body.get("causes") or ()) + len(body.get("items") or ())
    counted = max(int(body.get("count") or 0), len(body.get("episodes") or ()))
    return max(0, max(listed, counted) - min(shown, listed))


def lines(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Amount and what it is for: the causes of an episode, the items of a storm or digest, in their order."""
    currency = body.get("currency", "")
    causes = [
        (amount(one["excess"], currency, sign=True), " — ".join(filter(None, (one["what"], one.get("note")))))
        for one in body.get("causes") or ()
    ]
    items = [
        (
            amount(one["excess"], one["currency"], sign=True),
            " — ".join(filter(None, (str(one.get("title") or one["key"]), one.get("reason")))),
        )
        for one in body.get("items") or ()
    ]
    return causes + items
