"""The folder of a folder forge: one JSON, Markdown and patch file per pull request, numbered from 1."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finops_ai.domain.errors import Malformed, Problem, Rejected

_NEEDED = {"number", "key", "state", "draft", "title", "body", "base", "head", "blobs", "created_at"}


class Records:
    """Written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, number: int, suffix: str) -> Path:
        return self._folder / f"{number}.{suffix}"

    @property
    def overview(self) -> Path:
        return self._folder / "overview.txt"

    def newest(self, key: str) -> dict[str, Any] | None:
        return next((record for record in self.every() if record["key"] == key), None)

    def fresh(self, key: str, now: str) -> dict[str, Any]:
        number = next((record["number"] for record in self.every()), 0) + 1
        return {"number": number, "key": key, "state": "open", "closed_by": None, "comments": [], "created_at": now}

    def save(self, record: dict[str, Any], patch: str | None, now: str) -> dict[str, Any]:
        """Write the files of one pull request, the JSON last; nothing at all where nothing changed."""
        path = self.path(record["number"], "json")
        known = self._read(path) if path.exists() else {}
        record = {**record, "updated_at": known.get("updated_at", now)}
        if record == known:
            return record
        record["updated_at"] = now
        self._folder.mkdir(parents=True, exist_ok=True)
        if patch is not None:
            replaced(self.path(record["number"], "patch"), patch)
        replaced(self.path(record["number"], "md"), _markdown(record))
        replaced(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n", fresh=not known)
        return record

    def every(self) -> Iterator[dict[str, Any]]:
        numbered = [path for path in self._folder.glob("*.json") if path.stem.isdecimal()]
        return (self._read(path) for path in sorted(numbered, key=lambda path: -int(path.stem)))

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            missing = sorted(_NEEDED - record.keys())
            if missing:
                raise ValueError(f"{', '.join(missing)} missing")
            if record["state"] not in ("open", "merged", "closed"):
                raise ValueError(f"state is {record['state']!r}, not open, merged or closed")
            return {"closed_by": None, "comments": [], **record}
        except (ValueError, AttributeError, TypeError) as error:
            raise Malformed([Problem(file=str(path), message=f"not a pull request: {error}")]) from None


def replaced(path: Path, text: str, *, fresh: bool = False) -> None:
    """Put a whole file in place at once. Raises Rejected when a fresh one is there already: somebody else's."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8", newline="")
    if not fresh:
        part.replace(path)
        return
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise Rejected(f"{path} was written by another run") from None
    finally:
        part.unlink()


def _markdown(record: dict[str, Any]) -> str:
    draft = " (draft)" if record["draft"] else ""
    head = f"# {record['title']}\n\n`{record['key']}` into `{record['base']}`: {record['state']}{draft}\n"
    comments = "".join(f"\n---\n\n{comment['at']}\n\n{comment['text']}\n" for comment in record["comments"])
    return f"{head}\n{record['body']}\n{comments}"
