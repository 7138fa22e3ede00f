"""A page as a mail: the same facts as text and HTML, small enough not to be clipped, no word of the bill in charge."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_ai.domain.errors import Rejected
from finops_ai.domain.message import Message
from finops_ai.sinks.mail_chart import chart_png
from finops_ai.sinks.mail_page import mail_page
from tests.unit.sinks.bodies import chart, digest, every_kind, graver, items, nasty, page, storm

CLIPPED_BYTES = 100_000
OURS = ("https://finops.example.com/", "https://wiki.example.com/", "https://git.example.com/")


class Read(HTMLParser):
    """Elements with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


def on_one_line(text: str) -> bool:
    return not {"Cc", "Cf", "Cs", "Zl", "Zp"} & {unicodedata.category(char) for char in text}


@pytest.mark.parametrize("message", every_kind(), ids=lambda message: message.kind)
def test_no_name_becomes_markup_a_link_or_a_header(message: Message) -> None:
    plain = Read(mail_page(message).html)
    hostile = mail_page(nasty(message))
    read = Read(hostile.html)
    kept = {"a", "span"}  # what an address or a person that is hostile is left out of, or stands beside
    assert {tag for tag, _ in read.elements} <= {tag for tag, _ in plain.elements} | kept
    assert "alert(1)" in read.text
    assert all(attributes["href"].startswith(OURS) for tag, attributes in read.elements if tag == "a")
    assert not any(name.startswith("on") for _, attributes in read.elements for name in attributes)
    for text in (hostile.subject, *hostile.text.splitlines()):
        assert on_one_line(text)
    assert "evil.example" in hostile.text
    assert "://evil" not in hostile.text + hostile.html


def test_text_and_html_tell_the_same() -> None:
    told = mail_page(page(), chart_cid="c1")
    read = Read(told.html)
    for fact in (
        "+3,295.35 USD",
        "p4d.24xlarge · us-east-1",
        "+3,150.35 USD",
        "3.1 times the hours",
        "finops-ai explain",
    ):
        assert fact in told.text
        assert fact in read.text
    links = [attributes["href"] for tag, attributes in read.elements if tag == "a"]
    assert links == [
        "https://git.example.com/platform/pulls/812",
        "https://finops.example.com/answer/real?t=signed",
        "https://finops.example.com/answer/false_positive?t=signed",
        "https://finops.example.com/answer/expected?t=signed",
        "https://finops.example.com/episodes/ep-3f9a1c",
        "https://wiki.example.com/x",
    ]
    assert all(link in told.text for link in links)
    assert [attributes["src"] for tag, attributes in read.elements if tag == "img"] == ["cid:c1"]


def test_one_subject_for_the_life_of_an_episode() -> None:
    life = [page(), page("episode_updated"), graver(), page("episode_resolved")]
    assert {mail_page(one).subject for one in life} == {"[finops] ml-serve: cost rise since 2026-05-21"}
    assert mail_page(storm()).subject == mail_page(storm("storm_resolved", 9)).subject
    assert mail_page(digest()).subject == "[finops] 3 episodes did not page"
    assert len(mail_page(nasty(page())).subject) <= 140


def test_what_is_over_asks_nothing() -> None:
    assert "Was this page right?" not in mail_page(page("episode_resolved")).text


def test_a_huge_message_is_not_clipped() -> None:
    cause = {"what": "ü" * 4_000, "excess": "1.00", "note": "n" * 4_000}
    told = mail_page(page(causes=[cause] * 3_000, summary="s" * 600_000, team="t" * 9_000))
    assert len(told.html.encode()) < CLIPPED_BYTES
    assert "and 2980 more" in told.html
    assert "and 480 more" in mail_page(storm(count=500)).text


def test_a_message_without_words_is_refused_with_the_remedy() -> None:
    with pytest.raises(Rejected, match="route it to another sink"):
        mail_page(Message(key="k", kind="proposal", sink="s", body={}))


def test_a_chart_is_a_picture_of_any_length() -> None:
    for days in (chart(), chart()[:1], [], [{"day": "2026-05-01", "observed": None, "expected": None}]):
        assert chart_png(days, "2026-05-21", "USD").startswith(b"\x89PNG")
    assert chart_png(chart(), "2026-05-21", "USD") == chart_png(chart(), "2026-05-21", "USD")
    with pytest.raises(ValueError, match="isoformat"):
        chart_png([{"day": "yesterday"}], None, "USD")


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(name=st.text(max_size=400), title=st.text(min_size=1, max_size=400))
def test_any_name_gives_a_mail_that_can_be_read(name: str, title: str) -> None:
    cause = {"what": name, "excess": "1.00", "note": name}
    for message in (
        page(title=title, summary=title, team=name, causes=[cause], scope={"x": name}),
        storm(title=title, team=name, items=[{**item, "title": name} for item in items(2)]),
    ):
        told = mail_page(message)
        assert on_one_line(told.subject)
        assert {tag for tag, _ in Read(told.html).elements} <= {
            *("html", "head", "meta", "title", "style", "body", "table", "tr", "td", "p", "h1", "div", "caption", "a"),
            *("span", "code"),
        }
