"""Scan + map + aggregate of CUR 2.0 Parquet against the bare DuckDB aggregate of the same columns.

Both run in child processes, in turn, three times; the best of each counts. Seconds are CPU seconds inside the call,
which busy neighbours hardly move; the note has the wall clock. The yardstick groups by the same raw columns and sums
the same doubles, checks nothing and maps nothing.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROUNDS = 3
SMALL_ROWS = 5_000_000
LARGE_ROWS = 20_000_000

KEYS = """
bill_invoicing_entity, bill_payer_account_id, bill_payer_account_name, line_item_currency_code,
line_item_line_item_type, line_item_product_code, line_item_usage_account_id, line_item_usage_account_name,
line_item_usage_type, pricing_unit, product['product_name'] AS product_name, product_region_code,
line_item_availability_zone, reservation_reservation_a_r_n <> '' AS is_reservation,
resource_tags['user_cost_center'] AS tag_0, resource_tags['user_CostCenter'] AS tag_1,
resource_tags['user_model'] AS tag_2, resource_tags['user_env'] AS tag_3,
CAST(line_item_usage_start_date AS DATE) AS day
"""
COSTS = (
    "line_item_unblended_cost",
    "line_item_usage_amount",
    "pricing_public_on_demand_cost",
    "reservation_effective_cost",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
)
TAGS = ("cost-center", "costcenter", "model", "env")


def run(rows: int = LARGE_ROWS, *, quick: bool = False) -> list[dict[str, object]]:
    """Rows of {name, ours_s, yardstick_s, ratio, peak_rss_mb, note}; ratio is yardstick / ours, larger is better.

    A second row holds a scan that is asked for hours against one that is not. Above five million rows a third tells by
    how much the peak memory grows from there.
    """
    from tests.benchmarks.scan_data import write_cur2

    rows = 200_000 if quick else rows
    with tempfile.TemporaryDirectory(prefix="finops-bench-") as folder:
        parts = write_cur2(Path(folder), rows)
        runs: dict[str, list[dict[str, float]]] = {"ours": [], "bare": [], "hours": []}
        for _ in range(1 if quick else ROUNDS):
            for name, results in runs.items():
                results.append(_child(name, parts))
        found = [_compared(rows, runs), _by_hour(rows, runs)]
        if rows > SMALL_ROWS:
            small = _child("ours", parts[: len(parts) * SMALL_ROWS // rows])
            found.append(_growth(rows, found[0], small))
    return found


def _compared(rows: int, runs: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    ours, bare = ({key: min(one[key] for one in runs[name]) for key in ("cpu", "wall")} for name in ("ours", "bare"))
    assert abs(runs["ours"][0]["cost"] / runs["bare"][0]["cost"] - 1) < 1e-9, "ours and the yardstick disagree"
    return {
        "name": f"scan {rows:,} lines of CUR 2.0",
        "ours_s": ours["cpu"],
        "yardstick_s": bare["cpu"],
        "ratio": bare["cpu"] / ours["cpu"],
        "peak_rss_mb": max(one["rss_mb"] for one in runs["ours"]),
        "note": f"CPU s; wall {ours['wall']:.2f} s against {bare['wall']:.2f} s, {rows / ours['wall']:,.0f} lines/s",
    }


def _by_hour(rows: int, runs: dict[str, list[dict[str, float]]]) -> dict[str, object]:
    days, hours = (min(one["cpu"] for one in runs[name]) for name in ("ours", "hours"))
    return {
        "name": f"the same {rows:,} lines by the hour",
        "ours_s": hours,
        "yardstick_s": days,
        "ratio": days / hours,
        "peak_rss_mb": max(one["rss_mb"] for one in runs["hours"]),
        "note": "CPU s; the yardstick is the scan by the day",
    }


def _growth(rows: int, large: dict[str, object], small: dict[str, float]) -> dict[str, object]:
    return {
        "name": f"peak memory, {SMALL_ROWS:,} to {rows:,} lines",
        "ratio": float(str(large["peak_rss_mb"])) / small["rss_mb"],
        "peak_rss_mb": large["peak_rss_mb"],
        "note": f"{small['rss_mb']:.0f} MB at {SMALL_ROWS:,} lines; smaller is better",
    }


def _child(name: str, parts: list[Path]) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.scan", name, *map(str, parts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    told: dict[str, float] = json.loads(done.stdout)
    return told


def measured(work: Callable[[], float]) -> dict[str, float]:
    began, before = time.perf_counter(), os.times()
    cost = work()
    after = os.times()
    return {
        "cost": cost,
        "wall": time.perf_counter() - began,
        "cpu": after.user + after.system - before.user - before.system,
        "rss_mb": _peak_rss_mb(),
    }


def _peak_rss_mb() -> float:
    """Peak of this program alone: what getrusage tells a child begins with the peak of its parent (Linux)."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _ours(parts: list[Path], *, hours: bool = False) -> dict[str, float]:
    import duckdb  # noqa: F401 - the yardstick has it before the clock starts, too
    import pyarrow.parquet  # noqa: F401

    from finops_ai.sources.aws_cur import MAPPING
    from finops_ai.sources.base import Keep
    from finops_ai.sources.scan import scan

    keep = Keep(tags=frozenset(TAGS), cost_categories=frozenset(), hours=hours)
    named = [(part.name, part) for part in parts]
    return measured(lambda: float(scan(named, MAPPING, keep).control.billed_cost["USD"]))


def _bare(parts: list[Path]) -> dict[str, float]:
    import duckdb

    from finops_ai.sources.staging import MEMORY_LIMIT, THREADS

    with tempfile.TemporaryDirectory() as folder:
        con = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "threads": THREADS,
                "temp_directory": folder,
                "preserve_insertion_order": False,
            }
        )
        con.execute("SET enable_progress_bar = false")
        files = ", ".join(f"'{part}'" for part in parts)
        sums = ", ".join(f"sum({name}) AS {name}" for name in COSTS)
        query = f"SELECT {KEYS}, {sums} FROM read_parquet([{files}], hive_partitioning = false) GROUP BY ALL"
        took = measured(lambda: float(len(con.execute(f"CREATE TABLE bare AS {query}").fetchall())))
        cost = con.execute("SELECT sum(line_item_unblended_cost) FROM bare").fetchall()[0][0]
        return {**took, "cost": cost}


if __name__ == "__main__":
    work: dict[str, Callable[[list[Path]], dict[str, float]]] = {
        "ours": _ours,
        "bare": _bare,
        "hours": partial(_ours, hours=True),
    }
    print(json.dumps(work[sys.argv[1]]([Path(part) for part in sys.argv[2:]])))
