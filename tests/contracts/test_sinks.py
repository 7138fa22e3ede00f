"""Every sink: a message taken is proved by a receipt, a repeat does no harm, and no error tells a secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from finops_ai import kinds
from finops_ai.domain.episode import EpisodeState
from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.domain.message import Message
from finops_ai.reporting.page import page_body
from finops_ai.sinks.base import Sink
from finops_ai.sinks.pagerduty_event import payload
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.receivers import MailBox, Peer, http_peer, smtp_server
from tests.unit.reporting.facts import context, episode
from tests.unit.sinks.bodies import change, every_kind, nasty, storm

ROUTING_KEY = "R0123456789abcdef0123456789abcde"
NOW = datetime(2026, 5, 24, 9, 0, tzinfo=UTC)
SCHEMA = json.loads(
    (Path(__file__).parents[1] / "golden/sinks/pagerduty_event.schema.json").read_text(encoding="utf-8")
)
TOKEN = "xoxb-0123456789-abcdefghij"
CHANGE_SCHEMA = {
    "type": "object",
    "required": ["routing_key", "payload"],
    "properties": {
        "payload": {
            "type": "object",
            "required": ["summary"],
            "properties": {"summary": {"type": "string", "minLength": 1, "maxLength": 1024}},
        },
        "links": SCHEMA["properties"]["links"],
    },
}
"""What PagerDuty's published description asks of a change event."""
HOSTILE_KEY = "../../etc/passwd\0\n<script>|CON:" + "ключ/" * 60


@pytest.fixture
def peer() -> Iterator[Peer]:
    with http_peer() as known:
        yield known


@pytest.fixture
def mailbox() -> Iterator[MailBox]:
    with smtp_server() as box:
        yield box


class StillClock:
    """A clock that stands still; waiting takes no time."""

    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0


@pytest.fixture
def world() -> World:
    secrets = Secrets({"ROUTING_KEY": ROUTING_KEY, "TOKEN": TOKEN})
    clock = StillClock()
    return World(clock=clock, http=Http(secrets, clock), objects=None, secrets=secrets)  # type: ignore[arg-type]


@pytest.fixture
def make(world: World, peer: Peer, mailbox: MailBox, tmp_path: Path) -> Callable[[str], Sink]:
    """A sink of a kind, ready to send."""

    def made(kind: str) -> Sink:
        module = kinds.SINKS[kind]
        settings = {
            "alertmanager": {"url": peer.base},
            "email": {
                **{"host": mailbox.host, "port": mailbox.port, "security": "none"},
                **{"sender": "finops@example.com", "to": ["owners@example.com"]},
            },
            "folder": {"path": str(tmp_path / "out")},
            "pagerduty": {"routing_key": {"env": "ROUTING_KEY"}, "url": peer.url},
            "slack": {"token": {"env": "TOKEN"}, "channel": "C1", "url": f"{peer.base}/api"},
            "webhook": {"url": f"{peer.base}/hook", "secret": {"env": "TOKEN"}},
        }
        return module.make(module.Settings(kind=kind, name=f"my-{kind}", **settings[kind]), world)  # type: ignore[no-any-return]

    return made


@pytest.fixture
def sink(make: Callable[[str], Sink]) -> Sink:
    return make("pagerduty")


def message(kind: str = "episode_opened", key: str = "ep-3f9a1c", **changes: Any) -> Message:
    return Message(key=key, kind=kind, sink="any", body=page_body(episode(**changes), context=context()))


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", sorted(kinds.SINKS))
def test_a_receipt_proves_what_was_taken(make: Callable[[str], Sink], kind: str) -> None:
    sink = make(kind)
    receipt = sink.send(message())
    assert sink.name == f"my-{kind}"
    assert receipt.key == "ep-3f9a1c"
    assert receipt.sent_at == NOW
    assert receipt.remote_id
    assert receipt.certain == sink.keyed


@pytest.mark.parametrize("kind", sorted(kinds.SINKS))
def test_a_keyed_sink_names_a_repeat_as_the_same_thing(make: Callable[[str], Sink], kind: str) -> None:
    sink = make(kind)
    if not sink.keyed:
        pytest.skip("its receiver takes no key, and its receipts say so")
    first, again = sink.send(message(key=HOSTILE_KEY)), sink.send(message(key=HOSTILE_KEY))
    other = sink.send(message(key=HOSTILE_KEY + "x"))
    assert first.remote_id == again.remote_id != other.remote_id


UNTAKEN = {"alertmanager": ("digest", "change"), "pagerduty": ("digest",)}
"""Kinds of message that a receiver has no form for."""


