"""What changed near an episode: read from real repositories and recordings, ranked, and never called a cause."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from finops_ai import kinds
from finops_ai.allocation.model_prices import ModelPrice
from finops_ai.app.price_changes import PriceChanges
from finops_ai.detection.nearby import nearby
from finops_ai.domain.change import ChangeSource, NearbyChange, Ranked
from finops_ai.domain.errors import Malformed, Unavailable
from finops_ai.domain.period import Days
from finops_ai.domain.placing import PathPlace, by_path
from finops_ai.domain.scope import Scope
from finops_ai.forges.history import title
from finops_ai.jobs.nearby import gather, near
from finops_ai.jobs.run import Turn
from finops_ai.ledger import changes as kept
from finops_ai.reporting.nearby import changes_nearby, lines
from finops_ai.world.clock import SystemClock
from finops_ai.world.http import Http
from finops_ai.world.objects import Store
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.conftest import ROOT, Finops
from tests.faces.web import episode

GOLDEN = ROOT / "tests/golden/changes"
MAY = Days(date(2026, 5, 1), date(2026, 6, 1))
LABELS = {"x_cost_center": "finops.apexlogic.com/cost-center", "x_ai_model": "finops.apexlogic.com/model"}
START = date(2026, 3, 1)
DAYS = 60
OWNERS = tuple(f"team-{number}" for number in range(8))
MODELS = ("clip", "whisper", "llama", "embed")


def made(kind: str, folder: Path, **told: object) -> ChangeSource:
    secrets, clock = Secrets({}), SystemClock()
    world = World(clock=clock, http=Http(secrets, clock), objects=Store(folder, secrets, clock), secrets=secrets)
    module = kinds.CHANGES[kind]
    source: ChangeSource = module.make(module.Settings(kind=kind, name=kind, **told), world)
    return source


def manifest(owner: str, model: str, replicas: int) -> str:
    labels = f"{{finops.apexlogic.com/cost-center: {owner}, finops.apexlogic.com/model: {model}}}"
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {model}, namespace: {owner}, labels: {labels}}}\n"
        f"spec: {{replicas: {replicas}}}\n"
    )


def written(folder: Path, commits: list[tuple[datetime, str, Mapping[str, str]]]) -> str:
    """A bare repository with these commits, by git itself."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder], check=True)
    lines: list[bytes] = []
    for at, message, files in commits:
        stamp = f"{int(at.timestamp())} +0000"
        body = message.encode()
        lines += [b"commit refs/heads/main\n", f"committer Ann Lee <ann@example.org> {stamp}\n".encode()]
        lines += [f"data {len(body)}\n".encode(), body, b"\n"]
        for path, text in files.items():
            content = text.encode()
            lines += [f"M 100644 inline {path}\ndata {len(content)}\n".encode(), content, b"\n"]
    subprocess.run(["git", "-C", folder, "fast-import", "--quiet"], input=b"".join(lines), check=True)
    return f"file://{folder}"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[tuple[str, str, date, str]]]:
    """Two months of commits of eight teams; sixty of them raise replicas a day or so before a cost does."""
    random.seed(20260528)
    commits: list[tuple[datetime, str, Mapping[str, str]]] = []
    truth = []
    for number in range(1500):
        at = datetime.combine(START, time(), UTC) + timedelta(seconds=random.randrange(DAYS * 86_400))
        owner, model = random.choice(OWNERS), random.choice(MODELS)
        text = manifest(owner, model, random.randrange(1, 9)) + f"# {number}\n"
        path = f"apps/{owner}/{model}.yaml" if random.random() < 0.6 else f"docs/{owner}/{number}.md"
        commits.append((at, f"Change {number} of {model} (#{number})", {path: text}))
    for number in range(60):
        opened = START + timedelta(days=random.randrange(10, DAYS - 2))
        owner, model = random.choice(OWNERS), random.choice(MODELS)
        at = datetime.combine(opened, time(), UTC) - timedelta(hours=random.uniform(-18, 24))
        what = f"Planted {number} (#{9000 + number})"
        commits.append((at, what, {f"apps/{owner}/{model}.yaml": manifest(owner, model, 90 + number)}))
        truth.append((owner, model, opened, what))
    commits.sort(key=lambda one: one[0])
    return written(tmp_path_factory.mktemp("git") / "infra.git", commits), truth


