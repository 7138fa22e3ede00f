"""A real Alertmanager receives our alerts, groups them, keeps them as long as they hold, and resolves them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain.episode import Severity
from finops_ai.domain.errors import Rejected
from finops_ai.sinks import alertmanager as sink_module
from finops_ai.sinks.alertmanager import Alertmanager
from finops_ai.world.clock import SystemClock
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.receivers import Alerts, alertmanager
from tests.unit.sinks.bodies import delivered, digest, nasty, page, storm

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerts]:
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as running:
        yield running


@pytest.fixture
def sink(server: Alerts) -> Alertmanager:
    secrets, clock = Secrets({}), SystemClock()
    world = World(clock=clock, http=Http(secrets, clock), objects=None, secrets=secrets)  # type: ignore[arg-type]
    return sink_module.make(
        sink_module.Settings(kind="alertmanager", name="am", url=server.url, labels={"source": "finops"}), world
    )


def soon(look: Callable[[], Any], seconds: float = 15) -> Any:
    """What `look` finds as soon as it finds something."""
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def alerts(server: Alerts, key: str) -> list[Any]:
    return [one for one in server.alerts() if one["labels"].get("finops_key") == key]


def told(server: Alerts, key: str) -> list[tuple[str, str]]:
    """State and severity of each alert of a key, as the Alertmanager told its own receiver, in order."""
    return [
        (alert["status"], alert["labels"]["severity"])
        for event in list(server.notified.events)
        for alert in event["alerts"]
        if alert["labels"]["finops_key"] == key
    ]


def test_alerts_arrive_grouped_with_stable_labels(server: Alerts, sink: Alertmanager) -> None:
    sink.send(page(key="finops/a"))
    sink.send(page("episode_updated", key="finops/a"))
    sink.send(page(key="finops/b"))
    sink.send(storm())
    (alert,) = alerts(server, "finops/a")
    assert alert["labels"] == {
        "alertname": "CostEpisode",
        "cost_center": "ml-serve",
        "finops_key": "finops/a",
        "kind": "spike",
        "severity": "warning",
        "source": "finops",
        "team": "ml-platform",
    }
    assert alert["annotations"]["so_far"] == "+3,295.35 USD"
    assert alert["annotations"]["description"].startswith("+3,150.35 USD: p4d.24xlarge")
    assert alert["generatorURL"] == "https://finops.example.com/episodes/ep-3f9a1c"
    assert datetime.fromisoformat(alert["endsAt"]) > datetime.now(UTC) + timedelta(hours=20)
    groups = {group["labels"]["team"]: group["alerts"] for group in server.groups()}
    assert {one["labels"]["finops_key"] for one in groups["ml-platform"]} >= {"finops/a", "finops/b"}
    assert [one["labels"]["alertname"] for one in groups["search"]] == ["CostStorm"]
    assert soon(lambda: told(server, "finops/a"))[0] == ("firing", "warning")


def test_an_episode_that_ends_is_resolved(server: Alerts, sink: Alertmanager) -> None:
    sink.send(page(key="finops/ends"))
    assert soon(lambda: told(server, "finops/ends"))
    sink.send(page("episode_resolved", key="finops/ends"))
    assert soon(lambda: ("resolved", "warning") in told(server, "finops/ends"))
    assert alerts(server, "finops/ends") == []


def test_a_graver_episode_is_one_alert_not_two(server: Alerts, sink: Alertmanager) -> None:
    first = page(key="finops/graver")
    sink.send(first)
    assert soon(lambda: told(server, "finops/graver"))
    sink.send(page("episode_updated", key="finops/graver", severity=Severity.CRITICAL), delivered(first))
    (alert,) = alerts(server, "finops/graver")
    assert alert["labels"]["severity"] == "critical"
    assert soon(lambda: ("resolved", "warning") in told(server, "finops/graver"))


def test_what_it_forgot_it_is_told_again_and_what_ended_stays_ended(sink: Alertmanager, tmp_path: Path) -> None:
    with alertmanager(tmp_path) as fresh:
        settings = sink._settings.model_copy(update={"url": fresh.url})
        again = Alertmanager(settings, sink._world)
        standing = [page(key="finops/1"), page("episode_updated", key="finops/2"), storm(), digest()]
        ended = page("episode_resolved", key="finops/3")
        again.remind({one.key: delivered(one) for one in [*standing, ended]})
        keys = {one["labels"]["finops_key"] for one in fresh.alerts()}
        assert keys == {"finops/1", "finops/2", "finops/storm/search/2026-05-21"}


def test_hostile_names_are_plain_values(server: Alerts, sink: Alertmanager) -> None:
    receipt = sink.send(nasty(page()))
    (alert,) = alerts(server, receipt.remote_id)
    shown = [*alert["labels"].values(), alert["annotations"]["summary"]]
    assert all(value.isprintable() for value in shown)


def test_what_it_has_no_form_for_is_refused(sink: Alertmanager) -> None:
    with pytest.raises(Rejected, match="not a message of kind digest"):
        sink.send(digest())
