"""A real Prometheus on loopback, filled with hours of history by its own promtool, and the samples to fill it with."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests import rig

START_SECONDS = 30
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample of a series; `at` in seconds since the epoch."""

    metric: str
    labels: Labels
    at: float
    value: float | str


def openmetrics(samples: Iterable[Sample]) -> str:
    """The text that promtool reads: series one after the other, each in order of time."""
    lines = [
        f"{one.metric}{{{','.join(f'{name}={_quoted(value)}' for name, value in one.labels.items())}}} "
        f"{one.value} {one.at:.3f}"
        for one in sorted(samples, key=lambda one: (one.metric, sorted(one.labels.items()), one.at))
    ]
    return "\n".join([*lines, "# EOF", ""])


@contextmanager
def prometheus(
    folder: Path, samples: Iterable[Sample] = (), *, scrape: str | None = None, options: Iterable[str] = ()
) -> Iterator[str]:
    """Starts a server that holds `samples` and scrapes the target `scrape` every second; its base URL.

    `options` are more command line flags. It is stopped whatever happens.
    """
    program, data = rig.need("prometheus"), folder / "data"
    data.mkdir(parents=True)
    text = openmetrics(samples)
    if text.count("\n") > 2:
        backfill(folder, text)
    targets = f"static_configs: [{{targets: ['{scrape}']}}]"
    job = f"  - {{job_name: replay, scrape_interval: 1s, honor_labels: true, {targets}}}"
    (folder / "prometheus.yml").write_text(f"scrape_configs:\n{job}\n" if scrape else "scrape_configs: []\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        str(program),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        *options,
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            _await(f"http://127.0.0.1:{port}", process, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def backfill(folder: Path, text: str) -> None:
    """History as blocks of the server's own format."""
    (folder / "history.om").write_text(text, encoding="utf-8")
    made = subprocess.run(
        [
            str(rig.need("promtool")),
            *("tsdb", "create-blocks-from", "openmetrics", "--quiet"),
            *("--max-block-duration", "720h"),
            *(str(folder / "history.om"), str(folder / "data")),
        ],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise RuntimeError(f"promtool: {made.stderr[-2000:]}")


def await_scrape(url: str, metric: str) -> None:
    """Until the server has scraped `metric`, which takes some seconds after its start."""
    query = urllib.parse.urlencode({"query": f'count({{__name__=~"{metric}"}})'})
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as answer:
            if json.load(answer)["data"]["result"]:
                return
        time.sleep(0.2)
    raise RuntimeError(f"Prometheus scraped no {metric} within {START_SECONDS} s")


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"Prometheus did not start: {log.read_text(errors='replace')[-2000:]}")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
