"""An export that is killed leaves nothing for longer than until the next one to the same folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.flow.conftest import Configure

WRITING = """
import sys, time
from pathlib import Path
from finops_ai.app.focus_file import writing
with writing(Path(sys.argv[1])):
    print("writing", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_export_wrote_is_swept_by_the_next_and_one_that_runs_goes_on(
    configure: Configure, tmp_path: Path
) -> None:
    program = configure("sources: []\n")
    folder = tmp_path / "out"
    folder.mkdir()
    command = [sys.executable, "-c", WRITING, str(folder / "out.csv")]
    root = Path(__file__).resolve().parents[2]
    running = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [one.stdout.readline() for one in running if one.stdout] == ["writing\n"] * 2
        running[0].kill()
        running[0].wait()
        assert len(list(folder.rglob("out.csv"))) == 2
        program("export", "focus", "--file", str(folder / "out.csv"))
        unfinished, whole = sorted(folder.iterdir())
        assert whole == folder / "out.csv"
        assert unfinished.name.startswith(".finops-export-")
        assert [file.name for file in unfinished.rglob("*.csv")] == ["out.csv"]
    finally:
        for one in running:
            one.kill()
            one.communicate()
