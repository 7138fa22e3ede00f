"""Signed answers: what a link in a message may do, until when, and the proof that we wrote it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import Rejected

LONGEST_TOKEN = 1_000
_PURPOSE = b"finops-ai answer 1\n"
"""Signed with the rest, so that no other use of the same secret can make an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """To give one verdict on one episode, until `expires` (UTC)."""

    episode: str
    verdict: FeedbackVerdict
    expires: datetime


def token(permission: Permission, secret: str) -> str:
    """`permission` as text for a URL: what it says in base64, a dot, and its HMAC-SHA256 (RFC 2104)."""
    told = [permission.episode, permission.verdict.value, int(permission.expires.timestamp())]
    payload = _encoded(json.dumps(told, separators=(",", ":")).encode())
    return f"{payload}.{_encoded(_mac(payload, secret))}"


def permission(text: str, secrets: Sequence[str], now: datetime) -> Permission:
    """What `text` permits, if it was signed with one of `secrets` (the newest first; older ones are being retired).

    Raises Rejected for one that is not ours, was changed, or has expired.
    """
    payload, _, signature = text.partition(".")
    if len(text) > LONGEST_TOKEN or not signature or not text.isascii():
        raise Rejected("this link is not whole: copy all of it from the message")
    given = signature.encode()
    # Every secret is tried, whichever fits: the time taken tells nothing.
    fits = [hmac.compare_digest(_encoded(_mac(payload, secret)).encode(), given) for secret in secrets]
    if not any(fits):
        raise Rejected("this link was not made by this service, or was changed on its way")
    try:
        episode, verdict, expires = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        found = Permission(
            episode=str(episode),
            verdict=FeedbackVerdict(verdict),
            expires=datetime.fromtimestamp(int(expires), UTC),
        )
    except (ValueError, TypeError, binascii.Error, OverflowError, OSError):
        raise Rejected("this link cannot be read: it was made by another version of this service") from None
    if now >= found.expires:
        raise Rejected(f"this link was good until {found.expires:%Y-%m-%d %H:%M} UTC: answer on the command line")
    return found


def _mac(payload: str, secret: str) -> bytes:
    return hmac.new(secret.encode(), _PURPOSE + payload.encode(), hashlib.sha256).digest()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
