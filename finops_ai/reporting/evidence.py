"""Tables that say how far the figures can be trusted: allocation, accuracy, reconciliation, data quality."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.money import EXACT
from finops_ai.domain.report import AccountFact, DeliveryFact, Leader, Note, Report, Section
from finops_ai.reporting.formats import percent
from finops_ai.reporting.tables import Column, Row, Table


def report_tables(report: Report) -> tuple[Table, ...]:
    """Tables that belong to no single currency."""
    return (_deliveries(report.deliveries, report.accounts), _notes(report.notes))


def accounts(report: Report) -> Table:
    """Every sub account's billed cost by period, export against ledger: long, so it is a file and not on the page."""
    return Table(
        name="accounts",
        title="Reconciliation by sub account",
        currency=None,
        columns=(
            Column("source", "Source"),
            Column("billing_period", "Period"),
            Column("currency", "Currency"),
            Column("sub_account_id", "Sub account"),
            Column("exported", "Export, billed", "money"),
            Column("loaded", "Ledger, billed", "money"),
            Column("difference", "Difference", "delta"),
        ),
        rows=tuple(
            (a.source, a.billing_period, a.currency, a.sub_account_id, a.exported, a.loaded, a.difference)
            for a in report.accounts
        ),
    )


def allocation(section: Section) -> Table:
    known = section.coverage
    rows: list[Row] = []
    if known:
        rows = [(rule.name, rule.cost, share_of(rule.cost, known.cost)) for rule in known.by_rule]
        rows.append((UNTAGGED, known.untagged, share_of(known.untagged, known.cost)))
    return Table(
        name="allocation",
        title="Allocation of direct cost",
        currency=section.currency,
        columns=(
            Column("rule", "Placed by"),
            Column("cost", "This week", "money"),
            Column("share", "Share", "share", bar=True),
        ),
        rows=tuple(rows),
        total=("Total", known.cost, share_of(known.cost, known.cost)) if known else None,
    )


def untagged(section: Section) -> Table:
    known = section.coverage
    return Table(
        name="untagged",
        title="Where the untagged cost is",
        currency=section.currency,
        columns=(
            Column("where", "Where"),
            Column("cost", "This week", "money"),
            Column("share", "Share of untagged", "share", bar=True),
            Column("proposed_rule", "Proposed rule", "code"),
            Column("because", "Because", optional=True),
        ),
        rows=tuple(_leader(one, known.untagged) for one in known.leaders) if known else (),
        note="A rule is proposed where one cost center has most of the tagged cost. "
        "Add it to the section allocation of the configuration, after the rules that are there.",
    )


def _leader(one: Leader, whole: Decimal) -> Row:
    rule = one.rule
    because = f"{rule.cost_center} has {percent(rule.share)} of the tagged cost of {rule.among}" if rule else None
    return (one.name, one.cost, share_of(one.cost, whole), rule.text if rule else None, because)


def accuracy(section: Section) -> Table:
    return Table(
        name="accuracy",
        title="How forecasts turned out",
        currency=section.currency,
        columns=(
            Column("month", "Month"),
            Column("forecaster", "Forecaster"),
            Column("days", "Days", "count"),
            Column("wape", "Error (WAPE)", "share"),
            Column("bias", "Bias", "bias"),
            Column("coverage_80", "Inside the 80% band", "share"),
        ),
        rows=tuple((str(a.month), a.forecaster, a.days, a.wape, a.bias, a.coverage_80) for a in section.accuracy),
    )


def _deliveries(deliveries: Sequence[DeliveryFact], accounts: Sequence[AccountFact]) -> Table:
    wrong = sum(1 for account in accounts if account.difference)
    checked = (
        f"{len(accounts):,} totals by sub account, period and currency were held against the export: {wrong} differ."
    )
    return Table(
        name="deliveries",
        title="Deliveries and reconciliation",
        currency=None,
        columns=(
            Column("source", "Source"),
            Column("billing_period", "Period"),
            Column("currency", "Currency"),
            Column("status", "Status"),
            Column("rows", "Rows", "count"),
            Column("rows_rejected", "Rejected", "count"),
            Column("exported", "Export, billed", "money"),
            Column("loaded", "Ledger, billed", "money"),
            Column("difference", "Difference", "delta"),
            Column("restated", "Restated since last week", "delta", optional=True),
        ),
        rows=tuple(
            (
                *(d.source, str(d.billing_period), d.currency, d.status, d.rows, d.rows_rejected),
                *(d.exported, d.loaded, d.difference, d.restated),
            )
            for d in deliveries
        ),
        note=checked if accounts else "",
    )


def _notes(notes: Sequence[Note]) -> Table:
    return Table(
        name="notes",
        title="Data quality",
        currency=None,
        columns=(Column("level", "Level"), Column("text", "What")),
        rows=tuple((note.level, note.text) for note in notes),
    )


def share_of(part: Decimal, whole: Decimal) -> float | None:
    return float(EXACT.divide(part, whole)) if whole else None
