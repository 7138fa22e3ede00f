"""What is seen over HTTP: the API, signed answers, health, and how the server ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.signature import Permission, token
from finops_ai.ledger import findings
from tests.faces.web_server import KEY, READER, SECRET, TOKEN, Served, served

pytestmark = pytest.mark.server
LATER = datetime(2126, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, ledger_of_module: sa.Engine) -> Iterator[Served]:
    address = ledger_of_module.url.render_as_string(hide_password=False)
    with served(tmp_path_factory.mktemp("web"), address, ledger_of_module) as found:
        yield found


def link(verdict: FeedbackVerdict, *, episode: str = KEY, secret: str = SECRET, expires: datetime = LATER) -> str:
    return "/answer/" + token(Permission(episode=episode, verdict=verdict, expires=expires), secret)


def answers(web: Served) -> int:
    return len(findings.feedbacks(web.ledger, LATER))


def test_health_is_told(web: Served) -> None:
    assert web.client.get("/livez").json() == {"status": "alive"}
    ready = web.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    metrics = web.client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "finops_episodes_open{severity=" in metrics.text


def test_the_api_answers_who_may_ask(web: Served) -> None:
    for path in ("/api/v1/episodes", f"/api/v1/episodes/{KEY}", "/api/v1/costs", "/api/v1/pulls"):
        for headers in ({}, web.as_("wrong"), {"Authorization": f"Basic {TOKEN}"}):
            refused = web.client.get(path, headers=headers)
            assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
        assert web.client.get(path, headers=web.as_(READER)).status_code == 200
    row = web.client.get(f"/api/v1/episodes/{KEY[:4]}", headers=web.as_(READER)).json()
    assert row["key"] == KEY
    assert isinstance(row["excess"], str)
    gone = web.client.get("/api/v1/episodes/none", headers=web.as_(READER))
    assert (gone.status_code, gone.json()["detail"]) == (404, "there is no episode 'none'")


def test_an_answer_by_the_api_is_kept(web: Served) -> None:
    path, before = f"/api/v1/episodes/{KEY}/feedback", answers(web)
    said = {"verdict": "expected", "until": "2026-05-01", "note": "launch"}
    assert web.client.post(path, json=said, headers=web.as_(READER)).status_code == 403
    for wrong in ({"verdict": "perhaps"}, {"verdict": "real", "until": "2026-05-01"}, {}, {**said, "more": 1}):
        assert web.client.post(path, json=wrong, headers=web.as_(TOKEN)).status_code == 422
    assert answers(web) == before
    kept = web.client.post(path, json=said, headers=web.as_(TOKEN))
    assert (kept.status_code, kept.json()["feedback"], kept.json()["feedback_until"]) == (201, "expected", "2026-05-01")
    assert answers(web) == before + 1
    assert findings.feedbacks(web.ledger, LATER)[-1].by == "api:dashboard"


def test_looking_at_a_link_answers_nothing_and_its_button_does(web: Served) -> None:
    before = answers(web)
    for _ in range(3):
        page = web.client.get(link(FeedbackVerdict.FALSE_POSITIVE))
        assert page.status_code == 200
        assert "It is a false alarm?" in page.text
    web.client.head(link(FeedbackVerdict.FALSE_POSITIVE))
    assert answers(web) == before
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["referrer-policy"] == "no-referrer"
    done = web.client.post(link(FeedbackVerdict.FALSE_POSITIVE), data={"note": "a test run"})
    assert done.status_code == 200
    assert "Kept." in done.text
    last = findings.feedbacks(web.ledger, LATER)[-1]
    assert (last.verdict, last.note, last.by) == (FeedbackVerdict.FALSE_POSITIVE, "a test run", "signed link")
    assert answers(web) == before + 1


def test_a_link_permits_what_it_was_signed_for(web: Served) -> None:
    before = answers(web)
    ended = datetime.now(UTC) - timedelta(seconds=1)
    for address, status in (
        (link(FeedbackVerdict.REAL, secret="another"), 403),
        (link(FeedbackVerdict.REAL, expires=ended), 403),
        (link(FeedbackVerdict.REAL)[:-1], 403),
        ("/answer/x", 403),
        (link(FeedbackVerdict.REAL, episode="none"), 422),
    ):
        assert web.client.post(address).status_code == status
        assert "This link cannot be used" in web.client.get(address).text
    wrong_day = web.client.post(link(FeedbackVerdict.EXPECTED), data={"until": "tomorrow"})
    assert wrong_day.status_code == 422
    assert answers(web) == before
    assert web.client.post(link(FeedbackVerdict.REAL, secret="an older secret")).status_code == 200


def test_large_bodies_are_refused_however_they_are_sent(web: Served) -> None:
    large = b"x" * (1024 * 1024 + 1)
    assert web.client.post(link(FeedbackVerdict.REAL), content=large).status_code == 413
    pieces = (large[start : start + 65536] for start in range(0, len(large), 65536))
    assert web.client.post(link(FeedbackVerdict.REAL), content=pieces).status_code == 413


def test_hooks_are_for_the_peers_of_the_configuration(web: Served) -> None:
    assert web.client.post("/hooks/nobody", content=b"{}").status_code == 404


def test_the_description_names_every_way_in(web: Served) -> None:
    told = web.client.get("/api/openapi.json").json()
    assert {"/api/v1/episodes/{key}/feedback", "/api/v1/costs", "/livez", "/metrics"} <= set(told["paths"])


PATHS = st.sampled_from(["episodes", f"episodes/{KEY}", "costs", "pulls", f"episodes/{KEY}/explanation"])
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
KEYS = st.sampled_from(["start", "end", "group_by", "where", "currency", "as_of", "state"])


@settings(max_examples=40, deadline=None)
@given(path=PATHS, query=st.dictionaries(KEYS, WORDS | st.just("day") | st.just("2026-04-01"), max_size=4))
def test_no_question_is_a_bug(web: Served, path: str, query: dict[str, str]) -> None:
    answer = web.client.get(f"/api/v1/{path}", params=query, headers=web.as_(READER))
    assert answer.status_code in (200, 404, 422), answer.text


def test_asked_to_stop_it_ends_well_and_tells_no_secret(
    tmp_path_factory: pytest.TempPathFactory, ledger_url: str, ledger: sa.Engine
) -> None:
    with served(tmp_path_factory.mktemp("stop"), ledger_url, ledger) as web:
        web.client.get("/api/v1/episodes", headers=web.as_(TOKEN))
        web.process.send_signal(signal.SIGTERM)
        assert web.process.wait(30) == 0
        log = web.log.read_text()
    assert '"served"' in log
    assert not any(secret in log for secret in (SECRET, TOKEN, READER))
