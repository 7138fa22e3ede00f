"""Everything the demo starts from, on disk: bills, usage, a Git repository and the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from finops_ai.demo.cluster import usage_file
from finops_ai.demo.company import SEED, simulate
from finops_ai.demo.exports import AwsLayout, Bill, put, write_exports
from finops_ai.demo.gitops import write_repository
from finops_ai.demo.incidents import Incident
from finops_ai.demo.rollouts import rollouts
from finops_ai.demo.settings import Layout, settings
from finops_ai.domain.period import BillingPeriod

AS_OF = date(2026, 4, 29)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFiles:
    """What was written. `incidents` is the truth, for the closing table only: the product reads none of it.

    `restated_month` changes between a `known_on` in the first days after it and `as_of`.
    """

    layout: Layout
    as_of: date
    bills: tuple[Bill, ...]
    incidents: tuple[Incident, ...]
    restated_month: BillingPeriod


def write_demo(
    folder: Path,
    *,
    policies: Path,
    as_of: date = AS_OF,
    known_on: date | None = None,
    start: date | None = None,
    seed: int = SEED,
    incidents: bool = True,
    aws_layout: AwsLayout = "cur2",
) -> DemoFiles:
    """Write the demo's world into `folder`; the same arguments write the same bytes, and what is there stays.

    Bills and usage are as known on the morning of `known_on` (default `as_of`): call once with an earlier day and
    once without to see a month restated. The Git repository is made once and then belongs to the product; what is
    merged in it runs, and is billed, from the day after.
    """
    layout = Layout(folder=folder.resolve())
    merged = rollouts(layout.repository)
    company = simulate(as_of=as_of, start=start, seed=seed, incidents=incidents, rollouts=merged)
    known_on = known_on or as_of
    bills = write_exports(company, layout.exports, known_on=known_on, aws_layout=aws_layout)
    running = {name: (one.day, one.container) for name, one in merged.items()}
    put(layout.usage, usage_file(as_of, known_on, seed, running), known_on)
    write_repository(layout.repository, as_of)
    put(layout.config, settings(layout, policies.resolve()).encode(), as_of)
    return DemoFiles(
        layout=layout,
        as_of=as_of,
        bills=bills,
        incidents=company.incidents,
        restated_month=company.restated_month,
    )
