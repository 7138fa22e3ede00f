"""A report as Markdown: the same tables, every name inert."""

from __future__ import annotations

import re
from collections.abc import Iterator

from finops_ai.domain.report import Report, Section
from finops_ai.reporting.contents import section_tables
from finops_ai.reporting.drift import drift_table
from finops_ai.reporting.evidence import report_tables
from finops_ai.reporting.formats import day_year
from finops_ai.reporting.lead import lead
from finops_ai.reporting.tables import Column, Row, Table
from finops_ai.reporting.text import one_line

ROWS_SHOWN = 20
SPECIAL = re.compile(r"([\\`*_{}\[\]|~^$])")
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
REFERENCES = re.compile(r"([@#])(?=\w)|(?<=\w)(://)|(?i:(www)\.)")
"""Where a forge would make a mention, an issue or a link of plain text."""


def render_markdown(report: Report) -> str:
    """Deterministic text; owners beyond ROWS_SHOWN become one row."""
    return "\n".join(_lines(report))


def escape(text: str) -> str:
    """`text` as plain words inside a paragraph or a cell: no markup, no mention, no link, no line break."""
    marked = SPECIAL.sub(r"\\\1", one_line(text).translate(ENTITIES))
    return REFERENCES.sub(_broken, marked)


def _broken(found: re.Match[str]) -> str:
    if found[1]:
        return f"{found[1]}&#8203;"
    return "&#58;//" if found[2] else f"{found[3]}&#46;"


def _lines(report: Report) -> Iterator[str]:
    last = report.complete_through
    yield f"# Cost report {report.week_name}"
    yield ""
    yield (
        f"{day_year(report.week.start)} to {day_year(max(report.week))}, {report.cost_basis} cost. "
        f"As of {report.as_of:%Y-%m-%d %H:%M} UTC; bill complete through {day_year(last) if last else 'no day yet'}."
    )
    deliveries, notes = report_tables(report)
    yield from _table(notes)
    for section in report.sections:
        yield from _section(report, section)
    if not report.sections:
        yield "\nNothing was charged."
    yield from _table(drift_table(report))
    yield from _table(deliveries)
    yield f"\nAllocation rules {escape(report.rules_version)}."
    yield ""


def _section(report: Report, section: Section) -> Iterator[str]:
    yield f"\n## {escape(section.currency)}\n"
    yield escape(" ".join(lead(report, section)))
    for table in section_tables(section, ROWS_SHOWN):
        yield from _table(table)


def _table(whole: Table) -> Iterator[str]:
    if not whole.rows:
        return
    table = whole.for_people()
    yield f"\n### {table.title}\n"
    yield f"| {' | '.join(column.title for column in table.columns)} |"
    yield f"| {' | '.join('---:' if column.numeric else '---' for column in table.columns)} |"
    for row in table.rows:
        yield f"| {' | '.join(_cells(table, row))} |"
    if table.total:
        cells = [f"**{cell}**" if cell else "" for cell in _cells(table, table.total)]
        yield f"| {' | '.join(cells)} |"
    if table.note:
        yield f"\n{table.note}"


def _cells(table: Table, row: Row) -> list[str]:
    return [_cell(column, text) for column, text in zip(table.columns, table.shown(row), strict=True)]


def _cell(column: Column, text: str) -> str:
    # Numbers are ours: a dollar sign alone in its cell is no formula.
    return text if column.numeric and "$" in text else escape(text)
