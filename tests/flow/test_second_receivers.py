"""A pager that is away for hours: a second receiver is told its pages, and it is told once what waited for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from finops_ai import kinds
from finops_ai.domain.message import Message
from finops_ai.domain.outcome import Outcome
from finops_ai.jobs.couriers import Patience
from finops_ai.jobs.deliver import deliver
from finops_ai.jobs.run import Turn
from finops_ai.jobs.second_receivers import Detours, Second
from finops_ai.ledger import outbox
from finops_ai.sinks.base import Sink
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.flow.conftest import Configure
from tests.receivers import Peer, http_peer
from tests.unit.sinks.bodies import page, storm

START = datetime(2026, 5, 24, 1, 0, tzinfo=UTC)
AWAY = (503, {}, b"down for now")
MINUTE = timedelta(minutes=1)


@dataclass
class Clock:
    """Stands where it is set; waiting takes none of it."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0


@dataclass
class Night:
    """A pager and a second receiver on loopback, a clock, and the deliverer that runs every minute."""

    engine: sa.Engine
    clock: Clock
    pager: Peer
    mail: Peer
    sinks: dict[str, Sink]
    detours: Detours

    def run(self, minutes: int = 1) -> list[Outcome]:
        """Each run has an owner and threads of its own: nothing but the ledger outlives it."""
        done = []
        for _ in range(minutes):
            turn = Turn(engine=self.engine, as_of=self.clock.at, now=self.clock.now)
            done.append(deliver(turn, self.sinks, {}, "us", Patience(), self.detours))
            self.clock.at += MINUTE
        return done

    def put(self, *messages: Message) -> None:
        with self.engine.begin() as connection:
            outbox.put(connection, messages, self.clock.at)

    def episode(self, name: str, act: str = "opened", **changes: Any) -> None:
        self.put(replace(page(f"episode_{act}", key=f"finops/{name}", **changes), sink="pager"))

    @property
    def paged(self) -> list[tuple[str, str]]:
        """What the pager took: the action and the key."""
        return [(event["event_action"], event["dedup_key"]) for event in self.pager.events]

    @property
    def second(self) -> list[tuple[str, str]]:
        return [(event["type"], event["key"]) for event in self.mail.events]

    def unsent(self) -> list[str]:
        return [one.message.key for one in outbox.messages(self.engine) if one.state in ("queued", "claimed")]


@pytest.fixture
def night(ledger: sa.Engine) -> Iterator[Night]:
    secrets, clock = Secrets({"KEY": "R0123456789abcdef", "HOOK": "a secret of the hook"}), Clock()
    world = World(clock=clock, http=Http(secrets, clock), objects=None, secrets=secrets)  # type: ignore[arg-type]
    with http_peer() as pager, http_peer() as mail:
        told = {"pagerduty": {"name": "pager", "routing_key": {"env": "KEY"}, "url": pager.url}}
        told["webhook"] = {"name": "mail", "secret": {"env": "HOOK"}, "url": f"{mail.base}/hook"}
        made = {kind: kinds.SINKS[kind] for kind in told}
        sinks = {
            one["name"]: made[kind].make(made[kind].Settings(kind=kind, **one), world) for kind, one in told.items()
        }
        second = Second(sink="pager", after=timedelta(minutes=15), to=("mail",))
        yield Night(
            engine=ledger,
            clock=clock,
            pager=pager,
            mail=mail,
            sinks=sinks,
            detours=Detours(seconds=(second,), zone="Europe/Berlin"),
        )


def test_six_hours_without_a_pager(night: Night) -> None:
    """Twenty-four episodes in six hours, half of which end meanwhile: none is lost, and the pager rings once."""
    night.pager.always = AWAY
    opened: dict[str, datetime] = {}
    delays: list[timedelta] = []
    for quarter in range(24):
        opened[f"finops/{quarter}"] = night.clock.at
        night.episode(f"{quarter}")
        if quarter >= 2 and quarter % 2:
            night.episode(f"{quarter - 2}", "resolved")
        for _ in range(15):
            known = len(night.second)
            night.run()
            new = [key for kind, key in night.second[known:] if kind == "episode_opened"]
            delays += [night.clock.at - MINUTE - opened[key] for key in new]
    told = [key for kind, key in night.second if kind == "episode_opened"]
    assert sorted(told) == sorted(opened)
    # The first waits as long as is configured; a receiver known to be away is not waited for again.
    assert delays[0] == timedelta(minutes=15)
    assert set(delays[1:]) == {timedelta()}
    ends = [key for kind, key in night.second if kind == "episode_resolved"]
    assert sorted(ends) == sorted(f"finops/{n}" for n in range(1, 22, 2))
    assert night.unsent() == ["finops/outage/pager/2026-05-24T01:00Z"]

    tries = len(night.pager.requests)
    night.pager.always = (202, {}, b"{}")
    known = len(night.second)
    night.run(61)
    assert night.unsent() == []
    assert night.paged[tries:] == [("trigger", "finops/outage/pager/2026-05-24T01:00Z")]
    details = night.pager.events[-1]["payload"]
    assert details["summary"].startswith(
        "[WARN] 24 episodes waited for pager, which took no page from 2026-05-24 03:00 CEST on, told to mail"
    )
    states = [item["state"] for item in details["custom_details"]["items"]]
    assert states == ["still open"] * 13 + ["over"] * 11
    assert night.second[known:] == []
    print(f"first told after {delays[0]}, the other {len(delays) - 1} in the run that found them; 0 lost; 1 page")


