"""Several episodes in one message: the plain body of a storm and of a digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from finops_ai.domain.episode import Episode, EpisodeState, Severity
from finops_ai.domain.money import EXACT, plain
from finops_ai.reporting.formats import money
from finops_ai.reporting.page import TAGS, place, title

ITEMS = 100
"""Episodes told one by one; more are only counted."""

NEXT = "finops-ai episodes list"


def storm_body(members: Sequence[Episode], *, team: str, first_day: date, note: str = "") -> dict[str, Any]:
    """Many at once, the dearest first; over when all of them are."""
    open_ones = [one for one in members if one.state is not EpisodeState.RESOLVED]
    gravest = max((one.severity for one in members), key=lambda one: one.rank)
    sums = _sums(members)
    told = _told(sums)
    if open_ones:
        summary = f"[{TAGS[gravest]}] {len(open_ones)} episodes at once for {team}: {told} so far. "
        summary += f"Dearest: {place(open_ones[0])}."
    else:
        summary = f"[RESOLVED] All {len(members)} episodes of {first_day} for {team} are over. They came to {told}."
    return {
        "title": f"{len(members)} episodes at once: {told} against expected",
        "summary": f"{summary} {_sentence(note)}".strip(),
        "severity": str(gravest),
        "kind": "storm",
        "team": team,
        "episodes": [one.key for one in members],
        "items": [_item(one) for one in members[:ITEMS]],
        "excess": {currency: plain(amount) for currency, amount in sums.items()},
        "opened_on": first_day.isoformat(),
        "next": NEXT,
        "links": {},
    }


def digest_body(
    members: Sequence[Episode], reasons: Sequence[str], *, team: str, start: date, end: date
) -> dict[str, Any]:
    """What did not page from `start` to `end`, each with the reason."""
    count = f"{len(members)} episode" + ("" if len(members) == 1 else "s")
    more = f" The {ITEMS} gravest are listed." if len(members) > ITEMS else ""
    return {
        "title": f"{count} that did not page, {end}",
        "summary": f"{count} that did not page {team} since {start}: {_told(_sums(members))}.{more}",
        "severity": str(Severity.INFO),
        "kind": "digest",
        "team": team,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "count": len(members),
        "items": [
            {**_item(one), "reason": reason} for one, reason in zip(members[:ITEMS], reasons[:ITEMS], strict=True)
        ],
        "links": {},
        "next": NEXT,
    }


def with_note(body: Mapping[str, Any], note: str) -> dict[str, Any]:
    """A page's body that also says something about the page itself."""
    return {**body, "summary": f"{body['summary']} {_sentence(note)}", "note": note}


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _item(episode: Episode) -> dict[str, str]:
    return {
        "key": episode.key,
        "title": title(episode),
        "excess": plain(episode.excess.amount),
        "currency": episode.excess.currency,
        "severity": str(episode.severity),
    }


def _sums(members: Sequence[Episode]) -> dict[str, Decimal]:
    """Excess by currency; no two currencies are added."""
    sums: dict[str, Decimal] = {}
    for one in members:
        currency = one.excess.currency
        sums[currency] = EXACT.add(sums.get(currency, Decimal(0)), one.excess.amount)
    return dict(sorted(sums.items()))


def _told(sums: Mapping[str, Decimal]) -> str:
    return ", ".join(money(amount, currency, sign=True) for currency, amount in sums.items())
