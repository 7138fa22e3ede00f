"""The page behind a signed link in a real browser: nobody's script runs, the button answers, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.signature import Permission, token
from finops_ai.ledger import findings
from tests import rig
from tests.faces.web_server import HOSTILE, KEY, SECRET, served

pytestmark = pytest.mark.server
LATER = datetime(2126, 1, 1, tzinfo=UTC)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def browser() -> Iterator[Any]:
    program = rig.need("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(program), args=QUIET)
        yield opened
        opened.close()


def test_an_answer_is_given_by_its_button(
    tmp_path_factory: pytest.TempPathFactory, ledger_url: str, ledger: sa.Engine, browser: Any
) -> None:
    with served(tmp_path_factory.mktemp("page"), ledger_url, ledger) as web:
        may = Permission(episode=KEY, verdict=FeedbackVerdict.EXPECTED, expires=LATER)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text))
        page.on("dialog", lambda asked: complaints.append(asked.message))
        page.goto(f"{web.url}/answer/{token(may, SECRET)}")
        assert page.title() == "It was expected · finops-ai"
        assert HOSTILE.replace("\n", " ") in page.inner_text("dl")
        assert findings.feedbacks(ledger, LATER) == []
        page.fill("#until", "2026-05-01")
        page.fill("#note", "the launch")
        page.click("button")
        assert "Kept." in page.inner_text("[role=status]")
        assert page.locator("form").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        (answer,) = findings.feedbacks(ledger, LATER)
    assert (answer.verdict, str(answer.until), answer.note) == (FeedbackVerdict.EXPECTED, "2026-05-01", "the launch")
    assert complaints == []
