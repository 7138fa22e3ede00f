"""A whole ingest of CUR 2.0 Parquet (manifest, scan, allocation, settlement, swap into PostgreSQL) against its scan.

Both run in child processes, in turn, three times. The least CPU time of each counts, the database's processes included:
wall clock says as much of what else the machine did.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
        taken: dict[str, list[Taken]] = {"whole": [], "scan": []}
        for number in range(1 if quick else ROUNDS):
            for name, times in taken.items():
                home = Path(folder) / f"home-{name}-{number}"
                times.append(_child(name, Path(folder) / "exports", home))
    whole, scan = (min(one.cpu for one in taken[name]) for name in ("whole", "scan"))
    wall = min(one.wall for one in taken["whole"])
    return [
        {
            "name": f"ingest {rows:,} lines of CUR 2.0",
            "ours_s": whole,
            "yardstick_s": scan,
            "ratio": scan / whole,
            "note": f"CPU with the database's; the whole takes {whole / scan:.2f} times its scan; "
            f"{rows / wall:,.0f} lines/s by the clock",
        }
    ]


class Taken(NamedTuple):
    """Seconds by the clock and of CPU."""

    wall: float
    cpu: float


def _child(name: str, exports: Path, home: Path) -> Taken:
    command = [sys.executable, "-m", "tests.benchmarks.ingest", name, str(exports), str(home)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    return Taken(*json.loads(done.stdout))


@contextmanager
def _opened(exports: Path, home: Path) -> Iterator[App]:
    from finops_ai import app, config

    home.mkdir()
    file = home / "finops.yaml"
    file.write_text(CONFIG.format(uri=exports.as_uri()))
    environ = {**os.environ, "FINOPS_HOME": str(home)}
    with app.open_app(config.load(file, environ, app.kinds()), environ) as opened:
        yield opened


def _whole(opened: App) -> None:
    outcome = opened.ingest(opened.now())
    assert outcome.counts["loaded"] == 1, outcome


def _scan(opened: App) -> None:
    from finops_ai.app import parts

    (settings,) = opened.config.sources
    source = parts.kinds().sources["aws_cur"].make(settings, opened.world, opened.keep)
    (delivery,) = source.deliveries(None)
    source.charges(delivery)


def _cpu(home: Path) -> float:
    """CPU seconds of this process and of the PostgreSQL that works in `home`, its ended backends included."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(home):
                ticks += sum(int(text) for text in (process / "stat").read_text().rpartition(")")[2].split()[11:15])
        except OSError:
            continue
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _measured(work: Callable[[App], None], exports: Path, home: Path) -> Taken:
    with _opened(exports, home) as program:
        began, before = time.perf_counter(), _cpu(home)
        work(program)
        return Taken(time.perf_counter() - began, _cpu(home) - before)


if __name__ == "__main__":
    print(json.dumps(_measured({"whole": _whole, "scan": _scan}[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]))))