def ranks(found: list[NearbyChange], truth: list[tuple[str, str, date, str]]) -> Iterator[int | None]:
    for owner, model, opened, what in truth:
        one = episode("e", owner, model).with_(opened_on=opened, last_day=opened)
        told = [ranked.change.what for ranked in nearby(one, found, limit=100)]
        yield told.index(what) + 1 if what in told else None


@pytest.mark.parametrize(
    "told",
    [{"labels": LABELS}, {"places": ({"path": "apps/{x_cost_center}/{x_ai_model}.yaml"},)}],
    ids=["by labels", "by paths"],
)
def test_the_true_change_is_among_the_first_three(
    planted: tuple[str, list[tuple[str, str, date, str]]], tmp_path: Path, told: dict[str, object]
) -> None:
    repository, truth = planted
    source = made("git", tmp_path, repository=repository, paths=("apps/**",), **told)
    found = list(source.changes(Days(START - timedelta(days=2), START + timedelta(days=DAYS + 2))))
    places = list(ranks(found, truth))
    top = sum(place is not None and place <= 3 for place in places) / len(places)
    first = sum(place == 1 for place in places) / len(places)
    print(f"{len(found)} changes, {len(truth)} episodes: true one in the top 3 in {top:.0%}, first in {first:.0%}")
    assert top >= 0.8