@pytest.mark.parametrize("kind", sorted(kinds.SINKS))
def test_every_kind_of_message_is_taken_or_refused_with_the_remedy(make: Callable[[str], Sink], kind: str) -> None:
    sink = make(kind)
    for one in every_kind():
        for said in (one, nasty(one)):
            if said.kind in UNTAKEN.get(kind, ()):
                with pytest.raises(Rejected, match="route it to another sink"):
                    sink.send(said)
            else:
                assert sink.send(said).key == said.key


@pytest.mark.parametrize(("kind", "secret"), [("pagerduty", ROUTING_KEY), ("slack", TOKEN), ("webhook", TOKEN)])
def test_no_secret_leaves_in_a_receipt_or_an_error(
    make: Callable[[str], Sink], peer: Peer, kind: str, secret: str
) -> None:
    sink = make(kind)
    assert secret not in sink.send(message()).remote_id
    peer.will(400, {"message": f"not {secret}"})
    with pytest.raises(Rejected) as caught:
        sink.send(message("episode_updated"))
    assert secret not in str(caught.value)


HTTP_SINKS = ("alertmanager", "pagerduty", "slack", "webhook")


@pytest.mark.parametrize("kind", HTTP_SINKS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_no_receiver_is_asked_again_after_its_no(
    make: Callable[[str], Sink], peer: Peer, kind: str, status: int
) -> None:
    peer.will(status, {"error": "no"})
    with pytest.raises(Rejected):
        make(kind).send(message())
    assert len(peer.requests) == 1


@pytest.mark.parametrize("kind", HTTP_SINKS)
def test_a_wait_that_was_asked_for_is_passed_on(make: Callable[[str], Sink], peer: Peer, kind: str) -> None:
    peer.will(429, {}, Retry_After="61")
    with pytest.raises(Unavailable) as caught:
        make(kind).send(message())
    assert caught.value.retry_after_seconds == 61
    assert not caught.value.unsure
    assert len(peer.requests) == 1


@pytest.mark.parametrize("kind", HTTP_SINKS)
def test_a_lost_answer_is_told_as_doubt_and_repeated_at_once_only_where_a_key_makes_it_harmless(
    make: Callable[[str], Sink], peer: Peer, kind: str
) -> None:
    for _ in range(9):
        peer.will(504)
    sink = make(kind)
    with pytest.raises(Unavailable) as caught:
        sink.send(message())
    assert caught.value.unsure
    assert (len(peer.requests) > 1) == sink.keyed


@pytest.mark.parametrize("kind", sorted(kinds.SINKS))
def test_settings_refuse_what_they_do_not_know(kind: str) -> None:
    with pytest.raises(ValidationError, match="colour"):
        kinds.SINKS[kind].Settings(kind=kind, name="x", colour="red")


def test_routing_key_is_never_written_inline() -> None:
    with pytest.raises(ValidationError) as caught:
        kinds.SINKS["pagerduty"].Settings(kind="pagerduty", name="x", routing_key=ROUTING_KEY)
    assert ROUTING_KEY not in str(caught.value.errors(include_input=False))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_pagerduty_may_be_tried_again(sink: Sink, peer: Peer, status: int) -> None:
    for _ in range(9):
        peer.will(status, {"message": f"slow down {ROUTING_KEY}"}, Retry_After="61")
    with pytest.raises(Unavailable) as caught:
        sink.send(message())
    assert caught.value.retry_after_seconds == 61
    assert ROUTING_KEY not in str(caught.value)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422])
def test_pagerduty_said_no(sink: Sink, peer: Peer, status: int) -> None:
    peer.will(status, {"status": "invalid event", "message": "Event object is invalid", "errors": [ROUTING_KEY]})
    with pytest.raises(Rejected) as caught:
        sink.send(message())
    assert len(peer.events) == 1
    assert ROUTING_KEY not in str(caught.value)
    if status == 400:
        assert "Event object is invalid" in str(caught.value)


def test_a_short_fault_is_waited_out(sink: Sink, peer: Peer) -> None:
    peer.will(503)
    assert sink.send(message()).remote_id == "ep-3f9a1c"
    assert peer.events[0] == peer.events[1]


def test_a_peer_that_is_away_is_unavailable(world: World) -> None:
    module = kinds.SINKS["pagerduty"]
    settings = module.Settings(
        kind="pagerduty", name="x", routing_key={"env": "ROUTING_KEY"}, url="http://127.0.0.1:9/v2/enqueue"
    )
    with pytest.raises(Unavailable) as caught:
        module.make(settings, world).send(message())
    assert ROUTING_KEY not in str(caught.value)


def test_a_missing_secret_says_which(world: World, peer: Peer) -> None:
    module = kinds.SINKS["pagerduty"]
    settings = module.Settings(kind="pagerduty", name="x", routing_key={"env": "NOT_SET"}, url=peer.url)
    with pytest.raises(ConfigError, match="NOT_SET is not set"):
        module.make(settings, world).send(message())
    assert not peer.events


