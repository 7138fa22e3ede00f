"""A real S3 server on loopback (SeaweedFS from its wheel), and a TCP proxy that counts and cuts what it serves."""

from __future__ import annotations

import json
import re
import selectors
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    endpoint_url: str
    access_key: str
    secret_key: str

    @property
    def environ(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )


def weed() -> str | None:
    """The server's program: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@contextmanager
def seaweedfs(folder: Path) -> Iterator[S3Server]:
    """Starts a server that checks signatures, on free ports; stops it whatever happens."""
    access_key, secret_key = "finopsTestKey", "finopsTestSecret+/0123456789"
    identity = {"name": "finops", "credentials": [{"accessKey": access_key, "secretKey": secret_key}]}
    (folder / "data").mkdir(parents=True)
    (folder / "s3.json").write_text(
        json.dumps({"identities": [{**identity, "actions": ["Admin", "Read", "List", "Write"]}]})
    )
    roles = ("master", "volume", "filer", "s3")
    ports = dict(zip([f"{role}.port{kind}" for role in roles for kind in ("", ".grpc")], free_ports(8), strict=True))
    options = {
        **ports,
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.config": folder / "s3.json",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.iam": "false",
        "volume.max": 10,
        "master.volumeSizeLimitMB": 64,
        "master.telemetry": "false",
    }
    server = S3Server(endpoint_url=f"http://127.0.0.1:{ports['s3.port']}", access_key=access_key, secret_key=secret_key)
    command = [str(weed()), "server", "-s3", *(f"-{name}={value}" for name, value in options.items())]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={"HOME": str(folder)})
        try:
            _await(server, process, folder / "log")
            yield server
        finally:
            process.kill()  # nothing it holds outlives the test, and it takes ten seconds to say goodbye
            process.wait()


def _await(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until an object can be written: the first volume takes a few seconds longer than the port."""
    from botocore.exceptions import BotoCoreError, ClientError

    client, end = server.client(), time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(BotoCoreError, ClientError):
            with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="probe", Body=b"1")
            return
        time.sleep(0.2)
    raise RuntimeError(f"SeaweedFS did not start: {log.read_text(errors='replace')[-2000:]}")


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(sock.getsockname()[1]) for sock in sockets]


@dataclass(slots=True)
class Wire:
    """What passed the proxy. Each answer to a ranged read takes the next of `cuts` and ends after so many bytes.

    `read_bytes` counts what such answers brought, headers included. `listed` is added to the query of each listing of
    a container: pages grow short there, which servers make of thousands, where credentials do not sign the query.
    """

    url: str
    requests: list[str] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    listed: str = ""
    read_bytes: int = 0

    def count(self, method: str, path: str) -> int:
        return sum(line.startswith(f"{method} {path}") for line in self.requests)


@contextmanager
def proxy(endpoint_url: str) -> Iterator[Wire]:
    """Forwards TCP to `endpoint_url`, notes each request line, and cuts answers where told."""
    target = int(endpoint_url.rpartition(":")[2])
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    wire, ended, threads = Wire(url=f"http://127.0.0.1:{listener.getsockname()[1]}"), threading.Event(), []

    def forward(near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", target)) as far, selectors.DefaultSelector() as ready:
            for sock, other in ((near, far), (far, near)):
                ready.register(sock, selectors.EVENT_READ, other)
            left, reading = None, False
            while not ended.is_set():
                for event, _ in ready.select(0.05):
                    data = event.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    if event.fileobj is near:
                        lines = re.findall(rb"^(?:GET|HEAD|PUT|POST|DELETE) \S+", data, re.MULTILINE)
                        wire.requests += [line.decode() for line in lines]
                        reading = b"range:" in data.lower()
                        left = wire.cuts.pop(0) if reading and wire.cuts else None
                        data = re.sub(rb"^(GET \S+[?&]comp=list\S*)", rb"\1" + wire.listed.encode(), data)
                    elif left is not None:
                        data, left = data[:left], left - len(data)
                    event.data.sendall(data)
                    wire.read_bytes += len(data) if reading and event.fileobj is far else 0
                    if left is not None and left <= 0:
                        return

    def serve() -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                near, _ = listener.accept()
                threads.append(threading.Thread(target=lambda near=near: _quietly(forward, near)))
                threads[-1].start()

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield wire
    finally:
        ended.set()
        for thread in (server, *threads):
            thread.join()
        listener.close()


def _quietly(forward: Any, near: socket.socket) -> None:
    with suppress(OSError):
        forward(near)
