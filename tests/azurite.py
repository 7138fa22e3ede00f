"""A real Blob server on loopback: Azurite, Microsoft's emulator, which checks keys, signatures and conditions."""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig import need
from tests.seaweedfs import free_ports

START_SECONDS = 60
ACCOUNT = "finops"
KEY = base64.b64encode(b"a key for the tests of finops-ai, known to nobody else, 64 byte!").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobServer:
    host_url: str

    @property
    def endpoint_url(self) -> str:
        return f"{self.host_url}/{ACCOUNT}"

    @property
    def environ(self) -> dict[str, str]:
        return {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": KEY}

    @property
    def connection_string(self) -> str:
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint_url};"

    def client(self) -> Any:
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(self.connection_string, retry_total=0)


@contextmanager
def azurite(folder: Path) -> Iterator[BlobServer]:
    """Starts the server on a free port; stops it whatever happens."""
    program = need("azurite")
    (port,) = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        str(program), "--blobHost", "127.0.0.1", "--blobPort", str(port),
        "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environ)
        try:
            server = BlobServer(host_url=f"http://127.0.0.1:{port}")
            _await(server, process, folder / "log")
            yield server
        finally:
            process.kill()
            process.wait()


def _await(server: BlobServer, process: subprocess.Popen[bytes], log: Path) -> None:
    from azure.core.exceptions import AzureError

    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(AzureError):
            server.client().get_account_information()
            return
        time.sleep(0.1)
    raise RuntimeError(f"Azurite did not start: {log.read_text(errors='replace')[-2000:]}")
