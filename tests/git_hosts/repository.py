"""A bare repository behind `git http-backend`, with a token, and what people do to it with plain Git."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

WHO = ["-c", "user.name=Person", "-c", "user.email=person@example.com", "-c", "core.autocrlf=false"]


@dataclass
class Repository:
    """`root` holds OWNER/NAME.git; `person` is somebody's clone of it."""

    root: Path
    name: str
    token: str

    @property
    def bare(self) -> Path:
        return self.root / f"{self.name}.git"

    @property
    def person(self) -> Path:
        return self.root / "person"

    def build(self, files: dict[str, str]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=trunk", "person", cwd=self.root)
        self.write(files, "first")
        self.bare.parent.mkdir(parents=True, exist_ok=True)
        self.git("clone", "--quiet", "--bare", "person", str(self.bare), cwd=self.root)
        self.git("config", "http.receivepack", "true", cwd=self.bare)
        self.git("remote", "add", "origin", str(self.bare))

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["git", *WHO, *arguments], cwd=cwd or self.person, check=True, capture_output=True)
        return done.stdout.decode("utf-8", "replace").strip()

    def write(self, files: dict[str, str], message: str) -> None:
        for path, text in files.items():
            target = self.person / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode())
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", message)

    def base_moves(self, files: dict[str, str]) -> None:
        self.write(files, "the base moves")
        self.git("push", "--quiet", "origin", "trunk")

    def person_pushes(self, branch: str, files: dict[str, str]) -> str:
        """A commit by a person on top of the branch; its id."""
        self.git("fetch", "--quiet", "origin")
        self.git("checkout", "--quiet", "-B", "theirs", f"origin/{branch}")
        self.write(files, "mine")
        self.git("push", "--quiet", "origin", f"theirs:{branch}")
        made = self.git("rev-parse", "HEAD")
        self.git("checkout", "--quiet", "trunk")
        return made

    def merge(self, branch: str) -> str:
        self.git("fetch", "--quiet", "origin")
        self.git("checkout", "--quiet", "trunk")
        self.git("reset", "--quiet", "--hard", "origin/trunk")
        self.git("merge", "--quiet", "--no-ff", "--no-edit", f"origin/{branch}")
        self.git("push", "--quiet", "origin", "trunk")
        return self.git("rev-parse", "HEAD")

    def heads(self) -> dict[str, str]:
        lines = self.git("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads", cwd=self.bare)
        return dict(line.split() for line in lines.splitlines())

    def show(self, ref: str, path: str) -> str:
        return subprocess.run(
            ["git", "show", f"{ref}:{path}"], cwd=self.bare, check=True, capture_output=True
        ).stdout.decode()

    def allows(self, authorization: str) -> bool:
        kind, _, text = authorization.partition(" ")
        try:
            password = base64.b64decode(text, validate=True).decode().partition(":")[2]
        except ValueError:
            return False
        return kind == "Basic" and password == self.token

    def serve(
        self, request: BaseHTTPRequestHandler, path: str, query: str, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """One request as the CGI program of Git answers it."""
        told = request.headers
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": told.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": told.get("Content-Encoding", ""),
            "GIT_PROTOCOL": told.get("Git-Protocol", ""),
            "REMOTE_USER": "finops-bot",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environ, capture_output=True, check=True)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        return status, [(name, value) for name, value in headers if name != "Status"], rest


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """The body of a request, chunked or not."""
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
        return b"".join(_chunks(request))
    return request.rfile.read(int(request.headers.get("Content-Length") or 0))


def _chunks(request: BaseHTTPRequestHandler) -> Iterator[bytes]:
    while size := int(request.rfile.readline().split(b";")[0] or b"0", 16):
        yield request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
