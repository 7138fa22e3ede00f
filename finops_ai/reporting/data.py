"""A report as CSV files and as JSON, with the exact amounts behind the rounded pages."""

from __future__ import annotations

import json

from finops_ai.domain.report import Report
from finops_ai.reporting.contents import section_tables
from finops_ai.reporting.drift import drift_table
from finops_ai.reporting.evidence import accounts, report_tables
from finops_ai.reporting.lead import lead
from finops_ai.reporting.tables import by_name, to_csv, to_data


def csv_files(report: Report) -> dict[str, str]:
    """Text of each table that has rows, by its name; `headline`, `cost_centers` and so on."""
    tables = [
        *(table for section in report.sections for table in section_tables(section)),
        drift_table(report),
        *report_tables(report),
        accounts(report),
    ]
    return {name: to_csv(same) for name, same in by_name(table for table in tables if table.rows).items()}


def to_json(report: Report) -> str:
    """The whole report; amounts are decimal strings."""
    document = {
        "week": report.week_name,
        "start": report.week.start.isoformat(),
        "end": report.week.end.isoformat(),
        "as_of": report.as_of.isoformat(),
        "cost_basis": report.cost_basis,
        "rules_version": report.rules_version,
        "complete_through": report.complete_through.isoformat() if report.complete_through else None,
        "reconciled": report.reconciled,
        "sections": [
            {
                "currency": section.currency,
                "lead": lead(report, section),
                **{table.name: to_data(table) for table in section_tables(section)},
            }
            for section in report.sections
        ],
        **{table.name: to_data(table) for table in (drift_table(report), *report_tables(report), accounts(report))},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
