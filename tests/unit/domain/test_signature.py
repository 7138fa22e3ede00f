"""A signed answer permits what it says, until it ends, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import Rejected
from finops_ai.domain.signature import Permission, permission, token

NOW = datetime(2026, 4, 14, 3, tzinfo=UTC)
OURS = "a secret of ours"
PERMITTED = Permission(episode="3f2a", verdict=FeedbackVerdict.REAL, expires=NOW + timedelta(days=1))


@given(
    episode=st.text(max_size=80),
    verdict=st.sampled_from(FeedbackVerdict),
    seconds=st.integers(min_value=1, max_value=10**8),
)
def test_what_was_signed_is_what_is_permitted(episode: str, verdict: FeedbackVerdict, seconds: int) -> None:
    given_ = Permission(episode=episode, verdict=verdict, expires=NOW + timedelta(seconds=seconds))
    text = token(given_, OURS)
    assert permission(text, [OURS], NOW) == given_
    assert text.replace("-", "").replace("_", "").replace(".", "").isalnum()


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_one_changed_character_is_refused(place: int, char: str) -> None:
    text = token(PERMITTED, OURS)
    place %= len(text)
    if text[place] == char:
        return
    changed = text[:place] + char + text[place + 1 :]
    with pytest.raises(Rejected):
        permission(changed, [OURS], NOW)


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        permission(text, [OURS], NOW)


def test_it_ends() -> None:
    with pytest.raises(Rejected, match="good until 2026-04-15 03:00 UTC"):
        permission(token(PERMITTED, OURS), [OURS], PERMITTED.expires)


def test_a_secret_can_be_retired() -> None:
    old = token(PERMITTED, OURS)
    assert permission(old, ["a newer one", OURS], NOW) == PERMITTED
    with pytest.raises(Rejected, match="not made by this service"):
        permission(old, ["a newer one"], NOW)
    with pytest.raises(Rejected, match="not made by this service"):
        permission(old, [], NOW)
