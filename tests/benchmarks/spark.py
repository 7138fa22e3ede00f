"""Spark on this machine beside DuckDB: start-up, and the same scan of CUR 2.0 Parquet at growing sizes.

Each engine scans each size in a child process of its own, in turn. Seconds are CPU seconds of the child and, for Spark,
of its Java process. The cubes are the same; only their rows come home.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.scan import TAGS

SIZES = (100_000, 1_000_000, 5_000_000)


def run(sizes: tuple[int, ...] = SIZES, *, quick: bool = False) -> list[dict[str, object]]:
    """Rows of {name, ours_s, yardstick_s, ratio, peak_rss_mb, note}; ratio is DuckDB / Spark, larger is better."""
    from tests.benchmarks.scan_data import ROWS_PER_FILE, write_cur2

    sizes = (20_000,) if quick else sizes
    found: list[dict[str, object]] = []
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="finops-bench-") as folder:
            parts = write_cur2(Path(folder), rows)
            assert len(parts) == -(-rows // ROWS_PER_FILE)
            spark, duck = (_child(engine, parts) for engine in ("spark", "duckdb"))
        assert spark["cost"] == duck["cost"], "the engines disagree"
        assert spark["cube"] == duck["cube"], "the engines disagree"
        if not found:
            found.append(_row("start-up and first answer", spark, duck, "start"))
        found.append(_row(f"scan {rows:,} lines of CUR 2.0 (cube {spark['cube']:,} rows)", spark, duck, "scan"))
    return found


def _row(name: str, spark: dict[str, float], duck: dict[str, float], what: str) -> dict[str, object]:
    wall = f"{what}_wall"
    return {
        "name": name,
        "ours_s": spark[what],
        "yardstick_s": duck[what],
        "ratio": duck[what] / spark[what],
        "peak_rss_mb": spark["rss_mb"],
        "note": f"CPU s; wall {spark[wall]:.2f} s against {duck[wall]:.2f} s; DuckDB's peak {duck['rss_mb']:.0f} MB",
    }


def _child(engine: str, parts: list[Path]) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.spark", engine, *map(str, parts)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _measured(engine: str, parts: list[Path]) -> dict[str, float]:
    import duckdb
    import pyarrow.parquet  # noqa: F401 - no part of what is measured

    from finops_ai.sources.aws_cur import MAPPING
    from finops_ai.sources.base import Keep
    from finops_ai.sources.scan import scan
    from finops_ai.world.spark import Spark

    keep = Keep(tags=frozenset(TAGS), cost_categories=frozenset())
    spark = Spark() if engine == "spark" else None
    wall, cpu = time.perf_counter(), _cpu_seconds()
    if spark:
        with spark.work() as work:
            work.rows("SELECT 1")
    else:
        duckdb.connect().execute("SELECT 1").fetchall()
    started, started_cpu = time.perf_counter(), _cpu_seconds()
    found = scan([(part.name, part) for part in parts], MAPPING, keep, spark=spark)
    taken = {
        "start": started_cpu - cpu,
        "start_wall": started - wall,
        "scan": _cpu_seconds() - started_cpu,
        "scan_wall": time.perf_counter() - started,
        "rss_mb": sum(_status(pid, "VmHWM:") for pid in _processes()) / 1024,
        "cost": float(found.control.billed_cost["USD"]),
        "cube": found.facts.num_rows,
    }
    if spark:
        spark.close()
    return taken


def _processes() -> list[int]:
    """This program and the Java process that it started."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [os.getpid(), *map(int, children)]


def _cpu_seconds() -> float:
    tick = os.sysconf("SC_CLK_TCK")
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in _processes()]
    return sum(int(field[11]) + int(field[12]) for field in fields) / tick


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


if __name__ == "__main__":
    print(json.dumps(_measured(sys.argv[1], [Path(part) for part in sys.argv[2:]])))
