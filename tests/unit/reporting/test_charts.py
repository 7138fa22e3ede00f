"""Charts: well-formed, alike every time, and readable for odd data."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from finops_ai.domain.period import Days
from finops_ai.domain.report import DayFigure
from finops_ai.reporting.charts import COLOURS, cumulative_chart, daily_chart, episode_chart
from finops_ai.reporting.weekly import assemble
from tests.unit.reporting.facts import WEEK, facts, trace

SVG = "{http://www.w3.org/2000/svg}"


def days(*costs: str | None) -> list[DayFigure]:
    start = date(2026, 5, 1)
    return [
        DayFigure(day=start + timedelta(days=i), observed=None if cost is None else Decimal(cost), complete=True)
        for i, cost in enumerate(costs)
    ]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_labels_are_text_with_the_currency() -> None:
    (section,) = assemble(facts()).sections
    assert {"$0", "$3k", "18 May"} <= set(texts(daily_chart(section.daily, WEEK, "USD", "a")))
    assert "$84k" in texts(cumulative_chart(section.cumulative, "USD", "b"))


def test_colours_follow_the_page_and_have_a_value_without_it() -> None:
    (section,) = assemble(facts()).sections
    svg = daily_chart(section.daily, WEEK, "USD", "a")
    for variable in ("--spend", "--spend-soft", "--band", "--weekend", "--muted"):
        assert f"var({variable}, {COLOURS[variable]})" in svg
    assert "url(#a-" in svg, "incomplete days are hatched"


def test_references_stay_within_their_chart() -> None:
    (section,) = assemble(facts()).sections
    for name in ("one", "two"):
        svg = daily_chart(section.daily, WEEK, "USD", name)
        ids = set(re.findall(r' id="([^"]+)"', svg))
        used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg))
        assert used <= ids
        assert all(found.startswith(f"{name}-") for found in ids)


@pytest.mark.parametrize("currency", ["$a$b$", "<b>&", "XYZ"])
def test_a_strange_currency_is_drawn_as_it_is(currency: str) -> None:
    svg = episode_chart(trace(), date(2026, 5, 21), currency, "e")
    assert any(currency in text for text in texts(svg))


def test_an_expectation_without_a_band_is_a_line() -> None:
    bare = [replace(figure, low=None, high=None) for figure in trace()]
    bare[0] = replace(bare[0], expected=None)
    svg = episode_chart(bare, date(2026, 5, 21), "USD", "e")
    assert COLOURS["--muted"] in svg
    assert f"fill: var(--band, {COLOURS['--band']})" not in svg


@pytest.mark.parametrize(
    "figures",
    [[], days("0", "0"), days("-5", "-7"), days(None, None), days("1"), days("1e15", "2e15"), days("0.000001")],
)
def test_odd_data_gives_a_picture(figures: list[DayFigure]) -> None:
    week = Days(date(2026, 5, 1), date(2026, 5, 8))
    for svg in (
        daily_chart(figures, week, "USD", "a"),
        cumulative_chart(figures, "USD", "b"),
        episode_chart(figures, date(2026, 5, 1), "USD", "c"),
    ):
        assert ElementTree.fromstring(svg).tag == f"{SVG}svg"
        assert "nan" not in re.sub(r"<[^>]*aria-label[^>]*>", "", svg)
