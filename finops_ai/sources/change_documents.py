"""Objects of a cluster as JSON: asked of an API, or read from recorded answers, lists and lines alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

ENDINGS = (".json", ".jsonl", ".ndjson")
LARGEST_BYTES = 256 << 20


def asked(world: World, url: str, token: SecretRef | None, timeout_seconds: float) -> Iterator[Mapping[str, Any]]:
    """The objects of one answer. Raises Unavailable or Rejected."""
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {world.secrets.get(token).get_secret_value()}"
    answer = world.http.request(
        "GET", url, idempotent=True, headers=headers, timeout_seconds=timeout_seconds, largest_bytes=LARGEST_BYTES
    )
    yield from _objects(answer.json())


def recorded(world: World, uri: str) -> Iterator[Mapping[str, Any]]:
    """The objects of every .json, .jsonl and .ndjson file there. Raises Malformed with file and line."""
    store = world.objects.store(uri)
    for info in store.list():
        if info.key.endswith(ENDINGS):
            text = store.fetch(info).read_text("utf-8", "replace")
            if info.key.endswith(".json"):
                yield from _objects(_parsed(text, info.uri, 1))
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip():
                    yield from _objects(_parsed(line, info.uri, number))


def instant(text: Any) -> datetime | None:
    """A timestamp as Kubernetes writes it; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def part(told: Any, *path: str) -> Any:
    """The value at a path of names; None where there is none."""
    for name in path:
        told = told.get(name) if isinstance(told, Mapping) else None
    return told


def text(told: Any, *path: str) -> str:
    """The text at a path of names, or nothing."""
    found = part(told, *path)
    return found if isinstance(found, str) else ""


def _objects(told: Any) -> Iterator[Mapping[str, Any]]:
    many = told.get("items") if isinstance(told, Mapping) and "items" in told else told
    if isinstance(many, list):
        yield from (one for one in many if isinstance(one, Mapping))
    elif isinstance(many, Mapping):
        yield many


def _parsed(text: str, file: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = line + getattr(error, "lineno", 1) - 1
        raise Malformed([Problem(file=file, line=where, message=f"is not JSON: {error}")]) from None
