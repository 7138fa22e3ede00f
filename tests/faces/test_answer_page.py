"""The answer page in a real browser: what a reader sees, presses, and what the page is kept from doing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain.episode import FeedbackVerdict
from tests.faces.test_web import HOSTILE, Site, link
from tests.faces.test_web import site as site

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH: apt-get install chromium")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


def shoot(page: Any, name: str) -> None:
    """Pictures for people, where FINOPS_SHOTS names a folder."""
    if folder := os.environ.get("FINOPS_SHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_reader_sees_the_episode_presses_one_button_and_is_thanked(site: Site, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 420, "height": 760})
    complaints: list[str] = []
    page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
    page.goto(site.url + link(site, "ep-browser"))
    assert page.locator("h1").inner_text() == "search"
    assert "$3,295" in page.locator("dl").inner_text()
    assert page.locator("button").evaluate("it => getComputedStyle(it).backgroundColor") != "rgba(0, 0, 0, 0)"
    shoot(page, "answer")
    assert site.answers("ep-browser") == []
    page.get_by_role("button").click()
    page.get_by_text("Thank you").wait_for()
    shoot(page, "thanks")
    assert site.answers("ep-browser") == [("real", "mail link")]
    assert complaints == []
    page.close()


def test_names_from_the_bill_run_nothing_in_the_browser(site: Site, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 420, "height": 760})
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(site.url + link(site, HOSTILE, FeedbackVerdict.EXPECTED))
    assert page.locator("h1").inner_text().startswith("<img src=x")
    assert page.locator("img, script").count() == 0
    shoot(page, "hostile")
    assert dialogs == []
    page.close()
