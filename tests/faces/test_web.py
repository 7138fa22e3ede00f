"""The web server as others meet it: who may ask, what only a button does, and whose requests are believed."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_ai.app import App
from finops_ai.app.answer_links import answer_links
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.signature import Answer, token
from finops_ai.ledger import decisions, findings
from finops_ai.web.application import application
from finops_ai.web.guard import LARGEST_BODY
from finops_ai.web.work import Work
from tests.conftest import Finops
from tests.faces.web import SECRETS, TEXT, episode, filled, told

ANALYST = {"Authorization": f"Bearer {SECRETS['API_TOKEN']}"}
DASHBOARD = {"Authorization": f"Bearer {SECRETS['READ_TOKEN']}"}
HOSTILE = 'ep-<script>alert("1")</script>'
EVIL_OWNER = "<img src=x onerror=alert(1)>\u202eevil"


@dataclass(frozen=True)
class Site:
    app: App
    url: str
    ran: list[str] = field(default_factory=list)

    def get(self, path: str, **options: object) -> httpx.Response:
        return httpx.get(self.url + path, **options)  # type: ignore[arg-type]

    def post(self, path: str, **options: object) -> httpx.Response:
        return httpx.post(self.url + path, **options)  # type: ignore[arg-type]

    def answers(self, key: str) -> Sequence[tuple[str, str]]:
        now = self.app.now() + timedelta(seconds=1)
        return [
            (one.verdict.value, one.by) for one in findings.feedbacks(self.app.engine, now) if one.episode_key == key
        ]


@pytest.fixture(scope="module")
def site(server: object, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from tests.database import _create

    app = told(tmp_path_factory.mktemp("web"), _create(server, template))  # type: ignore[arg-type]
    names = ("ep-1", "ep-2", "ep-3", "ep-4", "ep-chat", "ep-fuzz", "ep-browser")
    filled(app.engine, *(episode(key) for key in names), episode(HOSTILE, EVIL_OWNER, "<b>model</b>"))
    ran: list[str] = []
    work = Work(ran.append)
    running = uvicorn.Server(
        uvicorn.Config(application(app, work), port=0, log_config=None, access_log=False, lifespan="off")
    )
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        thread.join(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield Site(app, f"http://127.0.0.1:{port}", ran)
    running.should_exit = True
    thread.join(20)
    work.close(5)
    app.engine.dispose()


def link(site: Site, key: str, verdict: FeedbackVerdict = FeedbackVerdict.REAL) -> str:
    address = answer_links(site.app.config, site.app.world.secrets, site.app.now())(key)[verdict.value]
    assert address.startswith("https://finops.example/base/answer/")
    return urlsplit(address).path.removeprefix("/base")


def problem(response: httpx.Response, status: int) -> str:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    told = response.json()
    assert told["status"] == status
    return str(told["detail"])


def test_probes_and_metrics_answer_without_a_token(site: Site) -> None:
    assert site.get("/livez").text == site.get("/readyz").text == "ok\n"
    text = site.get("/metrics").text
    assert 'finops_episodes_open{severity="warning"} 8.0' in text
    assert "# TYPE finops_outbox_messages gauge" in text


def test_the_api_is_closed_without_a_token_and_reads_cannot_write(site: Site) -> None:
    assert "web.tokens" in problem(site.get("/api/v1/episodes"), 401)
    assert "not known" in problem(site.get("/api/v1/episodes", headers={"Authorization": "Bearer no"}), 401)
    problem(site.post("/api/v1/episodes/ep-1/feedback", json={"verdict": "real"}), 401)
    denied = site.post("/api/v1/episodes/ep-1/feedback", json={"verdict": "real"}, headers=DASHBOARD)
    assert "read_only" in problem(denied, 403)
    assert site.answers("ep-1") == []
    rows = site.get("/api/v1/episodes", headers=DASHBOARD).json()["items"]
    assert next(row for row in rows if row["key"] == "ep-1")["excess"] == "3295.35"


def test_an_answer_by_the_api_is_kept_under_the_name_of_its_token(site: Site) -> None:
    body = {"verdict": "expected", "until": "2026-06-30", "note": "load test"}
    row = site.post("/api/v1/episodes/ep-2/feedback", json=body, headers=ANALYST).json()
    assert (row["feedback"], row["feedback_until"], row["feedback_note"]) == ("expected", "2026-06-30", "load test")
    assert site.answers("ep-2") == [("expected", "api:analyst")]


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/api/v1/episodes/nothing", 404, "nothing"),
        ("/api/v1/episodes/ep-", 409, "several"),
        ("/api/v1/episodes?as_of=soon", 422, "as_of"),
        ("/api/v1/costs?start=2026-05-01", 422, "go together"),
        ("/api/v1/costs?where=day", 422, "KEY=VALUE"),
        ("/api/v1/costs?group_by=x_cost_centre", 422, "x_cost_center"),
        ("/api/v2", 404, ""),
    ],
)
def test_what_cannot_be_answered_says_why(site: Site, path: str, status: int, told: str) -> None:
    assert told in problem(site.get(path, headers=ANALYST), status)


def test_until_goes_with_expected_only(site: Site) -> None:
    body = {"verdict": "real", "until": "2026-06-30"}
    problem(site.post("/api/v1/episodes/ep-1/feedback", json=body, headers=ANALYST), 422)
    wrong = site.post("/api/v1/episodes/ep-1/feedback", json={"verdict": "maybe"}, headers=ANALYST)
    assert "verdict" in problem(wrong, 422)
    assert site.answers("ep-1") == []


def test_looking_at_a_link_changes_nothing_and_its_button_answers_once(site: Site) -> None:
    path = link(site, "ep-3", FeedbackVerdict.FALSE_POSITIVE)
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        httpx.request(method, site.url + path)
    shown = site.get(path)
    assert (shown.status_code, shown.text.count("<button")) == (200, 1)
    assert "$3,295" in shown.text
    assert site.answers("ep-3") == []
    assert "Thank you" in site.post(path).text
    assert "Thank you" in site.post(path).text
    assert site.answers("ep-3") == [("false_positive", "mail link")]


def test_a_link_that_is_changed_over_or_of_another_secret_does_nothing(site: Site) -> None:
    good = link(site, "ep-4")
    other = link(site, "ep-1").partition(".")[0] + "." + good.partition(".")[2]
    over = token(
        SECRETS["WEB_SECRET"],
        Answer(episode_key="ep-4", verdict=FeedbackVerdict.REAL, expires_at=datetime(2026, 1, 1, tzinfo=UTC)),
    )
    stranger = token(
        "another",
        Answer(episode_key="ep-4", verdict=FeedbackVerdict.REAL, expires_at=datetime(2099, 1, 1, tzinfo=UTC)),
    )
    for path in (good[:-2], other, f"/answer/{stranger}", "/answer/x", "/answer/a.b", f"/answer/{'a' * 4000}.b"):
        assert site.post(path).status_code == 403, path
    assert site.post(f"/answer/{over}").status_code == 410
    assert site.answers("ep-4") == []


def test_a_rotated_secret_is_still_believed(site: Site) -> None:
    old = token(
        SECRETS["OLD_SECRET"],
        Answer(episode_key="ep-4", verdict=FeedbackVerdict.REAL, expires_at=datetime(2099, 1, 1, tzinfo=UTC)),
    )
    assert site.get(f"/answer/{old}").status_code == 200


def test_links_of_one_day_are_the_same_and_need_address_and_secret(site: Site, tmp_path: Path) -> None:
    config, secrets, now = site.app.config, site.app.world.secrets, datetime(2026, 5, 25, 7, tzinfo=UTC)
    assert answer_links(config, secrets, now)("k") == answer_links(config, secrets, now + timedelta(hours=3))("k")
    bare = replace(config, web=config.web.model_copy(update={"public_url": None}))
    assert answer_links(bare, secrets, now)("k") == {}


def test_names_of_the_bill_are_text_on_the_page(site: Site) -> None:
    shown = site.get(link(site, HOSTILE))
    assert shown.status_code == 200
    assert "<script" not in shown.text
    assert "<img" not in shown.text
    assert "\u202e" not in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in site.get("/livez", headers={"Origin": "https://evil.example"}).headers


def test_a_body_beyond_the_limit_is_refused_whether_announced_or_not(site: Site) -> None:
    problem(site.post("/webhooks/github", content=b"x" * (LARGEST_BODY + 1)), 413)

    def stream() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    problem(site.post("/webhooks/github", content=stream()), 413)


# Chat buttons

PRESSED = datetime.now(UTC)


def pressed(
    site: Site, payload: object, *, age_seconds: int = 0, secret: str = SECRETS["CHAT_SECRET"]
) -> dict[str, Any]:
    body = urlencode({"payload": json.dumps(payload)}).encode()
    stamp = str(int(site.app.now().timestamp()) - age_seconds)
    mac = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={mac}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return {"content": body, "headers": headers}


def button(key: str, verdict: str = "real") -> dict[str, Any]:
    return {
        "type": "block_actions",
        "team": {"id": "T9TK3CUKW", "domain": "example"},
        "user": {"id": "UA8RXUSPL", "username": "jtorrance", "team_id": "T9TK3CUKW"},
        "actions": [
            {
                "action_id": f"finops_answer_{verdict}",
                "block_id": "finops_answer",
                "action_ts": f"{PRESSED.timestamp():.6f}",
                "value": json.dumps({"episode": key, "verdict": verdict, "days": None}),
                "type": "button",
            }
        ],
    }


def test_a_chat_button_answers_under_its_users_name_however_often_it_is_brought(site: Site) -> None:
    request = pressed(site, button("ep-chat"))
    assert site.post("/answers/chat", **request).json() == {"answers": 1}
    assert site.post("/answers/chat", **request).status_code == 200
    assert site.answers("ep-chat") == [("real", "slack:jtorrance")]
    assert site.post("/answers/chat", **pressed(site, button("ep-chat", "snooze"))).status_code == 200
    (put_off,) = decisions.snoozes(site.app.engine, PRESSED + timedelta(days=1))
    assert (put_off.episode_key, put_off.until) == ("ep-chat", PRESSED.date() + timedelta(days=7))
    assert len(site.answers("ep-chat")) == 1


def test_a_chat_request_that_is_old_forged_or_strange_changes_nothing(site: Site) -> None:
    problem(site.post("/answers/chat", **pressed(site, button("ep-4"), age_seconds=301)), 401)
    problem(site.post("/answers/chat", **pressed(site, button("ep-4"), age_seconds=-301)), 401)
    problem(site.post("/answers/chat", **pressed(site, button("ep-4"), secret="guess")), 401)
    changed = pressed(site, button("ep-4"))
    problem(site.post("/answers/chat", **{**changed, "content": changed["content"] + b"+"}), 401)
    problem(site.post("/answers/chat", **pressed(site, button("ep-4", "maybe"))), 401)
    assert site.post("/answers/chat", **pressed(site, button("nothing"))).status_code == 200
    assert site.post("/answers/chat", **pressed(site, {"type": "view_submission"})).status_code == 200
    problem(site.post("/answers/other", **pressed(site, button("ep-4"))), 404)
    assert site.answers("ep-4") == []


# Git hosts

PULL = {"action": "closed", "repository": {"full_name": "a/b"}, "pull_request": {"head": {}}}
MERGE = {"object_kind": "merge_request", "project": {"path_with_namespace": "a/b"}, "object_attributes": {}}


def hooked(kind: str, told: object, event: str, secret: str = SECRETS["HOOK_SECRET"]) -> dict[str, Any]:
    body = json.dumps(told).encode()
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "github": {"X-Hub-Signature-256": f"sha256={mac}", "X-GitHub-Event": event},
        "gitea": {"X-Gitea-Signature": mac, "X-Gitea-Event": event},
        "gitlab": {"X-Gitlab-Token": secret, "X-Gitlab-Event": event},
    }
    return {"content": body, "headers": {**headers[kind], "Content-Type": "application/json"}}


@pytest.mark.parametrize(
    ("kind", "body", "event"),
    [
        ("github", PULL, "pull_request"),
        ("github", {"repository": {"full_name": "a/b"}, "issue": {"pull_request": {}}}, "issue_comment"),
        ("gitea", PULL, "pull_request_sync"),
        ("gitlab", MERGE, "Merge Request Hook"),
    ],
)
def test_a_host_of_git_makes_us_look(site: Site, kind: str, body: object, event: str) -> None:
    before = len(site.ran)
    queued = site.post(f"/webhooks/{kind}", **hooked(kind, body, event))
    assert (queued.status_code, queued.json()) == (202, {"queued": "follow"})
    waiting = threading.Event()
    while len(site.ran) == before:
        waiting.wait(0.01)
    assert set(site.ran) == {"follow"}


@pytest.mark.parametrize("kind", ["github", "gitea", "gitlab"])
def test_a_host_is_believed_by_its_signature_only(site: Site, kind: str) -> None:
    problem(site.post(f"/webhooks/{kind}", json=PULL), 401)
    problem(site.post(f"/webhooks/{kind}", **hooked(kind, PULL, "pull_request", secret="guess")), 401)
    ping = site.post(f"/webhooks/{kind}", **hooked(kind, {"zen": "x"}, "ping"))
    assert (ping.status_code, ping.json()) == (200, {"queued": None})
    stranger = {**PULL, "pull_request": {"head": {"ref": "feature/x"}}}
    assert site.post(f"/webhooks/{kind}", **hooked(kind, stranger, "pull_request")).status_code == 200


def test_the_hosts_published_example_of_a_signature() -> None:
    """From the documentation of X-Hub-Signature-256."""
    from finops_ai.domain.signature import signed

    given = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signed(["new", "It's a Secret to Everybody"], b"Hello, World!", given)
    assert not signed(["", "new"], b"Hello, World!", given)


# Fuzzing

ODD = st.text(max_size=40) | st.sampled_from(["'", '"', "%00", "../..", "🦊", "ep-fuzz", "x_cost_center", "tag:a"])


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=ODD, query=st.dictionaries(st.sampled_from(["as_of", "state", "group_by", "where", "start", "end"]), ODD))
def test_no_request_breaks_the_server(site: Site, path: str, query: dict[str, str]) -> None:

    document = site.get("/api/openapi.json").json()
    assert set(document["paths"]) >= {"/api/v1/episodes/{key}/feedback", "/api/v1/costs", "/api/v1/pulls"}
    for where in ("/api/v1/episodes", "/api/v1/costs", f"/api/v1/episodes/{quote(path, safe='')}"):
        got = site.get(where, params=query, headers=ANALYST)
        assert got.status_code in (200, 404, 405, 409, 422), (where, query, got.text)
    sent = site.post("/api/v1/episodes/ep-fuzz/feedback", json={"verdict": "real", "note": path}, headers=ANALYST)
    assert sent.status_code in (200, 422)
    assert site.post(
        "/webhooks/gitlab", content=path.encode("utf-8", "replace"), headers={"X-Gitlab-Token": SECRETS["HOOK_SECRET"]}
    ).status_code in (200, 202, 422)
    assert site.get("/answer/" + quote(path, safe="")).status_code in (403, 404, 405)


# The command


def test_serve_ends_well_when_it_is_told_to_and_logs_no_token(finops: Finops, ledger_url: str) -> None:
    (finops.folder / "config").mkdir()
    (finops.folder / "config" / "finops.yaml").write_text(TEXT, encoding="utf-8")
    environ = finops.environ({**SECRETS, "FINOPS_DATABASE_URL": ledger_url, "FINOPS__WEB__PORT": "0"})
    command = [sys.executable, "-m", "finops_ai", "serve"]
    with subprocess.Popen(command, cwd=finops.folder, env=environ, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        line = running.stderr.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert url, line
        assert httpx.get(f"{url[0]}/readyz").status_code == 200
        secret_path = token(
            SECRETS["WEB_SECRET"],
            Answer(episode_key="none", verdict=FeedbackVerdict.REAL, expires_at=datetime(2099, 1, 1, tzinfo=UTC)),
        )
        assert httpx.get(f"{url[0]}/answer/{secret_path}").status_code == 404
        assert httpx.get(f"{url[0]}/api/v1/episodes", headers=ANALYST).status_code == 200
        running.send_signal(signal.SIGTERM)
        rest = running.stderr.read()
        assert running.wait(20) == 0, rest
    assert "web server stopped" in rest
    assert secret_path not in rest
    assert SECRETS["API_TOKEN"] not in rest


def test_serve_names_a_secret_that_is_not_set(finops: Finops, ledger_url: str) -> None:
    (finops.folder / "config").mkdir()
    (finops.folder / "config" / "finops.yaml").write_text(TEXT, encoding="utf-8")
    ran = finops("serve", "--port", "0", env={"FINOPS_DATABASE_URL": ledger_url})
    assert (ran.exit_code, ran.stdout) == (4, "")
    assert "WEB_SECRET is not set" in ran.stderr
