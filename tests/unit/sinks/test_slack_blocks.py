"""Block Kit within Slack's limits, checked by Slack's own models; no name mentions, links, formats or breaks out."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from finops_ai.domain.errors import Rejected
from finops_ai.domain.message import Message
from finops_ai.sinks.slack_blocks import blocks, fallback, thread_text
from tests.unit.sinks.bodies import change, digest, every_kind, items, nasty, page, storm

BLOCKS = 50


def checked(message: Message, *, interactive: bool = True) -> list[dict[str, Any]]:
    """The blocks, after Slack's own models took them and every published limit was looked at."""
    found = blocks(message, interactive=interactive)
    parsed = Block.parse_all(found)
    assert [one.to_dict()["type"] for one in parsed] == [one["type"] for one in found]
    for one in parsed:
        one.validate_json()
    assert len(found) <= BLOCKS
    for text in texts(found):
        assert 1 <= len(text["text"]) <= 3_000
        if text["type"] == "mrkdwn":
            assert text["verbatim"] is True
    for block in found:
        if block["type"] == "header":
            assert len(block["text"]["text"]) <= 150
        assert len(block.get("fields", ())) <= 10
        assert all(len(field["text"]) <= 2_000 for field in block.get("fields", ()))
        assert len(block.get("elements", ())) <= 25
        for element in block.get("elements", ()):
            assert len(element.get("action_id", "")) <= 255
            assert len(element.get("value", "")) <= 2_000
            assert len(element.get("url", "")) <= 3_000
    return found


def texts(value: Any) -> list[dict[str, Any]]:
    """Every text object."""
    match value:
        case {"type": "plain_text" | "mrkdwn"}:
            return [value]
        case dict():
            return [one for each in value.values() for one in texts(each)]
        case list():
            return [one for each in value for one in texts(each)]
        case _:
            return []


@pytest.mark.parametrize("message", every_kind(), ids=lambda message: message.kind)
def test_every_kind_is_within_the_limits_however_hostile_its_names(message: Message) -> None:
    for said in (message, nasty(message)):
        for interactive in (True, False):
            found = checked(said, interactive=interactive)
            marked = [text["text"] for text in texts(found) if text["type"] == "mrkdwn"]
            for text in [*marked, fallback(said), thread_text(said)]:
                links = re.findall(r"<([^>]*)>", text)
                assert all(re.match(r"https://(git|finops|wiki)\.example\.com/[^|<>]*\|", link) for link in links), text
                assert not set(re.sub(r"<[^>]*>", "", text)) & set("<>`~")
                assert not re.search(r"&(?!amp;|lt;|gt;)", text)
            assert not re.search(
                r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", json.dumps(found, ensure_ascii=False)
            )


def test_a_page_tells_state_figures_causes_changes_and_asks() -> None:
    found = checked(page())
    header, summary, figures, causes, steps, nearby, actions, footer = found
    assert steps["text"]["text"].startswith("What to do now\n1. ")
    assert header["text"]["text"].startswith("🟡 ml-serve · clip-vit-l")
    assert summary["text"]["text"].startswith("[WARN] ml-serve")
    assert "*So far*\n+3,295.35 USD" in [field["text"] for field in figures["fields"]]
    assert causes["text"]["text"].splitlines()[0] == (
        "• +3,150.35 USD  p4d.24xlarge · us-east-1 — 3.1 times the hours at the same price"
    )
    assert "<https://git.example.com/platform/pulls/812|serve: raise replicas" in nearby["text"]["text"]
    assert "associated with" in nearby["text"]["text"]
    answers = {element["text"]["text"]: json.loads(element["value"]) for element in actions["elements"]}
    assert answers == {
        "Real": {"episode": "ep-3f9a1c", "verdict": "real", "days": None},
        "False positive": {"episode": "ep-3f9a1c", "verdict": "false_positive", "days": None},
        "Expected for 30 days": {"episode": "ep-3f9a1c", "verdict": "expected", "days": 30},
        "Snooze 7 days": {"episode": "ep-3f9a1c", "verdict": "snooze", "days": 7},
    }
    assert "data as of 2026-05-24 09:00 UTC" in footer["elements"][1]["text"]


def test_without_a_signing_secret_buttons_are_the_signed_links_of_the_message() -> None:
    (actions,) = [block for block in checked(page(), interactive=False) if block["type"] == "actions"]
    assert [element["url"] for element in actions["elements"]] == [
        f"https://finops.example.com/answer/{verdict}?t=signed" for verdict in ("real", "false_positive", "expected")
    ]
    without = checked(page(answers={}), interactive=False)
    assert "actions" not in [block["type"] for block in without]


def test_what_is_over_asks_nothing() -> None:
    found = checked(page("episode_resolved"))
    assert found[0]["text"]["text"].startswith("✅")
    assert "actions" not in [block["type"] for block in found]


def test_long_lists_are_cut_and_the_rest_counted() -> None:
    listed = checked(storm(count=500))[3]["text"]["text"]
    assert listed.endswith("… and 490 more")
    assert checked(digest(count=5))[0]["text"]["text"].startswith("📋")
    assert checked(change())[0]["text"]["text"].startswith("🔀")


def test_a_huge_payload_still_fits() -> None:
    cause = {"what": "ü" * 4_000, "excess": "1.00", "note": "n" * 4_000}
    nearby = [{"what": "w" * 4_000, "who": "x" * 4_000, "when": "", "url": "https://x/" + "y" * 4_000}] * 50
    found = checked(page(causes=[cause] * 300, summary="s" * 600_000, team="t" * 5_000, changes_nearby=nearby))
    assert len(json.dumps(found, ensure_ascii=False)) < 20_000
    checked(page(episode="e" * 3_000))


def test_a_message_without_words_is_refused_with_the_remedy() -> None:
    with pytest.raises(Rejected, match="route it to another sink"):
        blocks(Message(key="k", kind="proposal", sink="s", body={}), interactive=True)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(name=st.text(max_size=400), title=st.text(min_size=1, max_size=400))
def test_any_name_gives_valid_blocks(name: str, title: str) -> None:
    told = [{**item, "title": name} for item in items(2)]
    checked(page(title=title, summary=title, team=name, causes=[{"what": name, "excess": "1.00", "note": name}]))
    checked(storm(title=title, items=told))
