"""Slack: one message that is edited as its episode goes on, a thread for what changed, and answers that are signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import ValidationError

from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.domain.message import Delivered, Message
from finops_ai.sinks import slack
from finops_ai.sinks.base import Answer, Answerable
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.receivers import Peer, http_peer
from tests.unit.sinks.bodies import graver, page

NOW = datetime(2026, 5, 24, 9, 0, tzinfo=UTC)
TOKEN = "xoxb-0123456789-abcdefghij"
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"


class StillClock:
    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        pass


@pytest.fixture
def peer() -> Iterator[Peer]:
    with http_peer() as known:
        yield known


def sink(peer: Peer, **settings: Any) -> slack.Slack:
    secrets = Secrets({"TOKEN": TOKEN, "SIGNING": SIGNING, "WEBHOOK": f"{peer.base}/services/T0/B0/s3cr3t"})
    clock = StillClock()
    world = World(clock=clock, http=Http(secrets, clock), objects=None, secrets=secrets)  # type: ignore[arg-type]
    told = settings or {"token": {"env": "TOKEN"}, "channel": "C1"}
    return slack.make(slack.Settings(kind="slack", name="s", url=f"{peer.base}/api", **told), world)


def known(message: Message, remote_id: str = "C1/17.000100") -> Delivered:
    from tests.unit.sinks.bodies import delivered

    return delivered(message, remote_id)


def calls(peer: Peer) -> list[str]:
    return [request.path.rpartition("/")[2] for request in peer.requests]


def test_the_first_message_is_posted_and_tells_where_it_stands(peer: Peer) -> None:
    receipt = sink(peer).send(page())
    (request,) = peer.requests
    assert request.path == "/api/chat.postMessage"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.json["channel"] == "C1"
    assert request.json["text"].startswith("[WARN] ml-serve")
    assert (request.json["parse"], request.json["link_names"], request.json["unfurl_links"]) == ("none", False, False)
    assert receipt.remote_id == "C1/17.000100"
    assert not receipt.certain


def test_growth_edits_in_place_without_a_ping_and_can_be_repeated(peer: Peer) -> None:
    peer.will(503)
    receipt = sink(peer).send(page("episode_updated"), known(page()))
    assert calls(peer) == ["chat.update", "chat.update"]
    assert (peer.events[-1]["channel"], peer.events[-1]["ts"]) == ("C1", "17.000100")
    assert receipt.remote_id == "C1/17.000100"
    assert receipt.certain


@pytest.mark.parametrize(
    ("message", "before"),
    [
        (page("episode_resolved"), page()),
        (page("episode_acknowledged"), page()),
        (page("episode_opened"), page("episode_resolved")),
        (graver(), page()),
        (graver(), page("episode_updated")),
    ],
    ids=["resolved", "acknowledged", "reopened", "graver", "graver again"],
)
def test_a_turn_is_told_in_the_thread_of_the_edited_message(peer: Peer, message: Message, before: Message) -> None:
    receipt = sink(peer).send(message, known(before))
    assert calls(peer) == ["chat.update", "chat.postMessage"]
    told = peer.events[1]
    assert told["thread_ts"] == "17.000100"
    assert "blocks" not in told
    assert receipt.remote_id == "C1/17.000100"
    assert not receipt.certain


def test_a_message_that_is_gone_is_told_anew(peer: Peer) -> None:
    peer.will(200, {"ok": False, "error": "message_not_found"})
    peer.will(200, {"ok": True, "channel": "C1", "ts": "18.5"})
    assert sink(peer).send(page("episode_updated"), known(page())).remote_id == "C1/18.5"
    assert calls(peer) == ["chat.update", "chat.postMessage"]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [("not_in_channel", "invite the app"), ("invalid_auth", "xoxb-"), ("missing_scope", "chat:write"), ("no_text", "")],
)
def test_slack_said_no(peer: Peer, error: str, remedy: str) -> None:
    peer.will(200, {"ok": False, "error": error, "needed": "chat:write"})
    with pytest.raises(Rejected, match=f"{error}.*{remedy}"):
        sink(peer).send(page())
    assert len(peer.requests) == 1


@pytest.mark.parametrize("error", ["internal_error", "fatal_error", "service_unavailable", "ratelimited"])
def test_slack_may_be_tried_again_and_a_doubt_is_told(peer: Peer, error: str) -> None:
    peer.will(200, {"ok": False, "error": error})
    with pytest.raises(Unavailable) as caught:
        sink(peer).send(page())
    assert caught.value.unsure == (error in ("internal_error", "fatal_error"))


def test_an_incoming_webhook_posts_every_time_and_its_address_is_a_secret(peer: Peer) -> None:
    ours = sink(peer, webhook={"env": "WEBHOOK"})
    first = ours.send(page())
    second = ours.send(page("episode_updated"), known(page(), first.remote_id))
    assert [request.path for request in peer.requests] == ["/services/T0/B0/s3cr3t"] * 2
    assert not {"channel", "parse"} & set(peer.events[0])
    assert not first.certain
    assert not second.certain
    peer.will(404, {"error": "no_service"})
    with pytest.raises(Rejected) as caught:
        ours.send(page())
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"token": {"env": "T"}},
        {"channel": "C1"},
        {"token": {"env": "T"}, "channel": "C1", "webhook": {"env": "W"}},
        {"channel": "C1", "webhook": {"env": "W"}},
    ],
)
def test_one_way_to_slack_is_configured(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="token and channel, or webhook"):
        slack.Settings(kind="slack", name="s", **settings)


def interaction(value: Any, *, block: str = "finops_answer", at: str = "1779613199.5") -> bytes:
    payload = {
        "type": "block_actions",
        "user": {"id": "U1", "username": "ana"},
        "response_url": "https://hooks.slack.com/actions/T0/1/x",
        "actions": [
            {"block_id": block, "action_id": "finops_answer_real", "value": json.dumps(value), "action_ts": at},
            {"block_id": "other", "action_id": "z", "value": "{}", "action_ts": at},
        ],
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def signed(content: bytes, *, at: datetime = NOW, secret: str = SIGNING) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + content, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


ANSWERING = {"token": {"env": "TOKEN"}, "channel": "C1", "signing_secret": {"env": "SIGNING"}}


def test_a_button_brings_back_what_it_was_given(peer: Peer) -> None:
    ours = sink(peer, **ANSWERING)
    assert isinstance(ours, Answerable)
    ours.send(page())
    (actions,) = [block for block in peer.events[0]["blocks"] if block["type"] == "actions"]
    for element in actions["elements"]:
        content = interaction(json.loads(element["value"]))
        (answer,) = ours.answers(signed(content), content)
        assert (answer.episode, answer.by) == ("ep-3f9a1c", "slack:ana")
        assert answer.at == datetime.fromtimestamp(1779613199.5, UTC)
        assert f"finops_answer_{answer.verdict}" == element["action_id"]
        assert answer.days == {"expected": 30, "snooze": 7}.get(answer.verdict)


def test_a_replay_is_the_same_answer(peer: Peer) -> None:
    ours, content = sink(peer, **ANSWERING), interaction({"episode": "e", "verdict": "real"})
    assert ours.answers(signed(content), content) == ours.answers(
        signed(content, at=NOW - timedelta(minutes=2)), content
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Slack-Request-Timestamp": "now", "X-Slack-Signature": "v0=00"},
        {"X-Slack-Request-Timestamp": str(int(NOW.timestamp())), "X-Slack-Signature": "v0=00"},
        {"X-Slack-Request-Timestamp": str(int(NOW.timestamp())), "X-Slack-Signature": "vé=00"},
        signed(interaction({"episode": "e", "verdict": "real"}), secret="another"),
        signed(interaction({"episode": "e", "verdict": "real"}), at=NOW - timedelta(minutes=6)),
        signed(interaction({"episode": "e", "verdict": "real"}), at=NOW + timedelta(minutes=6)),
        signed(interaction({"episode": "e", "verdict": "snooze"})),
        {**signed(interaction({"episode": "e", "verdict": "real"})), "X-Slack-Request-Timestamp": "1"},
    ],
)
def test_what_slack_did_not_sign_just_now_is_refused(peer: Peer, headers: dict[str, str]) -> None:
    with pytest.raises(Rejected):
        sink(peer, **ANSWERING).answers(headers, interaction({"episode": "e", "verdict": "real"}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"payload=",
        b"payload=%5B%5D",
        b"payload=%7B%7D",
        b"\xff",
        interaction({"episode": "e", "verdict": "drop tables"}),
        interaction(["e"]),
        interaction({"episode": "e", "verdict": "real"}, at="soon"),
        b"payload=" + b"%5B" * 9_000,
    ],
)
def test_a_signed_request_that_cannot_be_read_is_refused(peer: Peer, content: bytes) -> None:
    with pytest.raises(Rejected, match="cannot be read"):
        sink(peer, **ANSWERING).answers(signed(content), content)


def test_other_interactions_are_no_answers(peer: Peer) -> None:
    ours = sink(peer, **ANSWERING)
    for content in (
        urlencode({"payload": json.dumps({"type": "view_submission"})}).encode(),
        interaction({"episode": "e", "verdict": "real"}, block="x"),
    ):
        assert ours.answers(signed(content), content) == ()
    with pytest.raises(ConfigError, match="signing_secret"):
        sink(peer).answers({}, b"")


def test_a_word_back_goes_to_slack_only(peer: Peer) -> None:
    ours = sink(peer, **ANSWERING)
    answer = Answer(episode="e", verdict="real", days=None, by="slack:ana", at=NOW, reply_to=f"{peer.base}/actions/1")
    ours.reply(answer, "noted <!channel>")
    assert peer.events == [{"response_type": "ephemeral", "replace_original": False, "text": "noted &lt;!channel&gt;"}]
    for address in (
        "http://169.254.169.254/latest",
        "https://slack.com.evil.example/x",
        "http://hooks.slack.com/x",
        "",
    ):
        with pytest.raises(Rejected, match="no address of Slack's"):
            ours.reply(Answer(episode="e", verdict="real", days=None, by="b", at=NOW, reply_to=address), "x")
