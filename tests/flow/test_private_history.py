"""Histories of private repositories: opened by a token, fetched from a day on, and told whole all the same."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from finops_ai.domain.errors import Unavailable
from tests.flow.test_nearby_changes import LABELS, MAY, made, manifest
from tests.git_hosts.repository import Repository, body_of

# Where a host says no, dulwich leaves the socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@contextmanager
def private(folder: Path) -> Iterator[tuple[Repository, str, list[tuple[str, str]]]]:
    """A repository behind `git http-backend` that only a token opens, its address, and what it was asked."""
    repository = Repository(root=folder, name="acme/infra", token="s3cret-of-the-reader")
    repository.build({"a.yaml": manifest("search", "clip", 1)})
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            content, where = body_of(self), urlsplit(self.path)
            asked.append((self.path, content.decode("latin-1")))
            if not repository.allows(self.headers.get("Authorization", "")):
                self.send_response(401)
                self.end_headers()
                return
            try:
                status, headers, answer = repository.serve(self, where.path, where.query, content)
            except subprocess.CalledProcessError:  # Git found nothing as new as was asked for
                status, headers, answer = 500, [], b""
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield repository, f"http://127.0.0.1:{server.server_port}/acme/infra.git", asked
        server.shutdown()
    gc.collect()  # here, where it is expected, and not in a later test


def at_day(repository: Repository, day: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_COMMITTER_DATE", "GIT_AUTHOR_DATE"):
        monkeypatch.setenv(name, f"{day}T12:00:00Z")
    repository.base_moves({"a.yaml": manifest("search", "clip", number)})


def test_a_private_repository_is_opened_by_a_token_and_only_what_is_new_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("s3cret-of-the-reader\n")
    (tmp_path / "wrong").write_text("something else\n")
    with private(tmp_path / "git") as (repository, url, asked):
        for number in range(2, 40):
            at_day(repository, f"2025-{number % 12 + 1:02}-02", number, monkeypatch)
        for day in ("2026-04-20", "2026-05-10", "2026-05-20"):
            at_day(repository, day, int(day[-2:]) + 100, monkeypatch)
        told: dict[str, Any] = {"repository": url, "paths": ("*.yaml",), "labels": LABELS}
        found = list(made("git", tmp_path, **told, token={"file": str(tmp_path / "token")}).changes(MAY))
        assert [one.at.date().day for one in found] == [20, 10]
        assert [one.places for one in found] == [
            ({"namespace": "search", "x_cost_center": "search", "x_ai_model": "clip"},)
        ] * 2
        fetches = [content for _, content in asked if "deepen" in content]
        assert len(fetches) == 1
        assert f"deepen-since {int(datetime(2026, 4, 1, tzinfo=UTC).timestamp())}" in fetches[0]
        assert all("s3cret" not in path + content for path, content in asked)
        for wrong in ({}, {"token": {"file": str(tmp_path / "wrong")}}):
            with pytest.raises(Unavailable, match="does not know who asks") as refused:
                list(made("git", tmp_path, **told, **wrong).changes(MAY))
            assert "something else" not in str(refused.value)


def test_a_change_whose_parent_is_old_is_told_by_what_it_changed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("s3cret-of-the-reader\n")
    with private(tmp_path / "git") as (repository, url, _):
        told: dict[str, Any] = {"repository": url, "token": {"file": str(tmp_path / "token")}, "labels": LABELS}
        monkeypatch.setenv("GIT_COMMITTER_DATE", "2025-01-02T12:00:00Z")
        repository.base_moves({f"other/{n}.yaml": manifest(f"team-{n}", "llama", 1) for n in range(5)})
        assert list(made("git", tmp_path, **told).changes(MAY)) == []
        at_day(repository, "2026-05-20", 7, monkeypatch)
        (one,) = made("git", tmp_path, **told).changes(MAY)
        assert one.places == ({"namespace": "search", "x_cost_center": "search", "x_ai_model": "clip"},)


def test_a_token_goes_by_http_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="http"):
        made("git", tmp_path, repository="ssh://git.example/infra", token={"env": "TOKEN"})
