"""The allocation API over real sockets: what is asked, what is kept, and what becomes of answers that are less."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Unavailable
from finops_ai.kinds import SOURCES
from finops_ai.sources import opencost
from finops_ai.sources.base import ChargeSource
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.unit.sources.exports import by_tag, delivered, sums
from tests.unit.sources.test_opencost import KEEP, allocation, window

TODAY = datetime(2026, 4, 3, 6, tzinfo=UTC)
Answer = tuple[int, Any]


class StandingClock:
    """A clock that stands still where it is put and does not wait."""

    def __init__(self) -> None:
        self.time = TODAY

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None: ...


@dataclass(kw_only=True)
class Server:
    """An OpenCost on loopback: `days` maps a UTC day to its allocations, `answer` may take the place of all that."""

    url: str = ""
    path: str = "/allocation/compute"
    days: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answer: Callable[[Mapping[str, str]], Answer | None] | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    def to(self, path: str, query: dict[str, str]) -> Answer | None:
        if path != self.path:
            return 404, "404 page not found"
        self.asked.append(query)
        if self.answer:
            return self.answer(query)
        told = self.days.get(query["window"][:10], [])
        if "limit" in query:
            told = told[int(query["offset"]) : int(query["offset"]) + int(query["limit"])]
        return 200, {"code": 200, "data": [{one["name"]: one for one in told}]}

    def asked_days(self) -> list[str]:
        days = [query["window"][:10] for query in self.asked]
        self.asked.clear()
        return days


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            made.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = made.to(parts.path, dict(parse_qsl(parts.query)))
            if answer is None:  # the connection breaks in the middle of the answer
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"code": 200, "da')
                return
            content = answer[1] if isinstance(answer[1], str) else json.dumps(answer[1])
            self.send_response(answer[0])
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        made.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            http.shutdown()
            thread.join()


@dataclass(kw_only=True)
class Program:
    """The source, opened anew for every call as ingest does."""

    server: Server
    folder: Path
    clock: StandingClock = field(default_factory=StandingClock)

    def source(self, **settings: Any) -> ChargeSource:
        secrets = Secrets({"TOKEN": "s3cret-token"})
        world = World(
            clock=self.clock,
            http=Http(secrets, self.clock),
            objects=None,  # type: ignore[arg-type]
            secrets=secrets,
            recordings=self.folder / "recordings",
        )
        told = {"name": "k8s", "url": self.server.url, "days": 3, "refresh_days": 1, **settings}
        made: ChargeSource = SOURCES["opencost"].make(opencost.Settings(**told), world, KEEP)
        return made

    def costs(self, **settings: Any) -> dict[str, Decimal]:
        """Cost by day."""
        source = self.source(**settings)
        found: dict[str, Decimal] = {}
        for delivery in delivered(source):
            found |= {str(day): cost for day, cost in sums(source.charges(delivery), "day").items()}
        return found


@pytest.fixture
def program(server: Server, tmp_path: Path) -> Program:
    for day in ("2026-03-31", "2026-04-01", "2026-04-02"):
        server.days[day] = [allocation(day, cpuCost=1), allocation(day, "data", cpuCost=2)]
    server.days["2026-04-03"] = [{**allocation("2026-04-03", cpuCost=0.5), "window": window("2026-04-03", 6)}]
    return Program(server=server, folder=tmp_path)


FULL = {"2026-03-31": 3, "2026-04-01": 3, "2026-04-02": 3, "2026-04-03": Decimal("0.5")}


def test_every_day_is_asked_for_and_makes_months(program: Program, server: Server) -> None:
    assert program.costs() == FULL
    assert server.asked[0]["window"] == "2026-03-31T00:00:00Z,2026-04-01T00:00:00Z"
    assert {query["step"] for query in server.asked} == {"1d"}
    assert {(query["includeIdle"], query["idle"]) for query in server.asked} == {("true", "true")}
    assert [str(each.billing_period) for each in delivered(program.source())] == ["2026-03", "2026-04"]


@pytest.mark.shared
def test_what_is_asked_is_what_the_official_description_has(program: Program, server: Server, shared: Path) -> None:
    described = json.loads((shared / "data/opencost/real-fixtures/allocation-compute.swagger.json").read_text())
    (path,) = described["paths"]
    known = {one["name"]: one for one in described["paths"][path]["get"]["parameters"]}
    server.path = path
    program.costs(aggregate="cluster,namespace,controllerKind,controller,label:cost_center")
    kubecost_and_later = {"includeIdle", "idle", "accumulate"}
    for query in server.asked:
        assert query.keys() - kubecost_and_later <= known.keys()
        assert {name for name, one in known.items() if one["required"]} <= query.keys()
        start, end = (datetime.fromisoformat(text) for text in query["window"].split(","))
        assert end - start == timedelta(days=1)


@pytest.mark.shared
def test_the_official_example_is_longer_than_a_day_and_refused(shared: Path, program: Program, server: Server) -> None:
    described = json.loads((shared / "data/opencost/real-fixtures/allocation-compute.swagger.json").read_text())
    told = described["paths"]["/allocation/compute"]["get"]["responses"]["200"]["content"]["application/json"]
    server.answer = lambda _: (200, told["examples"]["0"]["value"])
    (refusal,) = program.source().deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "is longer than a day" in str(refusal.problems[0])


def test_days_that_are_known_are_not_asked_for_again(program: Program, server: Server) -> None:
    before = list(delivered(program.source()))
    server.asked_days()
    assert delivered(program.source()) == before
    assert server.asked_days() == ["2026-04-02", "2026-04-03"]


def test_a_day_that_is_restated_moves_its_month_alone(program: Program, server: Server) -> None:
    march, april = delivered(program.source())
    server.days["2026-04-02"][0] |= {"cpuCostAdjustment": -0.25, "totalCost": 0.75}
    again = delivered(program.source())
    assert again[0] == march
    assert again[1].fingerprint != april.fingerprint
    assert program.costs()["2026-04-02"] == Decimal("2.75")


def test_today_grows(program: Program, server: Server) -> None:
    program.costs()
    program.clock.time += timedelta(hours=12)
    server.days["2026-04-03"] = [{**allocation("2026-04-03", cpuCost=1.5), "window": window("2026-04-03", 18)}]
    assert program.costs() == {**FULL, "2026-04-03": Decimal("1.5")}


def test_what_the_server_forgets_stays_known(program: Program, server: Server) -> None:
    program.costs()
    server.days = {}
    program.clock.time += timedelta(days=40)
    assert program.costs() == FULL


def test_an_answer_that_covers_less_of_a_day_does_not_replace_one_that_covers_more(
    program: Program, server: Server
) -> None:
    program.costs()
    late = {**allocation("2026-04-02", cpuCost=0.1), "window": window("2026-04-02T18:00:00", 6)}
    server.days["2026-04-02"] = [late]
    assert program.costs() == FULL
    server.days["2026-04-02"] = []
    assert program.costs() == FULL
    server.days["2026-04-02"] = [allocation("2026-04-02", cpuCost=7)]
    assert program.costs()["2026-04-02"] == 7


def test_days_of_which_nothing_is_known_are_asked_for_once(program: Program, server: Server) -> None:
    del server.days["2026-03-31"]
    assert "2026-03-31" not in program.costs()
    server.asked_days()
    program.costs()
    assert "2026-03-31" not in server.asked_days()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_are_put_together(program: Program, server: Server, size: int) -> None:
    server.path = "/model/allocation"
    assert program.costs(path="/model/allocation", page_size=size) == FULL
    assert {query["limit"] for query in server.asked} == {str(size)}


def test_a_server_that_knows_no_pages_is_found_out(program: Program, server: Server) -> None:
    told = [allocation("2026-04-01", name, cpuCost=1) for name in ("a", "b")]
    server.answer = lambda _: (200, {"code": 200, "data": [{one["name"]: one for one in told}]})
    (refusal,) = program.source(page_size=2).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "unset page_size" in str(refusal.problems[0])


@pytest.mark.parametrize("path", ["/allocation/compute", "/allocation", "/model/allocation"])
def test_the_path_is_found(program: Program, server: Server, path: str) -> None:
    server.path = path
    assert program.costs() == FULL


def test_a_server_without_the_api_is_told(program: Program) -> None:
    (refusal,) = program.source(path="/elsewhere").deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "has no /elsewhere: set path" in str(refusal.problems[0])


def test_the_token_is_sent_and_never_shown(program: Program, server: Server) -> None:
    program.costs(token={"env": "TOKEN"})
    assert {each["authorization"] for each in server.headers} == {"Bearer s3cret-token"}
    server.answer = lambda _: (403, "no s3cret-token here")
    (refusal,) = program.source(token={"env": "TOKEN"}).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert "403" in str(refusal.problems[0])
    assert "s3cret" not in str(refusal.problems[0])


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (500, {"code": 500, "message": "boom"}),
        (503, "busy"),
        (200, {"code": 500, "data": None, "message": "boom"}),
    ],
)
def test_a_server_that_fails_changes_nothing(program: Program, server: Server, answer: Answer | None) -> None:
    before = delivered(program.source())
    server.answer = lambda query: (
        answer if query["window"].startswith("2026-04-03") else (200, {"code": 200, "data": []})
    )
    with pytest.raises(Unavailable):
        list(program.source().deliveries(None))
    server.answer = None
    assert delivered(program.source()) == before
    assert program.costs() == FULL


@pytest.mark.parametrize(
    "answer", [(200, "<html>login</html>"), (200, {"code": 400, "message": "bad window"}), (200, "[")]
)
def test_what_is_no_answer_is_refused_and_not_kept(program: Program, server: Server, answer: Answer) -> None:
    before = delivered(program.source())
    server.answer = lambda _: answer
    (refusal,) = program.source().deliveries(None)
    assert isinstance(refusal, Refusal)
    server.answer = None
    assert delivered(program.source()) == before


@pytest.mark.parametrize("name", ["..", "a/b", "../../etc", "k8s eu", "\u202e"])
def test_no_name_of_a_source_leads_out_of_the_recordings(program: Program, name: str, tmp_path: Path) -> None:
    assert [each for each in program.source(name=name).deliveries(None) if isinstance(each, Delivery)]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert all(path.is_relative_to(tmp_path / "recordings") for path in written)
    assert {len(path.relative_to(tmp_path / "recordings").parts) for path in written} == {3}


def test_hostile_names_survive_the_way(program: Program, server: Server) -> None:
    server.days = {"2026-04-02": [allocation("2026-04-02", "=1\u202e\n", cpuCost=1)]}
    source = program.source()
    (delivery,) = delivered(source)
    assert sums(source.charges(delivery), by_tag("namespace")) == {"=1\u202e\n": 1}
    assert set(sums(source.charges(delivery), "day")) == {date(2026, 4, 2)}
