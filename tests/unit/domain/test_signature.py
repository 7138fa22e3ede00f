"""A link allows one answer to one episode until it expires, and nothing that was changed on the way."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import Rejected, UsageError
from finops_ai.domain.signature import Answer, answer, digest, same, signed, token

NOW = datetime(2026, 5, 25, 7, 30, tzinfo=UTC)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
ANSWERS = st.builds(
    Answer,
    episode_key=KEYS,
    verdict=st.sampled_from(FeedbackVerdict),
    expires_at=st.integers(1, 5_000).map(lambda hours: NOW + timedelta(hours=hours)),
)


@given(ANSWERS, st.text("ab", min_size=1), st.lists(st.text("cd"), max_size=3))
def test_a_token_says_what_was_signed_whichever_secret_it_was(given: Answer, secret: str, others: list[str]) -> None:
    text = token(secret, given)
    assert answer([*others, secret], text, NOW) == given
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    with pytest.raises(Rejected):
        answer(others, text, NOW)
    with pytest.raises(UsageError, match="good until"):
        answer([secret], text, given.expires_at)


@given(ANSWERS, st.data())
def test_a_changed_token_is_refused(given: Answer, data: st.DataObject) -> None:
    text = token("secret", given)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("Aa0-_.=/ é").filter(lambda char: char != text[place]))
    for changed in (text[:place] + other + text[place + 1 :], text[:place], text + other):
        with pytest.raises(Rejected):
            answer(["secret"], changed, NOW)


@given(st.text(max_size=300))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        answer(["secret"], text, NOW)


@given(st.binary(max_size=200), st.text(max_size=80))
def test_a_body_is_believed_by_its_own_digest_only(body: bytes, given: str) -> None:
    assert signed(["old", "new"], body, digest("new", body))
    assert not signed(["new"], body + b"x", digest("new", body))
    assert not signed(["new"], body, given)
    assert not signed(["", "new"], body, digest("", body))
    assert not same(["new", ""], given if given != "new" else "")


def test_a_signature_made_for_something_else_is_no_link() -> None:
    text = token("secret", Answer(episode_key="e", verdict=FeedbackVerdict.REAL, expires_at=NOW))
    payload = text.partition(".")[0]
    mac = bytes.fromhex(digest("secret", base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
    with pytest.raises(Rejected):
        answer(["secret"], f"{payload}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}", NOW)
