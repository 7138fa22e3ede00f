"""Answers given by buttons in Slack: the signature is checked first, then the request is read."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from finops_ai.domain.errors import Rejected
from finops_ai.sinks.base import Answer
from finops_ai.sinks.slack_blocks import ACTION, ANSWERS

VERSION = "v0"
OLDEST = timedelta(minutes=5)
LARGEST_BYTES = 256 * 1024
DAYS = {verdict: days for _, verdict, days in ANSWERS}


def answers(headers: Mapping[str, str], content: bytes, signing_secret: str, now: datetime) -> tuple[Answer, ...]:
    """The answers of one interaction request; empty when it is about something else.

    Raises Rejected for one that Slack did not sign within five minutes of `now`, or that cannot be read.
    """
    _verify({name.lower(): value for name, value in headers.items()}, content, signing_secret, now)
    try:
        payload = json.loads(parse_qs(content.decode(), strict_parsing=True, max_num_fields=10)["payload"][0])
        if payload["type"] != "block_actions":
            return ()
        actions = [one for one in payload["actions"] if "value" in one and one.get("block_id") == ACTION]
        return tuple(_answer(one, payload) for one in actions)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Rejected(f"the interaction cannot be read: {type(error).__name__}") from None


def _verify(headers: Mapping[str, str], content: bytes, signing_secret: str, now: datetime) -> None:
    stamp = headers.get("x-slack-request-timestamp", "")
    if len(content) > LARGEST_BYTES or not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
        raise Rejected("not a signed request of Slack")
    signed = f"{VERSION}:{stamp}:".encode() + content
    wanted = f"{VERSION}={hmac.new(signing_secret.encode(), signed, hashlib.sha256).hexdigest()}"
    if not hmac.compare_digest(wanted.encode(), headers.get("x-slack-signature", "").encode()):
        raise Rejected("the signature is not Slack's: check signing_secret")
    if abs(now - datetime.fromtimestamp(int(stamp), UTC)) > OLDEST:
        raise Rejected("the request is older than five minutes, or the clocks disagree")


def _answer(action: Mapping[str, Any], payload: Mapping[str, Any]) -> Answer:
    value = json.loads(action["value"])
    verdict = value["verdict"]
    user = payload["user"]
    at = datetime.fromtimestamp(float(action["action_ts"]), UTC)
    return Answer(
        episode=str(value["episode"]),
        verdict=verdict,
        days=DAYS[verdict],
        by=f"slack:{user.get('username') or user['id']}",
        at=at,
        reply_to=str(payload.get("response_url") or ""),
    )
