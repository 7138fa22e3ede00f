"""After a merge: its saving is measured and said once, what it broke is proposed to be taken back, drift blocks."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dulwich.repo import Repo
from ruamel.yaml import YAML

from finops_ai.app import App, kinds, open_app
from finops_ai.app.parts import installed_policies
from finops_ai.config import load
from finops_ai.demo.files import DemoFiles, write_demo
from finops_ai.demo.merging import merge
from finops_ai.domain.errors import Unavailable
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.period import end_of_day
from finops_ai.jobs.run import Turn
from finops_ai.jobs.standing import standing
from finops_ai.ledger import outbox, proposals
from finops_ai.rightsizing.staged import Stood

pytestmark = pytest.mark.timeout(300)

KEY = "finops/rightsize/prod/search/deployment-search-api"
REVERT = "finops/revert/prod/search/deployment-search-api"
FIRST, MERGED, LATER = date(2026, 4, 3), date(2026, 4, 5), date(2026, 4, 20)
START = date(2026, 2, 1)
PATH = "apps/search/search-api.yaml"


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The demo's world with its ledger; `run` is one job as of the end of a day."""

    app: App
    files: DemoFiles

    def run(self, job: str, day: date) -> Outcome:
        return self.app.run(job, end_of_day(day))

    def know(self, day: date) -> None:
        """The world as it was known on a day, ingested."""
        write_demo(self.files.layout.folder, policies=installed_policies(), known_on=day, start=START)
        self.run("ingest", day)

    def pull(self, key: str) -> dict[str, Any]:
        records = [json.loads(path.read_text()) for path in self.files.layout.pulls.glob("*.json")]
        return next(record for record in records if record["key"] == key)

    def text(self, branch: str) -> str:
        with Repo(str(self.files.layout.repository)) as repository:
            tree = repository[repository.refs[f"refs/heads/{branch}".encode()]].tree  # type: ignore[index]
            _, blob = repository[tree].lookup_path(repository.__getitem__, PATH.encode())  # type: ignore[attr-defined]
            return repository[blob].as_raw_string().decode()


@pytest.fixture
def demo(tmp_path: Path, ledger_url: str) -> Iterator[Demo]:
    files = write_demo(tmp_path / "demo", policies=installed_policies(), known_on=FIRST, start=START)
    live = files.layout.folder / "live"
    live.mkdir()
    text = files.layout.config.read_text()
    lines = f"live:\n  - {{name: prod, kind: kubernetes_files, cluster: prod, uri: {json.dumps(live.as_uri())}}}\n"
    path = files.layout.folder / "test.yaml"
    path.write_text(text.replace("\nsavings:", "\nsavings:\n  tell: [on-call]  #", 1) + lines)
    environ = {"FINOPS_HOME": str(tmp_path / "home"), "FINOPS_DATABASE_URL": ledger_url}
    config = load(path, environ, kinds())
    with open_app(config, environ) as app:
        made = Demo(app=app, files=files)
        made.run("ingest", FIRST)
        yield made


def merged(demo: Demo) -> str:
    """The manifest before the merge."""
    for job in ("recommend", "deliver"):
        demo.run(job, FIRST)
    before = demo.text("main")
    assert merge(demo.files.layout.repository, KEY, MERGED)
    return before


