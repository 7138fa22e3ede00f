"""Signatures by shared secret: of bodies that others send, and of links that carry one answer to one episode."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import Rejected, UsageError

LONGEST_TOKEN = 2_048
_PURPOSE = b"finops-ai answer link v1\n"
"""Part of what is signed, so that no other signature made with the same secret can pass for a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one link may do: give this verdict to this episode, until it expires."""

    episode_key: str
    verdict: FeedbackVerdict
    expires_at: datetime


def digest(secret: str, body: bytes) -> str:
    """HMAC-SHA256 in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(secrets: Sequence[str], body: bytes, given: str) -> bool:
    """True when `given` is the body's digest under one of the secrets; all are tried, each in constant time.

    Several secrets are what a rotation needs: the new one signs, the old one is still believed.
    """
    return _any(hmac.compare_digest(digest(secret, body).encode(), _ascii(given)) for secret in secrets if secret)


def same(secrets: Sequence[str], given: str) -> bool:
    """True when `given` is one of the secrets itself, compared in constant time."""
    told = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
    return _any(hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), told) for secret in secrets if secret)


def token(secret: str, answer: Answer) -> str:
    """The text that stands in a link; letters, digits, '-', '_' and '.' only. The same answer gives the same token."""
    told = [answer.episode_key, answer.verdict.value, int(answer.expires_at.timestamp())]
    payload = json.dumps(told, ensure_ascii=True, separators=(",", ":")).encode()
    mac = hmac.new(secret.encode(), _PURPOSE + payload, hashlib.sha256).digest()
    return f"{_encoded(payload)}.{_encoded(mac)}"


def answer(secrets: Sequence[str], text: str, now: datetime) -> Answer:
    """What a token allows. Raises Rejected when it was not signed by one of the secrets, UsageError when it is over."""
    payload, dot, mac = text.partition(".")
    if len(text) > LONGEST_TOKEN or not dot:
        raise Rejected("this link is not one of ours")
    body, given = _decoded(payload), _decoded(mac)
    macs = [hmac.new(secret.encode(), _PURPOSE + body, hashlib.sha256).digest() for secret in secrets if secret]
    if not _any(hmac.compare_digest(each, given) for each in macs):
        raise Rejected("this link is not one of ours")
    key, verdict, expires = json.loads(body)
    found = Answer(
        episode_key=key, verdict=FeedbackVerdict(verdict), expires_at=datetime.fromtimestamp(expires, tz=UTC)
    )
    if now >= found.expires_at:
        raise UsageError(f"this link was good until {found.expires_at:%Y-%m-%d %H:%M} UTC")
    return found


def _any(comparisons: Iterable[bool]) -> bool:
    # Every comparison is made: how long it takes does not tell which secret fitted.
    return any([*comparisons])


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Rejected("this link is not one of ours") from None
    if _encoded(data) != text:
        raise Rejected("this link is not one of ours")
    return data
