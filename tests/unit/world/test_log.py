from __future__ import annotations

import io
import json
import logging
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.world.log import LARGEST_COLLECTION, LONGEST_TEXT, configure, printable
from finops_ai.world.secrets import Secrets

SECRET = "s3cret-value"


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 4, 30, 12, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a log line does not wait")


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """What logging writes; the library's own set-up is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("finops_ai").setLevel(logging.NOTSET)


def start(out: io.StringIO, **options: Any) -> structlog.stdlib.BoundLogger:
    secrets = Secrets({})
    secrets.learn(SECRET)
    configure(secrets, StoppedClock(), stream=out, **options)
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("finops_ai.jobs.ingest")
    return logger


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_json_off_a_terminal(out: io.StringIO) -> None:
    start(out).info("loaded", source="acme", rows=3, ok=True, share=0.5, none=None)
    assert lines(out) == [
        {
            "event": "loaded",
            "source": "acme",
            "rows": 3,
            "ok": True,
            "share": 0.5,
            "none": None,
            "level": "info",
            "logger": "finops_ai.jobs.ingest",
            "time": "2026-04-30T12:00:00.000+00:00",
        }
    ]


@pytest.mark.parametrize("pretty", [True, False])
def test_secrets_and_control_characters_do_not_pass(out: io.StringIO, pretty: bool) -> None:
    log = start(out, pretty=pretty)
    evil = f"tag\r\n2026 [info] forged \x1b[2J\x9b31m\u202e {SECRET}"
    log.warning(evil, tag=evil, nested={evil: [evil]}, **{f"key\n{SECRET}": 1})
    try:
        raise ValueError(evil)
    except ValueError:
        log.exception("broke")
    logging.getLogger("botocore").error("retrying %s for %s", "https://user:pa55@host/x?token=t0k", evil)
    text = out.getvalue()
    for hidden in (SECRET, "pa55", "t0k", "\x9b", "\u202e", "\x1b[2J", "\n2026"):
        assert hidden not in text
    assert "ValueError" in text
    assert "retrying https://***@host" in text


def test_line_items_are_told_by_their_number(out: io.StringIO) -> None:
    rows = [{"cost": 1}] * (LARGEST_COLLECTION + 1)
    start(out).info("scanned", rows=rows, by_day=dict.fromkeys(range(100), "x"), text="x" * 100_000)
    (line,) = lines(out)
    assert (line["rows"], line["by_day"]) == ("<21 items>", "<100 entries>")
    assert len(line["text"]) < LONGEST_TEXT + 50


def test_libraries_are_heard_when_they_warn(out: io.StringIO) -> None:
    log = start(out, level="warning")
    log.info("quiet")
    logging.getLogger("a.library").info("quiet")
    logging.getLogger("a.library").warning("heard")
    log.warning("heard too")
    assert [line["event"] for line in lines(out)] == ["heard", "heard too"]


@given(st.text())
def test_printable_text_is_one_line_that_moves_nothing(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(shown.splitlines()) <= 1
    if text.isascii() and text.isprintable():
        assert shown == text