def test_a_merge_is_measured_and_said_once(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    merged(demo)
    demo.know(LATER)
    forge = demo.app.forges["platform"]
    said = type(forge).say

    def away(*_: object) -> None:
        raise Unavailable("the forge is away")

    monkeypatch.setattr(type(forge), "say", away)
    outcome = demo.run("follow", LATER)
    assert [problem.severity for problem in outcome.problems] == ["warning"]
    monkeypatch.setattr(type(forge), "say", said)
    for _ in range(3):
        outcome = demo.run("follow", LATER)
        assert (outcome.problems, outcome.counts["regressions"]) == ((), 0)
    (comment,) = demo.pull(KEY)["comments"]
    assert "The first full week after the merge** (2026-04-06 to 2026-04-12)" in comment["text"]
    assert "rolled out: yes" in comment["text"]
    with demo.app.engine.connect() as connection:
        (row,) = connection.execute(sa.text("SELECT * FROM v_saving")).mappings()
    assert (row["key"], row["merged_on"], row["month"], row["end_day"]) == (KEY, MERGED, 1, date(2026, 4, 13))
    assert row["low_80"] <= row["realised"] <= row["high_80"]
    assert row["booked"] <= row["spend_fall"]
    assert abs(row["realised"] / row["identified"] - 1) < Decimal("0.1")
    assert row["proved_on"] == date(2026, 4, 12)
    (pull,) = [one for one in demo.app.pulls() if one["key"] == KEY]
    assert (pull["state"], pull["realised"], pull["proved_on"]) == ("merged", row["realised"], row["proved_on"])
    assert demo.app.pull(KEY)["realised_through"] == date(2026, 4, 12)
    (change,) = [one.message for one in outbox.messages(demo.app.engine) if one.message.kind == "change"]
    assert (change.sink, change.key) == ("on-call", f"finops/merged/{KEY}")
    assert change.body["summary"].startswith("Merged: rightsize(search/search-api)")
    assert what_stood(demo) == Stood(since=MERGED, days=15)


def what_stood(demo: Demo) -> Stood | None:
    """What is known of the demo's workload at the end of LATER."""
    at = end_of_day(LATER)
    turn = Turn(engine=demo.app.engine, as_of=at, now=lambda: at)
    known = {one.key: one for one in proposals.proposals(demo.app.engine, turn.as_of)}
    return standing(turn, known)(known[KEY].recommendation.workload)


def spoil(demo: Demo, **figures: str) -> None:
    """The usage as it was, with other figures for the workload's afternoons since the merge."""
    path = demo.files.layout.usage
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
    for row in rows:
        at = datetime.fromisoformat(row["timestamp"])
        if row["workload"] == "search-api" and at.date() > MERGED and at.hour in (13, 14, 15):
            row |= figures
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode()))


@pytest.mark.parametrize(
    ("figures", "sign"),
    [({"oom_kills": "1", "restarts": "1"}, "OOM kills"), ({"cpu_throttled_ratio": "0.6"}, "throttling")],
)
def test_a_merge_that_broke_something_is_proposed_to_be_taken_back_within_one_run(
    demo: Demo, figures: Mapping[str, str], sign: str
) -> None:
    before = merged(demo)
    write_demo(demo.files.layout.folder, policies=installed_policies(), known_on=LATER, start=START)
    spoil(demo, **figures)
    demo.run("ingest", LATER)
    outcome = demo.run("follow", LATER)
    assert outcome.counts["regressions"] == 1
    demo.run("deliver", LATER)
    pull = demo.pull(REVERT)
    assert (pull["state"], sign in pull["title"]) == ("open", True)
    assert f"**{sign}**" in pull["body"]
    assert "Nobody merges this but you" in pull["body"]
    assert demo.text(REVERT) == before
    assert demo.text("main") != before
    again = demo.run("follow", LATER)
    assert again.counts["regressions"] == 0
    demo.run("deliver", LATER)
    assert len([1 for path in demo.files.layout.pulls.glob("*.json") if REVERT in path.read_text()]) == 1
    assert what_stood(demo) == Stood(since=MERGED, days=15, was_taken_back=True)


def test_a_hand_made_change_is_told_with_its_cost_and_blocks_the_workload(demo: Demo) -> None:
    (live,) = [one for one in YAML(typ="safe").load_all(demo.text("main")) if one["kind"] == "Deployment"]
    live["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "3"
    path = demo.files.layout.folder / "live" / "deployments.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [live]}))
    outcome = demo.run("drift", FIRST)
    assert outcome.problems == ()
    found = {row["workload"]: row for row in outcome.results}
    assert found["search-api"]["drift"] == "changed"
    assert found["search-api"]["owner"] == "search"
    assert found["search-api"]["monthly"] == (Decimal("1.5") * 3 * 730 * Decimal("0.031611")).quantize(Decimal("0.01"))
    assert {row["drift"] for name, row in found.items() if name != "search-api"} == {"missing"}
    reasons = {row["workload"]: row["reason"] for row in demo.run("recommend", FIRST).results}
    assert "the cluster differs from Git (changed)" in reasons["search/search-api"]
    live["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "1500m"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [live]}))
    demo.run("drift", FIRST)
    assert "search/search-api" in {row["workload"] for row in demo.run("recommend", FIRST).results if row["key"]}
