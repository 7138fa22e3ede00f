"""The webhook: every message in the documented form, signed so that a receiver can check it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from finops_ai.domain.errors import ConfigError
from finops_ai.sinks import webhook
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.receivers import Peer, Request, http_peer
from tests.unit.sinks.bodies import every_kind, nasty, page

NOW = datetime(2026, 5, 24, 9, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SCHEMA = json.loads(files("finops_ai.sinks").joinpath("webhook.schema.json").read_text("utf-8"))
CHECKED = jsonschema.Draft202012Validator(SCHEMA)


class StillClock:
    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        pass


@pytest.fixture
def peer() -> Iterator[Peer]:
    with http_peer() as known:
        yield known


def sink(peer: Peer, secret: str = SECRET, **more: Any) -> webhook.Webhook:
    secrets, clock = Secrets({"SECRET": secret, "AUTH": "Bearer abcdefgh"}), StillClock()
    world = World(clock=clock, http=Http(secrets, clock), objects=None, secrets=secrets)  # type: ignore[arg-type]
    settings = webhook.Settings(kind="webhook", name="hook", url=peer.base, secret={"env": "SECRET"}, **more)  # type: ignore[arg-type]
    return webhook.make(settings, world)


def verified(request: Request, secret: str = SECRET) -> Any:
    """As docs/delivery.md shows it to receivers."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    id, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    wanted = hmac.new(key, f"{id}.{timestamp}.".encode() + request.content, hashlib.sha256).digest()
    version, _, signature = request.headers["webhook-signature"].partition(",")
    assert version == "v1"
    assert hmac.compare_digest(base64.b64decode(signature), wanted)
    return request.json


def test_every_message_is_in_the_documented_form_and_signed(peer: Peer) -> None:
    ours = sink(peer)
    for message in every_kind():
        for said in (message, nasty(message)):
            receipt = ours.send(said)
            told = verified(peer.requests[-1])
            CHECKED.validate(told)
            assert told["id"] == peer.requests[-1].headers["webhook-id"] == receipt.remote_id
            assert told["data"] == json.loads(json.dumps(said.body))
            assert not receipt.certain
    assert peer.requests[0].headers["webhook-timestamp"] == str(int(NOW.timestamp()))


def test_the_id_is_the_same_for_a_repeat_and_another_for_anything_else(peer: Peer) -> None:
    ours = sink(peer)
    for said in (page(), page(), page("episode_updated"), page(key="other"), replace(page(), body={"title": "x"})):
        ours.send(said)
    ids = [request.headers["webhook-id"] for request in peer.requests]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_a_receiver_that_drops_repeats_is_certain_and_a_short_fault_is_waited_out(peer: Peer) -> None:
    peer.will(503)
    receipt = sink(peer, keyed=True).send(page())
    assert receipt.certain
    assert len({request.headers["webhook-id"] for request in peer.requests}) == 1


def test_a_plain_text_secret_signs_as_its_bytes_and_a_header_is_passed_on(peer: Peer) -> None:
    sink(peer, "a long enough secret", authorization={"env": "AUTH"}).send(page())
    verified(peer.requests[0], base64.b64encode(b"a long enough secret").decode())
    assert peer.requests[0].headers["authorization"] == "Bearer abcdefgh"


@pytest.mark.parametrize(("secret", "why"), [("short", "shorter than 16"), ("whsec_%%%", "no base64")])
def test_a_secret_that_cannot_sign_is_told(peer: Peer, secret: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        sink(peer, secret).send(page())
    assert not peer.requests
