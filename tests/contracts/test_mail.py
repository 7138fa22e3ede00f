"""Mail through a real SMTP server: what arrives, how it is threaded, and whose fault a refusal is."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.domain.message import Message
from finops_ai.sinks import email as sink_module
from finops_ai.world.http import Http
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.receivers import MailBox, smtp_server
from tests.unit.sinks.bodies import change, delivered, digest, graver, nasty, page

NOW = datetime(2026, 5, 24, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"


class StillClock:
    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        pass


@pytest.fixture
def box() -> Iterator[MailBox]:
    with smtp_server() as taken:
        yield taken


def sink(box: MailBox, **more: Any) -> sink_module.Email:
    secrets, clock = Secrets({"PASSWORD": PASSWORD}), StillClock()
    world = World(clock=clock, http=Http(secrets, clock), objects=None, secrets=secrets)  # type: ignore[arg-type]
    told = {"host": box.host, "port": box.port, "security": "none", "to": ["owners@example.com"], **more}
    settings = sink_module.Settings(kind="email", name="mail", sender="finops@example.com", **told)
    return sink_module.make(settings, world)


def parts(mail: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in mail.walk()]


def test_what_arrives_is_text_html_and_the_chart_inside(box: MailBox) -> None:
    receipt = sink(box, to=["a@example.com", "b@example.com"]).send(page())
    ((sender, recipients, _),) = box.taken
    assert (sender, recipients) == ("finops@example.com", ("a@example.com", "b@example.com"))
    (mail,) = box.mails
    assert parts(mail) == [
        *("multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"),
    ]
    picture = next(part for part in mail.walk() if part.get_content_type() == "image/png")
    html = mail.get_body(("html",))
    assert html is not None
    assert f"cid:{picture['Content-ID'].strip('<>')}" in html.get_content()
    assert picture.get_content().startswith(b"\x89PNG")
    assert picture.get_content_disposition() == "inline"
    assert mail["From"] == "finops-ai <finops@example.com>"
    assert mail["To"] == "a@example.com, b@example.com"
    assert mail["Date"].datetime == NOW
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "finops-ai <finops-ai.example.com>"
    assert receipt.remote_id == mail["Message-ID"]
    assert not receipt.certain


def test_one_thread_for_an_episode_and_the_same_id_for_a_repeat(box: MailBox) -> None:
    ours, first = sink(box), page()
    ours.send(first)
    ours.send(first)
    ours.send(page("episode_updated"), delivered(first))
    ours.send(page("episode_resolved"), delivered(page("episode_updated")))
    ours.send(page(key="finops/other"))
    root, again, grown, ended, other = box.mails
    assert root["Message-ID"] == again["Message-ID"]
    assert len({mail["Message-ID"] for mail in box.mails}) == 4
    for mail in (grown, ended):
        assert mail["In-Reply-To"] == mail["References"] == root["Message-ID"]
        assert mail["Subject"] == f"Re: {root['Subject']}"
    assert "In-Reply-To" not in root
    assert "References" not in other


def test_grave_pages_are_marked_urgent_and_nothing_else_is(box: MailBox) -> None:
    ours = sink(box)
    opened = Message(key="k", kind="episode_opened", sink="s", body=graver().body)
    for message in (opened, page(), digest(), page("episode_resolved")):
        ours.send(message)
    assert [mail["Importance"] for mail in box.mails] == ["high", None, None, None]


def test_hostile_names_add_no_header_and_no_part(box: MailBox) -> None:
    ours = sink(box)
    for message in (page(), digest(), change()):
        ours.send(message)
        ours.send(nasty(message))
    for plain, hostile in zip(box.mails[::2], box.mails[1::2], strict=True):
        assert sorted(hostile.keys()) == sorted(plain.keys())
        assert parts(hostile) == parts(plain)
        assert hostile["Bcc"] is None
    assert {recipients for _, recipients, _ in box.taken} == {("owners@example.com",)}


def test_a_chart_that_cannot_be_drawn_does_not_hold_the_page_back(box: MailBox) -> None:
    sink(box).send(page(chart=[{"day": "yesterday", "observed": "much"}]))
    assert "image/png" not in parts(box.mails[0])


def test_a_later_may_help_a_no_does_not(box: MailBox) -> None:
    ours = sink(box, to=["a@example.com", "b@example.com"])
    for step in ("RCPT b@example.com", "DATA"):
        box.answers = {step: "451 4.7.1 try again in five minutes"}
        with pytest.raises(Unavailable, match=r"451 4\.7\.1 try again"):
            ours.send(page())
    box.answers = {"DATA": "554 5.7.1 looks like spam"}
    with pytest.raises(Rejected, match=r"554 5\.7\.1 looks like spam"):
        ours.send(page())
    assert box.taken == []


def test_a_recipient_who_is_not_there_is_told_and_the_others_get_it(box: MailBox) -> None:
    box.answers = {"RCPT b@example.com": "550 5.1.1 no such user"}
    receipt = sink(box, to=["a@example.com", "b@example.com"]).send(page())
    assert receipt.remote_id.endswith("; b@example.com refused: 550 5.1.1 no such user")
    assert [recipients for _, recipients, _ in box.taken] == [("a@example.com",)]
    with pytest.raises(Rejected, match="refused every recipient"):
        sink(box, to=["b@example.com"]).send(page())


def test_a_server_that_is_away_or_hangs_is_unavailable(box: MailBox) -> None:
    with pytest.raises(Unavailable) as away:
        sink(box, host="127.0.0.1", port=9).send(page())
    assert not away.value.unsure
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable):
        sink(box, port=silent.getsockname()[1], timeout_seconds=0.3).send(page())


def test_an_answer_that_is_lost_leaves_a_doubt(box: MailBox) -> None:
    """The server takes the mail and closes the line before it says so."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            line, _ = listening.accept()
            with line, line.makefile("rb") as lines:
                line.sendall(b"220 hi\r\n")
                for said in lines:
                    if said == b".\r\n":
                        return
                    if said[:4].upper() not in (b"EHLO", b"MAIL", b"RCPT", b"DATA"):
                        continue
                    line.sendall(b"354 go\r\n" if said.startswith(b"data") else b"250 OK\r\n")

        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(Unavailable) as caught:
            sink(box, port=listening.getsockname()[1]).send(digest())
        server.join()
    assert caught.value.unsure


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_a_password_is_told_over_trusted_tls_only(authority: trustme.CA, tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    known = {"security": "starttls", "username": "finops", "password": {"env": "PASSWORD"}}
    with smtp_server(tls=tls, password=PASSWORD.encode()) as box:
        trusted = {**known, "ca_file": str(tmp_path / "ca.pem")}
        sink(box, **trusted).send(digest())
        assert box.logins == [b"finops"]
        with pytest.raises(Unavailable, match="not trusted"):
            sink(box, **known).send(digest())
        assert len(box.logins) == len(box.mails) == 1
    with smtp_server(tls=tls, password=b"another") as box:
        with pytest.raises(Rejected, match="535") as caught:
            sink(box, **trusted).send(digest())
        assert PASSWORD not in str(caught.value)


def test_a_server_without_starttls_gets_nothing(box: MailBox) -> None:
    with pytest.raises(Rejected, match="offers no STARTTLS"):
        sink(box, security="starttls").send(page())
    assert box.taken == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"to": []}, "at least 1 item"),
        ({"to": ["Bob <bob@example.com>"]}, "not an address"),
        ({"to": ["bob@example.com\r\nBcc: x@evil.example"]}, "not an address"),
        ({"to": ["bob"]}, "not an address"),
        ({"username": "x"}, "go together"),
        ({"username": "x", "password": {"env": "P"}, "security": "none", "host": "mail.example.com"}, "without TLS"),
        ({"list_id": "a>b"}, "pattern"),
    ],
)
def test_settings_that_would_go_wrong_are_told(settings: dict[str, Any], why: str) -> None:
    told = {"host": "localhost", "sender": "a@example.com", "to": ["b@example.com"], **settings}
    with pytest.raises(ValidationError, match=why):
        sink_module.Settings(kind="email", name="m", **told)
