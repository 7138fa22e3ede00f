"""A whole ingest of CUR 2.0 Parquet (manifest, scan, allocation, settlement, swap into PostgreSQL) against its scan.

Both run in child processes, in turn, three times; the best wall clock of each counts, for the database works too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finops_ai.app.program import App

ROUNDS = 3
ROWS = 20_000_000

CONFIG = """\
sources:
  - {{name: bench, kind: aws_cur, uri: "{uri}"}}
ledger: {{tags: []}}
allocation:
  cost_center: ["tag:cost-center", "tag:costcenter"]
"""


def run(rows: int = ROWS, *, quick: bool = False) -> list[dict[str, object]]:
    """Rows of {name, ours_s, yardstick_s, ratio, note}; ratio is scan / whole, larger is better."""
    from tests.benchmarks.scan_data import write_cur2

    rows = 200_000 if quick else rows
    with tempfile.TemporaryDirectory(prefix="finops-bench-") as folder:
        write_cur2(Path(folder), rows)
        taken: dict[str, list[float]] = {"whole": [], "scan": []}
        for number in range(1 if quick else ROUNDS):
            for name, seconds in taken.items():
                home = Path(folder) / f"home-{name}-{number}"
                seconds.append(_child(name, Path(folder) / "exports", home))
    whole, scan = min(taken["whole"]), min(taken["scan"])
    return [
        {
            "name": f"ingest {rows:,} lines of CUR 2.0",
            "ours_s": whole,
            "yardstick_s": scan,
            "ratio": scan / whole,
            "note": f"wall clock; the whole takes {whole / scan:.2f} times its scan, {rows / whole:,.0f} lines/s",
        }
    ]


def _child(name: str, exports: Path, home: Path) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.ingest", name, str(exports), str(home)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    return float(json.loads(done.stdout))


@contextmanager
def _opened(exports: Path, home: Path) -> Iterator[App]:
    from finops_ai import app, config

    home.mkdir()
    file = home / "finops.yaml"
    file.write_text(CONFIG.format(uri=exports.as_uri()))
    environ = {**os.environ, "FINOPS_HOME": str(home)}
    with app.open_app(config.load(file, environ, app.kinds()), environ) as opened:
        yield opened


def _whole(opened: App) -> float:
    began = time.perf_counter()
    outcome = opened.ingest(opened.now())
    taken = time.perf_counter() - began
    assert outcome.counts["loaded"] == 1, outcome
    return taken


def _scan(opened: App) -> float:
    from finops_ai.app import parts

    (settings,) = opened.config.sources
    source = parts.kinds().sources["aws_cur"].make(settings, opened.world, opened.keep)
    began = time.perf_counter()
    (delivery,) = source.deliveries(None)
    source.charges(delivery)
    return time.perf_counter() - began


if __name__ == "__main__":
    with _opened(Path(sys.argv[2]), Path(sys.argv[3])) as program:
        print(json.dumps({"whole": _whole, "scan": _scan}[sys.argv[1]](program)))
