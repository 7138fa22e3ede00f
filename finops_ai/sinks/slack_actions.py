"""Slack's interactive buttons: whether a request is Slack's, and which answer to which episode it brings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import Rejected, UsageError
from finops_ai.domain.signature import signed

WINDOW_SECONDS = 300
PREFIX = "finops_answer:"
LONGEST_KEY = 500

Answered = tuple[str, FeedbackVerdict, str]
"""Episode key, verdict, and who pressed the button."""


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The request's signature, which no other request has. Raises Rejected when it is not Slack's, or too old.

    `headers` have lower-case names. The caller refuses a signature that it has seen before.
    """
    stamp, given = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise Rejected("the request has no timestamp")
    if abs(now.timestamp() - int(stamp)) > WINDOW_SECONDS:
        raise Rejected("the request is too old, or the clocks disagree by more than five minutes")
    if not given.startswith("v0=") or not signed(secrets, b"v0:" + stamp.encode() + b":" + body, given[3:]):
        raise Rejected("the signature is not right")
    return given


def read(body: bytes) -> tuple[Answered, ...]:
    """The answers that a verified request brings; none for buttons that are not ours. Raises UsageError."""
    try:
        form = parse_qs(body.decode("utf-8"), strict_parsing=True, max_num_fields=20)
        payload = json.loads(form["payload"][0])
    except (ValueError, KeyError, RecursionError):
        raise UsageError("the body is not a form with a JSON payload") from None
    if not isinstance(payload, dict) or payload.get("type") != "block_actions":
        return ()
    actions = payload.get("actions")
    who = _who(payload.get("user"), payload.get("team"))
    return tuple(_answer(one, who) for one in actions if _is_ours(one)) if isinstance(actions, list) else ()


def _is_ours(action: Any) -> bool:
    return isinstance(action, dict) and str(action.get("action_id", "")).startswith(PREFIX)


def _answer(action: Mapping[str, Any], who: str) -> Answered:
    verdict, key = str(action["action_id"]).removeprefix(PREFIX), action.get("value")
    if verdict not in set(FeedbackVerdict):
        raise UsageError(f"there is no answer {verdict[:40]!r}")
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
        raise UsageError("the button has no episode key as its value")
    return key, FeedbackVerdict(verdict), who


def _who(user: Any, team: Any) -> str:
    """The id first: names can be chosen and changed."""
    user, team = (one if isinstance(one, dict) else {} for one in (user, team))
    name = str(user.get("username") or user.get("name") or "")
    shown = f"slack:{team.get('id') or user.get('team_id') or '?'}/{user.get('id') or '?'}"
    return (f"{shown} ({name})" if name else shown)[:200]
