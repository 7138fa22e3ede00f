"""Messages of every kind, as the contract with those who write them has it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from finops_ai.domain.episode import EpisodeState, Severity
from finops_ai.domain.message import Delivered, Message, Receipt
from finops_ai.reporting.page import page_body
from tests.unit.reporting.facts import AS_OF, COMPLETE, context, episode

NASTY = (
    "<!channel> @here <script>alert(1)</script> *b* `c` ~d~ & \"q\" 'a' |"
    " \u202etxt.exe\u202c \x1b[31m \r\nBcc: x@evil\r\n"
    " {{7*7}} ${7*7} %0a https://evil.example <https://evil.example|click>"
)
"""A tag's value that tries every exit."""

PAGES = ("episode_opened", "episode_updated", "episode_acknowledged", "episode_resolved")
STORMS = ("storm_opened", "storm_updated", "storm_acknowledged", "storm_resolved")


def chart() -> list[dict[str, Any]]:
    first = COMPLETE - timedelta(days=27)
    rows = []
    for n in range(30):
        day = first + timedelta(days=n)
        expected = 560 if day.weekday() < 5 else 400
        cost = expected * (2.9 if day >= date(2026, 5, 21) else 1) + (n * 37) % 53 - 26
        rows.append(
            {
                "day": day.isoformat(),
                "observed": None if n == 29 else f"{cost * (0.5 if n == 28 else 1):.2f}",
                "expected": f"{expected}.00",
                "low": f"{expected * 0.86:.2f}",
                "high": f"{expected * 1.14:.2f}",
                **({"incomplete": True} if n == 28 else {}),
            }
        )
    return rows


def page(kind: str = "episode_opened", *, key: str = "finops/ep-3f9a1c", **changes: Any) -> Message:
    """A page with all that a body may bring."""
    known: dict[str, Any] = {
        "episode_acknowledged": {"state": EpisodeState.ACKNOWLEDGED},
        "episode_resolved": {"state": EpisodeState.RESOLVED, "resolved_on": date(2026, 5, 26)},
    }.get(kind, {})
    more = {name: changes.pop(name) for name in tuple(changes) if name not in ("severity", "state", "where")}
    body = page_body(episode(**{**known, **changes}), context=context())
    body |= {
        "team": "ml-platform",
        "links": {
            "Dashboard": "https://finops.example.com/episodes/ep-3f9a1c",
            "Runbook": "https://wiki.example.com/x",
        },
        "answers": {
            verdict: f"https://finops.example.com/answer/{verdict}?t=signed"
            for verdict in ("real", "false_positive", "expected")
        },
        "changes_nearby": [
            {
                "what": "serve: raise replicas of clip-vit-l to 24 (#812)",
                "who": "ana",
                "when": "2026-05-20 16:41",
                "url": "https://git.example.com/platform/pulls/812",
                "words": "associated with ml-serve",
            }
        ],
        "chart": chart(),
    }
    return Message(key=key, kind=kind, sink="any", body={**body, **more})


def graver() -> Message:
    return page("episode_updated", severity=Severity.CRITICAL)


def items(count: int = 3) -> list[dict[str, str]]:
    return [
        {
            "key": f"ep-{n}",
            "title": f"search · model-{n}: +${900 - n} against expected",
            "excess": f"{900 - n}.50",
            "currency": "USD" if n % 2 else "EUR",
            "severity": "warning",
            "reason": "quiet hours",
        }
        for n in range(count)
    ]


def storm(kind: str = "storm_opened", count: int = 3, **changes: Any) -> Message:
    body = {
        "title": f"{count} places cost more than expected",
        "summary": f"[CRIT] search: {count} episodes at once, +$2,700 so far.",
        "severity": "critical",
        "kind": "storm",
        "team": "search",
        "episodes": [item["key"] for item in items(count)],
        "items": items(count),
        "excess": {"USD": "899.50", "EUR": "1798.00"},
        "opened_on": "2026-05-21",
        "next": "finops-ai episodes list",
        "links": {"Dashboard": "https://finops.example.com/"},
    }
    return Message(key="finops/storm/search/2026-05-21", kind=kind, sink="any", body={**body, **changes})


def digest(count: int = 3, **changes: Any) -> Message:
    body = {
        "title": f"{count} episodes did not page",
        "summary": f"search, 18 May to 24 May: {count} episodes stayed below a page.",
        "severity": "info",
        "kind": "digest",
        "team": "search",
        "start": "2026-05-18",
        "end": "2026-05-25",
        "items": items(count),
        "links": {},
        "next": "finops-ai episodes list",
    }
    return Message(key="finops/digest/search/2026-05-25", kind="digest", sink="any", body={**body, **changes})


def change(**changes: Any) -> Message:
    body = {
        "title": "search/ranker: cpu 8 → 5",
        "summary": "Merged: search/ranker asks for 5 cores instead of 8, about 412 USD a month",
        "when": "2026-05-24T10:00:00+00:00",
        "links": {"Pull request": "https://git.example.com/platform/pulls/9"},
    }
    return Message(key="finops/change/9", kind="change", sink="any", body={**body, **changes})


def delivered(message: Message, remote_id: str = "r") -> Delivered:
    return Delivered(message=message, receipt=Receipt(key=message.key, sent_at=AS_OF, remote_id=remote_id))


def every_kind() -> list[Message]:
    return [*map(page, PAGES), *map(storm, STORMS), digest(), change()]


def nasty(message: Message) -> Message:
    """The same message with a hostile name in every text of its body."""
    return Message(key=f"finops/{NASTY}", kind=message.kind, sink=message.sink, body=_poisoned(dict(message.body)))


FORMATTED = {
    "severity",
    "excess",
    "projected",
    "expected",
    "observed",
    "opened_on",
    "last_day",
    "resolved_on",
    "state",
    "currency",
    "data_as_of",
    "complete_through",
    "day",
    "low",
    "high",
    "incomplete",
    "chart",
    "when",
    "start",
    "end",
}


def _poisoned(value: Any) -> Any:
    match value:
        case dict():
            return {name: each if name in FORMATTED else _poisoned(each) for name, each in value.items()}
        case list():
            return [_poisoned(each) for each in value]
        case str():
            return f"{value} {NASTY}"
        case _:
            return value
