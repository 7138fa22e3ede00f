"""A message as Slack's Block Kit: pure, within its limits, and no name from a bill can mention, link or format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from finops_ai.domain.message import Message
from finops_ai.domain.text import one_line
from finops_ai.sinks.figures import clock, figures, lines, nearby, unlisted
from finops_ai.sinks.pages import Act, act_of, severity_of, web_links, wrong_kind

TEXT_CHARS = 3_000
HEADER_CHARS = 150
FIELDS = 10
FALLBACK_CHARS = 2_000
BUTTON_CHARS = 75
VALUE_CHARS = 2_000
URL_CHARS = 3_000
LINES_SHOWN = 10
LINE_CHARS = 250

SIGNS = {"critical": "🔴", "error": "🟠", "warning": "🟡", "info": "🔵"}
SIGNS_OF_ACT: Mapping[Act | None, str] = {Act.RESOLVE: "✅", Act.ACKNOWLEDGE: "👀"}
OTHER_SIGNS = {"change": "🔀", "digest": "📋", "report": "📋"}

ACTION = "finops_answer"
ANSWERS: Sequence[tuple[str, str, int | None]] = (
    ("Real", "real", None),
    ("False positive", "false_positive", None),
    ("Expected for 30 days", "expected", 30),
    ("Snooze 7 days", "snooze", 7),
)
"""Text of a button, its verdict, and for how many days it holds."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "\u02cb", "*": "\u2217", "~": "\u223c"})
"""Slack has no escape for the marks of its formatting: signs that look like them stand in their place."""

Block = dict[str, Any]


def escape(text: str, length: int = LINE_CHARS) -> str:
    """For mrkdwn: no mention, link, markup or line break is left of what a name may hold."""
    return one_line(text, length).translate(_ESCAPES)


def fallback(message: Message) -> str:
    """What a notification shows and a screen reader reads."""
    return escape(str(message.body.get("summary") or message.body.get("title") or message.key), FALLBACK_CHARS)


def blocks(message: Message, *, interactive: bool) -> list[Block]:
    """Header, summary, figures, causes or items, what changed nearby, buttons, and where to read on.

    Names stand in plain text, which Slack does not read for markup. `interactive` buttons answer inside Slack; the
    others are the message's own signed links. Raises Rejected for a message that has neither title nor summary.
    """
    body, act = message.body, act_of(message)
    if not body.get("title") or not body.get("summary"):
        raise wrong_kind("Slack", "episodes, storms, digests, changes and reports", message)
    header = f"{_sign(message)} {body['title']}"
    found: list[Block] = [
        {"type": "header", "text": _plain(header, HEADER_CHARS)},
        {"type": "section", "text": _plain(str(body["summary"]), TEXT_CHARS)},
    ]
    if fields := [_field(name, value) for name, value in figures(body)[:FIELDS]]:
        found.append({"type": "section", "fields": fields})
    found += _lines(lines(body), unlisted(body, LINES_SHOWN))
    found += _steps(body)
    found += _nearby(body)
    if act is not None and act is not Act.RESOLVE and (buttons := _buttons(message, interactive)):
        found.append({"type": "actions", "block_id": ACTION, "elements": buttons})
    return found + _footer(body)


def thread_text(message: Message) -> str:
    """The line of a follow-up in the thread."""
    return f"{_sign(message)} {fallback(message)}"


def _sign(message: Message) -> str:
    act = act_of(message)
    if act in SIGNS_OF_ACT:
        return SIGNS_OF_ACT[act]
    return OTHER_SIGNS.get(message.kind) or SIGNS[severity_of(message.body)]


def _plain(text: str, length: int) -> Block:
    return {"type": "plain_text", "text": one_line(text, length) or "—", "emoji": False}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text[:TEXT_CHARS], "verbatim": True}


def _field(name: str, value: str) -> Block:
    return _mrkdwn(f"*{escape(name)}*\n{escape(value)}")


def _lines(told: Sequence[tuple[str, str]], unlisted: int) -> list[Block]:
    """A list in plain text; what does not fit is counted."""
    if not told:
        return []
    shown = [f"• {one_line(figure)}  {one_line(what, LINE_CHARS)}" for figure, what in told[:LINES_SHOWN]]
    if unlisted:
        shown.append(f"… and {unlisted} more")
    text = "\n".join(shown)
    return [{"type": "section", "text": {"type": "plain_text", "text": text[:TEXT_CHARS], "emoji": False}}]


def _steps(body: Mapping[str, Any]) -> list[Block]:
    told = [f"{number}. {one_line(step, LINE_CHARS)}" for number, step in enumerate((body.get("steps") or ())[:5], 1)]
    if not told:
        return []
    text = "\n".join(["What to do now", *told])
    return [{"type": "section", "text": {"type": "plain_text", "text": text[:TEXT_CHARS], "emoji": False}}]


def _nearby(body: Mapping[str, Any]) -> list[Block]:
    """Changes associated with the place and time, each a link where it has one."""
    shown = []
    for change in (body.get("changes_nearby") or ())[:5]:
        what = escape(str(change.get("what") or "a change"))
        address = web_links({"": str(change.get("url") or "")})
        told = f"<{address[0][1]}|{what.replace('|', '¦')}>" if address else what
        rest = " · ".join(map(escape, nearby(change, body)))
        shown.append(f"• {told}{f' · {rest}' if rest else ''}")
    if not shown:
        return []
    kept = [line for line in shown if len(line) <= TEXT_CHARS // 6]
    return [{"type": "section", "text": _mrkdwn("\n".join(["*Changed nearby*", *kept]))}] if kept else []


def _buttons(message: Message, interactive: bool) -> list[Block]:
    """Answers to an episode: inside Slack, which signs them, or by the signed links that the message brings."""
    episode = message.body.get("episode")
    if interactive and episode:
        told = [(text, {"episode": episode, "verdict": verdict, "days": days}) for text, verdict, days in ANSWERS]
        values = [(text, verdict["verdict"], json.dumps(verdict, separators=(",", ":"))) for text, verdict in told]
        if all(len(value) <= VALUE_CHARS for _, _, value in values):
            return [
                {**_button(text, f"{ACTION}_{verdict}"), "value": value, **_style(verdict)}
                for text, verdict, value in values
            ]
    names = {verdict: text for text, verdict, _ in ANSWERS}
    links = web_links(message.body.get("answers"))
    return [
        {**_button(names.get(verdict, verdict), f"{ACTION}_link_{verdict}"[:255]), "url": href}
        for verdict, href in links[:5]
        if len(href) <= URL_CHARS
    ]


def _button(text: str, action: str) -> Block:
    return {"type": "button", "text": _plain(text, BUTTON_CHARS), "action_id": action}


def _style(verdict: str) -> Mapping[str, str]:
    return {"style": "primary"} if verdict == "real" else {}


def _footer(body: Mapping[str, Any]) -> list[Block]:
    links = [
        f"<{href}|{escape(text).replace('|', '¦')}>" for text, href in web_links(body.get("links")) if len(href) < 1_000
    ]
    facts = []
    if body.get("data_as_of"):
        facts.append(f"data as of {escape(clock(body['data_as_of'], body))}")
    if body.get("complete_through"):
        facts.append(f"complete through {escape(str(body['complete_through']))}")
    facts.extend(escape(str(body[name])) for name in ("when", "next") if body.get(name))
    elements = [_mrkdwn(text) for text in (" · ".join(links[:2]), " · ".join(facts)) if text]
    return [{"type": "context", "elements": elements}] if elements else []
