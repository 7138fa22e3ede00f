"""Names that may stand in a repository: safe branches, paths inside it, and globs over paths."""

from __future__ import annotations

import re

from finops_ai.domain.errors import Rejected

_KEY = re.compile(r"[a-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")


def check_key(key: str) -> str:
    """The key, if it can be a branch of any forge and shell. Raises Rejected."""
    if not _KEY.fullmatch(key) or ".." in key or key.endswith(".lock") or "/." in key or ".lock/" in key:
        raise Rejected(f"not a safe branch name: {key!r}")
    return key


def check_path(path: str) -> None:
    """Raises Rejected for a path that could leave the repository or reach into Git's own folder."""
    parts = path.split("/")
    if (
        not path
        or "\\" in path
        or "\0" in path
        or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    ):
        raise Rejected(f"not a path inside the repository: {path!r}")


def glob(pattern: str) -> re.Pattern[str]:
    """The pattern as an expression over whole paths; `**` spans folders."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(parts.get(token, re.escape(token)) for token in tokens), re.S)
