"""`python -m tests.benchmarks [--quick] [NAME]…`: one table of ratios on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

SUITES = (
    "scan",
    "ingest",
    "swap",
    "forecast",
    "detection",
    "hours",
    "today",
    "regimes",
    "cycles",
    "companies",
    "archetypes",
    "formats",
    "spark",
    "alerts",
    "pages",
    "chaos",
    "savings",
    "rightsizing",
)
LONG = ("replanted", "growth")
"""Eight minutes, and half an hour: run where they are named."""

AIMS = (
    "scan: at least 0.8 of the speed of the bare DuckDB aggregate; peak memory at most 1 GiB, growing at most",
    "      1.2 times from 5 to 20 million rows",
    "ingest: a whole ingest takes at most 1.4 times its scan (ratio 0.71)",
    "swap: at least 0.7 of the speed of raw COPY",
    "spark: DuckDB's seconds over Spark's on this machine: when a cluster begins to pay, see docs/scaling.md",
    "forecast: 10,000 series of two years within 10 minutes on two cores, a new day within 2 s",
    "rightsizing: the shipped profile ends below the cost of each rule of the field, at no more OOM hours, and hardly",
    "      runs over its requests before; scheduled minimums cost no more than reacting and are short for less",
    "detection: no archetype more than 0.05 of recall behind the best baseline at one false episode per series-year",
    "hours: the day-level AUC-PR of short hourly series above that of a MAD over the last week (ratio 1)",
    "today: rises are told sooner than when only days that are over are judged (ratio above 1), and no more falsely",
    "regimes: on 35 kinds of bill in no set at hand the day-level AUC-PR at least twice a weekday MAD's (ratio 2)",
    "cycles: by 21 clocks that are neither week nor year a forecast errs by a quarter of last week's error (ratio 4),",
    "      and what comes by one is no false alert: precision as where there is none",
    "companies: by their services, cost centers and totals open half of what they do by their own rhythm (ratio 2),",
    "      and a fault of all services of a cost center is one episode in three of four cases",
    "replanted: with the incidents in other places as many dollars are saved as where they are (ratio 1)",
    "archetypes: MASE of no archetype more than 1.02 times the best baseline's, at 7, 30 and 90 days (ratio 0.98)",
    "pages: never more than the budget in any seven days (else it stops); precision above that without answers at no",
    "      loss of dollar recall",
    "savings: the 80 % range holds the truth in 75 to 85 of 100 merges; never more booked than the bill fell by",
    "alerts: a delivery of 10,000 scopes is in the outbox within a minute; the true place first in 9 of 10",
    "chaos: one incident for each key (1) and no message lost (1), whatever dies and however receivers fail",
    "formats: at least 0.3 of the speed of bare DuckDB that only reads, groups and sums the same files",
)


def measure(names: Sequence[str], *, quick: bool) -> list[Mapping[str, Any]]:
    """Run the suites in order. Each gives one mapping per measurement: `name`, figures in seconds, ratio, note."""
    rows: list[Mapping[str, Any]] = []
    for name in names:
        print(f"{name}: running{' (quick)' if quick else ''}", file=sys.stderr, flush=True)
        began = time.perf_counter()
        suite = importlib.import_module(f"tests.benchmarks.{name}")
        rows.extend({"suite": name, **row} for row in suite.run(quick=quick))
        print(f"{name}: done in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Columns as wide as their widest cell; numbers with three significant digits; notes below, by line."""
    rows = [{"line": number, **row} for number, row in enumerate(rows, 1)]
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "note"]
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    notes = [f"{row['line']}: {row['note']}" for row in rows if row.get("note")]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", *notes])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"suites to run: {', '.join(SUITES)} (all), {', '.join(LONG)}"
    )
    parser.add_argument("--quick", action="store_true", help="small inputs: proves that it runs, measures little")
    given = parser.parse_args()
    if unknown := set(given.names) - {*SUITES, *LONG}:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    rows = measure(given.names or SUITES, quick=given.quick)
    print("\n".join([table(rows), "", "aims:", *(f"  {aim}" for aim in AIMS)]))


if __name__ == "__main__":
    main()