def test_the_one_page_ends_when_all_that_was_open_is_over(night: Night) -> None:
    night.pager.always = AWAY
    night.episode("a")
    night.put(replace(storm(), sink="pager"))
    night.run(20)
    night.pager.always = (202, {}, b"{}")
    tries = len(night.pager.requests)
    night.run(30)
    key = "finops/outage/pager/2026-05-24T01:00Z"
    assert night.paged[tries:] == [("trigger", key)]
    night.episode("a", "resolved")
    night.run(2)
    assert ("resolve", key) not in night.paged
    night.put(replace(storm("storm_resolved"), sink="pager"))
    night.run(2)
    assert night.paged[-1] == ("resolve", key)
    # Who was told of the beginning in the pager's place is told of the end, by whomever it ends.
    assert [one for one in night.second if one[0].endswith("resolved")] == [
        ("episode_resolved", "finops/a"),
        ("storm_resolved", "finops/storm/search/2026-05-21"),
    ]
    night.episode("b")
    night.episode("b", "resolved")
    night.run(2)
    assert [key for _, key in night.paged[-2:]] == ["finops/b"] * 2
    assert "finops/b" not in {key for _, key in night.second}


def test_all_that_ended_meanwhile_wakes_nobody(night: Night) -> None:
    night.pager.always = AWAY
    for name in "abc":
        night.episode(name)
    night.run(20)
    for name in "abc":
        night.episode(name, "resolved")
    night.run(2)
    night.pager.always = (202, {}, b"{}")
    tries = len(night.pager.requests)
    night.run(40)
    assert night.unsent() == []
    assert night.paged[tries:] == [("resolve", "finops/outage/pager/2026-05-24T01:00Z")]


def test_a_short_outage_is_nobody_elses(night: Night) -> None:
    night.pager.always = AWAY
    night.episode("a")
    night.run(10)
    night.pager.always = (202, {}, b"{}")
    night.run(10)
    assert night.paged[-1] == ("trigger", "finops/a")
    assert night.second == []


def test_a_refused_page_goes_to_the_second_at_once_and_says_why(night: Night) -> None:
    night.pager.always = (400, {}, b'{"message": "Invalid routing key"}')
    night.episode("a")
    (outcome,) = night.run()
    assert outcome.refused
    assert outcome.counts["copied"] == 1
    (told,) = night.mail.events
    assert told["data"]["summary"].endswith("Pager refused this page, so that it came here.")


def test_who_is_told_anyway_is_not_told_again(night: Night) -> None:
    night.pager.always = AWAY
    night.episode("a")
    night.put(replace(page("episode_opened", key="finops/a"), sink="mail"))
    night.run(30)
    assert night.second == [("episode_opened", "finops/a")]


def test_two_that_stand_in_for_each_other_and_are_both_away_make_no_circle(night: Night) -> None:
    back = Second(sink="mail", after=timedelta(minutes=5), to=("pager",))
    night.detours = replace(night.detours, seconds=(*night.detours.seconds, back))
    night.pager.always = night.mail.always = AWAY
    night.episode("a")
    night.run(120)
    assert len(outbox.messages(night.engine)) <= 4
    night.mail.always = (200, {}, b"{}")
    known = len(night.second)
    night.run(61)
    assert len(night.second) == known + 1


def test_without_a_second_a_flood_becomes_one_page_and_a_few_stay_as_they_are(night: Night) -> None:
    night.detours = Detours()
    night.pager.always = AWAY
    for number in range(9):
        night.episode(f"{number}")
    night.run(20)
    assert len(night.unsent()) == 9
    night.episode("9")
    night.run()
    assert night.unsent() == ["finops/outage/pager/2026-05-24T01:00Z"]


CONFIGURATION = """
sinks:
  - {{name: pager, kind: folder, path: .finops/pager}}
  - {{name: mail, kind: folder, path: .finops/mail}}
delivery:
  second: [{{sink: {sink}, to: [{to}], after_minutes: 10}}]
"""


@pytest.mark.parametrize(
    ("sink", "to", "said"),
    [("pagr", "mail", "did you mean pager?"), ("pager", "pager", "cannot be told in its own place")],
)
def test_names_that_no_sink_has_are_told(configure: Configure, sink: str, to: str, said: str) -> None:
    program = configure(CONFIGURATION.format(sink=sink, to=to))
    ran = program.finops("config", "check", env=program.environ)
    assert ran.exit_code == 4
    assert said in ran.stderr + ran.stdout


def test_the_command_takes_the_second_from_the_configuration(
    configure: Configure, ledger: sa.Engine, finder: Callable[[str], list[str]]
) -> None:
    program = configure(CONFIGURATION.format(sink="gone", to="mail").replace("name: pager", "name: gone"))
    with ledger.begin() as connection:
        outbox.put(connection, [replace(page(), sink="gone")], START)
    (program.finops.home / "pager").parent.mkdir(parents=True, exist_ok=True)
    (program.finops.home / "pager").write_text("a file where a folder should be")
    program("deliver")
    assert finder("mail") == []
    with ledger.begin() as connection:
        connection.execute(sa.text("UPDATE message SET tried_at = tried_at - interval '11 minutes'"))
    program("deliver")
    assert len(finder("mail")) == 1


@pytest.fixture
def finder(finops: Any) -> Callable[[str], list[str]]:
    return lambda name: [str(file) for file in (finops.home / name).glob("*.json")]
