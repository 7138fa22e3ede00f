"""HTML, Markdown, CSV and JSON of one report: equal numbers, the same bytes again, and every name inert."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from finops_ai.domain.errors import Problem
from finops_ai.domain.report import Leader, ProposedRule, Report
from finops_ai.domain.scope import Scope
from finops_ai.reporting.data import csv_files, to_json
from finops_ai.reporting.html import render_html
from finops_ai.reporting.markdown import escape, render_markdown
from finops_ai.reporting.weekly import assemble
from tests.unit.reporting.facts import costs, coverage, episode, facts, trace
from tests.unit.reporting.pages import PageReader, markdown_tables

GOLDEN = Path(__file__).parents[2] / "golden" / "reporting"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</svg><iframe src=//evil.example>",
    "[a](javascript:alert(1)) ![x](https://evil.example/x.png)",
    "| cell | `code` **bold** <!-- ",
    "@everyone #123 https://evil.example www.evil.example",
    '=HYPERLINK("http://evil.example")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "a\r\nb\x00\x1b[31m\u202egnp",
    "＝cmd|' /C calc'!A0",
    "{{ 7*7 }}{% raw %}",
    "$a$ $$b$$ \\frac{1}{2}",
)


@pytest.fixture(scope="module")
def report() -> Report:
    return assemble(facts())


def leader(name: str) -> Leader:
    return Leader(name, Decimal(1), ProposedRule(text=name, cost_center=name, share=1.0, among=name))


@pytest.fixture(scope="module")
def hostile() -> Report:
    """Every name of the report is hostile, each in its turn."""
    rows = [
        {**row, "x_cost_center": name, "x_ai_model": name, "service_name": name}
        for i, row in enumerate(costs())
        for name in (HOSTILE[i % len(HOSTILE)],)
    ]
    known = facts(costs=rows)
    named = replace(
        known,
        coverage=(replace(coverage(rows), leaders=tuple(leader(name) for name in HOSTILE)),),
        episodes=[
            episode(key=name, scope=Scope((("x_cost_center", name),)), where={"service_name": name}, threshold=name)
            for name in HOSTILE
        ],
        traces=dict.fromkeys(HOSTILE, trace()),
        proposals=[replace(known.proposals[1], workload=name, changes=(name,), blocked_by=(name,)) for name in HOSTILE],
        deliveries=[replace(known.deliveries[0], source=name, status=name) for name in HOSTILE],
        problems=[Problem(file=name, message=name, value=name) for name in HOSTILE],
        rules_version=HOSTILE[0],
    )
    return assemble(named)


def test_html_and_markdown_show_the_same_cells(report: Report) -> None:
    pages, texts = PageReader(render_html(report)).tables, markdown_tables(render_markdown(report))
    assert len(pages) >= 9
    for caption, rows in pages.items():
        assert texts[caption] == rows


def test_shown_amounts_are_the_exact_ones_rounded(report: Report) -> None:
    shown = PageReader(render_html(report)).tables["Spend by cost center"][1:-1]
    exact = list(csv.DictReader(io.StringIO(csv_files(report)["cost_centers"])))
    plain = json.loads(to_json(report))["sections"][0]["cost_centers"]
    assert len(shown) == len(exact) == len(plain["rows"]) == 5
    for page, row, data in zip(shown, exact, plain["rows"], strict=True):
        assert page[0] == row["name"] == data["name"]
        for i, column in ((1, "this_week"), (2, "week_before"), (3, "delta")):
            amount = Decimal(row[column])
            assert amount == Decimal(data[column])
            assert Decimal(re.sub("[$,+]", "", page[i])) == amount.quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert Decimal(plain["total"]["this_week"]) == sum(Decimal(row["this_week"]) for row in exact)


def test_headline_is_told_alike_everywhere(report: Report) -> None:
    page = PageReader(render_html(report)).text
    for text in (page, render_markdown(report).replace("\\", "")):
        assert "Spend was $21,119, $2,371 more than the week before (+12.6%)." in text
        assert "1 day of the week is not billed in full yet." in text
    spend = json.loads(to_json(report))["sections"][0]["headline"]["rows"][0]["amount"]
    assert Decimal(spend).quantize(Decimal(1)) == 21119


def test_json_holds_no_float_amounts(report: Report) -> None:
    document = json.loads(to_json(report), parse_float=lambda text: pytest.fail(text) if "." not in text else text)
    for row in document["sections"][0]["cost_centers"]["rows"]:
        assert all(isinstance(row[name], str) for name in ("this_week", "week_before", "delta", "month_to_date"))


def test_the_same_report_gives_the_same_bytes_in_another_process(report: Report) -> None:
    code = (
        "import sys, hashlib; from tests.unit.reporting.facts import facts;"
        "from finops_ai.reporting.weekly import assemble; from finops_ai.reporting.html import render_html;"
        "sys.stdout.write(hashlib.sha256(render_html(assemble(facts())).encode()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=GOLDEN.parents[2],
        env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    )
    assert other.stdout == hashlib.sha256(render_html(report).encode()).hexdigest()


@pytest.mark.parametrize("name", ["weekly.md", "weekly.json", "cost_centers.csv", "movers.csv"])
def test_golden_report(report: Report, name: str, tmp_path: Path) -> None:
    files = {"weekly.md": render_markdown(report), "weekly.json": to_json(report)}
    files |= {f"{table}.csv": text for table, text in csv_files(report).items()}
    (tmp_path / name).write_text(files[name], encoding="utf-8")
    assert files[name] == (GOLDEN / name).read_text(encoding="utf-8"), f"see {tmp_path / name}"


def test_html_is_one_file_that_runs_and_fetches_nothing(report: Report) -> None:
    text = render_html(report)
    page = PageReader(text)
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "main", "section", "footer", "figure"}
    allowed |= {"figcaption", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "p", "h1", "h2", "div"}
    allowed |= {"dl", "dt", "dd", "ul", "li", "span", "i", "svg", "g", "path", "defs", "clippath", "rect", "text"}
    allowed |= {"use", "pattern"}
    assert {tag for tag, _ in page.elements} <= allowed
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert not re.findall(r"(?:src|href|url\()\s*=?\s*[\"'(]?(?:https?:)?//", text)
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_html_is_accessible(report: Report) -> None:
    page = PageReader(render_html(report))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("caption") == tags.count("table")
    assert all(a.get("scope") in ("col", "row") for tag, a in page.elements if tag == "th")
    assert all(a.get("role") == "img" and a.get("aria-label") for tag, a in page.elements if tag == "svg")
    assert ("html", {"lang": "en"}) in page.elements
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_hostile_names_add_no_element_to_the_page(hostile: Report) -> None:
    page = PageReader(render_html(hostile))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "a", "object", "embed", "link", "form"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text


def test_hostile_names_are_plain_words_in_markdown(hostile: Report) -> None:
    text = render_markdown(hostile)
    tables = markdown_tables(text)
    for rows in tables.values():
        assert len({len(row) for row in rows}) == 1
    rendered = PageReader(MarkdownIt("commonmark").enable("table").render(text))
    tags = {tag for tag, _ in rendered.elements}
    assert not tags & {"a", "img", "script", "iframe", "code", "em"}
    assert not re.search(r"(?<!&)[@#](?=\w)|https?://|www\.", re.sub(r"^#+ ", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_escape_keeps_the_words(name: str) -> None:
    rendered = PageReader(MarkdownIt("commonmark").render(f"x {escape(name)}"))
    words = "".join(char if char.isprintable() else " " for char in name)
    shown = rendered.text.replace("\N{ZERO WIDTH SPACE}", "")
    assert shown.split() == ["x", *words.split()]


def test_spreadsheets_run_no_name_and_keep_negative_numbers(hostile: Report) -> None:
    for name, text in csv_files(hostile).items():
        for row in csv.DictReader(io.StringIO(text)):
            for column, cell in row.items():
                numeric = re.fullmatch(r"-?\d+(\.\d+)?", cell)
                assert numeric or not cell.startswith(tuple("=+-@\t\r＝＋－＠")), (name, column, cell)
                assert cell.isprintable()
    deltas = [Decimal(row["delta"]) for row in csv.DictReader(io.StringIO(csv_files(hostile)["movers"]))]
    assert any(delta < 0 for delta in deltas)


def test_many_owners_become_one_row_and_the_untagged_stay() -> None:
    rows = [{**row, "x_cost_center": f"team-{i % 60:02d}"} for i, row in enumerate(costs())]
    rows.append({**rows[-1], "x_cost_center": "(untagged)", "effective_cost": Decimal("0.01")})
    report = assemble(facts(costs=rows, coverage=()))
    shown = PageReader(render_html(report)).tables["Spend by cost center"]
    names = [row[0] for row in shown]
    assert names[-3:] == ["(untagged)", f"{len(report.sections[0].by_cost_center) - 21} more", "Total"]
    assert len(csv_files(report)["cost_centers"].splitlines()) == len(report.sections[0].by_cost_center) + 1


def test_an_empty_report_is_still_a_page() -> None:
    empty = facts(
        costs=[], forecasts=[], episodes=(), proposals=(), coverage=(), accuracy=(), deliveries=(), problems=()
    )
    report = assemble(empty)
    assert "Nothing was charged." in render_html(report)
    assert "Nothing was charged." in render_markdown(report)
    assert "headline" not in csv_files(report)
