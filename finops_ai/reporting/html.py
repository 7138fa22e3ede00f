"""A report as one HTML file: charts drawn in, nothing fetched, no script, every name escaped."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from finops_ai.domain.episode import Episode
from finops_ai.domain.focus import NONE, UNTAGGED
from finops_ai.domain.money import total
from finops_ai.domain.proposal import ProposalState
from finops_ai.domain.report import Report, Section, Versus
from finops_ai.reporting.charts import cumulative_chart, daily_chart, episode_chart
from finops_ai.reporting.contents import section_tables
from finops_ai.reporting.drift import drift_table
from finops_ai.reporting.evidence import report_tables
from finops_ai.reporting.formats import DASH, change, compact, day_year, money, month, percent
from finops_ai.reporting.lead import lead
from finops_ai.reporting.page import place
from finops_ai.reporting.tables import Cell, Row, Table

ROWS_SHOWN = 20
TRACES_SHOWN = 6
BADGES = frozenset({"severity", "state", "status", "level"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A cell as the template needs it; `bar` is a width in percent."""

    text: str
    classes: str
    bar: int | None = None
    badge: str = ""


@dataclass(frozen=True, slots=True)
class ShownRow:
    cells: tuple[Shown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    table: Table
    rows: tuple[ShownRow, ...]
    total: ShownRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    label: str
    value: str
    sub: str
    tone: str = ""


def render_html(report: Report) -> str:
    """Deterministic text: the same report gives the same bytes. Owners beyond ROWS_SHOWN become one row."""
    environment = Environment(
        loader=PackageLoader("finops_ai.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    deliveries, notes = report_tables(report)
    last = report.complete_through
    page = {
        "week": report.week_name,
        "days": f"{day_year(report.week.start)} {DASH} {day_year(max(report.week))}",
        "as_of": f"{report.as_of:%Y-%m-%d %H:%M}",
        "complete_through": day_year(last) if last else "no day yet",
        "cost_basis": report.cost_basis,
        "rules_version": report.rules_version,
        "reconciled": report.reconciled,
        "notes": [{"level": row[0], "text": notes.shown(row)[1]} for row in notes.rows],
        "deliveries": _block(deliveries.for_people()),
        "drift": _block(drift_table(report).for_people()),
        "sections": [_section(report, section, f"s{i}") for i, section in enumerate(report.sections)],
    }
    return environment.get_template("weekly.html.j2").render(page=page)


def _section(report: Report, section: Section, name: str) -> dict[str, object]:
    blocks = {table.name: _block(table.for_people()) for table in section_tables(section, ROWS_SHOWN)}
    movers, episodes = blocks.pop("movers"), blocks.pop("episodes")
    del blocks["headline"]
    currency = section.currency
    return {
        "currency": currency,
        "month": month(section.month),
        "lead": lead(report, section),
        "cards": _cards(section),
        "daily": Markup(daily_chart(section.daily, report.week, currency, f"{name}-daily")),  # noqa: S704 - own drawing
        "cumulative": Markup(cumulative_chart(section.cumulative, currency, f"{name}-month")),  # noqa: S704
        "movers": movers,
        "episodes": episodes,
        "traces": _traces(section, name),
        "blocks": [block for block in blocks.values() if block.rows],
    }


def _traces(section: Section, name: str) -> list[dict[str, object]]:
    known = dict(section.traces)
    shown = [episode for episode in section.episodes if episode.key in known][:TRACES_SHOWN]
    return [
        {"title": place(episode), "chart": Markup(_trace(episode, section, f"{name}-e{i}"))}  # noqa: S704 - own drawing
        for i, episode in enumerate(shown)
    ]


def _trace(episode: Episode, section: Section, name: str) -> str:
    return episode_chart(dict(section.traces)[episode.key], episode.opened_on, section.currency, name)


def _cards(section: Section) -> list[Card]:
    return [
        _spend(section),
        _month_to_date(section),
        _forecast(section),
        _excess(section),
        _allocated(section),
        _savings(section),
    ]


def _spend(section: Section) -> Card:
    currency, spend, earlier = section.currency, section.spend, section.four_weeks_earlier
    sub = f"{money(spend.delta, currency, sign=True)} ({change(spend.now, spend.ratio)}) on the week before"
    if earlier is not None:
        sub += f"; {change(spend.now, Versus(spend.now, earlier).ratio)} on four weeks earlier"
    return Card(label="Spend this week", value=money(spend.now, currency), sub=sub)


def _month_to_date(section: Section) -> Card:
    whole = sum(figure.complete for figure in section.cumulative)
    sub = f"{whole} of {len(section.cumulative)} days billed in full"
    value = money(section.month_to_date, section.currency)
    return Card(label=f"{month(section.month)} to date", value=value, sub=sub)


def _forecast(section: Section) -> Card:
    label, end, currency = f"{month(section.month)} forecast", section.month_end, section.currency
    if end is None:
        return Card(label=label, value=DASH, sub="no forecast yet")
    held = "" if end.measured_coverage is None else f", held on {percent(end.measured_coverage)} of past days"
    band = f"80% band {compact(end.low, currency)} {DASH} {compact(end.high, currency)}{held}"
    return Card(label=label, value=money(end.expected, currency), sub=end.degraded or band)


def _excess(section: Section) -> Card:
    count, currency = len(section.open_episodes), section.currency
    sub = f"{count} open: {compact(section.projected_excess, currency, sign=True)} by month end if they go on"
    return Card(
        label="Open excess",
        value=money(section.open_excess, currency, sign=True),
        sub=sub if count else "none open",
        tone="alarm" if count else "good",
    )


def _allocated(section: Section) -> Card:
    known = section.coverage
    if known is None:
        return Card(label="Allocated", value=DASH, sub="not measured")
    sub = f"{money(known.untagged, section.currency)} of direct cost is untagged"
    return Card(label="Allocated", value=percent(known.ratio), sub=sub)


def _savings(section: Section) -> Card:
    waiting = sum(proposal.state is ProposalState.OPEN for proposal in section.proposals)
    blocked = sum(proposal.state is ProposalState.BLOCKED for proposal in section.proposals)
    booked = total(one.realised.booked for one in section.proposals if one.realised)
    held_back = money(section.savings(ProposalState.BLOCKED), section.currency)
    return Card(
        label="Savings a month",
        value=money(section.savings_identified, section.currency),
        sub=f"identified: {waiting} open"
        + (f", {blocked} blocked: {held_back}" if blocked else "")
        + (f"; realised and booked so far: {money(booked, section.currency)}" if booked else ""),
    )


def _block(table: Table) -> Block:
    rows = tuple(_row(table, row) for row in table.rows)
    return Block(table=table, rows=rows, total=_row(table, table.total) if table.total else None)


def _row(table: Table, row: Row) -> ShownRow:
    texts = table.shown(row)
    return ShownRow(tuple(_cell(table, i, cell, texts[i]) for i, cell in enumerate(row)))


def _cell(table: Table, i: int, cell: Cell, text: str) -> Shown:
    column = table.columns[i]
    classes = {"date": "d", "code": "code", "text": "text"}.get(column.kind, "n")
    if cell is None:
        classes += " quiet"
    if cell in (UNTAGGED, NONE):
        classes += " untagged"
    if column.kind in ("delta", "change"):
        size = cell.delta if isinstance(cell, Versus) else cell if isinstance(cell, Decimal) else 0
        classes += " up" if size > 0 else " down" if size < 0 else ""
    badge = text if column.name in BADGES and cell else ""
    return Shown(text=text, classes=classes, bar=_bar(table, i, cell), badge=badge)


def _bar(table: Table, i: int, cell: Cell) -> int | None:
    """Width in percent: a share as it is, an amount against the largest of its column."""
    if not table.columns[i].bar:
        return None
    if isinstance(cell, Decimal):
        largest = max(abs(amount) for amount in table.amounts(i))
        return min(100, round(abs(cell) * 100 / largest)) if largest else 0
    return max(0, min(100, round(cell * 100))) if isinstance(cell, float) else 0
