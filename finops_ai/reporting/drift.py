"""Where clusters differ from Git, as a table of a report."""

from __future__ import annotations

from finops_ai.domain.drift import Drift
from finops_ai.domain.report import Report
from finops_ai.reporting.tables import Column, Row, Table


def drift_table(report: Report) -> Table:
    return Table(
        name="drift",
        title="Clusters that differ from Git",
        currency=None,
        columns=(
            Column("workload", "Workload"),
            Column("cluster", "Cluster"),
            Column("drift", "How"),
            Column("owner", "Owner"),
            Column("currency", "Currency", optional=True),
            Column("monthly", "Costs more a month", "delta", optional=True),
            Column("what", "In Git, and live"),
            Column("by", "By", optional=True),
            Column("healed_by", "Put right by", optional=True),
        ),
        rows=tuple(_drift(one) for one in report.drifts),
        note="Nothing is proposed for a workload that differs, unless a controller puts it right by itself.",
    )


def _drift(one: Drift) -> Row:
    what = "; ".join(f"{each.path}: {each.desired or 'unset'}, {each.live or 'unset'}" for each in one.differences)
    money = (one.monthly.currency, one.monthly.amount) if one.monthly else (None, None)
    by = ", ".join(sorted({each.by for each in one.differences if each.by})) or None
    place = (str(one.workload), one.workload.cluster, one.kind, one.owner)
    return (*place, *money, what or one.why, by, one.heals or None)
