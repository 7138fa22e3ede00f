"""What is a command in a comment, and what only looks like one."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain import marker
from finops_ai.domain.pull_command import Order, commands


@pytest.mark.parametrize(
    ("text", "order", "until"),
    [
        ("finops rebase", Order.REBASE, None),
        ("  @finops-ai[bot]: Rebase.", Order.REBASE, None),
        ("/finops explain", Order.EXPLAIN, None),
        ("FINOPS ignore", Order.IGNORE, None),
        ("finops ignore until 2027-01-31", Order.IGNORE, date(2027, 1, 31)),
        ("finops ignore until 2027-02-31", Order.UNKNOWN, None),
        ("finops ignore forever", Order.UNKNOWN, None),
        ("finops reopen", Order.UNKNOWN, None),
        ("finops do it", Order.UNKNOWN, None),
    ],
)
def test_commands(text: str, order: Order, until: date | None) -> None:
    (found,) = commands(f"Thanks!\r\n{text}\r\nBye.")
    assert (found.order, found.until) == (order, until)


@pytest.mark.parametrize(
    "text",
    [
        "finops",
        "I like finops rebase",
        "> finops rebase",
        "    finops rebase",
        "```\nfinops rebase\n```",
        "~~~sh\nfinops rebase",
        "`finops rebase`",
        "finopsrebase",
        "",
    ],
)
def test_no_commands(text: str) -> None:
    assert commands(text) == []


def test_several_in_order() -> None:
    assert [one.order for one in commands("finops explain\nfinops rebase")] == [Order.EXPLAIN, Order.REBASE]


@given(st.text())
def test_nothing_breaks_it(text: str) -> None:
    for one in commands(text):
        assert one.said


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=4), st.text())
def test_a_mark_comes_back_whatever_is_in_it(values: dict[str, str | int | None], around: str) -> None:
    text = f"{around}\n{marker.marked('finops:v1', values)}\n"
    assert marker.found(text, "finops:v1") == values
    assert marker.marked("finops:v1", values).count("-->") == 1
    assert marker.found(text, "finops:v2") is None or "finops:v2" in around


@pytest.mark.parametrize("text", ["", "<!-- finops:v1 {broken} -->", "<!-- finops:v1 [1] -->", "<!-- finops:v1 -->"])
def test_what_is_no_mark(text: str) -> None:
    assert marker.found(text, "finops:v1") is None