def test_a_merge_counts_when_it_was_merged_and_tells_its_request(tmp_path: Path) -> None:
    folder = tmp_path / "work"

    def git(*words: str, at: str = "2026-05-01T00:00:00Z") -> None:
        environ = {"GIT_COMMITTER_DATE": at, "GIT_AUTHOR_DATE": at, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        who = ("-c", "user.name=Bo", "-c", "user.email=bo@example.org")
        subprocess.run(["git", *who, *words], cwd=folder, check=True, env=environ, capture_output=True)

    folder.mkdir()
    git("init", "-q", "-b", "main")
    (folder / "a.yaml").write_text(manifest("search", "clip", 1))
    git("add", ".")
    git("commit", "-qm", "Start")
    git("checkout", "-qb", "more")
    (folder / "a.yaml").write_text(manifest("search", "clip", 9) + "---\n{{ not yaml\n")
    git("commit", "-qam", "wip", at="2026-05-03T00:00:00Z")
    git("checkout", "-q", "main")
    message = "Merge pull request #12 from org/more\n\nMore replicas"
    git("merge", "-q", "--no-ff", "-m", message, "more", at="2026-05-20T10:00:00Z")
    source = made(
        "git",
        tmp_path,
        repository=f"file://{folder}",
        places=({"path": "*.yaml", "place": {"x_cost_center": "search"}},),
        web_url="https://git.example/infra",
    )
    start, merge = sorted(source.changes(MAY), key=lambda one: one.at)
    assert (merge.kind, merge.what, merge.who) == ("merge", "More replicas (#12)", "Bo")
    assert merge.at == datetime(2026, 5, 20, 10, tzinfo=UTC)
    assert merge.url == f"https://git.example/infra/commit/{merge.key}"
    assert merge.places == ({"x_cost_center": "search"},)
    assert start.kind == "commit"


@given(st.text(max_size=200))
def test_any_message_has_a_title_on_one_line(message: str) -> None:
    assert "\n" not in title(message)
    assert "\n" not in title("Merge branch 'x'\n\n" + message)


def test_deployments_are_read_from_recorded_answers(tmp_path: Path) -> None:
    argo = list(made("argocd", tmp_path, uri=f"file://{GOLDEN}/argocd", labels=LABELS).changes(MAY))
    assert [(one.what, one.who) for one in argo] == [
        ("search-clip to 0c0d3a3f4fd1 (apps/search/clip)", "automated sync"),
        ("search-clip to 53e28ff20cc5 (apps/search/clip)", "admin"),
    ]
    assert argo[0].places == ({"namespace": "search", "x_cost_center": "search", "x_ai_model": "clip-vit-l"},)
    flux = list(made("flux", tmp_path, uri=f"file://{GOLDEN}/flux").changes(MAY))
    assert [(one.what.partition("@")[0], one.at.isoformat()) for one in flux] == [
        ("HelmRelease vllm UpgradeSucceeded 1.4.0", "2026-05-19T08:00:00+00:00"),
        ("Kustomization search ReconciliationSucceeded main", "2026-05-20T16:14:02+00:00"),
    ]


def test_deployments_are_asked_of_the_api_by_token_and_a_stranger_is_not_believed(tmp_path: Path) -> None:
    answers = {"/api/v1/applications": (GOLDEN / "argocd/applications.json").read_bytes()}
    answers |= {"/api/v1/events": (GOLDEN / "flux/events.json").read_bytes(), "/odd/api/v1/applications": b"{}"}
    asked: list[tuple[str, str | None]] = []

    class Peer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization")))
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(answers.get(self.path, b""))

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    (tmp_path / "token").write_text("of-the-reader\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), Peer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url, token = f"http://127.0.0.1:{server.server_port}", {"file": str(tmp_path / "token")}
        argo = list(made("argocd", tmp_path, url=url, token=token).changes(MAY))
        flux = list(made("flux", tmp_path, url=f"{url}/", token=token).changes(MAY))
        with pytest.raises(Unavailable, match="applications"):
            list(made("argocd", tmp_path, url=f"{url}/odd").changes(MAY))
        server.shutdown()
    assert [one.url for one in argo] == [f"{url}/applications/argocd/search-clip"] * 2
    assert len(flux) == 1
    assert asked[:2] == [(path, "Bearer of-the-reader") for path in ("/api/v1/applications", "/api/v1/events")]


def test_a_price_that_follows_another_is_a_change_and_the_first_of_a_model_is_none() -> None:
    def price(day: int, amount: str) -> ModelPrice:
        return ModelPrice(model="clip-vit-l", valid_from=date(2026, 5, day), meters={"input": amount}, provider="Own")

    found = list(PriceChanges([price(1, "0.40"), price(20, "0.55"), price(25, "0.55")]).changes(MAY))
    assert [one.what for one in found] == ["list price of clip-vit-l: input 0.40 → 0.55 USD"]
    (ranked,) = nearby(episode("e"), found)
    assert ranked.agrees == {"x_ai_model": "clip-vit-l"}


def test_a_broken_recording_is_refused_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "e.jsonl").write_text('{"a": 1}\n{"b": \n')
    with pytest.raises(Malformed, match=r"e\.jsonl:2"):
        list(made("flux", tmp_path, uri=f"file://{tmp_path}/x").changes(MAY))


def change(hours: float, *places: Mapping[str, str], what: str = "x") -> NearbyChange:
    at = datetime(2026, 5, 21, tzinfo=UTC) - timedelta(hours=hours)
    return NearbyChange(source="s", key=f"{what}{hours}", kind="merge", what=what, who="Ann", at=at, places=places)


def test_place_comes_before_time_and_the_future_is_left_out() -> None:
    one = episode("e")  # search, clip-vit-l, opened 21 May
    found = [
        change(1, what="nobody's"),
        change(30, {"x_cost_center": "search", "x_ai_model": "clip-vit-l"}, what="same model"),
        change(2, {"x_cost_center": "ads"}, what="another team"),
        change(-30, {"x_cost_center": "search"}, what="after"),
        change(24 * 9, {"x_cost_center": "search"}, what="long before"),
        change(2, {"x_cost_center": "search", "x_ai_model": "whisper"}, what="another model"),
    ]
    assert [ranked.change.what for ranked in nearby(one, found)] == ["same model", "another model", "nobody's"]
    total = one.with_(scope=Scope())
    assert nearby(total, found)[0].change.what == "same model"


HOSTILE = st.text(max_size=60) | st.sampled_from(["this caused it", "because of\nme", "\x1b[2J", "\u202e"])


@given(
    what=HOSTILE,
    who=HOSTILE,
    kind=st.sampled_from(["merge", "commit", "deployment", "proposal", "price", "other"]),
    hours=st.floats(-24, 170),
    agrees=st.dictionaries(st.sampled_from(["x_cost_center"]), st.just("search")),
)
def test_words_say_associated_and_never_caused(
    what: str, who: str, kind: str, hours: float, agrees: dict[str, str]
) -> None:
    one = NearbyChange(source="s", key="k", kind=kind, what=what, who=who, at=datetime(2026, 5, 20, tzinfo=UTC))
    (row,) = changes_nearby([Ranked(change=one, score=1.0, agrees=agrees, hours_before=hours)])
    assert set(row) == {"what", "who", "when", "url", "words"}
    assert row["words"].startswith("associated with this episode")
    assert not {"cause", "because", "due to", "led to"} & {
        word for word in ("cause", "because", "due to", "led to") if word in row["words"]
    }
    assert "\n" not in row["what"] + row["who"]
    assert "\x1b" not in "".join(lines([row]))
    assert "not proven" in lines([row])[0]


def test_the_first_glob_that_fits_places_a_path() -> None:
    places = (PathPlace(path="apps/{x_cost_center}/**", place={"x_environment": "prod"}), PathPlace(path="**"))
    assert by_path("apps/search/clip/d.yaml", places) == {"x_cost_center": "search", "x_environment": "prod"}
    assert by_path("README.md", places) == {}


class Told:
    """Changes at hand."""

    name = "s"

    def __init__(self, *changes: NearbyChange) -> None:
        self._changes = changes

    def changes(self, days: Days) -> Iterator[NearbyChange]:
        yield from self._changes


def test_changes_are_kept_once_as_first_known_and_a_failing_source_stops_no_other(
    ledger: sa.Engine, tmp_path: Path
) -> None:
    as_of = datetime(2026, 5, 22, tzinfo=UTC)
    turn = Turn(engine=ledger, as_of=as_of, now=lambda: as_of)
    broken = made("git", tmp_path, repository=f"file://{tmp_path}/nowhere.git")
    one = change(3, {"x_cost_center": "search"}, what="nul \0 and half \ud800")
    outcome = gather(turn, (broken, Told(one, change(-100, what="not yet"))))
    assert (outcome.counts["new"], outcome.counts["unavailable"]) == (1, 1)
    assert "nowhere.git" in str(outcome.problems[0])
    assert gather(turn, (Told(one),)).counts["new"] == 0
    days = Days(date(2026, 5, 14), date(2026, 5, 23))
    assert kept.changes(ledger, days, as_of - timedelta(seconds=1)) == []
    (row,) = near(ledger, episode("e"), as_of)
    assert row["words"] == "associated with this episode: merged change to search, 3 h before the day it opened"


def test_the_command_gathers_and_every_problem_of_its_settings_is_told(finops: Finops, ledger_url: str) -> None:
    (finops.folder / "config").mkdir()
    file = finops.folder / "config" / "finops.yaml"
    file.write_text(f"changes:\n  - {{name: cd, kind: argocd, uri: 'file://{GOLDEN}/argocd'}}\n", encoding="utf-8")
    environ = {"FINOPS_DATABASE_URL": ledger_url}
    ran = finops("nearby", "--as-of", "2026-05-22", "--output", "json", env=environ)
    assert ran.exit_code == 0, ran.stderr
    assert {row["source"]: row["new"] for row in ran.json} == {"cd": 1, "price-lists": 0, "finops-ai": 0}
    file.write_text("changes:\n  - {name: cd, kind: argocd}\n  - {name: g, kind: git, repository: 'https://a:b@c/d'}\n")
    wrong = finops("config", "check")
    assert wrong.exit_code == 4
    assert "url" in wrong.stderr
    assert "repository" in wrong.stderr