def test_what_arrives_is_the_described_event_with_the_key(sink: Sink, peer: Peer) -> None:
    sink.send(message())
    (event,) = peer.events
    jsonschema.validate(event, SCHEMA)
    assert event == payload(message(), ROUTING_KEY)


def test_an_episode_opens_grows_and_closes_under_one_key(sink: Sink, peer: Peer) -> None:
    sink.send(message())
    sink.send(message("episode_updated"))
    sink.send(message("episode_updated", state=EpisodeState.ACKNOWLEDGED))
    sink.send(message("episode_resolved", state=EpisodeState.RESOLVED))
    assert [event["event_action"] for event in peer.events] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in peer.events} == {"ep-3f9a1c"}
    for event in peer.events:
        jsonschema.validate(event, SCHEMA)


def test_a_storm_is_one_alert_and_a_change_stands_beside_the_incidents(sink: Sink, peer: Peer) -> None:
    for kind in ("storm_opened", "storm_updated", "storm_acknowledged", "storm_resolved"):
        sink.send(storm(kind))
    assert [event["event_action"] for event in peer.events] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in peer.events} == {"finops/storm/search/2026-05-21"}
    peer.requests.clear()
    receipt = sink.send(change())
    (request,) = peer.requests
    assert request.path == "/v2/change/enqueue"
    assert request.json["routing_key"] == ROUTING_KEY
    assert request.json["links"] == [{"href": "https://git.example.com/platform/pulls/9", "text": "Pull request"}]
    jsonschema.validate(request.json, CHANGE_SCHEMA)
    assert not receipt.certain


def test_a_change_is_not_repeated_by_itself_because_it_has_no_key(sink: Sink, peer: Peer) -> None:
    peer.will(503)
    with pytest.raises(Unavailable):
        sink.send(change())
    assert len(peer.requests) == 1


def test_pagerduty_takes_no_report(sink: Sink, peer: Peer) -> None:
    with pytest.raises(Rejected, match="not a message of kind report"):
        sink.send(replace(message(), kind="report"))
    assert not peer.events


def test_the_folder_holds_the_event_and_the_message(make: Callable[[str], Sink], tmp_path: Path) -> None:
    receipt = make("folder").send(message())
    assert files(tmp_path) == ["episode_opened-ep-3f9a1c.json"]
    told = json.loads(Path(receipt.remote_id).read_text(encoding="utf-8"))
    jsonschema.validate(told, SCHEMA)
    assert told.pop("message") == {"key": "ep-3f9a1c", "kind": "episode_opened", "body": message().body}
    assert told == payload(message())
    assert ROUTING_KEY not in json.dumps(told)


def test_the_folder_keeps_one_file_for_an_episode(make: Callable[[str], Sink], tmp_path: Path) -> None:
    sink = make("folder")
    for kind in ("episode_opened", "episode_opened", "episode_updated", "episode_resolved"):
        sink.send(message(kind))
        sink.send(message(kind, key="ep-other"))
        assert files(tmp_path) == sorted(f"{kind}-{key}.json" for key in ("ep-3f9a1c", "ep-other"))


def test_the_folder_takes_any_message(make: Callable[[str], Sink], tmp_path: Path) -> None:
    make("folder").send(Message(key="2026-W21", kind="report", sink="any", body={"title": "week"}))
    (name,) = files(tmp_path)
    told = json.loads((tmp_path / "out" / name).read_text(encoding="utf-8"))
    assert told == {"message": {"key": "2026-W21", "kind": "report", "body": {"title": "week"}}}


def test_no_key_leaves_the_folder(make: Callable[[str], Sink], tmp_path: Path) -> None:
    sink = make("folder")
    keys = [HOSTILE_KEY, HOSTILE_KEY + "2", "..", ".", "", "a/b", "a-b", "A-B", "/etc/passwd", "x" * 300]
    for key in keys:
        sink.send(message(key=key))
    assert len(files(tmp_path)) == len(keys)
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert all(len(name) < 120 and name.isascii() and not name.startswith(".") for name in files(tmp_path))


def test_a_folder_that_cannot_be_written_is_unavailable(make: Callable[[str], Sink], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file is in the way", encoding="utf-8")
    with pytest.raises(Unavailable, match="cannot write"):
        make("folder").send(message())


def test_what_is_no_plain_data_is_rejected_and_leaves_nothing(make: Callable[[str], Sink], tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="not plain data"):
        make("folder").send(Message(key="k", kind="report", sink="any", body={"when": NOW}))
    assert not (tmp_path / "out").exists()
